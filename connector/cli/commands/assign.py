"""`learnsync assign`: what Salesforce's assignments would do, or do, in Absorb."""

from typing import Annotated

import typer
from rich.markup import escape

from connector.assignments import AssignOptions, AssignReport
from connector.cli.command import Outcome, Run, command, new_app
from connector.cli.console import out
from connector.cli.tables import count, reported, table
from connector.sync import run_assign

app = new_app()
# Outcome of the plan → what it means, in the order in which a person asks.
MEANINGS = {
    "enroll": "due: not enrolled yet",
    "enrolled": "enrolled in Absorb, now or formerly",
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


@command(app)
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
    made = table("Assignments of Salesforce", "outcome", "assignments", "", numbers=False)
    for outcome, meaning in MEANINGS.items():
        if report.outcomes.get(outcome):
            made.add_row(outcome, count(report.outcomes[outcome]), meaning)
    made.add_row("read", f"{report.read:,}", "")
    out.print(made)
    _show_samples(report)
    if report.dry_run:
        out.print("  dry run: nothing was written; --apply enrolls who is due")
        return
    out.print(
        f"Enrolled {report.enrolled:,} in Absorb; {report.already:,} were there already, {report.rejected:,} refused,"
        f" {report.deferred:,} put off, {report.left_out:,} left to a later run."
    )
    for failure in report.failures:
        out.print(
            f"  [red]{failure['state']}[/] {failure['assignment_id']}: {escape(str(failure['error_text']))}",
            soft_wrap=True,
        )


def _show_samples(report: AssignReport) -> None:
    if not report.samples:
        return
    made = table("For example", "outcome", "assignment", "learner", "course", "refused with", numbers=False)
    for sample in report.samples:
        cells = (sample[name] or "–" for name in ("outcome", "assignment_id", "learner", "course", "error_text"))
        made.add_row(*(escape(str(cell)) for cell in cells))
    out.print(made)
