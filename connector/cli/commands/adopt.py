"""`learnsync adopt`: after a refusal of another portal or org."""

from connector.adopt import AdoptReport
from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported
from connector.sync import run_adopt
from connector.warehouse.identity import Adopted


@command()
def adopt(run: Run) -> Outcome:
    """Make the portal and the org that the settings name those of the warehouse.

    A command that meets another portal or org than before ends with exit code 2 and changes nothing. Where it is the
    same one under a new id, or a copy that takes its place, this notes the new id. The next pull from another portal
    reads everything. For a portal or org of its own use another LEARNSYNC_TENANT_ID or LEARNSYNC_WAREHOUSE__PATH.
    """
    return reported(run_adopt(run.settings), show_adopt)


def show_adopt(report: AdoptReport) -> None:
    """What the warehouse is of now, and was before."""
    _show(report.portal)
    if report.org is None:
        out.print("No org: LEARNSYNC_SALESFORCE__LOGIN_URL is not set.")
    else:
        _show(report.org)
    if report.next_pull_is_full:
        out.print(
            "The next pull reads every list from its beginning. Rows that only the portal before had stay, and are"
            " pushed, until a sweep finds that they are gone: run `learnsync reconcile --max-removed-percent 100`"
            " before a push.",
            soft_wrap=True,
        )


def _show(adopted: Adopted) -> None:
    before = f", before to {adopted.before}" if adopted.before else ""
    name = f"{adopted.system} with the {adopted.kind} {adopted.id} at {adopted.url}"
    out.print(f"The warehouse belongs to the {name}{before}.", soft_wrap=True)
