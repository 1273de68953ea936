"""`pushable`: the records of a target as they should be, and what the ledger says of each.

A temp table, or, where a target may have a million records, a view of a file: payloads are written as they are made and
never lie in memory together.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from connector import files
from connector.errors import MappingError
from connector.push.reports import TargetReport
from connector.warehouse.database import Connection
from connector.warehouse.statements import literal, statements

sql = statements(__package__)

MOST_SAMPLES = 999_999  # of an action; min_by of DuckDB takes fewer than a million


_TABLE = "CREATE OR REPLACE TEMP TABLE pushable AS "


@dataclass(frozen=True, slots=True)
class ByChange:
    """How some of the records of a target are computed alone.

    `query` is that of the source for the records in the temp table looked_at, after the statement `prepare`; `changed`
    gives the records (external_id) of which something is noted for the push in ops.changed.
    """

    query: str
    prepare: str
    changed: str


@dataclass(frozen=True, slots=True)
class Source:
    """What the records of a target are made of: a query, the payload as an expression over it, further parameters.

    `files` names the maps that both come from. The columns of the query are external_id, sort_key and blocked, and
    for a target that can only create also `removed`. Without `by_change` every push looks at all records.
    """

    query: str
    payload: str
    files: str
    values: Mapping[str, Any] = field(default_factory=dict)
    update_only: bool = False
    create_only: bool = False
    by_change: ByChange | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One record that is to be sent."""

    external_id: str
    payload_hash: str
    payload: dict[str, Any]
    # What the same payload was refused with in the run before.
    prior_code: str | None = None


def statement(source: Source, *, whole: bool = True) -> str:
    """The query of `pushable` (connector/push/sql/pushable.sql), which says all that payloads are made of."""
    removed = "removed" if source.create_only else "false"
    query = source.query if whole or not source.by_change else source.by_change.query
    return sql("pushable", query=query, payload=f"CAST({source.payload} AS VARCHAR)", removed=removed)


def compute(
    connection: Connection,
    source: Source,
    key: Mapping[str, Any],
    *,
    full: bool = False,
    whole: bool = True,
    file: Path | None = None,
) -> None:
    """Make `pushable` for the ledger rows that `key` names; `full` makes all due.

    Without `whole` it need have no more than the records in the temp table looked_at. With `file` it is a view of that
    file, which has no payloads of unchanged records; a connection makes tables or views, not both. Raises MappingError
    when query and payload do not fit together.
    """
    values = {"full": full, "update_only": source.update_only, "create_only": source.create_only}
    query = statement(source, whole=whole)
    made = sql("pushable_file", query=query, file=literal(file)) if file else _TABLE + query
    if source.by_change and not whole:
        connection.execute(source.by_change.prepare, {"tenant_id": key["tenant_id"]})
    try:
        connection.execute(made, {**key, **source.values, **values})
        if file:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW pushable AS FROM read_parquet({literal(file)})")
    except (duckdb.BinderException, duckdb.ParserException) as failure:
        raise MappingError(
            f"{source.files} cannot be used: {str(failure).splitlines()[0]}",
            remedy="Name a column of the query as source, or correct the query.",
        ) from None


def json_object(members: Mapping[str, str]) -> str:
    """An SQL expression that makes a JSON object: name → expression of its value."""
    return f"json_object({', '.join(f'{literal(name)}, {value}' for name, value in members.items())})"


def value_sql(column: str, kind: str, seconds: str = "%S.%gZ") -> str:
    """A column as a value of a payload; `kind` is that of a field map."""
    if kind == "datetime":
        return f"strftime(timezone('UTC', {column}), '%Y-%m-%dT%H:%M:{seconds}')"
    return f"coalesce({column}, false)" if kind == "checkbox" else column


def report(
    connection: Connection, target: str, object_name: str, samples: int, rest: Mapping[str, int] = {}
) -> TargetReport:
    """What `pushable` says: records by action, and up to `samples` of each; `rest` are those that it does not have."""
    counts = Counter(dict(connection.execute("SELECT action, count(*) FROM pushable GROUP BY ALL").fetchall()))
    compared = counts.total()
    counts.update(rest)
    known: dict[str, Any] = {action: counts.pop(action, 0) for action in ("create", "update", "unchanged", "held")}
    blocked, shown = {reason: records for reason, records in counts.items() if records}, _samples(connection, samples)
    return TargetReport(target, object_name, **known, compared=compared, blocked=blocked, samples=shown)


def _samples(connection: Connection, most: int) -> list[dict[str, Any]]:
    if not most:
        return []
    found = connection.execute(sql("samples"), {"most": min(most, MOST_SAMPLES)}).fetchall()
    return [
        {"action": action, "external_id": external_id, "payload": json.loads(payload)}
        for action, external_id, payload in found
    ]


def spool(connection: Connection, path: Path, limit: int | None) -> None:
    """Write the records that are due to a file: the warehouse is closed while they are sent."""
    connection.execute(sql("spool", path=literal(path), limit=as_limit(limit)))


def as_limit(limit: int | None) -> str:
    """A limit as SQL takes it."""
    return "ALL" if limit is None else str(limit)


def read(path: Path) -> Iterator[Item]:
    """The records of a spool file, in order."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Item(row["external_id"], row["payload_hash"], json.loads(row["payload"]), row.get("prior_code"))


def append(path: Path, items: Iterable[Item]) -> None:
    """Add records to a spool file."""
    with files.open_text(path, "a") as kept:
        kept.writelines(json.dumps({**asdict(item), "payload": json.dumps(item.payload)}) + "\n" for item in items)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in order, so many at a time."""
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch
