"""`learnsync` with a statement that never ends, at the place that is named first: "publish", "build" or "load".

Run as a process by tests of signals. It says "endless" on standard error when the statement begins.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from connector.cli import main

# Where a connection is the first argument, in the middle of the work.
PLACES = {
    "publish": ("connector.warehouse.publish", "attached"),
    "build": ("connector.canonical.build", "note_build"),
    "load": ("connector.warehouse.load", "put_watermarks"),
}


def hang(connection: Any) -> None:
    print("endless", file=sys.stderr, flush=True)
    connection.execute("CREATE OR REPLACE TEMP TABLE endless AS SELECT count(*) FROM range(1000000000000000)")


def never_done(work: Any) -> Any:
    @contextmanager
    def around(connection: Any, *arguments: Any) -> Iterator[None]:
        with work(connection, *arguments):
            yield
            hang(connection)

    def after(connection: Any, *arguments: Any) -> Any:
        work(connection, *arguments)
        return hang(connection)

    return around if work.__name__ == "attached" else after


def load(name: str) -> Any:
    """The command, loaded as ever: it is `main` that imports DuckDB, which starts threads."""
    command = load_command(name)
    module = import_module(PLACES[place][0])
    setattr(module, PLACES[place][1], never_done(getattr(module, PLACES[place][1])))
    return command


place = sys.argv.pop(1)
cli = import_module("connector.cli.main")
load_command, cli.load = cli.load, load  # type: ignore[attr-defined]
main()
