"""Reading one paged list: ask for the pages that a walk decides on, again where they come garbled, until it ends."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from connector.absorb.client import AbsorbClient
from connector.absorb.dialects import Dialect, page_params
from connector.absorb.walk.pages import Ask, Done, Incomplete, Page
from connector.absorb.walk.walk import Walk
from connector.errors import BadRequestError, IncompleteError
from connector.http.answers import Answer, Reader
from connector.http.session import QueryParams
from connector.times import parse_http_date, parse_instant, utc_now

log = logging.getLogger(__name__)

# Where each list lives; {scope} is a course id (docs/facts/absorb.md section 1, operation 2, and section 6).
LIST_PATHS = {
    "departments": "/departments",
    "users": "/users",
    "courses": "/courses",
    "enrollments": "/courses/{scope}/enrollments",
}
_PAGES = Reader(
    "answered {status} with something that is not a page: {why} ({start!r})",
    "Check LEARNSYNC_ABSORB__BASE_URL and any proxy between; then run again.",
)


@dataclass(frozen=True, slots=True)
class Served:
    """One page: the answer as received and what the walk needs of it.

    `asked_at` is when it was asked for by the portal's clock, a second early: whole seconds are all the clock shows.
    """

    answer: Answer
    page: Page
    asked_at: datetime


async def read_list(
    client: AbsorbClient,
    walk: Walk,
    path: str,
    collection: str,
    *,
    kind: str,
    name: str,
    remedy: str,
    query: QueryParams | None = None,
) -> AsyncIterator[Served]:
    """Each page that the walk asks for, its rows under `collection`; the walk has taken a page when it is yielded.

    How lists of this `kind` are asked for changes is in `client.dialects`; a refusal may change it, and the walk begins
    anew then. Raises IncompleteError with `name` and `remedy` when the answers leave a gap that the walk cannot close,
    NotFoundError for a deleted course, ProtocolError for a body that is no page, BadRequestError for another refusal.
    """

    async def page(ask: Ask, dialect: Dialect) -> Served:
        return await read_page(client, path, collection, ask, query=query, dialect=dialect)

    dialects = client.dialects
    dialect = dialects.of(kind)
    step: Ask | Done | Incomplete = walk.next if dialect is Dialect.MODIFIED_SINCE else walk.restart(dialect.grain)
    while isinstance(step, Ask):
        try:
            served = await page(step, dialect)
        except BadRequestError as refusal:
            found = await dialects.after_refusal(kind, dialect, step, refusal, page)
            step = _instead(walk, refusal, name) if found is None else walk.restart(found.grain)
            dialect = found or dialect
            continue
        step = walk.feed(served.page)
        yield served
    if isinstance(step, Incomplete):
        raise IncompleteError(f"{name}: {step.reason}.", remedy=remedy)


def _instead(walk: Walk, refusal: BadRequestError, name: str) -> Ask:
    """What the walk asks in place of what was refused. Raises the refusal where nothing is left."""
    refused, again = walk.next, walk.refuse() if refusal.status == 422 else None
    if again is None:
        raise refusal
    log.info("%s: the portal refuses %s; asking %s", name, refused, again)
    return again


async def read_page(
    client: AbsorbClient,
    path: str,
    collection: str,
    ask: Ask,
    *,
    query: QueryParams | None = None,
    dialect: Dialect = Dialect.MODIFIED_SINCE,
) -> Served:
    """One page. Raises NotFoundError for a deleted course, ProtocolError for a body that is no page."""
    began = time.monotonic()
    params = page_params(ask, dialect, query)
    answer, page = await client.read(path, lambda answer: (answer, parse_page(answer, collection)), params)
    clock = parse_http_date(answer.headers.get("date")) or utc_now()
    return Served(answer, page, clock - timedelta(seconds=1 + time.monotonic() - began))


@cache
def _slim(collection: str) -> TypeAdapter[Any]:
    """A parser that keeps of a page only what the walk needs: twice as fast as building every row in Python."""
    row: Any = TypedDict("row", {"id": str, "dateEdited": str})
    page: Any = TypedDict("page", {"totalItems": int, "limit": int, collection: list[row]})  # type: ignore[misc]
    return TypeAdapter(page)


def parse_page(answer: Answer, collection: str) -> Page:
    """What the walk needs of a page body. Raises ProtocolError when it is not the documented envelope."""
    try:
        document = _slim(collection).validate_json(answer.body, strict=True)
    except ValidationError:
        document = _odd_page(answer, collection)
    rows = document[collection]
    ids = [row["id"].lower() if isinstance(row.get("id"), str) else None for row in rows]
    edited = [_moment(row.get("dateEdited")) for row in rows]
    return Page(ids, edited, _count(document.get("totalItems")), _count(document.get("limit")))


def _odd_page(answer: Answer, collection: str) -> dict[str, Any]:
    """A page with rows or envelope out of the ordinary. Raises ProtocolError for what is no page at all."""
    document = _PAGES.document(answer)
    rows = document.get(collection) if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise _PAGES.error(answer, f"there is no list {collection!r}")
    return {**document, collection: [row if isinstance(row, dict) else {} for row in rows]}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _moment(value: object) -> datetime | None:
    """dateEdited for paging decisions: fast, lenient; loading judges the value strictly later."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        with suppress(ValueError):
            return parse_instant(value)
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
