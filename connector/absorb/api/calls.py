"""How every operation is asked: path filled in, query cleaned, answer parsed, a write never sent twice by accident."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any, TypedDict, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from connector.absorb.client import AbsorbClient
from connector.absorb.faults import READER
from connector.absorb.lists import Served, read_list
from connector.absorb.walk.pages import MAX_LIMIT
from connector.absorb.walk.walk import Walk
from connector.errors import LimitError, ProtocolError, ServerFaultError, UnreachableError
from connector.http.answers import Answer, first_complaint
from connector.http.session import QueryParams
from connector.streams.rows import AbsorbRow
from connector.times import to_absorb

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=AbsorbRow)

_SET_ASIDE = "Correct the row in the portal, or read the list with `learnsync pull`, which sets such rows aside."

Id = UUID | str


class Narrow(TypedDict, total=False):
    """The two parameters that most reads take; `modified_since` is exclusive (docs/facts/absorb.md section 4)."""

    status: int | None
    modified_since: datetime | None


class Listing(Narrow, total=False):
    """The parameters of paged lists; `where` is an OData `_filter`."""

    where: str | None


def guid(value: Id, name: str) -> str:
    """A canonical lower-case GUID. Raises ValueError: a path must never be built from anything else."""
    try:
        return str(value if isinstance(value, UUID) else UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{name} must be a GUID, not {value!r}") from None


class Operations:
    """Operations under one heading of the vendor's page.

    Of each, `path` names its ids as the vendor does, and keyword arguments fill them in: user=… is {userId}.
    """

    def __init__(self, client: AbsorbClient, page_size: int = MAX_LIMIT) -> None:
        self._client = client
        self._page_size = page_size

    async def _get(self, path: str, model: type[M], narrow: Narrow | None = None, **ids: Id) -> M:
        """The object that a GET answers with. Raises NotFoundError, BadRequestError, ProtocolError."""
        return _object(await self._client.call("GET", _filled(path, ids), params=_query(**narrow or {})), model)

    async def _rows(self, path: str, query: QueryParams, **ids: Id) -> list[dict[str, Any]]:
        """The objects of a GET that answers with a plain array, as received."""
        answer = await self._client.call("GET", _filled(path, ids), params=query)
        found = READER.array(answer) if answer.body else []
        if not all(isinstance(row, dict) for row in found):
            raise READER.error(answer, "the array holds something that is no object")
        return cast(list[dict[str, Any]], found)

    async def _many(self, path: str, model: type[M], narrow: Narrow, **ids: Id) -> list[M]:
        """The same, each as `model`. Raises ProtocolError for a row that does not fit."""
        return [as_model(model, row, path) for row in await self._rows(path, _query(**narrow), **ids)]

    async def _write(
        self, method: str, path: str, model: type[M], query: QueryParams | None = None, body: Any = None, **ids: Id
    ) -> M:
        """What a write answers with. Never repeated: a second enrollment may re-enroll, a second un-enrollment 404."""
        params = cleaned(query or {})
        try:
            answer = await self._client.call(method, _filled(path, ids), params=params, json=body, repeatable=False)
        except (UnreachableError, ServerFaultError, LimitError) as failure:
            failure.remedy = "The portal may have carried it out all the same: look before you send it again."
            raise
        return _object(answer, model)

    async def _list(self, template: str, model: type[R], listing: Listing, **ids: Id) -> AsyncIterator[R]:
        """Every row of a paged list, by the walk that skips nothing while rows move (connector/absorb/walk).

        A row that is edited meanwhile comes again in its newer version. Raises IncompleteError when the portal's
        answers leave a gap that the walk cannot close.
        """
        path, collection = _filled(template, ids), model.collection
        since, query = _listed(**listing)
        walk, name, remedy = Walk(since, self._page_size), f"GET {path}", "Read the list again."
        pages = read_list(self._client, walk, path, collection, kind=template, name=name, remedy=remedy, query=query)
        seen: set[tuple[object, object]] = set()
        async for served in pages:
            for row in _rows_of(served, template, collection):
                found = as_model(model, row, template)
                version = (found.id, row.get("dateEdited"))
                if version not in seen:
                    seen.add(version)
                    yield found


def _rows_of(served: Served, path: str, collection: str) -> Iterator[Any]:
    """The rows of a page. Raises ProtocolError where one of them cannot be read."""
    for body in served.bodies:
        for reject in body.rejects:
            raise ProtocolError(f"GET {path} served row {reject.source_id} that {reject.reason}.", remedy=_SET_ASIDE)
        yield from from_json(body.landed)[collection]


def _filled(path: str, ids: Mapping[str, Id]) -> str:
    return path.format_map({f"{name}Id": guid(value, f"{name} id") for name, value in ids.items()})


def cleaned(query: QueryParams) -> QueryParams:
    """Without what was not asked for; an empty `status=` is not the same as none."""
    return {name: value for name, value in query.items() if value is not None and value is not False}


def _query(*, status: int | None = None, modified_since: datetime | None = None) -> QueryParams:
    return cleaned({"status": status, "modifiedSince": to_absorb(modified_since) if modified_since else None})


def _listed(
    *, status: int | None = None, modified_since: datetime | None = None, where: str | None = None
) -> tuple[datetime | None, QueryParams]:
    """The instant that a walk begins at, and the query of each of its pages."""
    return modified_since, cleaned({"status": status, "_filter": where})


def _object(answer: Answer, model: type[M]) -> M:
    return READER.model(answer, model, READER.object(answer) if answer.body else {})


def as_model(model: type[M], row: object, path: str) -> M:
    """A row of the list at `path` as `model`. Raises ProtocolError, which names the row and shows no values."""
    try:
        return model.model_validate(row)
    except ValidationError as failure:
        name = row.get("id") if isinstance(row, dict) else None
        raise ProtocolError(
            f"GET {path} served row {name!s} that does not fit {model.__name__}: {first_complaint(failure)}.",
            remedy=_SET_ASIDE,
        ) from None
