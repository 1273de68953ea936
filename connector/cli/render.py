"""Reports as tables that a person likes to read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from connector.absorb.pull.options import PullReport
from connector.absorb.pull.reconcile import ReconcileReport
from connector.canonical.build import BuildReport
from connector.cli.console import out
from connector.push.reports import PushReport, TargetReport
from connector.salesforce.readback.readback import ReadbackReport
from connector.sync import SyncReport
from connector.times import utc_now
from connector.warehouse.publish import PublishReport

_DRIFT = {
    "status": "learner(s) whose native ProgressStatus is not ours",
    "changed": "field(s) of our records that somebody else changed",
    "deleted": "of our records deleted in Salesforce",
}


def table(title: str, *columns: str, numbers: bool = True) -> Table:
    """A table whose first column is text and whose others are numbers, unless told otherwise."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", expand=False)
    for number, column in enumerate(columns):
        # Ids are to be copied: they wrap, and are never cut.
        made.add_column(column, justify="right" if numbers and number else "left", overflow="fold")
    return made


def count(value: int | None) -> str:
    """A figure, or a dash for nothing."""
    return f"{value:,}" if value else "–"


def ago(moment: datetime | None) -> str:
    """How long ago, in the largest fitting unit."""
    if moment is None:
        return "–"
    seconds = (utc_now() - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


def show_pull(report: PullReport) -> None:
    """Rows and requests per stream, and what could not be read."""
    made = table("Pulled from Absorb", "stream", "lists", "read", "new", "changed", "unfit", "requests", "seconds")
    for stream in report.streams.values():
        c = stream.counts
        made.add_row(
            stream.stream, count(stream.lists), count(c.read), count(c.inserted), count(c.updated),
            count(c.quarantined), count(stream.requests), f"{stream.seconds:.1f}",
        )  # fmt: skip
    out.print(made)
    for stream in report.streams.values():
        for scope, reason in stream.failures.items():
            out.print(f"  [red]not read[/] {stream.stream} of {scope}: {escape(reason)}", soft_wrap=True)
        if stream.left_out:
            out.print(f"  {stream.left_out:,} quiet course(s) left to a later pull: so many requests saved")
        if stream.tombstones:
            out.print(f"  {len(stream.tombstones)} course(s) are gone from Absorb (404); their enrollments are kept")
    if report.pending:
        out.print(f"  [yellow]{report.pending:,} row(s) in quarantine[/]: see `learnsync rejects list`")


def show_reconcile(report: ReconcileReport) -> None:
    """What the sweep met, what it removed, or why it did not."""
    show_pull(report.pull)
    out.print(
        f"Swept {report.courses:,} courses ({report.courses_gone:,} gone): of {report.live:,} live enrollments"
        f" {report.vanished:,} were not met ({report.vanished_percent:.2f} %), {report.removed:,} marked removed.",
        soft_wrap=True,
    )
    for reason in report.refused:
        out.print(f"  [yellow]nothing removed[/]: {escape(reason)}.", soft_wrap=True)


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
        _explain_target(target)
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


def _explain_target(target: TargetReport) -> None:
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


def show_readback(report: ReadbackReport) -> None:
    """Rows per object, what is not in the org, and the drift."""
    made = table("Read back from Salesforce", "object", "read", "new", "changed", "gone", "how")
    for entry in report.objects.values():
        how = f"in full: {entry.full}" if entry.full else "changes"
        made.add_row(
            entry.object, count(entry.rows), count(entry.inserted), count(entry.updated), count(entry.removed), how
        )
    out.print(made)
    for name, reason in report.absent.items():
        out.print(f"  {name}: {escape(reason)}; left aside", soft_wrap=True)
    if report.items:
        figures = ", ".join(f"{courses:,} {outcome}" for outcome, courses in report.items.items())
        out.print(f"  courses by LearningItem: {figures} (mappings/learning_items.csv)", soft_wrap=True)
    show_drift(report.drift)
    due = sum(counts.due for counts in report.own.values())
    if due:
        out.print(f"  {due:,} record(s) are due again: the next push repairs them")


def show_drift(drift: dict[str, int]) -> None:
    """One line per kind of difference between Salesforce and us."""
    for kind, rows in drift.items():
        out.print(f"  [yellow]drift[/] {rows:,} {_DRIFT.get(kind, kind)}: see salesforce.drift", soft_wrap=True)


def show_publish(report: PublishReport) -> None:
    """Where analysts find the data."""
    out.print(f"Published {report.path} ({report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s)")


def show_sync(report: SyncReport) -> None:
    """All stages."""
    show_pull(report.pull)
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


def show_pairs(title: str, pairs: dict[str, Any]) -> None:
    """A small two-column table."""
    made = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    made.add_column(style="dim")
    made.add_column()
    for key, value in pairs.items():
        made.add_row(key, "–" if value is None else escape(str(value)))
    out.print(made)
