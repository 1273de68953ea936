"""Fields that no model knows: noticed once, kept from then on in each row's `_extra`, never in the way of a run."""

import logging
from collections.abc import Collection, Iterable

from connector.streams.rows import AbsorbRow
from connector.warehouse.database import Connection, Stamp
from connector.warehouse.schema import source_columns
from connector.warehouse.statements import literal

log = logging.getLogger(__name__)

MOST_FIELDS = 100
LONGEST_NAME = 1_000

# What this process has said of fields that cannot be kept, by stream.
_said: set[tuple[str, str]] = set()


def read(connection: Connection, tenant_id: str, stream: str) -> list[str]:
    """The drifted fields of a stream that are kept already."""
    query = "SELECT field FROM ops.drift WHERE tenant_id = ? AND stream = ? ORDER BY field"
    return [row[0] for row in connection.execute(query, [tenant_id, stream]).fetchall()]


def unknown(model: type[AbsorbRow], keys: Iterable[str], drifted: Collection[str]) -> list[str]:
    """Which of `keys` neither the model nor `drifted` names; what cannot be kept is at least said."""
    named = {key for column in source_columns(model) for key in column.keys} | set(drifted)
    found: list[str] = []
    for key in sorted(set(keys) - named):
        # DuckDB's text of a statement ends at a NUL.
        keepable = 0 < len(key) <= LONGEST_NAME and "\0" not in key
        if keepable and len(found) + len(drifted) < MOST_FIELDS:
            found.append(key)
        elif (model.stream, key) not in _said:
            _said.add((model.stream, key))
            log.warning("%s has a field that learnsync does not know and cannot keep: %r", model.stream, key)
    return found


def record(connection: Connection, stream: str, fields: list[str], stamp: Stamp) -> None:
    """Remember new fields and say so, once. Call inside the transaction that loads their first rows."""
    insert = "INSERT INTO ops.drift VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    for field in fields:
        connection.execute(insert, [stamp.tenant_id, stream, field, stamp.now, stamp.run_id])
        log.warning(
            "%s has a field that learnsync does not know: %r; it is kept in absorb.%s._extra", stream, field, stream
        )


def extra_sql(drifted: Collection[str]) -> str:
    """SQL for `_extra`: the drifted fields of a row as JSON, null when it has none of them."""
    if not drifted:
        return "CAST(NULL AS JSON)"
    entries = ", ".join(
        f"{{'k': {literal(field)}, 'v': json_extract(raw, {literal(_pointer(field))})}}" for field in drifted
    )
    # Only what a row has: a field that appears later elsewhere must not make this row look changed.
    kept = f"list_filter([{entries}], lambda entry: entry.v IS NOT NULL)"
    return f"CASE WHEN len({kept}) > 0 THEN to_json(map_from_entries({kept})) END"


def _pointer(field: str) -> str:
    """A JSON pointer, which knows letter case and any character."""
    return "/" + field.replace("~", "~0").replace("/", "~1")
