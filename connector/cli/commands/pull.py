"""`learnsync pull`: Absorb → warehouse, by changes."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape

from connector.absorb.pull.options import ORDER, PullOptions, PullReport, StreamReport
from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.cli.tables import reported, show_fields, table
from connector.errors import SettingsError
from connector.streams import DETAIL_STREAMS
from connector.sync import run_pull
from connector.times import FIRST_YEAR, LAST_YEAR, is_plausible, parse_instant


@command()
def pull(
    run: Run,
    *,
    full: Annotated[bool, typer.Option("--full", help="Read every list from its beginning.")] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Read from this instant (ISO, e.g. 2026-03-01T00:00:00Z) instead of the watermarks."),
    ] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Only this stream; repeat for several: {', '.join(ORDER)}; and, where"
            f" LEARNSYNC_ABSORB__DETAIL_STREAMS names them, {', '.join(DETAIL_STREAMS)}."
        ),
    ] = None,
) -> Outcome:
    """Absorb → warehouse. Reads what changed since the last pull, and nothing twice but the overlap."""
    moment = None if since is None else _instant(since)
    report = run_pull(run.settings, PullOptions(stream or ORDER, full, moment), run.progress)
    return reported(report, show_pull)


def _instant(text: str) -> datetime:
    try:
        moment = parse_instant(text.strip().replace(" ", "T"))
    except ValueError:
        raise SettingsError(
            f"--since {text!r} is not an instant.", remedy="Write it as 2026-03-01T00:00:00Z."
        ) from None
    if not is_plausible(moment):
        raise SettingsError(
            f"--since {text!r} is not between {FIRST_YEAR} and {LAST_YEAR}.",
            remedy="To read everything, use --full instead.",
        )
    return moment


def _figures(stream: StreamReport) -> tuple[str | int | float, ...]:
    c = stream.counts
    loaded = (c.read, c.inserted, c.updated, c.quarantined)
    return stream.stream, stream.lists, *loaded, stream.requests, stream.seconds


def show_pull(report: PullReport) -> None:
    """Rows and requests per stream, and what could not be read."""
    if report.new_warehouse:
        out.print(f"A new warehouse was made at {escape(report.new_warehouse)}.", soft_wrap=True)
    columns = ("stream", "lists", "read", "new", "changed", "unfit", "requests", "seconds")
    out.print(table("Pulled from Absorb", columns, map(_figures, report.streams.values())))
    for stream in report.streams.values():
        for scope, reason in stream.failures.items():
            out.print(f"  [red]not read[/] {stream.stream} of {scope}: {escape(reason)}", soft_wrap=True)
        if stream.left_out and stream.stream in DETAIL_STREAMS:
            out.print(f"  {stream.left_out:,} learner(s) and courses are left to be looked into by later pulls")
        elif stream.left_out:
            out.print(f"  {stream.left_out:,} quiet course(s) left to a later pull: so many requests saved")
        if stream.counts.returned:
            out.print(f"  {stream.counts.returned:,} of {stream.stream} returned that had been marked removed")
        if stream.tombstones:
            out.print(f"  {len(stream.tombstones)} course(s) answered 404: gone once a later run meets the same")
    show_fields(map(str, report.vanished), map(str, report.emptied))
    if report.pending:
        out.print(f"  [yellow]{report.pending:,} row(s) in quarantine[/]: see `learnsync rejects list`")
