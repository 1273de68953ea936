"""What the portal's streams look like: field names, their kinds, and which ones have an indexed column.

``fields.csv`` lists them in the order in which they are served (docs/facts/absorb.md section 5). `use` is
sort for the field of the default order, and closed for one that neither filters nor sorts (section 4).
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any, Literal, cast

Kind = Literal["guid", "text", "number", "bool", "date", "array"]


@dataclass(frozen=True)
class Stream:
    """One collection: its table, the fields that filters may name, and its default order."""

    name: str
    default_sort: str
    fields: Mapping[str, Kind]
    columns: Mapping[str, str]
    closed: frozenset[str]

    @cached_property
    def blank(self) -> dict[str, Any]:
        """A row with every field, all empty; custom fields are nested."""
        row: dict[str, Any] = {}
        for name, kind in self.fields.items():
            outer, _, inner = name.partition("/")
            if inner:
                row.setdefault(outer, {})[inner] = None
            else:
                row[name] = [] if kind == "array" else None
        return row

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): name for name in self.fields}

    def find(self, wanted: str) -> str | None:
        """Return the field's own spelling; names are matched without regard to case."""
        return self._folded.get(wanted.casefold())

    def expression(self, name: str) -> str:
        """Return the SQL that reads a field: an indexed column, or the served JSON itself."""
        if name in self.columns:
            return self.columns[name]
        path = "$." + name.replace("/", ".")
        read = f"json_extract(json, '{path}')"
        kind = self.fields[name]
        if kind == "date":
            return f"canonical({read})"
        return f"lower({read})" if kind == "guid" else read


def _streams() -> dict[str, Stream]:
    text = resources.files("connector.sandbox.portal").joinpath("fields.csv").read_text("utf-8")
    lines: dict[str, list[dict[str, str]]] = defaultdict(list)
    for line in csv.DictReader(text.splitlines()):
        lines[line["stream"]].append(line)
    return {name: _stream(name, found) for name, found in lines.items()}


def _stream(name: str, lines: list[dict[str, str]]) -> Stream:
    return Stream(
        name,
        default_sort=next(line["field"] for line in lines if line["use"] == "sort"),
        fields={line["field"]: cast("Kind", line["kind"]) for line in lines},
        columns={line["field"]: line["column"] for line in lines if line["column"]},
        closed=frozenset(line["field"] for line in lines if line["use"] == "closed"),
    )


ALL = _streams()
STREAMS = {name: ALL[name] for name in ("users", "courses", "departments", "enrollments")}
# What lies inside a course enrollment.
DETAILS = {name: stream for name, stream in ALL.items() if name not in STREAMS}


def enrollment_row(row_id: str, user: Mapping[str, Any], course: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """A course enrollment that is not started, with the values given."""
    return ALL["enrollments"].blank | {
        "id": row_id,
        "courseId": course["id"],
        "courseName": course["name"],
        "userId": user["id"],
        "fullName": f"{user['firstName']} {user['lastName']}",
        "jobTitle": user.get("jobTitle"),
        "progress": 0.0,
        "status": 0,
        "acceptedTermsAndConditions": False,
        "timeSpentTicks": 0,
        "timeSpent": "00:00:00",
        "isActive": True,
        **values,
    }
