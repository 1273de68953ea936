"""`learnsync publish`: the analysts' copy of the warehouse."""

from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported
from connector.local import run_publish
from connector.warehouse.publish import PublishReport


@command()
def publish(run: Run) -> Outcome:
    """Replace the analysts' file (LEARNSYNC_WAREHOUSE__PUBLISH_PATH) atomically."""
    return reported(run_publish(run.settings), show_publish)


def show_publish(report: PublishReport) -> None:
    """Where analysts find the data."""
    out.print(f"Published {report.path} ({report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s)")
