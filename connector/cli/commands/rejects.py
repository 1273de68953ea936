"""`learnsync rejects`: what could not be used on the way in, or was refused on the way out.

Source rows wait in quarantine, refused pushes in the ledger; both are found, retried and settled here.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import files
from connector.absorb.pull.pull import pull_lock
from connector.cli.command import Json, Outcome, Run, command
from connector.cli.commands import SUMMARIES
from connector.cli.console import new_app, out
from connector.cli.tables import ago, records, reported, sql, table
from connector.errors import SettingsError
from connector.settings import Settings
from connector.stage import stage
from connector.streams import MODELS
from connector.times import utc_now
from connector.warehouse import fields
from connector.warehouse.database import Connection, Stamp, Warehouse, count
from connector.warehouse.load import Batch, load_batch

app = new_app(help=SUMMARIES["rejects"], no_args_is_help=False, invoke_without_command=True)

PAGE_ROWS = 500
Streams = Annotated[list[str] | None, typer.Option("--stream", help="Only source rows of this stream; repeatable.")]
Objects = Annotated[list[str] | None, typer.Option("--object", help="Only pushes to this object; repeatable.")]
Codes = Annotated[list[str] | None, typer.Option("--code", help="Only pushes refused with this code; repeatable.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this source or external id; repeatable.")]


@dataclass(frozen=True, slots=True)
class RetryReport:
    """What a retry did."""

    loaded: dict[str, int]
    still_unfit: int
    pushes_due: int

    @property
    def complete(self) -> bool:
        """True when no source row is left."""
        return not self.still_unfit


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many quarantined rows and how many fields were settled."""

    rows: int
    fields: int


@app.command("list")
@command(has_verbose=False)
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


@app.command("retry")
@command(has_verbose=False)
def retry_rejects(
    run: Run, *, stream: Streams = None, name: Objects = None, code: Codes = None, row_id: Ids = None
) -> Outcome:
    """Load quarantined rows again, and mark rejected pushes to be sent by the next push."""
    return reported(retry(run.settings, _chosen(stream, name, code, row_id)), show_retry)


@app.command("clear")
@command(has_verbose=False)
def clear_rejects(
    run: Run,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    outdated: Annotated[
        bool, typer.Option("--outdated", help="Instead: leave outdated records of the LearningRecord API as they are.")
    ] = False,
    row_id: Ids = None,
) -> Outcome:
    """Settle quarantined rows without loading them, and fields that vanished. Nothing is deleted."""
    if row_id and not outdated:
        raise SettingsError("--id goes with --outdated.", remedy="Without it, all quarantined rows are settled.")
    what = "outdated record(s)" if outdated else "quarantined row(s), and the fields that vanished"
    if not yes and run.as_json:
        raise SettingsError(
            "`learnsync rejects clear` asks first, and with --json nobody answers.", remedy="Add --yes."
        )
    if not yes:
        rest = "They stay as they are in the API" if outdated else "Rows are not loaded, and stored values stay"
        typer.confirm(f"Settle the {what}? {rest}.", err=True, abort=True)
    if outdated:
        settled = settle(run.settings, _chosen(row_id=row_id))
        return Outcome({"cleared": settled}, partial(out.print, f"Settled {settled:,} {what}."))
    cleared = clear(run.settings)
    text = f"Settled {cleared.rows:,} quarantined row(s) and {cleared.fields:,} field(s)."
    return Outcome({"cleared": cleared.rows, "fields": cleared.fields}, partial(out.print, text))


@app.callback()
def _rejects(context: typer.Context, *, as_json: Json = False) -> None:
    """Without a subcommand: list."""
    if context.invoked_subcommand is None:
        list_rejects(as_json=as_json)


def _chosen(
    stream: Streams = None, name: Objects = None, code: Codes = None, row_id: Ids = None
) -> dict[str, list[str]]:
    """Which rejects are meant, as parameters of the queries; an empty list is any."""
    if stream and (name or code):
        raise SettingsError(
            "--stream chooses source rows, --object and --code choose pushes: no row is both.",
            remedy="Give one kind at a time.",
        )
    return {"streams": stream or [], "objects": name or [], "codes": code or [], "ids": row_id or []}


