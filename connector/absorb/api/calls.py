"""How every operation is asked: path filled in, query cleaned, answer parsed, a write never sent twice by accident."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError

from connector.absorb.api.operations import BY_NAME, Operation
from connector.absorb.client import AbsorbClient
from connector.absorb.lists import read_list
from connector.absorb.walk.pages import MAX_LIMIT
from connector.absorb.walk.walk import Walk
from connector.errors import ProtocolError, ServerFaultError, UnreachableError
from connector.http.answers import Answer
from connector.http.session import QueryParams
from connector.streams.rows import AbsorbRow
from connector.times import to_absorb

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=AbsorbRow)

GuidLike = UUID | str
Ids = Mapping[str, GuidLike]
Query = Mapping[str, Any]


def guid(value: GuidLike, name: str) -> str:
    """A canonical lower-case GUID. Raises ValueError: a path must never be built from anything else."""
    try:
        return str(value if isinstance(value, UUID) else UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{name} must be a GUID, not {value!r}") from None


def narrowed(status: int | None, modified_since: datetime | None) -> Query:
    """The two parameters that most reads take; `modifiedSince` is exclusive (docs/facts/absorb.md section 4)."""
    return {"status": status, "modifiedSince": None if modified_since is None else to_absorb(modified_since)}


class Calls:
    """The one way in which the operation groups talk to a portal."""

    def __init__(self, client: AbsorbClient, page_size: int = MAX_LIMIT) -> None:
        self._client = client
        self._page_size = page_size

    async def one(
        self, name: str, model: type[M], ids: Ids | None = None, *, query: Query | None = None, body: Any = None
    ) -> M:
        """An operation that answers with one object. Raises NotFoundError, BadRequestError, ProtocolError."""
        answer = await self._ask(BY_NAME[name], ids or {}, query or {}, body)
        return _parsed(model, _document(answer, dict), answer)

    async def rows(self, name: str, ids: Ids | None = None, *, query: Query | None = None) -> list[dict[str, Any]]:
        """The objects of an operation that answers with a plain array, as received."""
        answer = await self._ask(BY_NAME[name], ids or {}, query or {}, None)
        found = _document(answer, list)
        if not all(isinstance(row, dict) for row in found):
            raise _unexpected(answer, "the array holds something that is no object")
        return cast(list[dict[str, Any]], found)

    async def many(self, name: str, model: type[M], ids: Ids | None = None, *, query: Query | None = None) -> list[M]:
        """The same, each as `model`. Raises ProtocolError for a row that does not fit."""
        return self.read(name, model, await self.rows(name, ids, query=query))

    @staticmethod
    def read(name: str, model: type[M], rows: Iterable[Mapping[str, Any]]) -> list[M]:
        """Rows as `model`."""
        return [_row(model, row, BY_NAME[name]) for row in rows]

    async def walk(
        self,
        name: str,
        model: type[R],
        ids: Ids | None = None,
        *,
        since: datetime | None = None,
        query: Query | None = None,
    ) -> AsyncIterator[R]:
        """Every row of a paged list, by the walk that skips nothing while rows move (connector/absorb/walk).

        A row that is edited meanwhile comes again in its newer version. Raises IncompleteError when the portal's
        answers leave a gap that the walk cannot close.
        """
        operation = BY_NAME[name]
        path, collection = _path(operation, ids or {}), str(operation.paged)
        walk, name, query = Walk(since, self._page_size), f"GET {path}", _clean(query or {})
        pages = read_list(self._client, walk, path, collection, name=name, remedy="Read the list again.", query=query)
        seen: set[tuple[object, object]] = set()
        async for served in pages:
            for row in served.answer.json()[collection]:
                found = _row(model, row, operation)
                version = (found.id, row.get("dateEdited"))
                if version not in seen:
                    seen.add(version)
                    yield found

    async def _ask(self, operation: Operation, ids: Ids, query: Query, body: Any) -> Answer:
        path, params = _path(operation, ids), _clean(query)
        if operation.repeatable:
            return await self._client.call(operation.method, path, params=params, json=body)
        try:
            return await self._client.call(operation.method, path, params=params, json=body, repeatable=False)
        except (UnreachableError, ServerFaultError) as failure:
            failure.remedy = "The portal may have carried it out all the same: look before you send it again."
            raise


def _path(operation: Operation, ids: Ids) -> str:
    return operation.path.format(**{name: guid(ids[name], name) for name in operation.path_parameters})


def _clean(query: Query) -> QueryParams:
    """Without what was not asked for; an empty `status=` is not the same as none."""
    return {name: value for name, value in query.items() if value is not None and value is not False}


def _document(answer: Answer, kind: type) -> Any:
    if not answer.body:
        return kind()
    try:
        document = answer.json()
    except ValueError:
        raise _unexpected(answer, "the body is not JSON") from None
    if not isinstance(document, kind):
        raise _unexpected(answer, f"a JSON {'object' if kind is dict else 'array'} was due")
    return document


def _parsed(model: type[M], document: object, answer: Answer) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as failure:
        raise _unexpected(answer, _first(failure)) from None


def _row(model: type[M], row: object, operation: Operation) -> M:
    try:
        return model.model_validate(row)
    except ValidationError as failure:
        name = row.get("id") if isinstance(row, dict) else None
        raise ProtocolError(
            f"{operation.method} {operation.path} served row {name!s} that does not fit {model.__name__}:"
            f" {_first(failure)}.",
            remedy="Correct the row in the portal, or read the list with `learnsync pull`, which sets such rows aside.",
        ) from None


def _first(failure: ValidationError) -> str:
    """The first complaint, without the value it is about: that may be personal."""
    found = failure.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in found['loc'])}: {found['msg']}"


def _unexpected(answer: Answer, why: str) -> ProtocolError:
    return ProtocolError(
        f"{answer.method} {answer.path} answered {answer.status} with something unexpected: {why}.",
        remedy="Check LEARNSYNC_ABSORB__BASE_URL and any proxy between.",
        status=answer.status,
        body=answer.text,
    )
