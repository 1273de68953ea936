"""What all commands share: --json and --verbose, settings, progress, one result and its exit code."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import typer

from connector.cli.bar import Bar
from connector.cli.console import print_json, set_up_logging
from connector.settings import Settings, load_settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; progress goes to stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log each step to stderr.")]


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


def new_app(**settings: Any) -> typer.Typer:
    """The typer app of one command, or of a group of them, with the same behaviour everywhere."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **settings)


def command(app: typer.Typer, name: str | None = None, *, has_verbose: bool = True) -> Callable[[Work], Work]:
    """Make a function a command of `app`: its docstring is the help, its keyword parameters are the options.

    The function gets the Run as its first argument, and returns an Outcome, or None where it has printed everything
    itself. The command also has --json and, unless told otherwise, --verbose; these the function does not see.
    """

    def register(work: Work) -> Work:
        def call(*, as_json: bool = False, verbose: bool = False, **options: Any) -> None:
            set_up_logging(verbose)
            with Bar() as bar:
                outcome = work(Run(as_json, bar), **options)
            if outcome is not None:
                _leave(outcome, as_json=as_json)

        call.__name__, call.__doc__ = work.__name__, work.__doc__
        shared = {"as_json": Json} | ({"verbose": Verbose} if has_verbose else {})
        call.__signature__ = _signature(work, shared)  # type: ignore[attr-defined]
        app.command(name)(call)
        return call

    return register


def _signature(work: Work, shared: Mapping[str, Any]) -> inspect.Signature:
    """What typer reads the options from: those of the function without its Run, then the shared ones."""
    _, *own = inspect.signature(work, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in shared.items()
    ]
    return inspect.Signature([*own, *added])


def _leave(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(outcome.document)
    else:
        outcome.show()
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)
