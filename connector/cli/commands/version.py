"""`learnsync version`: which one is installed."""

from connector import __version__
from connector.cli.command import new_app
from connector.cli.console import out

app = new_app()


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)
