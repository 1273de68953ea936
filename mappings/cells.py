"""What several maps share: the checks of their cells, and cells as SQL."""

import re
from collections.abc import Iterable, Sequence

from mappings.errors import MappingError

# Rows of a CSV file: number of the line, and cell by column.
Rows = Iterable[tuple[int, dict[str, str]]]

YES_NO = ("yes", "no")
NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")
GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
# Of a Salesforce record: the first 15 characters are the id, the other three a checksum.
RECORD_ID = re.compile(r"^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$", re.ASCII)


def check_name(name: str, where: str) -> None:
    """Raise MappingError unless the name is one that a column or a rule may have."""
    if not NAME.match(name):
        raise MappingError(f"{where}: {name!r} must be a lower-case name such as long_overdue")


def check_unique(file: str, names: Sequence[str]) -> None:
    """Raise MappingError when a name occurs twice."""
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise MappingError(f"{file}: {doubled[0]!r} occurs twice; names are unique")


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def case_sql(branches: Sequence[tuple[str, str]]) -> str:
    """Pairs (condition, value) as a CASE expression; the first condition that holds gives the value."""
    lines = "\n".join(f"      WHEN {condition} THEN {value}" for condition, value in branches)
    return f"CASE\n{lines}\n    END"
