"""Absorb → warehouse: walk each list, land its pages, load them in batches whose commit moves the watermarks."""

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from connector import files
from connector.absorb.identity import portal_identity
from connector.absorb.pull.details import DetailPull
from connector.absorb.pull.fanout import FanOut
from connector.absorb.pull.landing import Landing
from connector.absorb.pull.options import ORDER, Context, PullOptions, PullReport, StreamReport
from connector.absorb.pull.plan import plan
from connector.errors import SettingsError, WarehouseError
from connector.locks import claim, claim_beside
from connector.progress import Progress
from connector.settings import Settings
from connector.streams import DETAIL_STREAMS, STREAMS
from connector.times import utc_now
from connector.warehouse import fields, runs
from connector.warehouse.database import Connection, Stamp, committed
from connector.warehouse.identity import require_same
from connector.warehouse.quarantine import pending_quarantine
from connector.warehouse.room import require_room_to_pull
from connector.warehouse.runs import Closing
from connector.warehouse.statements import statements
from connector.warehouse.sweeps import SWEPT, put_sweeps

sql = statements(__package__)


def pull(
    settings: Settings,
    run_id: str,
    options: PullOptions | None = None,
    progress: Progress | None = None,
    close: Closing | None = None,
) -> PullReport:
    """Run a pull to its end. Raises LearnsyncError; whatever was loaded before stays, and the rest stays due."""
    options = options or PullOptions()
    _check_streams(settings, options.streams)
    require_room_to_pull(settings)
    with pull_lock(settings, run_id):
        return asyncio.run(run(Context.of(settings, run_id, "pull", options, progress), close))


def _check_streams(settings: Settings, streams: Sequence[str]) -> None:
    for name in streams:
        if name in DETAIL_STREAMS and name not in settings.absorb.detail_streams:
            raise SettingsError(
                f"--stream {name}: LEARNSYNC_ABSORB__DETAIL_STREAMS does not name it.",
                remedy="Name it there (docs/details.md), so that every pull keeps it up to date.",
            )
        if name not in STREAMS and name not in DETAIL_STREAMS:
            known = ", ".join((*ORDER, *settings.absorb.detail_streams))
            raise SettingsError(f"--stream {name}: no such stream.", remedy=f"Use one of {known}.")


@contextmanager
def pull_lock(settings: Settings, run_id: str) -> Iterator[None]:
    """One pull per warehouse, and one per portal account: Absorb keeps one live token per user.

    The locks fall with the process. Folders that killed runs left behind are cleared. Raises WarehouseLockedError.
    """
    landing = settings.warehouse.landing
    own = claim_beside(settings.warehouse.path, landing / ".pull.lock", "pull is running on this warehouse", run_id)
    with own, account_lock(settings, run_id):
        if not settings.warehouse.keep_landing:
            for left in runs.folders(landing):
                shutil.rmtree(left, ignore_errors=True)
        yield


def account_lock(settings: Settings, run_id: str) -> AbstractContextManager[object]:
    """One pull per portal account, whatever the warehouse: a lock for all learnsync processes of this user here.

    It lies in a folder of the user's own, because in the common one another account could put a link or a lock of its
    own in its place. Raises WarehouseLockedError, and WarehouseError when the lock file cannot be opened.
    """
    what = f"pull is running with the account {settings.absorb.username or settings.absorb.oauth_client_id}"
    who = f"{settings.absorb.url}|{settings.absorb.username}|{settings.absorb.oauth_client_id}"
    folder = Path(tempfile.gettempdir()) / f"learnsync-{os.geteuid()}"
    path = folder / f"{hashlib.sha256(who.encode()).hexdigest()[:16]}.lock"
    try:
        files.make_own_folder(folder)
        return claim(path, what, run_id)
    except OSError as failure:
        raise WarehouseError(
            f"The lock file {path} cannot be opened ({failure.filename or path}: {failure.strerror}).",
            remedy="Remove what is in its place, or let TMPDIR name a folder that this user may write to.",
        ) from None


async def run(context: Context, close: Closing | None = None) -> PullReport:
    """What `pull` does once it holds the lock."""
    report, compared = PullReport(), list[str]()
    try:
        async with context.client:
            await context.client.login()
            await _check_portal(context)
            for name in ORDER:
                if name in context.options.streams:
                    report.streams[name] = StreamReport(name)
                    if await _stream(context, report.streams[name]) and name in SWEPT:
                        compared.append(name)
            await _details(context, report)
    finally:
        if not context.settings.warehouse.keep_landing:
            shutil.rmtree(context.folder, ignore_errors=True)
    with context.warehouse.connect() as connection:
        report.new_warehouse = str(context.warehouse.path) if context.warehouse.is_new else None
        _judge(context, connection, report)
        details = {"streams": list(context.settings.absorb.detail_streams), "tenant_id": context.settings.tenant_id}
        connection.execute(sql("details_off"), details)
        put_sweeps(connection, compared, context.begun_at, Stamp(context.settings.tenant_id, context.run_id, utc_now()))
        if close:
            close(connection, report)
    return report


async def _check_portal(context: Context) -> None:
    """Nothing of another portal may be read by the watermarks of this one: see connector/warehouse/identity.py."""
    portal = await portal_identity(context.client)
    require_same(context.warehouse, portal, context.settings.tenant_id, note_by=context.run_id)


def _judge(context: Context, connection: Connection, report: PullReport) -> None:
    """What is wrong with the rows, whichever pull read them."""
    tenant_id = context.settings.tenant_id
    with committed(connection):
        fields.judge(connection, Stamp(tenant_id, context.run_id, utc_now()))
    report.vanished, report.emptied = fields.vanished(connection, tenant_id), fields.emptied(connection, tenant_id)
    report.pending = pending_quarantine(connection, tenant_id, "load")


async def _stream(context: Context, report: StreamReport) -> bool:
    """Pull one stream; True where that was a first whole reading, after which nothing can be missing."""
    stats, started = context.client.session.stats, time.monotonic()
    requests, retries = stats.requests, stats.retries
    scopes, starts = plan(context, report)
    report.lists = len(scopes)
    context.progress.stage(report.stream, len(scopes))
    try:
        async with Landing(context, report) as landing:
            await FanOut(context, report, landing, starts).run(scopes)
    finally:
        report.requests, report.retries = stats.requests - requests, stats.retries - retries
        report.seconds = time.monotonic() - started
    return starts.new and context.options.since is None and not report.failures


async def _details(context: Context, report: PullReport) -> None:
    """Look into the enrollments that are due, when enrollments or a detail stream were asked for.

    Not in a sweep: what it saw should be judged while it is fresh, and what is due stays due.
    """
    options = context.options
    named = any(name in DETAIL_STREAMS for name in options.streams)
    reports = {name: StreamReport(name) for name in context.settings.absorb.detail_streams}
    if reports and options.sweep is None and (named or "enrollments" in options.streams):
        report.streams |= reports
        # A full pull alone must not ask about every enrollment one by one; naming the details asks for that.
        await DetailPull(context, reports).run(everything=named and options.full)
