"""What a walk asks for and is told, and the rows that it holds: shared by both ways of paging. No I/O, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise

MAX_LIMIT = 1000  # docs/facts/absorb.md section 4
MAX_OFFSET = 65_535
MAX_PASSES = 8
# The finest instant that `modifiedSince` takes, and a literal of `_filter` (docs/facts/absorb.md section 4).
MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)  # a portal may read modifiedSince to the second only


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

    def breaks_promise(self, ask: Ask) -> bool:
        """True when the page shows that `modifiedSince` or `_sort=dateEdited` was not honoured."""
        moments = [moment for moment in self.edited if moment is not None]
        if ask.modified_since is not None and any(moment < ask.modified_since - SECOND for moment in moments):
            return True
        return any(later < earlier for earlier, later in pairwise(moments))

    def is_short(self, ask: Ask) -> bool:
        """True when the page holds fewer rows than it could: a list ends with such a page."""
        return len(self.ids) < min(ask.limit, self.limit or ask.limit)


@dataclass(frozen=True, slots=True)
class Done:
    """Every row of the list was held at some moment after the walk began; `high` is the greatest dateEdited seen."""

    high: datetime | None
    overlapping: bool  # as in Walk


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The walk cannot promise that no row was missed; the text says why."""

    reason: str


class Turn(Enum):
    """What a way of paging decides when it does not name the next page itself."""

    DONE = "every row was held"
    COUNT = "nothing seems to be missing: count the list, then end"
    OVERLAP = "go on with overlapping pages from the key reached"
    DOUBT = "nothing read so far is proof: the whole list, with overlapping pages"


@dataclass(slots=True)
class Held:
    """The rows of the pages at the present key, or of one overlap pass."""

    ids: set[str] = field(default_factory=set)
    steady: bool = True  # each page repeated, row by row, what the page before it held at the same positions
    new: int = 0  # ids that the last page added
    nameless: set[int] = field(default_factory=set)  # positions of rows without an id
    _versions: set[tuple[str, datetime | None]] = field(default_factory=set)
    _order: list[str | None] = field(default_factory=list)  # ids by position

    @property
    def rows(self) -> int:
        """How many different rows."""
        return len(self.ids) + len(self.nameless)

    def add(self, ask: Ask, page: Page) -> None:
        """Take the rows of a page at their positions."""
        places = slice(ask.start, ask.start + len(page.ids))
        shared = self._order[places]
        proven = ask.start == 0 or bool(shared)
        self.steady = self.steady and proven and shared == list(page.ids[: len(shared)])
        self._order[places] = page.ids
        known = len(self.ids)
        for position, (row_id, moment) in enumerate(zip(page.ids, page.edited, strict=True), ask.start):
            if row_id is None:
                self.nameless.add(position)
            else:
                self._versions.add((row_id, moment))
                self.ids.add(row_id)
        self.new = len(self.ids) - known

    def continues(self, ask: Ask, page: Page) -> bool:
        """True when a row of the page was held as it is, or when it begins where no page could overlap."""
        versions = zip(page.ids, page.edited, strict=True)
        return ask.start == len(self._order) or any(version in self._versions for version in versions)


@dataclass(slots=True)
class State:
    """What both ways of paging work on: the request, what the answers showed of the portal, and the rows held."""

    since: datetime | None
    limit: int
    largest: int  # rows that one answer may hold, unless the portal caps it
    cap: int = MAX_LIMIT
    silent_cap: int = 0  # the largest page that a portal serves without saying so; 0 while none was noticed
    sort: bool = True
    grain: timedelta = MILLISECOND  # of the instants that the portal is asked with
    total_wrong: bool = False  # totals count rows that are not in the list asked for
    withholds: bool = False  # pages come short in mid-list: rows are left out after they were counted
    passes: int = 1
    held: Held = field(default_factory=Held)

    @property
    def total_disagrees(self) -> bool:
        """True when the portal counted more rows than it served: it may count otherwise, or keep some back."""
        return self.total_wrong or self.withholds

    def ask(self, since: datetime | None, limit: int, offset: int = 0) -> Ask:
        """A page of the list, sorted unless the portal refuses that."""
        return Ask(since, limit, offset, self.sort)

    def take_cap(self, rows: int) -> None:
        """From now on ask for no page of more than `rows`."""
        self.cap = self.largest = rows
        self.limit = min(self.limit, rows)
