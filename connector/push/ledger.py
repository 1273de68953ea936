"""salesforce.push_ledger: what is about to be sent, what became of it, and the counts that a report shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from connector.push.reports import TargetReport
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse, count
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

    def intend(self, rows: Sequence[Row]) -> None:
        """Note what a call that must not be repeated is about to send: external_id, payload_hash, content."""
        self._write_given("ledger_intend", rows, job_id=None)

    def put(self, rows: Sequence[Row]) -> None:
        """Note what became of records: see outcomes.ledger_row."""
        self._write_given("ledger_put", rows)

    def found(self, rows: Sequence[Row]) -> None:
        """Note records that the target was found to have: external_id, payload_hash, content, salesforce_id.

        They do not count as sent by this run.
        """
        self._write_given("ledger_found", rows)

    def _write_given(self, name: str, rows: Sequence[Row], **values: Any) -> None:
        if rows:
            with self.warehouse.transaction() as connection:
                self.write(connection, name, sql("ledger_rows"), rows=rows_param(rows), **values)

    def write(self, connection: Connection, name: str, query: str, **values: Any) -> None:
        """Run one of the statements ledger_*.sql over the rows of a query, in the caller's transaction."""
        named = {"now": utc_now(), "run_id": self.run_id}
        connection.execute(sql(name, rows=query), self.key | named | values)

    def remote_ids(self, connection: Connection) -> dict[str, str | None]:
        """External id of every record in the ledger → the id that the target gave it, None where there is none yet."""
        return dict(connection.execute(sql("ledger_ids"), self.key).fetchall())

    def size(self, connection: Connection) -> int:
        """How many records of the object the ledger knows."""
        return count(connection, sql("ledger_size"), self.key)

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
