"""The walk over one paged Absorb list: which page to ask for next, decided from the pages so far. No I/O, no clock.

Why not simply `_offset` 0, 1, 2 …: the order moves while we read. In a list sorted by dateEdited an edited row jumps to
the end and every later row slides left, across page borders we have passed: rows are skipped for good
(docs/facts/absorb.md section 4a). So the walk pages by keyset, and falls back only as far as a portal forces it to:

KEYSET   ask for rows modified after *just before* the last dateEdited held, page 0 again. Rows edited meanwhile move
         ahead of us and are met later; deletions shift nothing. Where equal dateEdited fill a page the key cannot
         advance: page 0 is asked again, as large as one answer may be, because one answer is one moment of the list.
         At the end the list is counted once more: more rows than were met mean an order that only looked right.
OVERLAP  for what is left: more equal dateEdited than one answer holds, a portal that ignores `_sort` or
         `modifiedSince`, totals that leave a gap. Pages overlap; each must begin with rows already held (proof that
         nothing slid out between two pages). One pass counts when every page continued the one before row by row and
         no row came twice; otherwise passes are repeated until one adds nothing and the number of distinct rows
         agrees with the portal's total. If it never does: Incomplete, and no watermark moves.

A list ends where a page is not full. A total alone never ends one: it may be too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from itertools import pairwise

from connector.times import floor_millisecond

MAX_LIMIT = 1000  # docs/facts/absorb.md section 4
MAX_OFFSET = 65_535
MAX_PASSES = 8
PATIENCE = 10  # pages asked for per page of the list, before a walk is called endless
_STEP = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)  # a portal may read modifiedSince to the second only


class Mode(Enum):
    """How the walk pages at the moment."""

    KEYSET = "keyset"
    OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Ask:
    """One page to ask for: `offset` counts pages of `limit` rows."""

    modified_since: datetime | None
    limit: int
    offset: int
    sort: bool

    @property
    def start(self) -> int:
        """Position of the page's first row."""
        return self.limit * self.offset


@dataclass(frozen=True, slots=True)
class Page:
    """What a page held: row ids and dateEdited in the order received, and the envelope's numbers."""

    ids: Sequence[str | None]
    edited: Sequence[datetime | None]
    total: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Every row of the list was held at some moment after the walk began; `high` is the greatest dateEdited seen."""

    high: datetime | None
    mode: Mode
    passes: int


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The walk cannot promise that no row was missed; the text says why."""

    reason: str