def collect(settings: Settings, limit: int, chosen: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Pending source rows, refused pushes and vanished fields; `pending` counts all that are meant, listed or not."""
    values = {"tenant_id": settings.tenant_id, **(chosen or _chosen())}
    source = f"FROM ({sql('rejects_source')})"
    pushes = f"FROM ({sql('rejects_pushes')})"
    vanished = f"FROM ({sql('rejects_fields')}) ORDER BY stream, field"
    with Warehouse.existing(settings).connect() as connection:
        gone = records(connection, vanished, values)
        pending = count(connection, f"SELECT (SELECT count(*) {source}) + (SELECT count(*) {pushes})", values)
        source += f" ORDER BY last_seen DESC, stream, source_id LIMIT {limit:d}"
        pushes += f" ORDER BY last_sent_at DESC, external_id LIMIT {limit:d}"
        return {
            "pending": pending + len(gone),
            "fields": gone,
            "source": records(connection, source, values),
            "pushes": records(connection, f"SELECT * EXCLUDE (tenant_id, org_id) {pushes}", values),
        }


def retry(settings: Settings, chosen: dict[str, list[str]] | None = None) -> RetryReport:
    """Load quarantined rows again as they were received; mark refused pushes as due. Raises WarehouseLockedError."""
    values = {"tenant_id": settings.tenant_id, **(chosen or _chosen())}
    Warehouse.existing(settings)
    return stage(settings, "rejects retry", lambda run_id, _: _retry(settings, values, run_id))


def _retry(settings: Settings, values: dict[str, Any], run_id: str) -> RetryReport:
    unfit = f"SELECT count(*) FROM ({sql('rejects_source')}) WHERE stage = 'load'"
    # A pull that starts meanwhile would clear the landing folder.
    with pull_lock(settings, run_id):
        loaded = {stream: _reload(settings, {**values, "stream": stream}, run_id) for stream in MODELS}
        shutil.rmtree(settings.warehouse.landing / run_id, ignore_errors=True)
    with Warehouse.of(settings).transaction() as connection:
        due = count(connection, sql("rejects_due", pushes=sql("rejects_pushes")), values)
        return RetryReport(loaded, count(connection, unfit, values), due)


def _reload(settings: Settings, values: dict[str, Any], run_id: str) -> int:
    """Land a stream's quarantined rows as a pull lands pages, and load them; returns how many fit now."""
    warehouse, stream = Warehouse.of(settings), values["stream"]
    folder = settings.warehouse.landing / run_id / stream
    files.make_folder(folder)
    with warehouse.connect() as connection:
        pages = list(_land(connection, values, folder))
    if not pages:
        return 0
    stamp, note_due = Stamp(settings.tenant_id, run_id, utc_now()), bool(settings.absorb.detail_streams)
    counts = load_batch(warehouse, Batch(stream, files=pages, observed=False), stamp, note_due=note_due)
    return counts.read - counts.quarantined


def _land(connection: Connection, values: dict[str, Any], folder: Path) -> Iterator[Path]:
    # A row that could not be read as JSON is kept as a text: only the portal can serve it better.
    statement = (
        f"SELECT raw FROM ({sql('rejects_source')})"
        " WHERE stage = 'load' AND stream = $stream AND json_type(raw) <> 'VARCHAR'"
    )
    waiting = connection.execute(statement, values)
    for number, rows in enumerate(iter(partial(waiting.fetchmany, PAGE_ROWS), []), 1):
        path = folder / f"{number:010d}.json"
        files.write(path, json.dumps({MODELS[folder.name].collection: [json.loads(raw) for (raw,) in rows]}))
        yield path


def clear(settings: Settings) -> Cleared:
    """Settle all quarantined rows, and what is reported of fields."""
    with Warehouse.existing(settings).transaction() as connection:
        settle = "UPDATE ops.quarantine SET resolved_at = ? WHERE tenant_id = ? AND resolved_at IS NULL"
        rows = count(connection, settle, [utc_now(), settings.tenant_id])
        return Cleared(rows, fields.settle(connection, settings.tenant_id, utc_now()))


def settle(settings: Settings, chosen: dict[str, list[str]]) -> int:
    """Leave outdated records as the API has them, until something else of them changes; returns how many."""
    values = {"tenant_id": settings.tenant_id, **chosen}
    with Warehouse.existing(settings).transaction() as connection:
        return count(connection, sql("rejects_settle", pushes=sql("rejects_pushes")), values)


def show(listing: dict[str, Any]) -> None:
    """Print the lists."""
    if not listing["pending"]:
        out.print("Nothing is waiting for a fix.")
        return
    if rows := listing["source"]:
        source = [
            (it["stream"], it["source_id"], it["field"], it["reason"] or "", it["attempts"], ago(it["last_seen"]))
            for it in rows
        ]
        out.print(table("Source rows in quarantine", ("stream", "id", "field", "reason", "tries", "last seen"), source))
    if rows := listing["pushes"]:
        keys = ("target_object", "external_id", "state", "error_code", "error_text", "attempts")
        pushes = [["" if row[key] is None else str(row[key]) for key in keys] for row in rows]
        headers = ("object", "external id", "state", "code", "text", "tries")
        out.print(table("Pushes refused, and records outdated", headers, pushes))
    if rows := listing["fields"]:
        gone = [(row["stream"], row["field"], ago(row["since"])) for row in rows]
        out.print(table("Fields that the portal stopped serving", ("stream", "field", "since"), gone, numbers=False))
        out.print("Stored values stay; where that is well, settle them: `learnsync rejects clear` (docs/operators.md).")
    out.print(f"{listing['pending']:,} in all. `learnsync rejects retry` tries rows and pushes again.")
    if any(row["state"] == "outdated" for row in listing["pushes"]):
        out.print("  outdated: the API cannot update. Correct it there, then `learnsync rejects clear --outdated`.")


def show_retry(report: RetryReport) -> None:
    """Print what a retry did."""
    loaded = sum(report.loaded.values())
    out.print(f"{loaded:,} row(s) fit now and are loaded, {report.still_unfit:,} still do not fit.")
    out.print(f"{report.pushes_due:,} refused push(es) are due again: run `learnsync push`.")
