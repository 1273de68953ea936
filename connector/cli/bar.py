"""Progress of a command, on stderr."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from connector.cli.console import err


class Bar(AbstractContextManager["Bar"]):
    """Progress on stderr: a bar on a terminal, a line per stage elsewhere. Drawn from the first stage on."""

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(), TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal,
        )  # fmt: skip
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
