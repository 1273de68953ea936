"""`learnsync assign`: what Salesforce's assignments would do, or do, in Absorb."""

from typing import Annotated

import typer
from rich.markup import escape

from connector.assignments import AssignOptions, AssignReport
from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported, table
from connector.sync import run_assign

# Outcome of the plan → what it means, in the order in which a person asks.
MEANINGS = {
    "enroll": "due: not enrolled yet",
    "enrolled": "enrolled in Absorb, now or formerly, or by learnsync since the last pull",
    "done": "was enrolled before and is no more: left as it is",
    "duplicate": "another assignment of the same learner and course acts",
    "held": "refused before, and unchanged: try again with --retry",
    "unknown_learner": "matches no Absorb learner: `learnsync pull`, then `learnsync readback`",
    "ambiguous_learner": "matches several Absorb learners",
    "unknown_course": "matches no Absorb course: mappings/learning_items.csv",
    "ambiguous_course": "matches several Absorb courses: mappings/learning_items.csv",
    "inactive_learner": "the learner is inactive in Absorb",
    "inactive_course": "the course is inactive or gone in Absorb",
}


@command()
def assign(
    run: Run,
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Enroll; needs LEARNSYNC_ASSIGNMENTS__ENABLED=true. Without: a dry run.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Enroll at most this many learners.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try what Absorb refused before again.")] = False,
) -> Outcome:
    """Salesforce → Absorb: enroll who was assigned a course in Salesforce. A dry run unless told to --apply."""
    options = AssignOptions(apply=apply, limit=limit, retry=retry)
    return reported(run_assign(run.settings, options, run.progress), show)


def show(report: AssignReport) -> None:
    """Assignments by what is to be done about them, some of each, and what became of those that were due."""
    rows = [(name, report.outcomes[name], meaning) for name, meaning in MEANINGS.items() if report.outcomes.get(name)]
    read = ("read", f"{report.read:,}", "")
    out.print(table("Assignments of Salesforce", ("outcome", "assignments", ""), [*rows, read], numbers=False))
    if report.samples:
        columns = ("outcome", "assignment", "learner", "course", "start", "due", "refused with")
        keys = ("outcome", "assignment_id", "learner", "course", "start_at", "due_at", "error_text")
        samples = [[sample[key] or None for key in keys] for sample in report.samples]
        out.print(table("For example", columns, samples, numbers=False))
    if report.dry_run:
        out.print("  dry run: nothing was written; --apply enrolls who is due")
        return
    out.print(
        f"Enrolled {report.enrolled:,} in Absorb; {report.already:,} were there already, {report.rejected:,} refused,"
        f" {report.deferred:,} put off, {report.left_out:,} left to a later run."
    )
    _show_dates(report.dates.get("dropped", 0))
    for failure in report.failures:
        text = escape(str(failure["error_text"]))
        out.print(f"  [red]{failure['state']}[/] {failure['assignment_id']}: {text}", soft_wrap=True)


def _show_dates(dropped: int) -> None:
    if dropped:
        said = f"Absorb did not keep the start or due date of {dropped:,}: set them there"
        out.print(f"  [yellow]note[/] {said} (ops.assignments, dates_kept = false)", soft_wrap=True)
