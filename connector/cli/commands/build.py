"""`learnsync build`: the warehouse's rows → the canonical tables."""

from connector.canonical.build import BuildReport
from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import bars, reported, table
from connector.local import run_build


@command()
def build(run: Run) -> Outcome:
    """Warehouse → learning_record and learning_item_progress. Idempotent; statuses follow the calendar."""
    return reported(run_build(run.settings), show_build)


def show_build(report: BuildReport) -> None:
    """What the canonical tables became, and learners per status."""
    title = f"Built as of {report.as_of:%Y-%m-%d %H:%M} UTC"
    made = [(name, each.rows, each.inserted, each.updated, each.deleted) for name, each in report.tables.items()]
    out.print(table(title, ("table", "rows", "new", "changed", "gone"), made))
    if report.statuses:
        out.print(table("Where learners stand", ("ProgressStatus", "enrollments", ""), bars(report.statuses)))
    if report.moves:
        out.print(table("Statuses that changed", ("from → to", "enrollments", ""), bars(report.moves)))
    if report.unmapped:
        unmapped = f"{report.unmapped:,} enrollment(s) with a status no map knows"
        out.print(f"  [yellow]{unmapped}[/]: `learnsync rejects list`")
    if report.scores_out_of_range:
        odd = f"{report.scores_out_of_range:,} score(s) outside 0-100"
        out.print(f"  [yellow]{odd}[/]: null in learning_record, as served in absorb.enrollments", soft_wrap=True)
