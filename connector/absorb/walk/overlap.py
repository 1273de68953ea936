"""Paging by offset, with pages that overlap: each must begin with rows already held.

That shows that nothing slid out between two pages. One pass counts when every page continued the one before row by row
and no row came twice; otherwise passes are repeated until one adds nothing and the number of distinct rows agrees with
the portal's total.
"""

from dataclasses import dataclass, field
from datetime import datetime

from connector.absorb.walk.pages import MAX_LIMIT, MAX_OFFSET, MAX_PASSES, Ask, Held, Incomplete, Page, State, Turn


@dataclass(slots=True)
class Overlap:
    """Passes over all rows modified after `since`."""

    state: State
    since: datetime | None
    _rows: int = field(init=False)  # by which two pages overlap
    _union: set[str] = field(default_factory=set)  # ids of all passes
    _quiet_passes: int = 0  # passes since the last one with an id that no earlier pass had

    def __post_init__(self) -> None:
        self._rows = max(1, self.state.largest // 50)

    def begin(self) -> Ask:
        """The first page of a pass; what was held is forgotten."""
        self.state.held = Held()
        return self.state.ask(self.since, self.state.largest)

    def back_up(self, ask: Ask) -> Ask:
        """No row of the page was held: more rows left the list than the overlap covers. Ask for an earlier page."""
        state = self.state
        state.held.steady = False
        frontier = max(0, ask.start - self._rows)
        self._rows *= 2
        earlier = state.ask(self.since, *page_reaching(frontier, state.largest, self._rows, state.cap))
        return earlier if earlier.start < ask.start else state.ask(self.since, state.largest)

    def step(self, ask: Ask, page: Page, short: bool) -> Ask | Incomplete | Turn:
        """What follows a page whose rows are held."""
        frontier = ask.start + (ask.limit if self.state.withholds else len(page.ids))
        if not self._ends(ask, page, short):
            return self._ask_from(frontier)
        if self._is_whole(ask, page, frontier):
            return Turn.DONE if self.since == self.state.since or self._total(page) is None else Turn.COUNT
        if self.state.passes >= MAX_PASSES:
            return Incomplete(
                f"{len(self._union)} distinct rows after {self.state.passes} passes, but the portal counts {page.total}"
            )
        self.state.passes += 1
        return self.begin()

    def _total(self, page: Page) -> int | None:
        return None if self.state.total_disagrees else page.total

    def _ends(self, ask: Ask, page: Page, short: bool) -> bool:
        """True when no row of the pass lies behind this page."""
        if self.state.withholds:
            return ask.start + ask.limit >= (page.total or 0)
        # Where the count is useless, one more page must show that a short one was the last.
        return short and not (self.state.total_wrong and self.state.held.new)

    def _is_whole(self, ask: Ask, page: Page, frontier: int) -> bool:
        """True when the pass that ended with this page, or all passes together, held every row."""
        held, total = self.state.held, self._total(page)
        new = bool(held.ids - self._union)
        self._union |= held.ids
        self._quiet_passes = 0 if new else self._quiet_passes + 1
        by_order = held.steady and held.rows >= max(frontier, total or 0)
        if total is None:  # then an order that stays the same must do
            agrees = held.steady or self.state.withholds or self._quiet_passes >= 2
        else:
            agrees = len(self._union) + len(held.nameless) >= total
        # Three passes with nothing new, in one order: the portal counts a row twice that it also lists twice.
        doubled = self._quiet_passes >= 3 and held.steady
        return ask.start == 0 or by_order or (agrees and not new) or doubled

    def _ask_from(self, frontier: int) -> Ask | Incomplete:
        limit, number = page_reaching(frontier, self.state.largest, self._rows, self.state.cap)
        if number > MAX_OFFSET:
            return Incomplete(f"no page of at most {self.state.cap} rows reaches past row {frontier} of the list")
        return self.state.ask(self.since, limit, number)


def page_reaching(frontier: int, limit: int, overlap: int, cap: int = MAX_LIMIT) -> tuple[int, int]:
    """(limit, page number) of a page that starts at least `overlap` rows before `frontier` and ends behind it.

    `_offset` counts pages, so a start in mid-page is reached by varying the page size: the size near `limit` with the
    most new rows, or one up to `cap` where none fits; else with an overlap of one row; and where every size divides
    `frontier` (small caps only), the page that starts right there.
    """
    best: tuple[int, int, int] | None = None
    target = max(0, frontier - overlap)
    for size in range(limit, max(0, limit // 2 - 1), -1):
        number = target // size
        gain = (number + 1) * size - frontier
        if gain > 0 and (best is None or gain > best[0]):
            best = (gain, size, number)
        if best is not None and best[0] * 4 >= limit * 3:
            break
    if best is not None:
        return best[1], best[2]
    for size in range(limit + 1, cap + 1):
        number = target // size
        if (number + 1) * size > frontier:
            return size, number
    return page_reaching(frontier, limit, 1, cap) if overlap > 1 else (limit, -(-frontier // limit))
