"""The entry point: finds the command, and turns every expected failure into one message and an exit code."""

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from connector import files, machine, stopping
from connector.cli.commands import SUMMARIES
from connector.cli.console import complain, err, new_app, print_json
from connector.errors import LearnsyncError

INTERRUPTED, TERMINATED = 130, 143


def load(name: str) -> Any:
    """The command or group of that name, from its file.

    Only the command that is called is imported: importing all of them, with DuckDB and the HTTP client, takes half a
    second, which `--help` and a mistyped option need not wait for.
    """
    module = import_module(f"connector.cli.commands.{name}")
    app = getattr(module, "app", None)  # a group has its own, with its subcommands
    if app is None:
        app = new_app()
        app.command()(getattr(module, name))
    return typer.main.get_command(app)


class Commands(TyperGroup):
    """All commands. Until one is called, it is only its name and its line in `learnsync --help`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=summary) for name, summary in SUMMARIES.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The name, the loaded command, and the arguments left for it. Raises a usage error for an unknown name."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and listed else None, rest


app = new_app(
    name="learnsync",
    cls=Commands,
    help="Carries learner enrollments from Absorb LMS into DuckDB and Salesforce, incrementally and without loss."
    "\n\nSettings come from LEARNSYNC_… variables, .env or learnsync.toml; `learnsync doctor` checks them."
    "\n\nExit codes: 0 done and complete, 1 ran but something was rejected or is incomplete, 2 could not run.",
    no_args_is_help=True,
)


@app.callback()
def _root() -> None:
    """No options of its own. Without a callback typer would not make a group of this app."""


def main() -> None:
    """Run a command and exit with its code: its own, a failure's, 2 for wrong usage, 130 or 143 after a signal."""
    files.deny_others_by_default()
    as_json, terminated, code = "--json" in sys.argv, list[int](), INTERRUPTED
    with suppress(KeyboardInterrupt), stopping.ended_by_signals(terminated):
        code = _run(as_json=as_json)
    if code == INTERRUPTED:
        code = TERMINATED if terminated else INTERRUPTED
        _say_interrupted(code, as_json=as_json)
    sys.exit(code)


def _say_interrupted(code: int, *, as_json: bool) -> None:
    text = "interrupted; what was committed stays, the rest stays due"
    if as_json:
        print_json({"error": text, "remedy": "Run it again.", "exit_code": code})
    err.print(f"learnsync: {text}")


def _run(*, as_json: bool) -> int:
    try:
        return _call(as_json=as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as failure:
        if stopping.requested():  # what a statement that was interrupted looks like, wherever it ran
            return INTERRUPTED
        told = failure if isinstance(failure, LearnsyncError) else machine.explain(failure)
        if told is None:
            raise
        told.__cause__ = told.__context__ = None
    # The failure is let go of, with all that it kept in memory: to say that there is none takes some.
    complain(told.with_traceback(None), as_json=as_json)
    return told.exit_code


def _call(*, as_json: bool) -> int:
    try:
        # Typer turns Ctrl-C in a command into the exit code 130, which it returns as it does any other.
        code = app(standalone_mode=False)
    except typer.Abort as end:
        return INTERRUPTED if isinstance(end.__cause__, KeyboardInterrupt) else 1
    except typer.TyperException as misuse:
        if as_json:
            print_json({"error": misuse.format_message(), "remedy": "See --help.", "exit_code": 2})
        # Usage errors print themselves; typer exports only this base of theirs, which does not declare it.
        misuse.show()  # type: ignore[attr-defined]
        return 2
    return code if isinstance(code, int) else 0
