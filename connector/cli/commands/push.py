"""`learnsync push`: differences → Salesforce and the LearningRecord API."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape

from connector.cli.command import Outcome, Run, command, new_app
from connector.cli.console import out
from connector.cli.tables import count, reported, table
from connector.destinations import NAMES
from connector.push.options import SAMPLE_ROWS, PushOptions
from connector.push.reports import PushReport, TargetReport
from connector.sync import run_push

app = new_app()


@command(app)
def push(
    run: Run,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; write nothing anywhere.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Send every record that may be sent, also accepted and refused ones.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most this many records per object.")] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=1000, help="Records per object and action to show field by field in a dry run.")
    ] = SAMPLE_ROWS,
    target: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this target; repeat for several: {', '.join(NAMES)}. Default: all that are set up."),
    ] = None,
) -> Outcome:
    """Differences → Salesforce, and the LearningRecord API where set. Repeating does no harm."""
    options = PushOptions(target or None, dry_run=dry_run, limit=limit, full=full, samples=samples)
    return reported(run_push(run.settings, options, run.progress), show_push)


def show_push(report: PushReport) -> None:
    """What was, or in a dry run would be, sent per target, and why rows were blocked or refused."""
    title = "Would push to Salesforce (dry run, nothing was written)" if report.dry_run else "Pushed to Salesforce"
    made = table(title, "", *(target.object for target in report.targets.values()))
    figures: list[tuple[str, Callable[[TargetReport], int]]] = [
        ("create", lambda t: t.create), ("update", lambda t: t.update), ("unchanged", lambda t: t.unchanged),
        ("blocked", lambda t: sum(t.blocked.values())), ("accepted", lambda t: t.accepted),
        ("rejected", lambda t: t.rejected), ("deferred", lambda t: t.deferred), ("held back", lambda t: t.held),
    ]  # fmt: skip
    for label, figure in figures:
        made.add_row(label, *(count(figure(target)) for target in report.targets.values()))
    out.print(made)
    if report.resumed:
        out.print(f"  took up bulk job(s) of an earlier push: {', '.join(report.resumed)}", soft_wrap=True)
    for target in report.targets.values():
        _show_method(target, dry_run=report.dry_run)
        _show_reasons(target)
    if report.api_allowed:
        out.print(f"  {report.calls} API calls; the org has used {report.api_used:,} of {report.api_allowed:,} today")
    if report.dry_run:
        show_samples(report)


def _show_method(target: TargetReport, *, dry_run: bool) -> None:
    if target.method == "bulk":
        jobs = "would go" if dry_run else f"went as {len(target.jobs)} job(s), {', '.join(target.jobs)}"
        out.print(f"  {target.object} {jobs} by Bulk API 2.0", soft_wrap=True)
    elif target.method == "collections" and dry_run:
        out.print(f"  {target.object} would go by collections of 200")
    elif target.method and dry_run:
        out.print(f"  {target.object} would go one a call")


def _show_reasons(target: TargetReport) -> None:
    reasons = {
        "unmatched": "no Salesforce person matches the learner",
        "ambiguous": "several persons match the learner",
        "no_progress_record": "Salesforce has no record for this learner and learning item",
        "several_progress_records": "Salesforce has several records for this learner and learning item",
    }
    for reason, rows in sorted(target.blocked.items()):
        out.print(f"  blocked {rows:,} {target.object}: {reason} – {reasons.get(reason, reason)}")
    for note in target.notes:
        out.print(f"  [yellow]note[/] {target.object}: {note}", soft_wrap=True)
    for code, rows in sorted(target.errors.items()):
        out.print(f"  [red]refused[/] {rows:,} {target.object}: {code}")
    if target.held:
        out.print(
            f"  {target.held:,} {target.object} held: refused before and unchanged since (`learnsync rejects list`)"
        )


def show_samples(report: PushReport) -> None:
    """A few records per action, field by field: what the org holds now, and what it would hold."""
    for target in report.targets.values():
        shown = [sample for sample in target.samples if _changes(sample)]
        if shown:
            made = table(f"{target.object}, for example", "field", "in Salesforce", "would be", numbers=False)
            for sample in shown:
                made.add_row(f"[bold]{sample['action']}[/] {escape(sample['external_id'])}")
                for change in _changes(sample):
                    made.add_row(f"  {change['field']}", _value(change["old"]), _value(change["new"]))
                made.add_section()
            out.print(made)
        for sample in target.samples:
            if sample["action"] == "update" and sample.get("in_salesforce") is False:
                out.print(f"  {sample['external_id']} is no longer in the org: it would be created again")
            elif sample.get("changes") == []:
                out.print(f"  {sample['external_id']}: the org holds all of it already")


def _changes(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """Old and new by field; for a target whose records are not read first, what would be sent."""
    if "changes" in sample or sample["action"] not in {"create", "update"}:
        return list(sample.get("changes", ()))
    sent = sample["payload"].items()
    return [{"field": name, "old": "?", "new": value} for name, value in sent if value is not None]


def _value(value: Any) -> str:
    return "–" if value is None else escape(str(value))
