"""How every operation is asked: path filled in, query cleaned, answer parsed, a write never sent twice by accident."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError

from connector.absorb.client import AbsorbClient
from connector.absorb.faults import READER
from connector.absorb.lists import read_list
from connector.absorb.walk.pages import MAX_LIMIT
from connector.absorb.walk.walk import Walk
from connector.errors import ProtocolError, ServerFaultError, UnreachableError
from connector.http.answers import Answer, first_complaint
from connector.http.session import QueryParams
from connector.streams.rows import AbsorbRow

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=AbsorbRow)

GuidLike = UUID | str
Ids = Mapping[str, str]
Query = Mapping[str, Any]


def guid(value: GuidLike, name: str) -> str:
    """A canonical lower-case GUID. Raises ValueError: a path must never be built from anything else."""
    try:
        return str(value if isinstance(value, UUID) else UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{name} must be a GUID, not {value!r}") from None


class Calls:
    """The one way in which the operation groups talk to a portal."""

    def __init__(self, client: AbsorbClient, page_size: int = MAX_LIMIT) -> None:
        self._client = client
        self._page_size = page_size

    async def one(
        self,
        method: str,
        path: str,
        model: type[M],
        ids: Ids | None = None,
        *,
        query: Query | None = None,
        body: Any = None,
    ) -> M:
        """An operation that answers with one object. Raises NotFoundError, BadRequestError, ProtocolError.

        `path` has its ids as {names}; `ids` fills them in.
        """
        answer = await self._ask(method, path.format_map(ids or {}), query or {}, body)
        return READER.model(answer, model, READER.object(answer) if answer.body else {})

    async def rows(self, path: str, ids: Ids | None = None, *, query: Query | None = None) -> list[dict[str, Any]]:
        """The objects of a GET that answers with a plain array, as received."""
        answer = await self._ask("GET", path.format_map(ids or {}), query or {}, None)
        found = READER.array(answer) if answer.body else []
        if not all(isinstance(row, dict) for row in found):
            raise READER.error(answer, "the array holds something that is no object")
        return cast(list[dict[str, Any]], found)

    async def many(self, path: str, model: type[M], ids: Ids | None = None, *, query: Query | None = None) -> list[M]:
        """The same, each as `model`. Raises ProtocolError for a row that does not fit."""
        return self.read(path, model, await self.rows(path, ids, query=query))

    @staticmethod
    def read(path: str, model: type[M], rows: Iterable[Mapping[str, Any]]) -> list[M]:
        """Rows as `model`."""
        return [_row(model, row, path) for row in rows]

    async def walk(
        self,
        template: str,
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
        path, collection = template.format_map(ids or {}), model.collection
        walk, name, params = Walk(since, self._page_size), f"GET {path}", _clean(query or {})
        pages = read_list(self._client, walk, path, collection, name=name, remedy="Read the list again.", query=params)
        seen: set[tuple[object, object]] = set()
        async for served in pages:
            for row in served.answer.json()[collection]:
                found = _row(model, row, template)
                version = (found.id, row.get("dateEdited"))
                if version not in seen:
                    seen.add(version)
                    yield found

    async def _ask(self, method: str, path: str, query: Query, body: Any) -> Answer:
        params = _clean(query)
        if method == "GET":
            return await self._client.call(method, path, params=params, json=body)
        # No write is repeated: a second enrollment may re-enroll, a second un-enrollment answers 404.
        try:
            return await self._client.call(method, path, params=params, json=body, repeatable=False)
        except (UnreachableError, ServerFaultError) as failure:
            failure.remedy = "The portal may have carried it out all the same: look before you send it again."
            raise


def _clean(query: Query) -> QueryParams:
    """Without what was not asked for; an empty `status=` is not the same as none."""
    return {name: value for name, value in query.items() if value is not None and value is not False}


def _row(model: type[M], row: object, path: str) -> M:
    try:
        return model.model_validate(row)
    except ValidationError as failure:
        name = row.get("id") if isinstance(row, dict) else None
        raise ProtocolError(
            f"GET {path} served row {name!s} that does not fit {model.__name__}: {first_complaint(failure)}.",
            remedy="Correct the row in the portal, or read the list with `learnsync pull`, which sets such rows aside.",
        ) from None
