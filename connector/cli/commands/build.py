"""`learnsync build`: the warehouse's rows → the canonical tables."""

from connector.canonical.build import BuildReport
from connector.cli.command import Outcome, Run, command, new_app
from connector.cli.console import out
from connector.cli.tables import count, reported, table
from connector.sync import run_build

app = new_app()


@command(app)
def build(run: Run) -> Outcome:
    """Warehouse → learning_record and learning_item_progress. Idempotent; statuses follow the calendar."""
    return reported(run_build(run.settings), show_build)


def show_build(report: BuildReport) -> None:
    """What the canonical tables became, and learners per status."""
    made = table(f"Built as of {report.as_of:%Y-%m-%d %H:%M} UTC", "table", "rows", "new", "changed", "gone")
    for name, counts in report.tables.items():
        made.add_row(name, count(counts.rows), count(counts.inserted), count(counts.updated), count(counts.deleted))
    out.print(made)
    if report.statuses:
        statuses = table("Where learners stand", "ProgressStatus", "enrollments", "")
        largest = max(report.statuses.values())
        for status, rows in sorted(report.statuses.items(), key=lambda item: -item[1]):
            statuses.add_row(status, count(rows), f"[cyan]{'█' * max(1, round(24 * rows / largest)):<24}[/]")
        out.print(statuses)
    if report.unmapped:
        out.print(
            f"  [yellow]{report.unmapped:,} enrollment(s) with a status no map knows[/]: `learnsync rejects list`"
        )
