"""`learnsync publish`: the analysts' copy of the warehouse."""

from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported
from connector.local import run_publish
from connector.warehouse.publish import DIFFERENCE, UNCHANGED, PublishReport


@command()
def publish(run: Run) -> Outcome:
    """Replace the analysts' file (LEARNSYNC_WAREHOUSE__PUBLISH_PATH) atomically. Where nothing changed, it stays."""
    return reported(run_publish(run.settings), show_publish)


def show_publish(report: PublishReport) -> None:
    """Where analysts find the data, and how much of it is new."""
    size = f"{report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s"
    if report.how == UNCHANGED:
        out.print(f"Published nothing: {report.path} is up to date ({size})", soft_wrap=True)
    else:
        replaced = f", {report.rows:,} rows of it new or changed" if report.how == DIFFERENCE else ""
        out.print(f"Published {report.path} ({size}{replaced})", soft_wrap=True)
