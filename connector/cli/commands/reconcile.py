"""`learnsync reconcile`: which enrollments, users and departments vanished in Absorb."""

from typing import Annotated

import typer
from rich.markup import escape

from connector.absorb.pull.reconcile import DEFAULT_MAX_REMOVED_PERCENT, ReconcileOptions, ReconcileReport
from connector.cli.command import Outcome, Run, command
from connector.cli.commands.pull import show_pull
from connector.cli.console import out
from connector.cli.tables import reported
from connector.sync import run_reconcile


@command()
def reconcile(
    run: Run,
    *,
    max_removed_percent: Annotated[
        float, typer.Option(min=0, max=100, help="Remove nothing if more than this share of the rows vanished.")
    ] = DEFAULT_MAX_REMOVED_PERCENT,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Courses that answer with no rows really are empty: I have checked.")
    ] = False,
) -> Outcome:
    """Full id sweep: find what vanished in Absorb and mark it removed; nothing is deleted."""
    options = ReconcileOptions(max_removed_percent, allow_empty)
    return reported(run_reconcile(run.settings, options, run.progress), show_reconcile)


def show_reconcile(report: ReconcileReport) -> None:
    """What the sweep met, what it removed, or why it did not."""
    show_pull(report.pull)
    show_sweep(report)


def show_sweep(report: ReconcileReport) -> None:
    """What was not met and what was marked, or why not."""
    out.print(
        f"Swept {report.courses:,} courses ({report.courses_gone:,} answered 404): of {report.live:,} live enrollments"
        f" {report.vanished:,} were not met ({report.vanished_percent:.2f} %), {report.removed:,} marked removed.",
        soft_wrap=True,
    )
    for stream, lost in report.others.items():
        if lost.vanished:
            out.print(
                f"  of {lost.live:,} live {stream} {lost.vanished:,} were not met, {lost.removed:,} marked removed"
            )
    for reason in report.refused:
        out.print(f"  [yellow]nothing removed[/]: {escape(reason)}.", soft_wrap=True)
