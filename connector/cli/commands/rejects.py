"""`learnsync rejects`: what could not be used on the way in, or was refused on the way out."""

from functools import partial
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from connector.cli.command import Json, Outcome, Run, command, new_app
from connector.cli.commands import SUMMARIES
from connector.cli.console import out
from connector.cli.rejected import Filter, RetryReport, clear, collect, retry
from connector.cli.tables import ago, reported, table
from connector.errors import SettingsError

app = new_app(help=SUMMARIES["rejects"], no_args_is_help=False, invoke_without_command=True)

Streams = Annotated[list[str] | None, typer.Option("--stream", help="Only source rows of this stream; repeatable.")]
Objects = Annotated[list[str] | None, typer.Option("--object", help="Only pushes to this object; repeatable.")]
Codes = Annotated[list[str] | None, typer.Option("--code", help="Only pushes refused with this code; repeatable.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this source or external id; repeatable.")]


@command(app, "list", has_verbose=False)
def list_rejects(
    run: Run,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many of each kind.")] = 50,
    stream: Streams = None,
    name: Objects = None,
    code: Codes = None,
    row_id: Ids = None,
) -> Outcome:
    """Show what waits for a fix, with the reason."""
    listing = collect(run.settings, limit, _chosen(stream, name, code, row_id))
    return Outcome(listing, partial(show, listing), 1 if listing["pending"] else 0)


@command(app, "retry", has_verbose=False)
def retry_rejects(
    run: Run,
    *,
    stream: Streams = None,
    name: Objects = None,
    code: Codes = None,
    row_id: Ids = None,
) -> Outcome:
    """Load quarantined rows again, and mark rejected pushes to be sent by the next push."""
    return reported(retry(run.settings, _chosen(stream, name, code, row_id)), show_retry)


@command(app, "clear", has_verbose=False)
def clear_rejects(run: Run, *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> Outcome:
    """Settle quarantined rows without loading them. They stay in ops.quarantine with resolved_at set."""
    if not yes:
        typer.confirm("Settle all quarantined rows without loading them?", err=True, abort=True)
    cleared = clear(run.settings)
    return Outcome({"cleared": cleared}, partial(out.print, f"Settled {cleared:,} quarantined row(s)."))


@app.callback()
def _rejects(context: typer.Context, *, as_json: Json = False) -> None:
    """Without a subcommand: list."""
    if context.invoked_subcommand is None:
        list_rejects(as_json=as_json)


def _chosen(stream: Streams, name: Objects, code: Codes, row_id: Ids) -> Filter:
    if stream and (name or code):
        raise SettingsError(
            "--stream chooses source rows, --object and --code choose pushes: no row is both.",
            remedy="Give one kind at a time.",
        )
    return Filter(stream or (), name or (), code or (), row_id or ())


def show(listing: dict[str, Any]) -> None:
    """Print both lists."""
    if not listing["pending"]:
        out.print("Nothing is waiting for a fix.")
        return
    if listing["source"]:
        out.print(_source_table(listing["source"]))
    if listing["pushes"]:
        out.print(_pushes_table(listing["pushes"]))
    out.print(f"{listing['pending']:,} in all. `learnsync rejects retry` tries them again.")


def _source_table(rows: list[dict[str, Any]]) -> Table:
    made = table("Source rows in quarantine", "stream", "id", "field", "reason", "tries", "last seen")
    for row in rows:
        reason, tries = escape(row["reason"] or ""), str(row["attempts"])
        made.add_row(row["stream"], escape(row["source_id"]), row["field"] or "–", reason, tries, ago(row["last_seen"]))
    return made


def _pushes_table(rows: list[dict[str, Any]]) -> Table:
    made = table("Pushes refused", "object", "external id", "state", "code", "text", "tries")
    for row in rows:
        text, tries = escape(row["error_text"] or ""), str(row["attempts"])
        made.add_row(row["target_object"], escape(row["external_id"]), row["state"], row["error_code"], text, tries)
    return made


def show_retry(report: RetryReport) -> None:
    """Print what a retry did."""
    loaded = sum(report.loaded.values())
    out.print(f"{loaded:,} row(s) fit now and are loaded, {report.still_unfit:,} still do not fit.")
    out.print(f"{report.pushes_due:,} refused push(es) are due again: run `learnsync push`.")
