"""`learnsync readback`: what became of our records in Salesforce."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported, show_drift, show_notes, table
from connector.salesforce.readback.readback import ReadbackOptions, ReadbackReport
from connector.salesforce.readback.retrieve import Retrieved
from connector.sync import run_readback, run_retrieve


@command()
def readback(
    run: Run,
    *,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew, not only what changed.")] = False,
    record: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only show this LearningItemProgress, as the org has it now, beside ours."),
    ] = None,
) -> Outcome:
    """Salesforce → warehouse: people, native progress, our own records; finds drift and marks what is due again."""
    if record is not None:
        return reported(run_retrieve(run.settings, record), show_retrieved)
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


def show_retrieved(found: Retrieved) -> None:
    """A native record field by field, ours beside it, and in what they differ."""
    ours = found.ours or {}
    rows = [(name, value, ours.get(name)) for name, value in found.record.items()]
    title = f"LearningItemProgress {found.record['Id']}"
    out.print(table(title, ("field", "in Salesforce", "ours"), map(_texts, rows), numbers=False))
    if found.ours is None:
        out.print("  its owner or learning item matches no current enrollment: nothing to compare with")
        return
    out.print(f"  enrollment {ours['enrollment_id']}, by the rule {ours['rule']}")
    for difference in found.drift:
        name, mine, theirs = (difference[key] for key in ("field", "ours", "theirs"))
        out.print(f"  [yellow]drift[/] {name}: {escape(str(mine))} here, {escape(str(theirs))} in Salesforce")
    if not found.drift:
        out.print("  no difference beyond what is tolerated (docs/readback.md)")


def _texts(row: tuple[str, Any, Any]) -> tuple[str | None, ...]:
    return tuple(None if value is None else str(value) for value in row)


def _show_matches(matched: str, outcomes: dict[str, int], source: str) -> None:
    if outcomes:
        figures = ", ".join(f"{rows:,} {outcome}" for outcome, rows in outcomes.items())
        out.print(f"  {matched}: {figures} ({source})", soft_wrap=True)
