"""What all commands share: --json and --verbose, settings, progress, one result and its exit code."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from connector.cli.console import err, print_json, set_up_logging
from connector.settings import Settings, load_settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; progress goes to stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log each step to stderr.")]


class Bar:
    """Progress on stderr: a bar on a terminal, a line per stage elsewhere. Drawn from the first stage on."""

    def __init__(self) -> None:
        columns = SpinnerColumn(), TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn()
        self._bars = Bars(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal)
        self._task: TaskID | None = None

    def close(self) -> None:
        """Take the bar away."""
        self._bars.stop()

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage."""
        self._bars.start()
        if not err.is_terminal:
            amount = "" if total is None or total <= 1 else f" ({total:,})"
            err.print(f"learnsync: {name}{amount}")
        if self._task is not None:
            self._bars.update(self._task, visible=False)
        self._task = self._bars.add_task(name, total=total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar on."""
        if self._task is not None:
            self._bars.update(self._task, advance=steps)
        if note:
            err.print(note)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command found or did: as a JSON object, as text for a person, and the exit code."""

    document: Mapping[str, Any]
    show: Callable[[], None]
    exit_code: int = 0


@dataclass
class Run:
    """One call of a command."""

    as_json: bool
    progress: Bar

    @cached_property
    def settings(self) -> Settings:
        """The settings, loaded when first asked for: options are checked before. Raises SettingsError."""
        return load_settings()


Work = Callable[..., Outcome | None]
_OPTION = inspect.Parameter.KEYWORD_ONLY


def command(*, has_verbose: bool = True) -> Callable[[Work], Work]:
    """Make a function a command: its docstring is the help, its keyword parameters are the options.

    The function gets the Run as its first argument, and returns an Outcome, or None where it has printed everything
    itself. The command also has --json and, unless told otherwise, --verbose; these the function does not see.
    """
    shared = {"as_json": Json} | ({"verbose": Verbose} if has_verbose else {})

    def register(work: Work) -> Work:
        def call(*, as_json: bool = False, verbose: bool = False, **options: Any) -> None:
            set_up_logging(verbose)
            with closing(Bar()) as bar:
                outcome = work(Run(as_json, bar), **options)
            if outcome is not None:
                _leave(outcome, as_json=as_json)

        call.__name__, call.__doc__ = work.__name__, work.__doc__
        # What typer reads the options from: those of the function without its Run, then the shared ones.
        _, *own = inspect.signature(work).parameters.values()
        added = [inspect.Parameter(name, _OPTION, default=False, annotation=kind) for name, kind in shared.items()]
        call.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        return call

    return register


def _leave(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(outcome.document)
    else:
        outcome.show()
    raise typer.Exit(outcome.exit_code)
