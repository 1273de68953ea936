"""Which fields of a target's payload are watched for large mistakes, and how SQL reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from connector.warehouse.statements import literal

STATUS, LEARNER, REMOVED = "status", "learner", "removed"


@dataclass(frozen=True, slots=True)
class WatchedField:
    """A field, its JSON path in a payload as an SQL literal, and what it says of a record: status, learner, removed.

    A field of another part is watched for losing its value.
    """

    name: str
    path: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """The watched fields of one object.

    `copies` is the table of the org's own copies of the records, empty where there is none; `enrollments` says that
    external ids are ids of enrollments, whose learners and statuses the warehouse knows.
    """

    fields: tuple[WatchedField, ...]
    copies: str = ""
    enrollments: bool = False

    def parts(self, document: str) -> dict[str, str]:
        """The `{{parts}}` of a statement that reads a JSON document: `cells`, and expressions over `cells`."""
        cells = [(f"cells[{number}]", field) for number, field in enumerate(self.fields, 1)]
        blankable = [f"CASE WHEN {cell} <> '' THEN {literal(it.name)} END" for cell, it in cells if not it.part]
        # The first 15 characters are the id (docs/facts/salesforce.md section 3).
        learner = ", ".join(f"left({cell}, 15)" for cell, it in cells if it.part == LEARNER)
        return {
            "cells": f"json_extract_string({document}, [{', '.join(field.path for field in self.fields)}])",
            "status": _first(cell for cell, it in cells if it.part == STATUS),
            "learner": f"nullif(concat_ws(' ', {learner}), '')" if learner else _NULL,
            "removed": f"{_first(cell for cell, it in cells if it.part == REMOVED)} = 'true'",
            "filled": f"list_filter({_texts(blankable)}, lambda name: name IS NOT NULL)",
        }

    @property
    def blankable(self) -> str:
        """The names of the fields that are watched for losing their value, as an SQL list."""
        return _texts(literal(field.name) for field in self.fields if not field.part)


_NULL = "CAST(NULL AS VARCHAR)"


def _first(cells: Iterable[str]) -> str:
    return next(iter(cells), _NULL)


def _texts(values: Iterable[str]) -> str:
    return f"CAST([{', '.join(values)}] AS VARCHAR[])"
