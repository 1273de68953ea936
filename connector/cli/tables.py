"""Rows, figures and reports as tables that a person likes to read, and as JSON."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rich.markup import escape
from rich.table import Table

from connector.cli.command import Outcome
from connector.cli.console import out
from connector.sync import as_stats
from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

sql = statements(__package__)
Report = TypeVar("Report", bound="DataclassInstance")

_DRIFT = {
    "status": "learner(s) whose native ProgressStatus is not ours",
    "changed": "field(s) of our records that somebody else changed",
    "deleted": "of our records deleted in Salesforce",
}


def reported(report: Report, show: Callable[[Report], None]) -> Outcome:
    """The outcome of a stage, from its report: exit code 1 where the report says that it is not complete."""
    stats = as_stats(report)
    return Outcome(stats, partial(show, report), 0 if stats["complete"] else 1)


def records(connection: Connection, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query, each by column name."""
    found = connection.execute(statement, values)
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def table(title: str, *columns: str, numbers: bool = True) -> Table:
    """A table whose first column is text and whose others are numbers, unless told otherwise."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", expand=False)
    for number, column in enumerate(columns):
        # Ids are to be copied: they wrap, and are never cut.
        made.add_column(column, justify="right" if numbers and number else "left", overflow="fold")
    return made


def count(value: int | None) -> str:
    """A figure, or a dash for nothing."""
    return f"{value:,}" if value else "–"


def ago(moment: datetime | None) -> str:
    """How long ago, in the largest fitting unit."""
    if moment is None:
        return "–"
    seconds = (utc_now() - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


def show_pairs(title: str, pairs: dict[str, Any]) -> None:
    """A small two-column table."""
    made = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    made.add_column(style="dim")
    made.add_column()
    for key, value in pairs.items():
        made.add_row(key, "–" if value is None else escape(str(value)))
    out.print(made)


def show_drift(drift: dict[str, int]) -> None:
    """One line per kind of difference between Salesforce and us."""
    for kind, rows in drift.items():
        out.print(f"  [yellow]drift[/] {rows:,} {_DRIFT.get(kind, kind)}: see salesforce.drift", soft_wrap=True)
