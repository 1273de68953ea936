"""`learnsync status`: how far each stream is, and where every single enrollment stands between portal and org."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from connector.cli.command import Outcome, Run, command, new_app
from connector.cli.console import out
from connector.cli.tables import ago, count, records, reported, show_drift, sql, table
from connector.settings import Settings
from connector.warehouse.database import Warehouse

app = new_app()


@dataclass(slots=True)
class Status:
    """Everything `learnsync status` shows."""

    tenant_id: str
    watermarks: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    accounting: list[dict[str, Any]] = field(default_factory=list)
    balanced: bool = True
    runs: list[dict[str, Any]] = field(default_factory=list)
    pending: dict[str, int] = field(default_factory=dict)
    drift: dict[str, int] = field(default_factory=dict)
    api_calls: dict[str, Any] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """True when nothing waits for a fix."""
        return not any(self.pending.values())


TABLES = (
    "absorb.departments", "absorb.users", "absorb.courses", "absorb.enrollments", "learning_record",
    "learning_item_progress", "salesforce.users", "salesforce.contacts", "salesforce.push_ledger",
    "salesforce.lms_courses", "salesforce.lms_enrollments", "salesforce.learning_items",
    "salesforce.learning_item_progress",
    "ops.learning_record_ledger",
)  # fmt: skip


@command(app)
def status(run: Run) -> Outcome:
    """Watermarks, row counts, where every enrollment is, last runs, pending rejects, API calls used."""
    return reported(collect(run.settings), show)


def collect(settings: Settings) -> Status:
    """Read the figures. Raises WarehouseError."""
    mine = {"tenant_id": settings.tenant_id}
    found = Status(settings.tenant_id)
    with Warehouse.of(settings).connect() as connection:
        found.watermarks = records(connection, sql("watermarks"), mine)
        for name in TABLES:
            [counted] = records(connection, f"SELECT count(*) AS n FROM {name} WHERE tenant_id = $tenant_id", mine)
            found.tables[name] = counted["n"]
        found.accounting = records(connection, sql("accounting"), mine)
        found.runs = records(connection, sql("runs"), mine)
        found.pending = {row["kind"]: row["pending"] for row in records(connection, sql("pending"), mine)}
        found.drift = {row["kind"]: row["differences"] for row in records(connection, sql("drift"), mine)}
        [found.api_calls] = records(connection, sql("api_calls"), mine)
    accounted = sum(row["enrollments"] for row in found.accounting)
    found.balanced = accounted == found.tables["absorb.enrollments"]
    return found


def show(status: Status) -> None:
    """Print the figures as tables."""
    _show_watermarks(status)
    rows = table("Rows", "table", "rows")
    for name, number in status.tables.items():
        rows.add_row(name, count(number))
    out.print(rows)
    _show_accounting(status)
    _show_runs(status)
    for kind, number in status.pending.items():
        if number:
            out.print(f"  [yellow]{number:,} {kind}[/]: see `learnsync rejects list`")
    show_drift(status.drift)
    if status.api_calls:
        calls = status.api_calls
        out.print(
            f"API calls in the last 24 hours: Absorb {calls['absorb'] or 0:,}, Salesforce {calls['salesforce'] or 0:,}"
            + (f" (org: {calls['org_used']:,} of {calls['org_allowed']:,})" if calls["org_allowed"] else "")
        )


def _show_watermarks(status: Status) -> None:
    marks = table(
        f"Watermarks of tenant {status.tenant_id}", "stream", "lists", "newest row", "last read", "longest unread"
    )
    for row in status.watermarks:
        newest: datetime | None = row["newest"]
        shown = f"{newest:%Y-%m-%d %H:%M:%S}" if newest else "–"
        marks.add_row(row["stream"], count(row["lists"]), shown, ago(row["last_read"]), ago(row["first_read"]))
    out.print(marks)


def _show_accounting(status: Status) -> None:
    made = table("Where every enrollment is", "state", "enrollments")
    for row in status.accounting:
        made.add_row(row["state"], count(row["enrollments"]))
    total = sum(row["enrollments"] for row in status.accounting)
    made.add_section()
    made.add_row("accounted for", f"{total:,}")
    made.add_row("in absorb.enrollments", f"{status.tables['absorb.enrollments']:,}")
    out.print(made)
    if not status.balanced:
        out.print("  [red]these two figures differ[/]: run `learnsync build`, then look again")


def _show_runs(status: Status) -> None:
    made = Table(title="Last runs", title_justify="left", title_style="bold", header_style="dim")
    for column in ("command", "started", "seconds", "outcome", "message"):
        made.add_column(column, justify="right" if column == "seconds" else "left")
    for row in status.runs:
        seconds = f"{row['seconds']:.1f}" if row["seconds"] is not None else "–"
        made.add_row(row["command"], ago(row["started_at"]), seconds, row["outcome"], escape(row["message"] or ""))
    out.print(made)
