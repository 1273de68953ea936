"""The walk over one paged Absorb list: which page to ask for next, decided from the pages so far. No I/O, no clock.

Why not simply `_offset` 0, 1, 2 …: the order moves while we read. In a list sorted by dateEdited an edited row jumps to
the end and every later row slides left, across page borders we have passed: rows are skipped for good
(docs/facts/absorb.md section 4a). So the walk pages by key (keyset.py), and falls back only as far as it must.
At the end of such a walk the list is counted once more: if it has more rows than were met, the order was not what it
seemed. Overlapping pages (overlap.py) serve what is left: more equal dateEdited than one answer holds, a portal that
ignores `_sort` or `modifiedSince`, totals that leave a gap. If the passes never agree: Incomplete, and no watermark
moves.

A list ends where a page is not full. A total alone never ends one: it may be too small.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from connector.absorb.walk.keyset import Keyset
from connector.absorb.walk.overlap import Overlap
from connector.absorb.walk.pages import (
    MAX_LIMIT,
    MAX_PASSES,
    MILLISECOND,
    Ask,
    Done,
    Held,
    Incomplete,
    Page,
    State,
    Turn,
)
from connector.times import floor_to

PATIENCE = 10  # pages asked for per page of the list, before a walk is called endless
# So many pages in a row, and rows on them, none of them new to the pass: the list repeats itself without an end.
MOST_REPEATED_PAGES = 10
MOST_REPEATED_ROWS = 2 * MAX_LIMIT


class Walk:
    """One walk. `next` is the page to ask for; `feed` takes it and returns the next step; `high` as in Done.

    `state` tells what the answers showed of the portal, and how many passes it took.
    """

    def __init__(self, since: datetime | None, limit: int, largest: int = MAX_LIMIT) -> None:
        """Rows modified after `since`, `limit` a page; one answer may hold `largest` where `limit` is not enough."""
        self.state = State(since, limit, max(largest, limit))
        self._asked = 0
        self._repeated: list[int] = []  # rows of each page since the last one with a row new to its pass
        self._longest = 0
        self.high: datetime | None = None
        self._overlap: Overlap | None = None
        self._begin(MILLISECOND)

    def restart(self, grain: timedelta | None) -> Ask:
        """From the beginning, by a portal that is asked with instants of this grain; None: one that takes no instant.

        Then the whole list is read, by overlapping pages.
        """
        if grain is None:
            self.state.since = None
        self._begin(grain or self.state.grain, keyed=grain is not None)
        return self.next

    def _begin(self, grain: timedelta, *, keyed: bool = True) -> None:
        since = self.state.since
        self.state = replace(self.state, since=since and floor_to(since, grain), grain=grain, held=Held())
        self._keyset = Keyset(self.state)
        # Pages by key are proof only where the order may be asked for.
        self._overlap = None if keyed and self.state.sort else Overlap(self.state, self.state.since)
        # All rows met on the way by key, to compare with a count at the end; one without an id each time it is met.
        self._met: set[object] = set()
        self._counted: int | None = None  # rows of the whole list, once they were counted
        # What takes the next page, when it was asked for to settle something.
        self._question: Callable[[Ask, Page], Ask | Done | Incomplete] | None = None
        self.next = (self._overlap or self._keyset).begin()

    @property
    def overlapping(self) -> bool:
        """True while the walk asks for overlapping pages: it no longer pages by key."""
        return self._overlap is not None

    @property
    def verified(self) -> datetime | None:
        """Every row edited up to here was in the pages fed so far; None while nothing of the kind can be said."""
        return self._keyset.verified

    def refuse(self) -> Ask | None:
        """The portal refused (422) what `next` asks: what to ask instead, or None when nothing is left to leave out."""
        state = self.state
        if self.next.limit > state.limit:
            state.take_cap(state.limit)
            self.next = state.ask(self.next.modified_since, state.limit)
        elif state.sort:
            state.sort = False
            self.next = self._doubt()
        else:
            return None
        return self.next

    def feed(self, page: Page) -> Ask | Done | Incomplete:
        """Take the page that `next` asked for; return what to do now."""
        step = self._take(self.next, page)
        if isinstance(step, Ask):
            self.next = step
        return step

    def _take(self, ask: Ask, page: Page) -> Ask | Done | Incomplete:
        state = self.state
        if self._is_endless(ask, page):
            return Incomplete("the list kept moving for longer than a walk may take")
        if not self._overlap and page.breaks_promise(ask):
            return self._doubt()
        if self._question:
            return self._question(ask, page)
        if self._overlap and not self._follows(ask, page):
            return self._overlap.back_up(ask)
        state.held.add(ask, page)
        if not self._overlap or self._overlap.since != state.since:
            self._met.update(object() if row_id is None else row_id for row_id in page.ids)
        if page.limit is not None and 0 < page.limit < ask.limit:
            state.take_cap(page.limit)
        short = page.is_short(ask)
        if short and page.ids and not state.total_disagrees and ask.start + len(page.ids) < (page.total or 0):
            return self._probe(ask, page)
        return self._step(ask, page, short)

    def _is_endless(self, ask: Ask, page: Page) -> bool:
        """Take note of the page; True when more pages were asked for than any list of this length can need."""
        self._asked += 1
        moments = [self.high, *page.edited]
        self.high = max((moment for moment in moments if moment is not None), default=None)
        self._longest = max(self._longest, page.total or 0, ask.start + len(page.ids))
        return self._asked > PATIENCE * (1 + math.ceil(self._longest / self.state.limit)) * MAX_PASSES

    def _repeats(self, page: Page) -> bool:
        """Take note of the page's rows; True when page after page of a pass serves what was served before."""
        idle = self._overlap and page.ids and not self.state.held.new
        self._repeated = [*self._repeated, len(page.ids)] if idle else []
        return len(self._repeated) >= MOST_REPEATED_PAGES and sum(self._repeated) >= MOST_REPEATED_ROWS

    def _follows(self, ask: Ask, page: Page) -> bool:
        empty = self.state.withholds and not page.ids
        return not ask.start or empty or self.state.held.continues(ask, page)

    def _step(self, ask: Ask, page: Page, final: bool) -> Ask | Done | Incomplete:
        if self._repeats(page):
            return Incomplete(f"{len(self._repeated)} pages in a row held no row that the pages before them had not")
        step = (self._overlap or self._keyset).step(ask, page, final)
        if not isinstance(step, Turn):
            return step
        if step is Turn.COUNT:
            return self._count(ask)
        if step is Turn.OVERLAP:
            return self._overlap_from(ask.modified_since)
        return self._done() if step is Turn.DONE else self._doubt()

    def _done(self) -> Done:
        return Done(self.high, self.overlapping)

    def _doubt(self) -> Ask:
        """Nothing read so far proves anything: the whole list, with overlapping pages."""
        self._keyset.verified = None
        return self._overlap_from(self.state.since)

    def _overlap_from(self, since: datetime | None) -> Ask:
        self._overlap = Overlap(self.state, since)
        self.state.passes += 1
        self._question = None
        return self._overlap.begin()

    # -- the last count ------------------------------------------------------------------------------------------

    def _count(self, tail: Ask) -> Ask | Done:
        """Count the whole list: a count on the way cannot tell a row that was passed from one that came meanwhile."""
        if self._counted is None:
            self._question = partial(self._after_count, tail)
            return self.state.ask(self.state.since, 1)
        # The end of the list was read again since: rows still missing now were passed on the way.
        return self._done() if len(self._met) >= self._counted else self._doubt()

    def _after_count(self, tail: Ask, _ask: Ask, page: Page) -> Ask | Done:
        self._question = None
        if len(self._met) >= (page.total or 0):
            return self._done()
        if self._overlap:
            return self._doubt()
        self._counted = page.total
        self.state.held = Held()
        return tail

    # -- a short page though more should follow ------------------------------------------------------------------

    def _probe(self, ask: Ask, page: Page) -> Ask:
        """A page is short though its own total says more follows: look behind it.

        It may be a silent cap, a total that ignores the filter, or rows left out after they were counted.
        """
        self._question = partial(self._after_probe, ask, page)
        return self.state.ask(ask.modified_since, ask.limit, ask.offset + 1)

    def _after_probe(self, asked: Ask, short: Page, ask: Ask, page: Page) -> Ask | Done | Incomplete:
        state, rows, self._question = self.state, len(short.ids), None
        if ask.limit == asked.limit:
            if page.ids and (asked.start or asked.limit == state.silent_cap):
                # No cap: that would have shown at the first page of the list, and would not have become smaller.
                state.withholds = True
                return self._doubt()
            if not page.ids and not asked.start:
                # A portal may cap the page and still count offsets in pages of the size it was asked for.
                self._question = partial(self._after_probe, asked, short)
                return state.ask(asked.modified_since, rows, 1)
        if any(row_id not in state.held.ids for row_id in page.ids):
            # Rows not met before: the portal serves no more than `rows` a page, whatever it is asked for.
            state.silent_cap = rows
            state.take_cap(rows)
            return (self._overlap or self._keyset).begin()
        state.total_wrong = True
        return self._step(asked, short, True)
