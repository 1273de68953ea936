"""learner_crosswalk.csv: which Salesforce person a learner of Absorb is, where somebody has decided it by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from mappings.cells import GUID, RECORD_ID, Rows, quote
from mappings.errors import MappingError

FILE = "learner_crosswalk.csv"
NOBODY = "nobody"
LEARNER_BY = ("id", "external_id", "username", "email_address", "employee_number")
_OBJECTS = {"005": "User", "003": "Contact"}
_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@dataclass(frozen=True, slots=True)
class ManualMatch:
    """One line: the learner by `learner_by`, and the person's id, empty where the learner is nobody."""

    line: int
    learner_by: str
    learner: str
    salesforce_id: str
    tenant_id: str

    @property
    def salesforce_object(self) -> str:
        """User or Contact, by the first three characters of the id; empty for nobody."""
        return _OBJECTS.get(self.salesforce_id[:3], "")


def manual_matches(rows: Rows) -> tuple[ManualMatch, ...]:
    """The rows as matches. Raises MappingError, which names the line."""
    found = tuple(_match(row, number) for number, row in rows)
    first: dict[tuple[str, str, str], int] = {}
    for match in found:
        named = (match.tenant_id, match.learner_by, match.learner.lower())
        if named in first:
            learner = f"the learner with {match.learner_by} {match.learner!r}"
            raise MappingError(f"{FILE} line {match.line}: {learner} is in line {first[named]} already")
        first[named] = match.line
    return found


def manual_sql(matches: Sequence[ManualMatch]) -> str:
    """The matches as a query: line, tenant_id, learner_by, learner, salesforce_id."""
    if not matches:
        return "SELECT 0, '', '', '', '' WHERE false"
    cells = ((it.tenant_id, it.learner_by, it.learner, it.salesforce_id) for it in matches)
    rows = (f"({it.line}, {', '.join(map(quote, row))})" for it, row in zip(matches, cells, strict=True))
    return "VALUES " + ", ".join(rows)


def _match(row: dict[str, str], number: int) -> ManualMatch:
    where, learner_by, learner = f"{FILE} line {number}", row["learner_by"], row["learner"]
    if learner_by not in LEARNER_BY:
        raise MappingError(f"{where}: learner_by must be one of {', '.join(LEARNER_BY)}")
    if not learner:
        raise MappingError(f"{where}: learner must not be empty")
    if learner_by == "id" and not GUID.match(learner):
        raise MappingError(f"{where}: {learner!r} is not the id of an Absorb learner")
    person = "" if row["salesforce_id"].lower() == NOBODY else _person(row["salesforce_id"], where)
    return ManualMatch(number, learner_by, learner, person, row.get("tenant_id", ""))


def _person(text: str, where: str) -> str:
    if not RECORD_ID.match(text) or text[:3] not in _OBJECTS:
        known = "a User (005…) or a Contact (003…), 15 or 18 characters"
        raise MappingError(f"{where}: salesforce_id {text!r} must be the id of {known}, or {NOBODY}")
    if text[15:] and text[15:].upper() != _checksum(text):
        raise MappingError(
            f"{where}: salesforce_id {text!r} is mistyped: its last three characters do not fit the others"
        )
    return text


def _checksum(record_id: str) -> str:
    """The last three characters of an id of 18: which of the other 15 are capital letters, five to a character."""
    parts = (record_id[start : start + 5] for start in (0, 5, 10))
    return "".join(_CHECKSUM[sum(letter.isupper() << at for at, letter in enumerate(part))] for part in parts)
