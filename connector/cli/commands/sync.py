"""`learnsync sync`: all stages, one after another."""

from typing import Annotated

import typer
from rich.markup import escape

from connector.cli.command import Outcome, Run, command
from connector.cli.commands.build import show_build
from connector.cli.commands.publish import show_publish
from connector.cli.commands.pull import show_pull
from connector.cli.commands.push import show_push
from connector.cli.commands.readback import show_readback
from connector.cli.commands.reconcile import show_reconcile
from connector.cli.console import out
from connector.cli.tables import reported
from connector.sync import SyncReport, run_sync


@command()
def sync(
    run: Run,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Pull every list, and read Salesforce back, from the beginning.")
    ] = False,
) -> Outcome:
    """Pull, match, build, push, read back, publish; a sweep for deletions first when one is due."""
    return reported(run_sync(run.settings, full=full, progress=run.progress), show_sync)


def show_sync(report: SyncReport) -> None:
    """All stages."""
    if report.sweep.report:
        show_reconcile(report.sweep.report)
    elif report.sweep.error:
        out.print(f"  [red]not swept[/]: {escape(report.sweep.error)}", soft_wrap=True)
    show_pull(report.pull)
    if report.match is not None:
        show_readback(report.match)
    show_build(report.build)
    if report.push is None:
        out.print("No push: no target is set (LEARNSYNC_SALESFORCE__LOGIN_URL, LEARNSYNC_LEARNING_RECORDS__BASE_URL).")
    else:
        show_push(report.push)
    if report.readback is not None:
        show_readback(report.readback)
    elif report.readback_error:
        out.print(f"  [red]not read back[/]: {report.readback_error}", soft_wrap=True)
    show_publish(report.publish)
    out.print("Time: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items()))
