"""Which fields each row of a batch carries. A row's shape is the hash of its list of keys: one row of each is read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.warehouse.database import Connection
from connector.warehouse.schema import SourceColumn
from connector.warehouse.statements import statements

sql = statements(__package__)

# What this process has met: shape → keys. A hash of keys means the same keys in every file.
_keys: dict[int, frozenset[str]] = {}
_MOST_SHAPES = 10_000


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes of a batch: how many rows each has, and its keys. What is no JSON object has none and is left out."""

    rows: Mapping[int, int]
    keys: Mapping[int, frozenset[str]]

    @property
    def total(self) -> int:
        """How many rows."""
        return sum(self.rows.values())

    def names(self) -> frozenset[str]:
        """Every key of any row."""
        return frozenset().union(*self.keys.values())

    def lacking(self, column: SourceColumn) -> list[int]:
        """The shapes of rows that do not carry this field, under none of its keys."""
        return [shape for shape, keys in self.keys.items() if keys.isdisjoint(column.keys)]

    def carrying(self, column: SourceColumn) -> int:
        """How many rows carry this field, be it null."""
        return self.total - sum(self.rows[shape] for shape in self.lacking(column))


def read(connection: Connection, landed_rows: str, files: Mapping[str, Sequence[str]]) -> Shapes:
    """The shapes of what is in `staged_all`."""
    counted = dict(connection.execute("SELECT _shape, count(*) FROM staged_all GROUP BY ALL").fetchall())
    if len(_keys) > _MOST_SHAPES:
        _keys.clear()
    if new := counted.keys() - _keys.keys():
        known = json.dumps(sorted(counted.keys() - new))
        query = sql("shape_keys", landed_rows=landed_rows)
        found = connection.execute(query, {**files, "known": known}).fetchall()
        _keys.update((shape, frozenset(keys or ())) for shape, keys in found)
    keys = {shape: _keys[shape] for shape in counted if _keys[shape]}
    return Shapes({shape: counted[shape] for shape in keys}, keys)
