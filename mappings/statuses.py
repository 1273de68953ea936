"""progress_status.csv: which ProgressStatus an enrollment has. Its rules decide every situation that can occur."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mappings.cells import YES_NO, Rows, check_name, check_unique, quote
from mappings.errors import MappingError

FILE = "progress_status.csv"
# The restricted picklist of LearningItemProgress.ProgressStatus (docs/facts/salesforce.md section 0).
PROGRESS_STATUSES = (
    "Behind", "Completed", "CompletedLate", "CompletedOnTime", "InProgress",
    "NoLongerTracking", "NotStarted", "OnTrack", "Overdue",
)  # fmt: skip
_DUE = ("none", "open", "overdue", "long_overdue")
_COMPLETION = ("unknown", "late", "on_time")
_PACE = ("none", "on_track", "behind")
_LEARNER = ("active", "inactive")
# Columns that a table of one's own may leave out: who is at it counts for nothing, and nothing is said.
OPTIONAL = ("learner", "why")


@dataclass(frozen=True, slots=True)
class Situation:
    """One combination of everything the rules look at."""

    removed: str
    learner: str
    status: int
    is_active: str
    due: str
    completion: str
    pace: str


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One row of progress_status.csv; an empty tuple means any."""

    name: str
    removed: tuple[str, ...]
    learner: tuple[str, ...]
    status: tuple[int, ...]
    is_active: tuple[str, ...]
    due: tuple[str, ...]
    completion: tuple[str, ...]
    pace: tuple[str, ...]
    progress_status: str
    why: str = ""

    def matches(self, situation: Situation) -> bool:
        """True when every cell allows the situation's value."""
        cells = ((getattr(self, column), getattr(situation, column)) for column in Situation.__slots__)
        return all(not allowed or value in allowed for allowed, value in cells)

    @property
    def condition(self) -> str:
        """The row as SQL over the columns of sql/learning_item_progress.sql."""
        parts = []
        if self.removed:
            parts.append(_truth("removed", self.removed))
        if self.status:
            parts.append(f"status IN ({', '.join(map(str, self.status))})")
        if self.is_active:
            parts.append(_truth("is_active", self.is_active))
        for column in ("learner", "due", "completion", "pace"):
            if values := getattr(self, column):
                parts.append(f"{column} IN ({', '.join(map(quote, values))})")
        return " AND ".join(parts) or "true"


def status_rules(rows: Rows, statuses: Collection[int]) -> tuple[StatusRule, ...]:
    """The rows as rules, first match wins. Raises MappingError, which names the line, or the case left undecided."""
    rules = tuple(_rule(row, number, statuses) for number, row in rows)
    check_unique(FILE, [rule.name for rule in rules])
    check_decided(rules, tuple(statuses))
    return rules


def situations(statuses: Collection[int]) -> Iterator[Situation]:
    """Every combination that can occur: no lateness without a due date, no pace without one after the start."""
    for removed, learner, status, active, due in itertools.product(YES_NO, _LEARNER, statuses, YES_NO, _DUE):
        completions = _COMPLETION if status == 3 and due != "none" else ("unknown",)
        paces = ("none",) if due == "none" else _PACE
        for completion, pace in itertools.product(completions, paces):
            yield Situation(removed, learner, status, active, due, completion, pace)


def decide(rules: Iterable[StatusRule], situation: Situation) -> StatusRule | None:
    """The first rule that matches."""
    return next((rule for rule in rules if rule.matches(situation)), None)


@lru_cache(maxsize=8)  # every stage of a sync loads the maps, and this is most of the time it takes
def check_decided(rules: tuple[StatusRule, ...], statuses: tuple[int, ...]) -> None:
    """Every situation must be decided and every rule must decide something. Raises MappingError."""
    used: set[str] = set()
    for situation in situations(statuses):
        rule = decide(rules, situation)
        if rule is None:
            cells = ", ".join(f"{column}={getattr(situation, column)}" for column in Situation.__slots__)
            raise MappingError(f"{FILE}: no rule decides the case {cells}; add a row for it")
        used.add(rule.name)
    idle = [rule.name for rule in rules if rule.name not in used]
    if idle:
        raise MappingError(f"{FILE}: rule {idle[0]!r} can never apply; an earlier rule takes all its cases")


def _cell(row: dict[str, str], column: str, allowed: Sequence[str], where: str) -> tuple[str, ...]:
    values = row[column].split()
    if values == ["any"]:
        return ()
    wrong = [value for value in values if value not in allowed]
    if wrong or not values:
        raise MappingError(f"{where}: {column} is {row[column]!r}; use any, or of {' '.join(allowed)}")
    return tuple(values)


def _rule(row: dict[str, str], number: int, statuses: Collection[int]) -> StatusRule:
    where = f"{FILE} line {number}"
    check_name(row["rule"], where)
    if row["progress_status"] not in PROGRESS_STATUSES:
        raise MappingError(f"{where}: {row['progress_status']!r} is not a value of ProgressStatus")
    codes = _cell(row, "status", [str(code) for code in statuses], where)
    return StatusRule(
        name=row["rule"],
        removed=_cell(row, "removed", YES_NO, where),
        learner=_cell({"learner": "any", **row}, "learner", _LEARNER, where),
        status=tuple(int(code) for code in codes),
        is_active=_cell(row, "is_active", YES_NO, where),
        due=_cell(row, "due", _DUE, where),
        completion=_cell(row, "completion", _COMPLETION, where),
        pace=_cell(row, "pace", _PACE, where),
        progress_status=row["progress_status"],
        why=row.get("why", ""),
    )


def _truth(column: str, values: Sequence[str]) -> str:
    return "true" if len(set(values)) > 1 else column if values[0] == "yes" else f"NOT {column}"
