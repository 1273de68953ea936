"""Spooled readings into the tables of the schema `salesforce`, and the checkpoint with the rows that it covers."""

from dataclasses import dataclass

from connector.salesforce.readback import contacts
from connector.salesforce.readback.objects import SQL_TYPES
from connector.salesforce.readback.read import Checkpoint, Reading
from connector.times import utc_now
from connector.warehouse import changed
from connector.warehouse.apply import apply_computed
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import identifier, literal, rows_param, statements

sql = statements(__package__)


@dataclass(slots=True)
class ObjectReport:
    """What was read of one object, and the rows that it added, changed (removals included) and found to be gone.

    `full` says why all of it was read; empty for its changes alone.
    """

    object: str
    full: str
    rows: int
    inserted: int
    updated: int
    removed: int


def checkpoints(connection: Connection, tenant_id: str) -> dict[str, Checkpoint]:
    """Object → how far it has been read."""
    query = "SELECT object, org_id, covered_until, full_at, fields FROM salesforce.checkpoints WHERE tenant_id = ?"
    found = [Checkpoint(*row) for row in connection.execute(query, [tenant_id]).fetchall()]
    return {checkpoint.object: checkpoint for checkpoint in found}


def store(connection: Connection, reading: Reading, tenant_id: str, run_id: str) -> ObjectReport:
    """Merge one reading and move its checkpoint, in the caller's transaction.

    Rows that a full read did not meet, and those the org calls deleted, get `_removed_at`; only another org's rows are
    dropped, and contacts that no learner can match.
    """
    readable = reading.readable
    table = f"salesforce.{readable.table}"
    held = checkpoints(connection, tenant_id).get(readable.object)
    same_org = held is not None and held.org_id == reading.org_id
    # Without a checkpoint the rows held may be those of another org: a full read takes their place.
    _compute(connection, reading, table, tenant_id, keep=same_org)
    if reading.keys is not None:
        contacts.narrow(connection, reading, tenant_id)
    removed = count(connection, sql("readback_removed", table=table), {"tenant_id": tenant_id})
    counts = apply_computed(connection, table, "Id", tenant_id, keep=same_org)
    changed.note(connection, tenant_id, table, 'SELECT "Id" AS id FROM changes')
    if reading.keys is not None:
        contacts.forget(connection, reading, tenant_id)
    connection.execute("DROP TABLE staged")
    names = {"tenant_id": tenant_id, "object": readable.object, "org_id": reading.org_id, "run_id": run_id}
    reach = {"covered_until": reading.covered_until, "fields": reading.select, "full": bool(reading.full)}
    connection.execute(sql("checkpoint_put"), names | reach | {"at": reading.at, "now": utc_now()})
    return ObjectReport(readable.object, reading.full, reading.rows, counts.inserted, counts.updated, removed)


def _compute(connection: Connection, reading: Reading, table: str, tenant_id: str, *, keep: bool) -> None:
    columns = reading.readable.columns
    types = {column: SQL_TYPES.get(column, "VARCHAR") for column in columns}
    quoted = {column: identifier(column) for column in columns}
    values = ", ".join(f"TRY_CAST({quoted[name]} AS {kind}) AS {quoted[name]}" for name, kind in types.items())
    shape = ", ".join(
        f"{literal(name)}: {literal('JSON' if kind == 'JSON' else 'VARCHAR')}" for name, kind in types.items()
    )
    files = {"files": [str(path) for path in reading.files]}
    connection.execute(sql("readback_staged", values=values, shape=shape), files)
    # IsDeleted is set only where the org said so: a row that a full read did not meet may just be hidden from us.
    deleted = 'r."Id" IS NOT NULL OR h."IsDeleted" AS "IsDeleted"'
    absent = ", ".join(deleted if column == "IsDeleted" else f"h.{quoted[column]}" for column in columns)
    query = sql(
        "readback_computed",
        table=table,
        columns=", ".join(f"s.{name}" for name in quoted.values()),
        removed='CASE WHEN s."IsDeleted" THEN coalesce(h._removed_at, $now) END' if "IsDeleted" in columns else "NULL",
        absent=absent,
        missing="true" if reading.full and keep else 'r."Id" IS NOT NULL',
    )
    gone = rows_param({"Id": key, "at": at} for key, at in reading.gone.items())
    connection.execute(query, {"tenant_id": tenant_id, "gone": gone, "now": utc_now()})
