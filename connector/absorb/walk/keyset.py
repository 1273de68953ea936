"""Paging by key: rows modified after *just before* the last dateEdited held, at page 0 each time.

A row edited meanwhile moves ahead and is met later; a deletion shifts nothing. Where equal dateEdited fill a page the
key cannot advance: page 0 is asked again, as large as one answer may be, because one answer is one moment of the list.
"""

from dataclasses import dataclass
from datetime import datetime

from connector.absorb.walk.pages import Ask, Held, Page, State, Turn
from connector.times import floor_to


@dataclass(slots=True)
class Keyset:
    """Pages of a list sorted by dateEdited."""

    state: State
    # Every row edited up to here was in the pages so far; None while nothing of the kind can be said.
    verified: datetime | None = None
    _expected: int | None = None  # rows that the last answer left for the next one
    _gap: bool = False  # an answer held fewer rows than the one before it had left over

    def begin(self) -> Ask:
        """The first page; what was held is forgotten."""
        self.state.held = Held()
        self._expected = None
        return self.state.ask(self.state.since, self.state.limit)

    def step(self, ask: Ask, page: Page, final: bool) -> Ask | Turn:
        """What follows a page whose rows are held; `final`: the list ends with it."""
        total = None if self.state.total_wrong else page.total
        self._look_for_gap(page, total)
        if not self._gap:
            self.verified = ask.modified_since
        if final:
            return self._end(ask, total)
        return Turn.DOUBT if total is None else self._advance(ask, page, total)

    def _look_for_gap(self, page: Page, total: int | None) -> None:
        if self._expected is not None and total is not None:
            # Fewer rows remain than the last answer left over: a row was deleted, or the order is not what it seems.
            self._gap = self._gap or total < self._expected
        self._expected = None
        self._gap = self._gap or self.state.held.rows < len(page.ids)

    def _end(self, ask: Ask, total: int | None) -> Turn:
        # Without a total an order that only looked right goes unnoticed: then keyset may end a list of one page only.
        one_page = ask.modified_since == self.state.since
        if self._gap or (total is None and not one_page):
            return Turn.DOUBT
        return Turn.DONE if one_page else Turn.COUNT

    def _advance(self, ask: Ask, page: Page, total: int) -> Ask | Turn:
        last = max((moment for moment in page.edited if moment is not None), default=None)
        key = floor_to(last, self.state.grain) - self.state.grain if last is not None else None
        self.state.held = Held()
        if key is not None and (ask.modified_since is None or key > ask.modified_since):
            self._expected = total - sum(1 for moment in page.edited if moment is None or moment <= key)
            return self.state.ask(key, self.state.limit)
        if ask.limit < self.state.largest:
            return self.state.ask(ask.modified_since, self.state.largest)
        # Without a gap the rows up to the key are safe, and only what follows needs overlapping pages.
        return Turn.DOUBT if self._gap else Turn.OVERLAP
