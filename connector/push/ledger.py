"""salesforce.push_ledger: what is about to be sent, what became of it, and the counts that a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector.push.reports import TargetReport
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

Row = Mapping[str, Any]


class Ledger:
    """The rows of one object at one place, as one run writes them. Each writing method is one transaction.

    The place is the id of an org, or the base URL of an API that has none: another one has none of these records.
    """

    def __init__(self, warehouse: Warehouse, tenant_id: str, place: str, object_name: str, run_id: str) -> None:
        self.warehouse = warehouse
        self.key = {"tenant_id": tenant_id, "org_id": place, "object": object_name}
        self.run_id = run_id

    def intend(self, rows: Iterable[Row]) -> None:
        """Note what a call that must not be repeated is about to send: external_id, payload_hash, content."""
        with self.warehouse.transaction() as connection:
            self.write(connection, "ledger_intend", _given(rows), job_id=None)

    def put(self, rows: Sequence[Row]) -> None:
        """Note what became of records: see outcomes.ledger_row."""
        if rows:
            with self.warehouse.transaction() as connection:
                self.write(connection, "ledger_put", _given(rows))

    def found(self, rows: Sequence[Row]) -> None:
        """Note records that the target was found to have: external_id, payload_hash, content, salesforce_id.

        They do not count as sent by this run.
        """
        if rows:
            with self.warehouse.transaction() as connection:
                self.write(connection, "ledger_found", _given(rows))

    def write(self, connection: Connection, name: str, rows: tuple[str, Row], **values: Any) -> None:
        """Run one of the statements ledger_*.sql over rows: a query and its parameters."""
        query, parameters = rows
        named = {"now": utc_now(), "run_id": self.run_id}
        connection.execute(sql(name, rows=query), {**self.key, **named, **parameters, **values})

    def remote_ids(self, connection: Connection) -> dict[str, str | None]:
        """External id of every record in the ledger → the id that the target gave it, None where there is none yet."""
        return dict(connection.execute(sql("ledger_ids"), self.key).fetchall())

    def count(self, connection: Connection, report: TargetReport) -> None:
        """Add to a report what became of the records that this run sent, each counted once."""
        found = connection.execute(sql("ledger_counts"), self.key | {"run_id": self.run_id}).fetchall()
        states: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for state, code, records, created in found:
            states[state] += records
            report.created += created
            if state != "accepted":
                errors[code] += records
        report.sent, report.errors = states.total(), dict(errors)
        report.accepted, report.rejected, report.deferred = (
            states[state] for state in ("accepted", "rejected", "deferred")
        )


def _given(rows: Iterable[Row]) -> tuple[str, Row]:
    return sql("ledger_rows"), {"rows": rows_param(rows)}
