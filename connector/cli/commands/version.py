"""`learnsync version`: which one is installed."""

from connector import __version__
from connector.cli.console import out


def version() -> None:
    """Print the version."""
    out.print(__version__)
