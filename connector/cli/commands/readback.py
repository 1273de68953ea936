"""`learnsync readback`: what became of our records in Salesforce."""

from typing import Annotated

import typer
from rich.markup import escape

from connector.cli.command import Outcome, Run, command, new_app
from connector.cli.console import out
from connector.cli.tables import count, reported, show_drift, table
from connector.salesforce.readback.report import ReadbackOptions, ReadbackReport
from connector.sync import run_readback

app = new_app()


@command(app)
def readback(
    run: Run,
    *,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew, not only what changed.")] = False,
) -> Outcome:
    """Salesforce → warehouse: people, native progress, our own records; finds drift and marks what is due again."""
    return reported(run_readback(run.settings, ReadbackOptions(full, run.progress)), show_readback)


def show_readback(report: ReadbackReport) -> None:
    """Rows per object, what is not in the org, the matches, and the drift."""
    made = table("Read from Salesforce", "object", "read", "new", "changed", "gone", "how")
    for entry in report.objects.values():
        how = f"in full: {entry.full}" if entry.full else "changes"
        made.add_row(
            entry.object, count(entry.rows), count(entry.inserted), count(entry.updated), count(entry.removed), how
        )
    out.print(made)
    for name, reason in report.absent.items():
        out.print(f"  {name}: {escape(reason)}; left aside", soft_wrap=True)
    if report.learners:
        figures = ", ".join(f"{learners:,} {outcome}" for outcome, learners in report.learners.items())
        out.print(f"  learners by person: {figures} (mappings/learner_matching.csv)", soft_wrap=True)
    if report.items:
        figures = ", ".join(f"{courses:,} {outcome}" for outcome, courses in report.items.items())
        out.print(f"  courses by LearningItem: {figures} (mappings/learning_items.csv)", soft_wrap=True)
    show_drift(report.drift)
    due = sum(counts.due for counts in report.own.values())
    if due:
        out.print(f"  {due:,} record(s) are due again: the next push repairs them")
