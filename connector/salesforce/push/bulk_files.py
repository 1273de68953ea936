"""From the difference to the CSV files of Bulk API 2.0 jobs (docs/facts/salesforce.md section 3a)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connector.salesforce.targets import Target
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements
from mappings import FieldMap

sql = statements(__package__)

# A job takes 150 MB in base64, so 100 MB of CSV (docs/facts/salesforce.md section 3a); some of it is kept free.
MAX_FILE_BYTES = 90_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one job."""

    number: int
    file: Path
    rows: int


@dataclass(frozen=True, slots=True)
class BulkSpool:
    """All jobs of one target; `rows` is a parquet file that tells which row is in which part."""

    rows: Path
    parts: tuple[Part, ...]


def write(
    connection: Connection, folder: Path, target: Target, fields: tuple[FieldMap, ...], limit: int | None
) -> BulkSpool:
    """Write what `pushable` says is due, sorted by parent across the files so that jobs do not fight for locks."""
    names = [field.field for field in fields]
    columns = ", ".join(
        # An empty text would read as "leave the field alone"; the org keeps no empty text, only null.
        f"nullif(cells[{number}], '') AS {_identifier(name)}"
        for number, name in enumerate(names, 1)
    )
    header = len(",".join(names).encode()) + 1
    rows = sql("bulk_rows", limit="ALL" if limit is None else str(limit), paths=", ".join(map(_path, fields)))
    connection.execute(rows, {"max_bytes": MAX_FILE_BYTES - header})
    kept = folder / f"{target.name}.parquet"
    connection.execute(sql("bulk_keep", path=quoted(kept)))
    parts = []
    for number, size in connection.execute("SELECT part, count(*) FROM bulk_rows GROUP BY ALL ORDER BY 1").fetchall():
        file = folder / f"{target.name}-{number:06d}.csv"
        connection.execute(sql("bulk_csv", columns=columns, part=str(number), path=quoted(file)))
        parts.append(Part(number, file, size))
    connection.execute("DROP TABLE bulk_rows")
    return BulkSpool(kept, tuple(parts))


def quoted(path: Path) -> str:
    """A path as the inside of a SQL text."""
    return str(path).replace("'", "''")


def _path(field: FieldMap) -> str:
    """Where the payload holds the field; a parent is `Relation.Key` there and in the header alike."""
    steps = field.field.split(".") if field.kind == "parent" else [field.field]
    text = "$" + "".join(f'."{step}"' for step in steps)
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
