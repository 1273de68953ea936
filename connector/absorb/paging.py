"""The walk over one paged Absorb list: which page to ask for next, decided from the pages so far. No I/O, no clock.

Why not simply `_offset` 0, 1, 2 …: the order moves while we read. In a list sorted by dateEdited an edited row jumps to
the end and every later row slides left, across page borders we have passed: rows are skipped for good
(facts/platform.md A5). So the walk pages by keyset, and falls back only as far as a portal forces it to:

KEYSET   ask for rows modified after *just before* the last dateEdited held, page 0 again. Rows edited meanwhile move
         ahead of us and are met later; deletions shift nothing. Inside a block of equal dateEdited that is longer than
         a page the key cannot advance; there, and only there, offsets are used, each page beginning on a row held.
OVERLAP  for a portal that ignores `_sort` or `modifiedSince`, or whose totals leave a gap: pages that overlap, each
         holding a row already seen unchanged (proof that nothing slid out between two pages), repeated until the
         number of distinct rows agrees with the portal's total. If it never does: Incomplete, and no watermark moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise

from connector.times import floor_millisecond

MAX_LIMIT = 1000  # facts/absorb.md section 4
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
    mode: Mode = Mode.KEYSET
    sort: bool = True
    high: datetime | None = None
    # Every row edited up to here was in the pages fed so far; None while nothing of the kind can be said.
    verified: datetime | None = None
    next: Ask = field(init=False)
    _held: set[tuple[str, datetime | None]] = field(default_factory=set)
    _distinct: set[str] = field(default_factory=set)
    _union: set[str] = field(default_factory=set)
    _overlap: int = 1
    _expected: int | None = None
    _gap: bool = False
    _passes: int = 1
    _asked: int = 0
    _longest: int = 0
    _quiet_passes: int = 0
    _short_page: int = 0
    _total_lies: bool = False

    def __post_init__(self) -> None:
        if self.since is not None:
            self.since = floor_millisecond(self.since)
        self._overlap = max(1, self.limit // 50)
        self.next = Ask(self.since, self.limit, 0, self.sort)

    @property
    def total_disagrees(self) -> bool:
        """True when the portal counted more rows than it served: it may count otherwise, or keep some back."""
        return self._total_lies

    # -- steps ---------------------------------------------------------------------------------------------------

    def reject_sort(self) -> Ask:
        """The portal refused `_sort`: start over without it."""
        self.sort = False
        return self._begin_overlap()

    def feed(self, page: Page) -> Ask | Done | Incomplete:
        """Take the page that `next` asked for; return what to do now."""
        ask = self.next
        self._asked += 1
        self._raise_high(page)
        self._longest = max(self._longest, page.total or 0, ask.start + len(page.ids))
        if self._asked > PATIENCE * (1 + math.ceil(self._longest / self.limit)) * MAX_PASSES:
            return Incomplete("the list kept moving for longer than a walk may take")
        if self.mode is Mode.KEYSET and _breaks_promise(ask, page):
            return self._begin_overlap()
        if self._short_page:
            return self._after_probe(ask, page)
        if ask.start and not self._has_witness(page):
            return self._back_up(ask)
        self._hold(page)
        if page.limit is not None and 0 < page.limit < self.limit and ask.limit == self.limit:
            self.limit = page.limit
        final = self._is_final(ask, page)
        if self._count_is_off(ask, page, final):
            return self._probe_behind(ask, page)
        return self._keyset_step(ask, page, final) if self.mode is Mode.KEYSET else self._overlap_step(ask, page, final)

    def _keyset_step(self, ask: Ask, page: Page, final: bool) -> Ask | Done | Incomplete:
        frontier = ask.start + len(page.ids)
        if ask.start == 0 and self._expected is not None and page.total is not None:
            # Fewer rows remain than the last answer left over: a row was deleted, or the order is not what it seems.
            self._gap = self._gap or page.total < self._expected
            self._expected = None
        if len(self._distinct) < frontier - _nameless(page):
            self._gap = True  # the same row at two positions of one list: ties are not in a stable order
        if not self._gap:
            self.verified = ask.modified_since
        countless = page.total is None or self._total_lies
        if final:
            # Without a total nothing would betray an order that only looked right: keyset may claim one page then.
            unsure = self._gap or (countless and ask.modified_since != self.since)
            return self._begin_overlap() if unsure else Done(self.high, self.mode, self._passes)
        if countless:
            return self._begin_overlap()
        last = max((moment for moment in page.edited if moment is not None), default=None)
        key = floor_millisecond(last) - _STEP if last is not None else None
        if key is not None and (ask.modified_since is None or key > ask.modified_since):
            behind = ask.start + sum(1 for moment in page.edited if moment is None or moment <= key)
            self._expected = None if page.total is None else page.total - behind
            self._forget()
            self.next = Ask(key, self.limit, 0, self.sort)
            return self.next
        return self._ask_from(frontier, ask.modified_since)

    def _overlap_step(self, ask: Ask, page: Page, final: bool) -> Ask | Done | Incomplete:
        frontier = ask.start + len(page.ids)
        if not final:
            return self._ask_from(frontier, ask.modified_since)
        one_page = ask.start == 0
        stable = len(self._distinct) >= frontier - _nameless(page)
        new = bool(self._distinct - self._union)
        self._union |= self._distinct
        self._quiet_passes = 0 if new else self._quiet_passes + 1
        total = None if self._total_lies else page.total
        agrees = self._quiet_passes > 0 if total is None else len(self._union) >= total - _nameless(page)
        # Three passes with nothing new: the portal counts a row twice that it also lists twice.
        if one_page or (agrees and (stable or not new)) or self._quiet_passes >= 3:
            return Done(self.high, self.mode, self._passes)
        if self._passes >= MAX_PASSES:
            return Incomplete(
                f"{len(self._union)} distinct rows after {self._passes} passes, but the portal counts {page.total}"
            )
        self._passes += 1
        return self._restart(self.since)

    # -- moves ---------------------------------------------------------------------------------------------------

    def _begin_overlap(self) -> Ask:
        self.mode = Mode.OVERLAP
        self.verified = None
        self._gap = False
        self._union.clear()
        self._passes += 1
        return self._restart(self.since)

    def _restart(self, since: datetime | None) -> Ask:
        self._forget()
        self._expected = None
        self.next = Ask(since, self.limit, 0, self.sort)
        return self.next

    def _ask_from(self, frontier: int, since: datetime | None) -> Ask | Incomplete:
        found = page_reaching(frontier, self.limit, self._overlap)
        if found is None or found[1] > MAX_OFFSET:
            return Incomplete(f"no page of at most {MAX_LIMIT} rows reaches past row {frontier} of the list")
        self.next = Ask(since, found[0], found[1], self.sort)
        return self.next

    def _count_is_off(self, ask: Ask, page: Page, final: bool) -> bool:
        """A short page though the portal counts more; or as many positions as it counts, but fewer rows in them."""
        if self._total_lies:
            return False
        if not final:
            return _is_short(ask, page)
        full = bool(page.ids) and not _is_short(ask, page)
        return full and page.total is not None and len(self._distinct) + _nameless(page) < page.total

    def _probe_behind(self, ask: Ask, page: Page) -> Ask:
        """A page is short though its own total says more follows: a silent cap, or a total that ignores the filter."""
        self._short_page = len(page.ids)
        self.next = Ask(ask.modified_since, ask.limit, ask.offset + 1, self.sort)
        return self.next

    def _after_probe(self, ask: Ask, page: Page) -> Ask | Done | Incomplete:
        short, self._short_page = self._short_page, 0
        if (
            page.ids and short >= ask.limit
        ):  # rows follow a full page that the count calls the last: do without the count
            self._total_lies = True
            return self._begin_overlap()
        if page.ids:  # rows follow: the portal serves no more than `short` rows a page
            self.limit = short
            return self._restart(self.since)
        self._total_lies = True
        return self._keyset_step(ask, page, True) if self.mode is Mode.KEYSET else self._overlap_step(ask, page, True)

    def _back_up(self, ask: Ask) -> Ask | Incomplete:
        """No row of the page was held: more rows left the list than the overlap covers. Ask for an earlier page."""
        shortfall = self._overlap
        self._overlap *= 2
        found = page_reaching(max(0, ask.start - shortfall), self.limit, self._overlap)
        self.next = Ask(ask.modified_since, *(found or (self.limit, 0)), self.sort)
        if self.next.start >= ask.start:
            self.next = Ask(ask.modified_since, self.limit, 0, self.sort)
        return self.next

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._held.clear()
        self._distinct.clear()

    def _hold(self, page: Page) -> None:
        for row_id, moment in zip(page.ids, page.edited, strict=True):
            if row_id is not None:
                self._held.add((row_id, moment))
                self._distinct.add(row_id)

    def _has_witness(self, page: Page) -> bool:
        pairs = zip(page.ids, page.edited, strict=True)
        return any(row_id is not None and (row_id, moment) in self._held for row_id, moment in pairs)

    def _raise_high(self, page: Page) -> None:
        for moment in page.edited:
            if moment is not None and (self.high is None or moment > self.high):
                self.high = moment

    def _is_final(self, ask: Ask, page: Page) -> bool:
        """True when no row lies behind this page. The total of the same answer decides; an empty page always ends."""
        if not page.ids:
            return True
        if page.total is None or self._total_lies:
            return _is_short(ask, page)
        return ask.start + len(page.ids) >= page.total


def _nameless(page: Page) -> int:
    return sum(1 for row_id in page.ids if row_id is None)


def _breaks_promise(ask: Ask, page: Page) -> bool:
    """True when the page shows that `modifiedSince` or `_sort=dateEdited` was not honoured."""
    moments = [moment for moment in page.edited if moment is not None]
    if ask.modified_since is not None and any(moment < ask.modified_since - _SECOND for moment in moments):
        return True
    return any(later < earlier for earlier, later in pairwise(moments))


def _is_short(ask: Ask, page: Page) -> bool:
    return len(page.ids) < min(ask.limit, page.limit or ask.limit)


def page_reaching(frontier: int, limit: int, overlap: int) -> tuple[int, int] | None:
    """(limit, page number) of a page that starts at least `overlap` rows before `frontier` and ends behind it.

    `_offset` counts pages, so a start in mid-page is reached by varying the page size: the size near `limit` with the
    most new rows, or a larger one where none fits. None if there is none up to 1,000 rows.
    """
    target = max(0, frontier - overlap)
    best: tuple[int, int, int] | None = None
    for size in range(limit, max(0, limit // 2 - 1), -1):
        number = target // size if size else 0
        gain = (number + 1) * size - frontier
        if gain > 0 and (best is None or gain > best[0]):
            best = (gain, size, number)
        if best is not None and best[0] * 4 >= limit * 3:
            break
    if best is not None:
        return best[1], best[2]
    for size in range(limit + 1, MAX_LIMIT + 1):
        number = target // size
        if (number + 1) * size > frontier:
            return size, number
    return None