@dataclass(slots=True)
class Walk:
    """State of one walk. `next` is the page to ask for; `feed` takes it and returns the next step."""

    since: datetime | None
    limit: int
    largest: int = MAX_LIMIT  # rows that one answer may hold, unless the portal caps it
    mode: Mode = Mode.KEYSET
    sort: bool = True
    high: datetime | None = None
    # Every row edited up to here was in the pages fed so far; None while nothing of the kind can be said.
    verified: datetime | None = None
    next: Ask = field(init=False)
    _start: datetime | None = field(init=False)  # modifiedSince of an overlap pass
    _cap: int = MAX_LIMIT
    _held: set[tuple[str, datetime | None]] = field(default_factory=set)
    _distinct: set[str] = field(default_factory=set)
    _nameless: set[int] = field(default_factory=set)  # positions of rows without an id
    _union: set[str] = field(default_factory=set)
    _order: list[str | None] = field(default_factory=list)  # ids of the pass by position
    _steady: bool = True
    _met: set[str] = field(default_factory=set)  # ids of the whole walk, while it goes by keyset
    _met_nameless: int = 0
    _audited: int | None = None  # rows of the whole list, when it was counted at the end
    # What takes the next page, when it was asked for to settle something.
    _question: Callable[[Ask, Page], Ask | Done | Incomplete] | None = None
    _overlap: int = 1
    _expected: int | None = None
    _gap: bool = False
    _passes: int = 1
    _asked: int = 0
    _longest: int = 0
    _quiet_passes: int = 0
    _new: int = 0  # ids that the last page added to the pass
    _silent_cap: int = 0
    _total_lies: bool = False
    _holes: bool = False  # pages come short in mid-list: rows are held back after they were counted

    def __post_init__(self) -> None:
        if self.since is not None:
            self.since = floor_millisecond(self.since)
        self.largest = max(self.largest, self.limit)
        self._start = self.since
        self.next = Ask(self.since, self.limit, 0, self.sort)

    @property
    def total_disagrees(self) -> bool:
        """True when the portal counted more rows than it served: it may count otherwise, or keep some back."""
        return self._total_lies or self._holes

    # -- steps ---------------------------------------------------------------------------------------------------

    def refuse(self) -> Ask | None:
        """The portal refused (422) what `next` asks: what to ask instead, or None when nothing is left to leave out."""
        if self.next.limit > self.limit:
            self._take_cap(self.limit)
            self.next = Ask(self.next.modified_since, self.limit, 0, self.sort)
            return self.next
        if self.sort:
            self.sort = False
            return self._doubt()
        return None

    def feed(self, page: Page) -> Ask | Done | Incomplete:
        """Take the page that `next` asked for; return what to do now."""
        ask = self.next
        self._asked += 1
        self._raise_high(page)
        self._longest = max(self._longest, page.total or 0, ask.start + len(page.ids))
        if self._asked > PATIENCE * (1 + math.ceil(self._longest / self.limit)) * MAX_PASSES:
            return Incomplete("the list kept moving for longer than a walk may take")
        if self.mode is Mode.KEYSET and _breaks_promise(ask, page):
            return self._doubt()
        if self._question:
            return self._question(ask, page)
        if ask.start and not self._follows(ask, page):
            return self._back_up(ask)
        self._hold(ask, page)
        if page.limit is not None and 0 < page.limit < ask.limit:
            self._take_cap(page.limit)
        short = _is_short(ask, page)
        if short and page.ids and not self.total_disagrees and ask.start + len(page.ids) < (page.total or 0):
            return self._probe(ask, page)
        return self._step(ask, page, short)

    def _step(self, ask: Ask, page: Page, final: bool) -> Ask | Done | Incomplete:
        return (
            self._overlap_step(ask, page, final) if self.mode is Mode.OVERLAP else self._keyset_step(ask, page, final)
        )

    def _keyset_step(self, ask: Ask, page: Page, final: bool) -> Ask | Done | Incomplete:
        total = None if self._total_lies else page.total
        if self._expected is not None and total is not None:
            # Fewer rows remain than the last answer left over: a row was deleted, or the order is not what it seems.
            self._gap = self._gap or total < self._expected
        self._expected = None
        self._gap = self._gap or len(self._distinct) + len(self._nameless) < len(page.ids)
        if not self._gap:
            self.verified = ask.modified_since
        if final:
            # Without a total nothing would betray an order that only looked right: keyset may claim one page then.
            one_page = ask.modified_since == self.since
            if self._gap or (total is None and not one_page):
                return self._doubt()
            return Done(self.high, self.mode, self._passes) if one_page else self._audit(ask)
        if total is None:
            return self._doubt()
        last = max((moment for moment in page.edited if moment is not None), default=None)
        key = floor_millisecond(last) - _STEP if last is not None else None
        self._forget()
        if key is not None and (ask.modified_since is None or key > ask.modified_since):
            self._expected = total - sum(1 for moment in page.edited if moment is None or moment <= key)
            self.next = Ask(key, self.limit, 0, self.sort)
        elif ask.limit < self.largest:
            self.next = Ask(ask.modified_since, self.largest, 0, self.sort)
        elif self._gap:
            return self._doubt()
        else:  # rows up to the key are safe: overlap only from here on
            return self._overlap_from(ask.modified_since)
        return self.next

    def _audit(self, ask: Ask) -> Ask | Done:
        """Count the whole list: a count on the way cannot tell a row that was passed from one that came meanwhile."""
        if self._audited is None:
            self._question = partial(self._after_audit, ask)
            self.next = Ask(self.since, 1, 0, self.sort)
            return self.next
        # The tail was read again: it holds what had come before the count, or what is missing lies behind us.
        return self._all_met(self._audited) or self._doubt()

    def _after_audit(self, tail: Ask, _ask: Ask, page: Page) -> Ask | Done:
        self._question = None
        done = self._all_met(page.total or 0)
        if done or self.mode is Mode.OVERLAP:
            return done or self._doubt()
        self._audited = page.total
        self._forget()
        self.next = tail
        return self.next

    def _all_met(self, total: int) -> Done | None:
        met = len(self._met) + self._met_nameless
        return Done(self.high, self.mode, self._passes) if met >= total else None

    def _overlap_step(self, ask: Ask, page: Page, short: bool) -> Ask | Done | Incomplete:
        frontier = ask.start + (ask.limit if self._holes else len(page.ids))
        if not self._ends(ask, page, short):
            return self._ask_from(frontier)
        named = len(self._distinct) + len(self._nameless)
        total = None if self.total_disagrees else page.total
        steady = self._steady and named >= max(frontier, total or 0)
        new = bool(self._distinct - self._union)
        self._union |= self._distinct
        self._quiet_passes = 0 if new else self._quiet_passes + 1
        # Without a count, an order that stays the same must do.
        by_count = len(self._union) + len(self._nameless) >= (total or 0)
        agrees = (self._steady or self._holes or self._quiet_passes >= 2) if total is None else by_count
        # Three passes with nothing new, in one order: the portal counts a row twice that it also lists twice.
        doubled = self._quiet_passes >= 3 and self._steady
        if ask.start == 0 or steady or (agrees and not new) or doubled:
            whole = self._start == self.since or total is None
            return Done(self.high, self.mode, self._passes) if whole else self._audit(ask)
        if self._passes >= MAX_PASSES:
            return Incomplete(
                f"{len(self._union)} distinct rows after {self._passes} passes, but the portal counts {page.total}"
            )
        self._passes += 1
        return self._restart()

    def _ends(self, ask: Ask, page: Page, short: bool) -> bool:
        """True when no row of an overlap pass lies behind this page."""
        if self._holes:
            return ask.start + ask.limit >= (page.total or 0)
        # Where the count is useless, one more page must show that a short one was the last.
        return short and not (self._total_lies and self._new)

    # -- moves ---------------------------------------------------------------------------------------------------

    def _doubt(self) -> Ask:
        """Nothing read so far proves anything: the whole list, with overlapping pages."""
        self._gap = False
        asked = self._overlap_from(self.since)
        self.verified = None
        return asked

    def _overlap_from(self, since: datetime | None) -> Ask:
        self.mode = Mode.OVERLAP
        self._start = since
        self._overlap = max(1, self.largest // 50)
        self._union.clear()
        self._quiet_passes = 0
        self._passes += 1
        return self._restart()

    def _restart(self) -> Ask:
        """Begin again: an overlap pass, or a keyset walk that now knows the portal's page size."""
        self._forget()
        self._expected = None
        self._question = None
        limit = self.largest if self.mode is Mode.OVERLAP else self.limit
        self.next = Ask(self._start, limit, 0, self.sort)
        return self.next

    def _ask_from(self, frontier: int) -> Ask | Incomplete:
        found = page_reaching(frontier, self.largest, self._overlap, self._cap)
        if found[1] > MAX_OFFSET:
            return Incomplete(f"no page of at most {self._cap} rows reaches past row {frontier} of the list")
        self.next = Ask(self._start, found[0], found[1], self.sort)
        return self.next

    def _probe(self, ask: Ask, page: Page) -> Ask:
        """A page is short though its own total says more follows: look behind it.

        It may be a silent cap, a total that ignores the filter, or rows held back after they were counted.
        """
        self._question = partial(self._after_probe, ask, page)
        self.next = Ask(ask.modified_since, ask.limit, ask.offset + 1, self.sort)
        return self.next

    def _after_probe(self, asked: Ask, short: Page, ask: Ask, page: Page) -> Ask | Done | Incomplete:
        rows, self._question = len(short.ids), None
        if ask.limit == asked.limit:
            if page.ids and (asked.start or asked.limit == self._silent_cap):
                self._holes = True  # no cap: the first page of a list shows that, and a cap does not shrink
                return self._doubt()
            if not page.ids and not asked.start:
                # A portal may cap the page and still count offsets in pages of the size it was asked for.
                self._question = partial(self._after_probe, asked, short)
                self.next = Ask(asked.modified_since, rows, 1, self.sort)
                return self.next
        if any(row_id not in self._distinct for row_id in page.ids):  # so many rows a page, and no more
            self._silent_cap = rows
            self._take_cap(rows)
            return self._restart()
        self._total_lies = True
        return self._step(asked, short, True)

    def _back_up(self, ask: Ask) -> Ask:
        """No row of the page was held: more rows left the list than the overlap covers. Ask for an earlier page."""
        self._steady = False
        shortfall = self._overlap
        self._overlap *= 2
        found = page_reaching(max(0, ask.start - shortfall), self.largest, self._overlap, self._cap)
        self.next = Ask(ask.modified_since, *found, self.sort)
        if self.next.start >= ask.start:
            self.next = Ask(ask.modified_since, self.largest, 0, self.sort)
        return self.next

    def _take_cap(self, rows: int) -> None:
        self._cap = self.largest = rows
        self.limit = min(self.limit, rows)

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._held.clear()
        self._distinct.clear()
        self._nameless.clear()
        self._order.clear()
        self._steady = True

    def _hold(self, ask: Ask, page: Page) -> None:
        shared = self._order[ask.start : ask.start + len(page.ids)]
        proven = ask.start == 0 or bool(shared)
        self._steady = self._steady and proven and shared == list(page.ids[: len(shared)])
        self._order[ask.start : ask.start + len(page.ids)] = page.ids
        known = len(self._distinct)
        if self.mode is Mode.KEYSET or self._start != self.since:
            self._met.update(row_id for row_id in page.ids if row_id is not None)
            self._met_nameless += sum(row_id is None for row_id in page.ids)
        for position, (row_id, moment) in enumerate(zip(page.ids, page.edited, strict=True), ask.start):
            if row_id is None:
                self._nameless.add(position)
            else:
                self._held.add((row_id, moment))
                self._distinct.add(row_id)
        self._new = len(self._distinct) - known

    def _follows(self, ask: Ask, page: Page) -> bool:
        """True when a row of the page was held as it is, or when it begins where no page could overlap."""
        pairs = zip(page.ids, page.edited, strict=True)
        if ask.start == len(self._order) or (self._holes and not page.ids):
            return True
        return any(row_id is not None and (row_id, moment) in self._held for row_id, moment in pairs)

    def _raise_high(self, page: Page) -> None:
        for moment in page.edited:
            if moment is not None and (self.high is None or moment > self.high):
                self.high = moment


def _breaks_promise(ask: Ask, page: Page) -> bool:
    """True when the page shows that `modifiedSince` or `_sort=dateEdited` was not honoured."""
    moments = [moment for moment in page.edited if moment is not None]
    if ask.modified_since is not None and any(moment < ask.modified_since - _SECOND for moment in moments):
        return True
    return any(later < earlier for earlier, later in pairwise(moments))


def _is_short(ask: Ask, page: Page) -> bool:
    return len(page.ids) < min(ask.limit, page.limit or ask.limit)


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
