"""`learnsync push`: differences → Salesforce and the LearningRecord API."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.text import Text

from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported, show_hold, show_notes, table
from connector.push.reports import SAMPLE_ROWS, PushOptions, PushReport, TargetReport
from connector.sync import TARGET_NAMES, run_push

FIGURES = ("create", "update", "unchanged", "blocked", "accepted", "rejected", "deferred", "held back", "outdated")
REASONS = {
    "unmatched": "no Salesforce person matches the learner",
    "ambiguous": "several persons match the learner",
    "collision": "another learner matches the same person",
    "not_in_org": "learner_crosswalk.csv names a person that the org does not have",
    "no_progress_record": "Salesforce has no record for this learner and learning item",
    "several_progress_records": "Salesforce has several records for this learner and learning item",
}


@command()
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
        typer.Option(
            help=f"Only this target; repeat for several: {', '.join(TARGET_NAMES)}. Default: all that are set up."
        ),
    ] = None,
    approve: Annotated[
        list[str] | None,
        typer.Option(metavar="HOLD", help="Send the plan that this hold keeps back, and nothing larger."),
    ] = None,
) -> Outcome:
    """Differences → Salesforce, and the LearningRecord API where set. Repeating does no harm."""
    asked = PushOptions(target or None, dry_run=dry_run, limit=limit, full=full, samples=samples)
    options = replace(asked, approve=approve or ())
    return reported(run_push(run.settings, options, run.progress), show_push)


def show_push(report: PushReport) -> None:
    """What was, or in a dry run would be, sent per target, and why rows were blocked or refused."""
    title = "Would push to Salesforce (dry run, nothing was written)" if report.dry_run else "Pushed to Salesforce"
    targets = list(report.targets.values())
    figures = zip(FIGURES, *map(_figures, targets), strict=True)
    out.print(table(title, ("", *(target.object for target in targets)), figures))
    show_notes(report.notes)
    if report.resumed:
        out.print(f"  took up bulk job(s) of an earlier push: {', '.join(report.resumed)}", soft_wrap=True)
    for target in targets:
        show_hold(target.hold)
        _show_method(target, dry_run=report.dry_run)
        _show_reasons(target)
    if report.api_allowed:
        out.print(f"  {report.calls} API calls; the org has used {report.api_used:,} of {report.api_allowed:,} today")
    if report.dry_run:
        show_samples(report)


def _figures(target: TargetReport) -> tuple[int, ...]:
    due = (target.create, target.update, target.unchanged, sum(target.blocked.values()))
    return (*due, target.accepted, target.rejected, target.deferred, target.held, sum(target.outdated.values()))


def _show_method(target: TargetReport, *, dry_run: bool) -> None:
    how = {"bulk": "by Bulk API 2.0", "collections": "by collections of 200"}.get(target.method, "one a call")
    if dry_run and target.method:
        out.print(f"  {target.object} would go {how}")
    elif target.method == "bulk":
        jobs = f"{len(target.jobs)} job(s), {', '.join(target.jobs)}"
        out.print(f"  {target.object} went as {jobs} {how}", soft_wrap=True)


def _show_reasons(target: TargetReport) -> None:
    for reason, rows in sorted(target.blocked.items()):
        out.print(f"  blocked {rows:,} {target.object}: {reason} – {REASONS.get(reason, reason)}")
    for note in target.notes:
        out.print(f"  [yellow]note[/] {target.object}: {note}", soft_wrap=True)
    for code, rows in sorted(target.errors.items()):
        out.print(f"  [red]refused[/] {rows:,} {target.object}: {code}")
    for reason, rows in target.outdated.items():
        out.print(f"  [red]outdated[/] {rows:,} {target.object}: {reason} – the target cannot update", soft_wrap=True)
    if target.held:
        held = f"{target.held:,} {target.object} held"
        out.print(f"  {held}: refused before and unchanged since (`learnsync rejects list`)")


def show_samples(report: PushReport) -> None:
    """A few records per action, field by field: what the org holds now, and what it would hold."""
    for target in report.targets.values():
        if rows := list(_sample_rows(target)):
            place = "in the API" if target.object == "LearningRecord" else "in Salesforce"
            columns = ("field", place, "would be")
            out.print(table(f"{target.object}, for example", columns, rows, numbers=False))
        for sample in target.samples:
            if sample["action"] == "update" and sample.get("in_salesforce") is False:
                out.print(f"  {sample['external_id']} is no longer in the org: it would be created again")
            elif sample.get("changes") == []:
                out.print(f"  {sample['external_id']}: the org holds all of it already")


def _sample_rows(target: TargetReport) -> Iterator[Sequence[str | Text | None] | None]:
    for sample in target.samples:
        if changes := _changes(sample):
            yield Text.assemble((sample["action"], "bold"), f" {sample['external_id']}"), "", ""
            for change in changes:
                old, new = (None if value is None else str(value) for value in (change["old"], change["new"]))
                yield f"  {change['field']}", old, new
            yield None


def _changes(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """Old and new by field; for a target whose records are not read first, what would be sent."""
    if "changes" in sample or sample["action"] not in {"create", "update"}:
        return list(sample.get("changes", ()))
    sent = sample["payload"].items()
    return [{"field": name, "old": "?", "new": value} for name, value in sent if value is not None]
