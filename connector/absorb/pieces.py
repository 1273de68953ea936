"""A page that is no JSON at all, asked for in smaller pages until the rows that make it so stand alone.

`_offset` counts pages and rows move while we read, so smaller pages are no snapshot by themselves: they are read twice,
and count only when both readings hold the same rows at the same positions. What was so before the second reading and
after the first was so in between: that is one answer, as the walk needs it (connector/absorb/walk).
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from connector.absorb.bodies import Body, lost_row
from connector.absorb.walk.pages import MAX_OFFSET, Ask, Page
from connector.errors import UnreadablePageError

MOST_LOST = 5  # rows of one page; where more of them cannot be read, the portal is at fault rather than rows
MOST_READINGS = 5
TRIES = 3  # of a page of one row; each larger one is asked for once

Read = Callable[[Ask, int], Awaitable[Body]]


@dataclass(frozen=True, slots=True)
class _Piece:
    ask: Ask
    body: Body

    @property
    def rows(self) -> tuple[object, ...]:
        """What two readings are compared by. Not the total: a list may grow behind the page."""
        return self.ask, list(self.body.page.ids), list(self.body.page.edited)


@dataclass(frozen=True, slots=True)
class Pieces:
    """Reads pages of one list in smaller ones. `read` asks for a page so many times before it counts as unreadable."""

    read: Read
    collection: str
    path: str

    async def of(self, ask: Ask, failure: UnreadablePageError) -> list[Body]:
        """The bodies that together are the page `ask`, in order.

        Raises `failure`, with which the page itself was met, where the list does not stand still for two readings,
        or too many rows cannot be read.
        """
        before = await self._collect(_blocks(ask), failure)
        for _ in range(MOST_READINGS):
            now = await self._collect([piece.ask for piece in before], failure)
            if [piece.rows for piece in before] == [piece.rows for piece in now]:
                return [piece.body for piece in now]
            before = now
        raise failure

    async def _collect(self, asks: Sequence[Ask], failure: UnreadablePageError) -> list[_Piece]:
        waiting, found = deque(asks), list[_Piece]()
        while waiting:
            ask = waiting.popleft()
            try:
                body = await self.read(ask, TRIES if ask.limit == 1 else 1)
            except UnreadablePageError as unread:
                if ask.limit > 1:
                    waiting.extendleft(reversed(_halves(ask)))
                    continue
                body = lost_row(unread, self.collection, f"{self.path} {ask.offset}")
            found.append(_Piece(ask, body))
            lost = sum(not piece.body.whole for piece in found)
            if lost > MOST_LOST or ask.offset > MAX_OFFSET or _is_capped(ask, body.page):
                raise failure
            if len(body.page.ids) < ask.limit:
                break
        return found


def joined(bodies: Sequence[Body]) -> Page:
    """The rows of pages that follow one another as one page."""
    pages = [body.page for body in bodies]
    ids = [row_id for page in pages for row_id in page.ids]
    edited = [moment for page in pages for moment in page.edited]
    total = next((page.total for page in pages if page.total is not None), None)
    return Page(ids, edited, total, pages[0].limit if len(pages) == 1 else None)


def _is_capped(ask: Ask, page: Page) -> bool:
    """True when the portal serves smaller pages than asked for: where the next one begins is anybody's guess."""
    served = len(page.ids)
    return served < ask.limit and ask.start + served < (page.total or 0)


def _blocks(ask: Ask) -> list[Ask]:
    """Pages that together are the page `ask`: of sizes that divide their starts, since `_offset` counts pages."""
    start, end, found = ask.start, ask.start + ask.limit, list[Ask]()
    while start < end:
        size = start & -start or 1 << (ask.limit.bit_length() - 1)
        while start + size > end:
            size //= 2
        found.append(replace(ask, limit=size, offset=start // size))
        start += size
    return found


def _halves(ask: Ask) -> tuple[Ask, Ask]:
    size, number = ask.limit // 2, ask.offset * 2
    return replace(ask, limit=size, offset=number), replace(ask, limit=size, offset=number + 1)
