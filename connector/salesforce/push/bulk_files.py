"""From the difference to the CSV files of Bulk API 2.0 jobs (docs/facts/salesforce.md section 3a)."""

from dataclasses import dataclass
from pathlib import Path

from connector.push.difference import as_limit
from connector.salesforce.targets import OrgObject, json_path
from connector.warehouse.database import Connection
from connector.warehouse.statements import identifier, literal, statements
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
    """All jobs of one target.

    Of two parquet files `rows` tells which row is in which part, and `payloads` what is sent of it.
    """

    rows: Path
    payloads: Path
    parts: tuple[Part, ...]


def write(
    connection: Connection, payloads: Path, target: OrgObject, fields: tuple[FieldMap, ...], limit: int | None
) -> BulkSpool:
    """Write what `pushable` says is due, sorted by parent across the files so that jobs do not fight for locks.

    `payloads` is the file that `pushable` is a view of; the others are made beside it.
    """
    names = [field.field for field in fields]
    columns = ", ".join(
        # An empty text would read as "leave the field alone"; the org keeps no empty text, only null.
        f"nullif(cells[{number}], '') AS {identifier(name)}"
        for number, name in enumerate(names, 1)
    )
    header = len(",".join(names).encode()) + 1
    paths = ", ".join(map(json_path, fields))
    rows = sql("bulk_rows", limit=as_limit(limit), paths=paths)
    connection.execute(rows, {"max_bytes": MAX_FILE_BYTES - header})
    folder = payloads.parent
    kept = folder / f"{target.name}.parquet"
    connection.execute(sql("bulk_keep", path=literal(kept)))
    parts = []
    for number, size in connection.execute("SELECT part, count(*) FROM bulk_rows GROUP BY ALL ORDER BY 1").fetchall():
        file = folder / f"{target.name}-{number:06d}.csv"
        connection.execute(sql("bulk_csv", columns=columns, paths=paths, part=str(number), path=literal(file)))
        parts.append(Part(number, file, size))
    connection.execute("DROP TABLE bulk_rows")
    return BulkSpool(kept, payloads, tuple(parts))
