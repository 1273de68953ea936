"""`learnsync status`: how far each stream is, and where every single enrollment stands between portal and org."""

from dataclasses import dataclass
from typing import Any

from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import ago, records, reported, show_drift, show_fields, show_hold, sql, table
from connector.push.holds import Hold, open_holds
from connector.settings import Settings
from connector.warehouse import fields
from connector.warehouse.database import Warehouse
from connector.warehouse.statements import identifier


@dataclass(frozen=True, slots=True)
class Status:
    """Everything `learnsync status` shows."""

    tenant_id: str
    watermarks: list[dict[str, Any]]
    tables: dict[str, int]
    accounting: list[dict[str, Any]]
    balanced: bool
    runs: list[dict[str, Any]]
    pending: dict[str, int]
    holds: list[Hold]
    drift: dict[str, int]
    fields: dict[str, list[str]]
    api_calls: dict[str, Any]
    identity: list[dict[str, Any]]  # the portal and the org that the rows are of

    @property
    def complete(self) -> bool:
        """True when nothing waits for a fix or for an approval."""
        return not any(self.pending.values()) and not self.holds


IDENTITY = "SELECT system, id, kind, url, noted_at FROM ops.identity WHERE tenant_id = $tenant_id ORDER BY ALL DESC"
TABLES = (
    "absorb.departments", "absorb.users", "absorb.courses", "absorb.enrollments", "learning_record",
    "learning_item_progress", "salesforce.users", "salesforce.contacts", "salesforce.push_ledger",
    "salesforce.lms_courses", "salesforce.lms_enrollments", "salesforce.learning_items",
    "salesforce.learning_item_progress", "ops.learning_record_ledger",
)  # fmt: skip


@command()
def status(run: Run) -> Outcome:
    """Watermarks, row counts, where every enrollment is, last runs, pending rejects, API calls used."""
    return reported(collect(run.settings), show)


def collect(settings: Settings) -> Status:
    """Read the figures. Raises WarehouseError, also where there is no warehouse."""
    mine = {"tenant_id": settings.tenant_id}
    counts = ", ".join(f"(SELECT count(*) FROM {it} WHERE tenant_id = $tenant_id) AS {identifier(it)}" for it in TABLES)
    with Warehouse.existing(settings).connect() as connection:
        [tables] = records(connection, f"SELECT {counts}", mine)
        accounting = records(connection, sql("accounting"), mine)
        return Status(
            settings.tenant_id,
            records(connection, sql("watermarks"), mine),
            tables,
            accounting,
            sum(row["enrollments"] for row in accounting) == tables["absorb.enrollments"],
            records(connection, sql("runs"), mine),
            {row["kind"]: row["pending"] for row in records(connection, sql("pending"), mine)},
            open_holds(connection, settings.tenant_id),
            {row["kind"]: row["differences"] for row in records(connection, sql("drift"), mine)},
            {
                "vanished": [str(one) for one in fields.vanished(connection, settings.tenant_id)],
                "emptied": [str(one) for one in fields.emptied(connection, settings.tenant_id)],
            },
            records(connection, sql("api_calls"), mine)[0],
            records(connection, IDENTITY, mine),
        )


def show(status: Status) -> None:
    """Print the figures as tables."""
    marks = [
        (row["stream"], row["lists"], row["newest"], ago(row["last_read"]), ago(row["first_read"]))
        for row in status.watermarks
    ]
    for row in status.identity:
        out.print(f"Of the {row['system']} with the {row['kind']} {row['id']} at {row['url']}", soft_wrap=True)
    columns = ("stream", "lists", "newest row", "last read", "longest unread")
    out.print(table(f"Watermarks of tenant {status.tenant_id}", columns, marks))
    out.print(table("Rows", ("table", "rows"), status.tables.items()))
    _show_accounting(status)
    _show_runs(status)
    for kind, number in status.pending.items():
        if number:
            out.print(f"  [yellow]{number:,} {kind}[/]: see `learnsync rejects list`")
    show_fields(status.fields["vanished"], status.fields["emptied"])
    for hold in status.holds:
        show_hold(hold)
    show_drift(status.drift)
    if status.api_calls:
        calls = status.api_calls
        out.print(
            f"API calls in the last 24 hours: Absorb {calls['absorb'] or 0:,}, Salesforce {calls['salesforce'] or 0:,}"
            + (f" (org: {calls['org_used']:,} of {calls['org_allowed']:,})" if calls["org_allowed"] else "")
        )


def _show_accounting(status: Status) -> None:
    states = [(row["state"], row["enrollments"]) for row in status.accounting]
    accounted = ("accounted for", f"{sum(row['enrollments'] for row in status.accounting):,}")
    there = ("in absorb.enrollments", f"{status.tables['absorb.enrollments']:,}")
    out.print(table("Where every enrollment is", ("state", "enrollments"), [*states, None, accounted, there]))
    if not status.balanced:
        out.print("  [red]these two figures differ[/]: run `learnsync build`, then look again")


def _show_runs(status: Status) -> None:
    runs = [
        (row["command"], ago(row["started_at"]), row["seconds"], row["outcome"], row["message"] or "")
        for row in status.runs
    ]
    made = table("Last runs", ("command", "started", "seconds", "outcome", "message"), runs, numbers=False)
    made.columns[2].justify = "right"
    out.print(made)
