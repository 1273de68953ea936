"""learning_items.csv: which LearningItem of Salesforce a course of Absorb is, where the names do not say so."""

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.cells import GUID, RECORD_ID, Rows, quote
from mappings.errors import MappingError

FILE = "learning_items.csv"
_COURSE_BY = ("id", "external_id", "name")
_ITEM_BY = ("id", "name")


@dataclass(frozen=True, slots=True)
class ItemRule:
    """One row: the course by `course_by` (id, external_id, name), the item by `item_by` (id, name)."""

    course_by: str
    course: str
    item_by: str
    item: str


def item_rules(rows: Rows) -> tuple[ItemRule, ...]:
    """The rows as rules. Raises MappingError, which names the line, or the course that is named twice in one way."""
    rules = tuple(_rule(row, number) for number, row in rows)
    seen: set[tuple[str, str]] = set()
    for rule in rules:
        named = (rule.course_by, rule.course.lower())
        if named in seen:
            raise MappingError(f"{FILE}: the course with {rule.course_by} {rule.course!r} occurs twice")
        seen.add(named)
    return rules


def crosswalk_sql(rules: Sequence[ItemRule]) -> str:
    """The rows as a query: position, course_by, course, item_by, item."""
    if not rules:
        return "SELECT 0, '', '', '', '' WHERE false"
    rows = (
        f"({number}, {', '.join(map(quote, (rule.course_by, rule.course, rule.item_by, rule.item)))})"
        for number, rule in enumerate(rules, 1)
    )
    return "VALUES " + ", ".join(rows)


def _rule(row: dict[str, str], number: int) -> ItemRule:
    where = f"{FILE} line {number}"
    rule = ItemRule(**row)
    if rule.course_by not in _COURSE_BY or rule.item_by not in _ITEM_BY:
        raise MappingError(f"{where}: course_by must be one of {', '.join(_COURSE_BY)}; item_by one of id, name")
    if not rule.course or not rule.item:
        raise MappingError(f"{where}: course and item must not be empty")
    if rule.course_by == "id" and not GUID.match(rule.course):
        raise MappingError(f"{where}: {rule.course!r} is not the id of an Absorb course")
    if rule.item_by == "id" and not RECORD_ID.match(rule.item):
        raise MappingError(f"{where}: {rule.item!r} is not a Salesforce id of 15 or 18 characters")
    return rule
