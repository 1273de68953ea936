"""`learnsync readback`: what became of our records in Salesforce."""

from typing import Annotated

import typer
from rich.markup import escape

from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported, show_drift, show_notes, table
from connector.salesforce.readback.readback import ReadbackOptions, ReadbackReport
from connector.sync import run_readback


@command()
def readback(
    run: Run,
    *,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew, not only what changed.")] = False,
) -> Outcome:
    """Salesforce → warehouse: people, native progress, our own records; finds drift and marks what is due again."""
    return reported(run_readback(run.settings, ReadbackOptions(full, run.progress)), show_readback)


def show_readback(report: ReadbackReport) -> None:
    """Rows per object, what is not in the org, the matches, and the drift."""
    rows = [
        (it.object, it.rows, it.inserted, it.updated, it.removed, f"in full: {it.full}" if it.full else "changes")
        for it in report.objects.values()
    ]
    out.print(table("Read from Salesforce", ("object", "read", "new", "changed", "gone", "how"), rows))
    for name, reason in report.absent.items():
        out.print(f"  {name}: {escape(reason)}; left aside", soft_wrap=True)
    _show_matches("learners by person", report.learners, "mappings/learner_matching.csv, learner_crosswalk.csv")
    show_notes(report.notes)
    _show_matches("courses by LearningItem", report.items, "mappings/learning_items.csv")
    show_drift(report.drift)
    if due := sum(counts.due for counts in report.own.values()):
        out.print(f"  {due:,} record(s) are due again: the next push repairs them")


def _show_matches(matched: str, outcomes: dict[str, int], source: str) -> None:
    if outcomes:
        figures = ", ".join(f"{rows:,} {outcome}" for outcome, rows in outcomes.items())
        out.print(f"  {matched}: {figures} ({source})", soft_wrap=True)
