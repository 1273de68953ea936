"""The commands. Each is thin: options in, one call of the engine, a report out, the exit code of contract section 4."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from connector import __version__
from connector.absorb.pull.options import ORDER
from connector.absorb.pull.reconcile import DEFAULT_MAX_REMOVED_PERCENT, ReconcileOptions
from connector.cli import doctor as doctoring
from connector.cli import explain as explaining
from connector.cli import rejects as rejecting
from connector.cli import render
from connector.cli import status as reporting
from connector.cli.assign import assign
from connector.cli.auth import auth_app
from connector.cli.console import Bar, complain, err, out, print_json, set_up_logging
from connector.destinations import NAMES
from connector.errors import LearnsyncError, SettingsError
from connector.salesforce.push.objects import SAMPLE_ROWS, PushOptions
from connector.salesforce.readback.readback import ReadbackOptions
from connector.settings import load_settings
from connector.streams.details import DETAIL_STREAMS
from connector.sync import as_stats, run_build, run_publish, run_pull, run_push, run_readback, run_reconcile, run_sync
from connector.times import parse_instant

log = logging.getLogger(__name__)

app = typer.Typer(
    name="learnsync",
    help="Carries learner enrollments from Absorb LMS into DuckDB and Salesforce, incrementally and without loss."
    "\n\nSettings come from LEARNSYNC_… variables, .env or learnsync.toml; `learnsync doctor` checks them."
    "\n\nExit codes: 0 done and complete, 1 ran but something was rejected or is incomplete, 2 could not run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; progress goes to stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log each step to stderr.")]


def _finish(report: Any, show: Callable[[Any], None], *, as_json: bool) -> None:
    complete = bool(getattr(report, "complete", True))
    if as_json:
        print_json(as_stats(report))
    else:
        show(report)
    if not complete:
        raise typer.Exit(1)


@app.callback()
def _root() -> None:
    """Set logging up before any command; `--verbose` of a command raises it."""
    set_up_logging(verbose=False)


@app.command()
def pull(
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
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Absorb → warehouse. Reads what changed since the last pull, and nothing twice but the overlap."""
    set_up_logging(verbose)
    moment = _instant("--since", since)
    settings = load_settings()
    with Bar() as bar:
        report = run_pull(settings, streams=stream or ORDER, full=full, since=moment, progress=bar)
    _finish(report, render.show_pull, as_json=as_json)


@app.command()
def build(*, as_json: Json = False, verbose: Verbose = False) -> None:
    """Warehouse → learning_record and learning_item_progress. Idempotent; statuses follow the calendar."""
    set_up_logging(verbose)
    _finish(run_build(load_settings()), render.show_build, as_json=as_json)


@app.command()
def push(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; write nothing anywhere.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Send every record that may be sent, also accepted and refused ones.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most this many records per object.")] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=1000, help="Records per object and action to show field by field in a dry run.")
    ] = SAMPLE_ROWS,
    target: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this target; repeat for several: {', '.join(NAMES)}. Default: all that are set up."),
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Differences → Salesforce, and the LearningRecord API where set. Repeating does no harm."""
    set_up_logging(verbose)
    settings = load_settings()
    options = PushOptions(target or None, dry_run=dry_run, limit=limit, full=full, samples=samples)
    with Bar() as bar:
        report = run_push(settings, options, bar)
    _finish(report, render.show_push, as_json=as_json)


@app.command(name="readback")
def readback_command(
    *,
    full: Annotated[bool, typer.Option("--full", help="Read everything anew, not only what changed.")] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Salesforce → warehouse: people, native progress, our own records; finds drift and marks what is due again."""
    set_up_logging(verbose)
    settings = load_settings()
    with Bar() as bar:
        report = run_readback(settings, ReadbackOptions(full=full), bar)
    _finish(report, render.show_readback, as_json=as_json)


