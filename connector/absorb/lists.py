"""Reading one paged list: ask for the pages that a walk decides on, again where they come garbled, until it ends."""

import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.absorb.bodies import Body, read_body
from connector.absorb.client import GARBLED_TRIES, AbsorbClient
from connector.absorb.dialects import Dialect, page_params
from connector.absorb.pieces import Pieces, joined
from connector.absorb.walk.pages import Ask, Done, Incomplete, Page
from connector.absorb.walk.walk import Walk
from connector.errors import BadRequestError, IncompleteError, UnreadablePageError
from connector.http.answers import Answer
from connector.http.session import QueryParams
from connector.settings import variable
from connector.times import is_plausible, parse_http_date, utc_now

log = logging.getLogger(__name__)

# Where each list lives; {scope} is a course id (docs/facts/absorb.md section 1, operation 2, and section 6).
LIST_PATHS = {
    "departments": "/departments",
    "users": "/users",
    "courses": "/courses",
    "enrollments": "/courses/{scope}/enrollments",
}
MOST_PAGES = 20_000  # of one list, where no setting says it
_LONGER = f"If the list really is that long, raise {variable('limits', 'list_pages')}."


@dataclass(frozen=True, slots=True)
class Served:
    """One page: what it says, as the answer that served it or as several smaller ones, and what the walk needs of it.

    `asked_at` is when it was asked for by the portal's clock, a second early: whole seconds are all the clock shows.
    """

    bodies: Sequence[Body]
    page: Page
    asked_at: datetime

    @property
    def whole(self) -> bool:
        """False where a row may have been received in part only: nothing may be claimed of the list then."""
        return all(body.whole for body in self.bodies)


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
    most_pages: int = MOST_PAGES,
) -> AsyncIterator[Served]:
    """Each page that the walk asks for, its rows under `collection`; the walk has taken a page when it is yielded.

    How lists of this `kind` are asked for changes is in `client.dialects`; a refusal may change it, and the walk begins
    anew then. Raises IncompleteError with `name` and `remedy` when the answers leave a gap that the walk cannot close
    or `most_pages` were served without an end, NotFoundError for a deleted course, ProtocolError for a body that is no
    page, BadRequestError for another refusal.
    """

    async def page(ask: Ask, dialect: Dialect) -> Served:
        return await read_page(client, path, collection, ask, query=query, dialect=dialect)

    dialects, served_pages = client.dialects, 0
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
        step, served_pages = walk.feed(served.page), served_pages + 1
        yield served
        if isinstance(step, Incomplete):
            raise IncompleteError(f"{name}: {step.reason}.", remedy=remedy)
        if isinstance(step, Ask) and served_pages >= most_pages:
            raise IncompleteError(f"{name}: no end after {most_pages:,} pages.", remedy=f"{remedy} {_LONGER}")


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
    """One page; where it is no JSON, in smaller pages. Raises NotFoundError for a deleted course, ProtocolError."""
    began, source = time.monotonic(), _Source(client, path, collection, query, dialect)
    try:
        bodies = [await source.body(ask)]
        if bodies[0].rejects:
            # Garbled on the way, or so in the portal? A second answer tells.
            again = await source.body(ask)
            bodies = [min(bodies[0], again, key=lambda body: len(body.rejects))]
    except UnreadablePageError as failure:
        bodies = await _smaller(source, ask, failure)
    return Served(bodies, joined(bodies), source.clock - timedelta(seconds=1 + time.monotonic() - began))


async def _smaller(source: "_Source", ask: Ask, failure: UnreadablePageError) -> list[Body]:
    log.warning("%s: %s It is asked for in smaller pages.", source.path, failure)
    try:
        return await Pieces(source.body, source.collection, source.path).of(ask, failure)
    except BadRequestError:
        raise failure from None


@dataclass(slots=True)
class _Source:
    """Where pages of one list come from; `clock` is the portal's, as of the last answer."""

    client: AbsorbClient
    path: str
    collection: str
    query: QueryParams | None
    dialect: Dialect
    clock: datetime = field(default_factory=utc_now)

    async def body(self, ask: Ask, tries: int = GARBLED_TRIES) -> Body:
        params = page_params(ask, self.dialect, self.query)
        answer, body = await self.client.read(self.path, self._parse, params, tries)
        shown = parse_http_date(answer.headers.get("date"))
        self.clock = shown if shown and is_plausible(shown) else utc_now()
        return body

    def _parse(self, answer: Answer) -> tuple[Answer, Body]:
        return answer, read_body(answer, self.collection)
