"""`learnsync version`: which one is installed."""

from functools import partial

from connector import __version__
from connector.cli.command import Outcome, Run, command
from connector.cli.console import out


@command(has_verbose=False)
def version(run: Run) -> Outcome:  # noqa: ARG001 - every command gets its run
    """Print the version."""
    return Outcome({"version": __version__}, partial(out.print, __version__))