@app.command()
def sync(
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Pull every list, and read Salesforce back, from the beginning.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Pull, build, push, read back, publish."""
    set_up_logging(verbose)
    settings = load_settings()
    with Bar() as bar:
        report = run_sync(settings, full=full, progress=bar)
    _finish(report, render.show_sync, as_json=as_json)


@app.command(name="reconcile")
def reconcile_command(
    *,
    max_removed_percent: Annotated[
        float, typer.Option(min=0, max=100, help="Remove nothing if more than this share of the rows vanished.")
    ] = DEFAULT_MAX_REMOVED_PERCENT,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Courses that answer with no rows really are empty: I have checked.")
    ] = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Full id sweep: find enrollments that vanished in Absorb and mark them removed; nothing is deleted."""
    set_up_logging(verbose)
    settings = load_settings()
    options = ReconcileOptions(max_removed_percent, allow_empty)
    with Bar() as bar:
        report = run_reconcile(settings, options, bar)
    _finish(report, render.show_reconcile, as_json=as_json)


@app.command()
def publish(*, as_json: Json = False, verbose: Verbose = False) -> None:
    """Replace the analysts' file (LEARNSYNC_WAREHOUSE__PUBLISH_PATH) atomically."""
    set_up_logging(verbose)
    _finish(run_publish(load_settings()), render.show_publish, as_json=as_json)


@app.command()
def status(*, as_json: Json = False, verbose: Verbose = False) -> None:
    """Watermarks, row counts, where every enrollment is, last runs, pending rejects, API calls used."""
    set_up_logging(verbose)
    report = reporting.collect(load_settings())
    _finish(report, reporting.show, as_json=as_json)


@app.command()
def explain(enrollment_id: str, *, as_json: Json = False, verbose: Verbose = False) -> None:
    """One enrollment's way: source row → LearningRecord → the rule that chose its status → last push outcome."""
    set_up_logging(verbose)
    story = explaining.collect(load_settings(), enrollment_id)
    if as_json:
        print_json(story)
    else:
        explaining.show(story)


@app.command()
def doctor(*, as_json: Json = False, verbose: Verbose = False) -> None:
    """Check settings, maps, warehouse, portal and org; one line each, with the remedy."""
    set_up_logging(verbose)
    findings = doctoring.examine()
    if as_json:
        print_json({"checks": [finding.as_dict() for finding in findings], "ok": doctoring.healthy(findings)})
    else:
        doctoring.show(findings)
    if not doctoring.healthy(findings):
        raise typer.Exit(2)


app.command()(assign)
app.add_typer(auth_app, name="auth", no_args_is_help=True)

rejects_app = typer.Typer(
    help="Quarantined source rows and rejected pushes.", no_args_is_help=False, invoke_without_command=True
)
app.add_typer(rejects_app, name="rejects")


Streams = Annotated[list[str] | None, typer.Option("--stream", help="Only source rows of this stream; repeatable.")]
Objects = Annotated[list[str] | None, typer.Option("--object", help="Only pushes to this object; repeatable.")]
Codes = Annotated[list[str] | None, typer.Option("--code", help="Only pushes refused with this code; repeatable.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this source or external id; repeatable.")]


def _chosen(stream: Streams, name: Objects, code: Codes, row_id: Ids) -> rejecting.Filter:
    if stream and (name or code):
        raise SettingsError(
            "--stream chooses source rows, --object and --code choose pushes: no row is both.",
            remedy="Give one kind at a time.",
        )
    return rejecting.Filter(stream or (), name or (), code or (), row_id or ())


@rejects_app.callback()
def _rejects(context: typer.Context, *, as_json: Json = False) -> None:
    """Without a subcommand: list."""
    if context.invoked_subcommand is None:
        rejects_list(as_json=as_json)


@rejects_app.command("list")
def rejects_list(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many of each kind.")] = 50,
    stream: Streams = None,
    name: Objects = None,
    code: Codes = None,
    row_id: Ids = None,
    as_json: Json = False,
) -> None:
    """Show what waits for a fix, with the reason."""
    listing = rejecting.collect(load_settings(), limit, _chosen(stream, name, code, row_id))
    if as_json:
        print_json(listing)
    else:
        rejecting.show(listing)
    if listing["pending"]:
        raise typer.Exit(1)


@rejects_app.command("retry")
def rejects_retry(
    *,
    stream: Streams = None,
    name: Objects = None,
    code: Codes = None,
    row_id: Ids = None,
    as_json: Json = False,
) -> None:
    """Load quarantined rows again, and mark rejected pushes to be sent by the next push."""
    report = rejecting.retry(load_settings(), _chosen(stream, name, code, row_id))
    _finish(report, rejecting.show_retry, as_json=as_json)


@rejects_app.command("clear")
def rejects_clear(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Settle quarantined rows without loading them. They stay in ops.quarantine with resolved_at set."""
    if not yes:
        typer.confirm("Settle all quarantined rows without loading them?", err=True, abort=True)
    cleared = rejecting.clear(load_settings())
    if as_json:
        print_json({"cleared": cleared})
    else:
        out.print(f"Settled {cleared:,} quarantined row(s).")


@app.command()
def sandbox(
    *,
    scale: Annotated[int, typer.Option(min=0, help="How many enrollments the portal has, about.")] = 5000,
    courses: Annotated[int | None, typer.Option(min=1, help="How many courses; default grows with --scale.")] = None,
    dataset: Annotated[Path | None, typer.Option(help="Serve the OULAD registrations in this folder instead.")] = None,
    faults: Annotated[
        str, typer.Option(help="Fault profile: none, flaky, slow, stray401, expiring, unsorted, nosort, …")
    ] = "none",
    absorb_port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one.")] = 0,
    salesforce_port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one.")] = 0,
    learning_records: Annotated[
        bool,
        typer.Option(
            "--learning-records",
            help="Settings of the LearningRecord API too: it takes one call per completed record.",
        ),
    ] = False,
    records_port: Annotated[int, typer.Option(min=0, max=65535, help="LearningRecord API; 0 = a free one.")] = 0,
    rate_limit: Annotated[float, typer.Option(min=0, help="Requests a second the portal allows; 0 = any.")] = 200,
    env_file: Annotated[Path | None, typer.Option(help="Also write the settings to this file.")] = None,
    oauth: Annotated[bool, typer.Option("--oauth", help="Settings for `learnsync auth login`.")] = False,
    jwt_key: Annotated[
        Path | None, typer.Option(help="Write a private key to this new file, and log in to the org with it (JWT).")
    ] = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Serve a local portal, org and LearningRecord API until interrupted, and print the settings that use them."""
    set_up_logging(verbose)
    from connector.sandbox.server import Sandbox, SandboxOptions  # noqa: PLC0415 - the servers are needed here only

    try:
        box = Sandbox(
            SandboxOptions(
                scale=scale,
                courses=courses,
                dataset=dataset,
                faults=faults,
                absorb_port=absorb_port,
                salesforce_port=salesforce_port,
                records_port=records_port,
                learning_records=True,
                rate_limit=rate_limit,
            )
        )
        if env_file:
            _refuse_foreign(env_file)
        if jwt_key and jwt_key.exists():
            raise SettingsError(f"--jwt-key {jwt_key} exists.", remedy="Name a new file, or remove it.")
        box.start()
        settings = box.settings() | (box.oauth_settings() if oauth else {})
        if not learning_records:
            settings = {name: value for name, value in settings.items() if "LEARNING_RECORDS" not in name}
        if jwt_key:
            settings |= box.jwt_settings(jwt_key)
            del settings["LEARNSYNC_SALESFORCE__CLIENT_SECRET"]
    except (ValueError, OSError) as failure:
        raise SettingsError(f"The sandbox cannot start: {failure}.", remedy="See `learnsync sandbox --help`.") from None
    _announce(settings, env_file, as_json=as_json)
    box.run_forever()


_ENV_FILE_MARK = "# Settings of a learnsync sandbox."


def _refuse_foreign(env_file: Path) -> None:
    """Somebody's own settings are not overwritten; the file is made for its owner's eyes before secrets go in."""
    if env_file.exists() and not env_file.read_text("utf-8").startswith(_ENV_FILE_MARK):
        raise SettingsError(
            f"--env-file {env_file} exists and was not written by a sandbox.", remedy="Name another file, or remove it."
        )
    env_file.touch(mode=0o600)


def _announce(settings: dict[str, str], env_file: Path | None, *, as_json: bool) -> None:
    lines = [f"{name}={value}" for name, value in settings.items()]
    if env_file:
        env_file.write_text("\n".join([_ENV_FILE_MARK, *lines]) + "\n", "utf-8")
    if as_json:
        print_json({"settings": settings})
    else:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        err.print("learnsync: the sandbox serves until you press Ctrl-C. Put the lines above into .env, or:")
        err.print("  learnsync sandbox --env-file .env", soft_wrap=True)


@app.command()
def demo(
    *,
    scale: Annotated[int, typer.Option(min=100, help="How many enrollments the demo portal has, about.")] = 5000,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files.")] = Path("data/demo"),
    as_json: Json = False,
) -> None:
    """Run the whole way through Dagster against a sandbox: pull, map, push, change, sync again."""
    from connector.cli import demo as demonstrating  # noqa: PLC0415 - starts processes; needed here only

    story = demonstrating.run(folder, scale, quiet=as_json)
    if as_json:
        print_json(story)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_instant(text.strip().replace(" ", "T"))
    except ValueError:
        raise SettingsError(
            f"{option} {text!r} is not an instant.", remedy="Write it as 2026-03-01T00:00:00Z."
        ) from None


# Typer brings its own copy of click's exceptions and exports only the leaves: this is the root of "wrong usage".
_Usage = typer.BadParameter.__mro__[2]
INTERRUPTED, TERMINATED = 130, 143


def _stop_on_sigterm(stopped_by: list[int]) -> None:
    """SIGTERM ends a run as Ctrl-C does: the transaction in hand is finished first."""

    def stop(number: int, _: FrameType | None) -> None:
        stopped_by.append(number)
        signal.raise_signal(signal.SIGINT)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)


def main() -> None:
    """Entry point: runs a command, turns every expected failure into one message and an exit code."""
    as_json = "--json" in sys.argv
    stopped_by: list[int] = []
    _stop_on_sigterm(stopped_by)
    try:
        code = app(standalone_mode=False)
    except LearnsyncError as failure:
        complain(failure, as_json=as_json)
        code = failure.exit_code
    except (typer.Abort, KeyboardInterrupt) as end:
        interrupted = isinstance(end, KeyboardInterrupt) or isinstance(end.__cause__, KeyboardInterrupt)
        code = INTERRUPTED if interrupted else 1
    except Exception as misuse:
        if not isinstance(misuse, _Usage):
            raise
        if as_json:
            print_json({"error": misuse.format_message(), "remedy": "See --help.", "exit_code": 2})  # type: ignore[attr-defined]
        misuse.show()  # type: ignore[attr-defined]
        code = 2
    # Typer turns Ctrl-C into an ordinary exit code.
    if code == INTERRUPTED:
        code = TERMINATED if stopped_by else INTERRUPTED
        err.print("learnsync: interrupted; what was committed stays, the rest stays due")
    sys.exit(code if isinstance(code, int) else 0)
