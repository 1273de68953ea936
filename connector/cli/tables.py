"""Reports of stages as tables for a person, and as JSON."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from connector.cli.command import Outcome
from connector.cli.console import out
from connector.push.holds import Hold
from connector.stage import as_stats
from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

sql = statements(__package__)
Report = TypeVar("Report", bound="DataclassInstance")

MOST_STATUSES = 5
_DRIFT = {
    "status": "learner(s) whose native ProgressStatus is not ours",
    "percent": "learner(s) whose native CompletedPercent is not ours",
    "date": "native date(s) of completion or start that are not ours",
    "days": "native count(s) of days that are not ours",
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


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object] | None], *, numbers: bool = True
) -> Table:
    """A table whose first column is text and whose others are numbers, unless told otherwise.

    A row of None is a line across. Text is shown as it is, never read as markup; rich's Text brings its own style.
    """
    made = Table(title=title, title_justify="left", title_style="bold", header_style="dim", show_header=any(columns))
    for number, column in enumerate(columns):
        # Ids are to be copied: they wrap, and are never cut.
        made.add_column(column, justify="right" if numbers and number else "left", overflow="fold")
    for row in rows:
        if row is None:
            made.add_section()
        else:
            made.add_row(*map(_cell, row))
    return made


def _cell(value: object) -> Text:
    """A figure or a text, or a dash for nothing."""
    if isinstance(value, Text):
        return value
    if isinstance(value, datetime):
        return Text(f"{value:%Y-%m-%d %H:%M:%S}")
    if isinstance(value, float):
        return Text(f"{value:.1f}")
    if isinstance(value, int):
        return Text(f"{value:,}" if value else "–")
    return Text("–" if value is None else str(value))


def bars(figures: dict[str, int]) -> list[tuple[str, int, Text]]:
    """Rows of a table, largest first: a name, its figure, and a bar as long as the figure is large."""
    ordered = sorted(figures.items(), key=lambda item: -item[1])
    largest = max(figures.values(), default=1)
    lengths = {name: max(1, round(24 * rows / largest)) for name, rows in ordered}
    return [(name, rows, Text("█" * lengths[name], "cyan", justify="left")) for name, rows in ordered]


def ago(moment: datetime | None) -> str:
    """How long ago, in the largest fitting unit."""
    if moment is None:
        return "–"
    seconds = (utc_now() - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0, seconds):.0f} s ago"


def show_notes(notes: Iterable[str]) -> None:
    """Learners and lines of learner_crosswalk.csv that somebody should look at."""
    for note in notes:
        out.print(f"  [yellow]note[/] {escape(note)}", soft_wrap=True)


def show_hold(hold: Hold | None) -> None:
    """What is held, why, and how to approve it."""
    if hold:
        out.print(f"  [red]held[/] {escape(hold.message)}", soft_wrap=True)
        for change, rows in list(hold.counts["statuses"].items())[:MOST_STATUSES]:
            out.print(f"    {rows:,} {change}")


def show_drift(drift: dict[str, int]) -> None:
    """One line per kind of difference between Salesforce and us."""
    for kind, rows in drift.items():
        out.print(f"  [yellow]drift[/] {rows:,} {_DRIFT.get(kind, kind)}: see salesforce.drift", soft_wrap=True)


def show_fields(vanished: Iterable[str], emptied: Iterable[str]) -> None:
    """One line per field that the portal stopped serving, and per field whose share of nulls jumped."""
    for name in vanished:
        out.print(f"  [red]vanished[/] {name}: the portal serves it no more; stored values stay", soft_wrap=True)
    for text in emptied:
        out.print(f"  [yellow]emptied[/] {text}", soft_wrap=True)
