"""Absorb → warehouse: walk each list, land its pages, load them in batches whose commit moves the watermarks.

Fetching is asynchronous and bounded; loading happens in one thread at a time while fetching goes on. Only page
envelopes pass through Python, and a bounded queue keeps the two sides together, so memory does not grow with a stream.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from connector.absorb.client import AbsorbClient
from connector.absorb.faults import concerns_every_call
from connector.absorb.pull import polling
from connector.absorb.walk.pages import Ask, Done, Incomplete
from connector.absorb.walk.walk import Walk
from connector.errors import (
    ApiError,
    BadRequestError,
    IncompleteError,
    NotFoundError,
    PermissionDeniedError,
    SettingsError,
    WarehouseError,
)
from connector.locks import claim, claim_beside
from connector.progress import Progress, Silent
from connector.settings import Settings
from connector.streams.details import DETAIL_STREAMS
from connector.streams.rows import STREAMS
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.load import (
    Batch,
    LoadCounts,
    load_batch,
)
from connector.warehouse.quarantine import pending_quarantine
from connector.warehouse.runs import Closing
from connector.warehouse.statements import statements
from connector.warehouse.watermarks import ResumePoint, Watermark, read_resume_points, read_watermarks

sql = statements(__package__)

log = logging.getLogger(__name__)

ALL = "*"
ORDER = tuple(STREAMS)  # departments, users, courses, enrollments: courses must be known before their enrollments
# A group of pages is loaded when it is this old or this large: so much is fetched again after a kill, at the most.
GROUP_SECONDS = 0.5
GROUP_ROWS = 50_000
GROUP_LISTS = 400
QUEUE_PAGES = 32
# So many lists failing one after the other is an outage, not a bad list.
FAILURES_IN_A_ROW = 20


@dataclass(slots=True)
class StreamReport:
    """What a pull did for one stream."""

    stream: str
    counts: LoadCounts = field(default_factory=LoadCounts)
    lists: int = 0
    left_out: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    tombstones: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    repeated_walks: int = 0


@dataclass(slots=True)
class PullReport:
    """What a pull did; `pending` counts rows in quarantine that wait for a fix."""

    streams: dict[str, StreamReport] = field(default_factory=dict)
    pending: int = 0

    @property
    def complete(self) -> bool:
        """True when every list was read to its end and nothing waits in quarantine."""
        return not self.pending and not any(report.failures for report in self.streams.values())


class SweepLog(Protocol):
    """Notes what a sweep meets; see connector/absorb/pull/reconcile.py."""

    def page(self, course_id: str, ids: Sequence[str | None]) -> None:
        """The ids of one page."""

    def doubt(self, course_id: str) -> None:
        """What the course served does not prove that it served everything."""

    def finished(self, course_id: str, *, gone: bool = False) -> None:
        """The course was read to its end, or is gone."""


@dataclass(frozen=True, slots=True)
class PullOptions:
    """`full` reads from the beginning; `since` from an instant; else each list from its watermark minus the overlap."""

    streams: Sequence[str] = ORDER
    full: bool = False
    since: datetime | None = None
    sweep: SweepLog | None = None


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a walk begins; `floor` is what the warehouse holds already, `covers` whether its end may be claimed."""

    since: datetime | None
    floor: datetime | None
    covers: bool


@dataclass(frozen=True, slots=True)
class _Landed:
    path: Path
    rows: int


@dataclass(slots=True)
class _Stream:
    """State of one stream's pull."""

    name: str
    report: StreamReport
    marks: dict[str, datetime | None]
    points: dict[str, ResumePoint]
    folder: Path
    queue: asyncio.Queue[_Landed | Watermark | ResumePoint | str | None] = field(
        default_factory=lambda: asyncio.Queue(QUEUE_PAGES)
    )
    in_a_row: int = 0
    read: int = 0  # lists read to their end


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
    with pull_lock(settings, run_id):
        return asyncio.run(Puller(settings, run_id, options, progress or Silent(), "pull").run(close))


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

    The locks fall with the process. Folders that killed pulls left behind are cleared. Raises WarehouseLockedError.
    """
    landing, account = settings.warehouse.landing, settings.absorb.username or settings.absorb.oauth_client_id
    own = claim_beside(settings.warehouse.path, landing / ".pull.lock", "pull is running on this warehouse", run_id)
    with own, _claim_account(settings, f"pull is running with the account {account}", run_id):
        for left in landing.iterdir():
            if left.is_dir() and not settings.warehouse.keep_landing:
                shutil.rmtree(left, ignore_errors=True)
        yield


def _claim_account(settings: Settings, what: str, run_id: str) -> AbstractContextManager[object]:
    """A lock that all learnsync processes of this user on this machine agree on. Raises WarehouseError."""
    who = f"{settings.absorb.url}|{settings.absorb.username}|{settings.absorb.oauth_client_id}"
    name = f"learnsync-{os.getuid()}-{hashlib.sha256(who.encode()).hexdigest()[:16]}.lock"
    try:
        return claim(Path(tempfile.gettempdir()) / name, what, run_id)
    except OSError as failure:
        raise WarehouseError(
            f"The lock file {tempfile.gettempdir()}/{name} cannot be opened ({failure.strerror}).",
            remedy="Let TMPDIR name a folder that this user may write to.",
        ) from None


class Puller:
    """One pull: use `pull`, or hold `pull_lock` around it."""

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        options: PullOptions,
        progress: Progress,
        command: str,
    ) -> None:
        self._settings = settings
        self._command = command
        self._client = AbsorbClient.of(settings)
        self._warehouse = Warehouse.of(settings)
        self._run_id = run_id
        self._options = options
        self._progress = progress
        self._numbers = itertools.count(1)
        self._folder = settings.warehouse.landing / run_id

    async def run(self, close: Closing | None = None) -> PullReport:
        report = PullReport()
        try:
            async with self._client:
                await self._client.login()
                for name in ORDER:
                    if name in self._options.streams:
                        report.streams[name] = StreamReport(name)
                        await self._stream(report.streams[name])
                await self._details(report)
        finally:
            if not self._settings.warehouse.keep_landing:
                shutil.rmtree(self._folder, ignore_errors=True)
        with self._warehouse.connect() as connection:
            report.pending = pending_quarantine(connection, self._settings.tenant_id, "load")
            if close:
                close(connection, report)
        return report

    async def _details(self, report: PullReport) -> None:
        """Look into the enrollments that are due, when enrollments or a detail stream were asked for.

        Not in a sweep: what it saw should be judged while it is fresh, and what is due stays due.
        """
        named = any(name in DETAIL_STREAMS for name in self._options.streams)
        reports = {name: StreamReport(name) for name in self._settings.absorb.detail_streams}
        if reports and self._options.sweep is None and (named or "enrollments" in self._options.streams):
            from connector.absorb.pull.details import DetailPull  # noqa: PLC0415 - it imports this module

            report.streams |= reports
            details = DetailPull(self._settings, self._client, self._run_id, reports, self._progress)
            # A full pull alone must not ask about every enrollment one by one; naming the details asks for that.
            await details.run(everything=named and self._options.full)

    async def _stream(self, report: StreamReport) -> None:
        started, before = (
            time.monotonic(),
            (self._client.session.stats.requests, self._client.session.stats.retries),
        )
        folder = self._folder / report.stream
        folder.mkdir(parents=True, exist_ok=True)
        with self._warehouse.connect() as connection:
            runs.end_killed(connection, self._settings.tenant_id, self._command, self._run_id)
            marks = read_watermarks(connection, self._settings.tenant_id, report.stream)
            points = read_resume_points(connection, self._settings.tenant_id, report.stream)
            scopes = [ALL]
            if report.stream == "enrollments":
                # A sweep asks courses that were gone as well: they may be back, and their rows must be accounted for.
                gone_too = self._options.sweep is not None
                scopes = known_courses(connection, self._settings.tenant_id, gone_too=gone_too)
                if not scopes and "courses" not in self._options.streams:
                    raise IncompleteError(
                        "No courses are known yet, and enrollments are read course by course.",
                        remedy="Pull the courses too: `learnsync pull`, or add --stream courses.",
                    )
                scopes = self._due(connection, report, scopes)
        state = _Stream(report.stream, report, marks, points, folder)
        report.lists = len(scopes)
        self._progress.stage(report.stream, len(scopes))
        loader = asyncio.create_task(self._load_all(state))
        try:
            await self._fan_out(state, scopes, loader)
        finally:
            # A loader that fails with a full queue takes nothing any more: do not wait for room then.
            ending = asyncio.create_task(state.queue.put(None))
            await asyncio.wait({ending, loader}, return_when=asyncio.FIRST_COMPLETED)
            if loader.done():
                ending.cancel()
            await loader
            stats = self._client.session.stats
            report.requests, report.retries = stats.requests - before[0], stats.retries - before[1]
            report.seconds = time.monotonic() - started

    def _due(self, connection: Connection, report: StreamReport, scopes: list[str]) -> list[str]:
        """Leave out courses that may wait for a later pull; a full, dated or sweeping pull leaves out none."""
        bound = timedelta(minutes=self._settings.absorb.max_staleness_minutes)
        if not bound or self._options.full or self._options.since is not None:
            return scopes
        names = {"tenant_id": self._settings.tenant_id}
        starts = [row[0] for row in connection.execute(sql("pull_starts"), names).fetchall()]
        lists = connection.execute(
            "SELECT scope_id, completed_at, watermark FROM ops.watermarks"
            " WHERE tenant_id = $tenant_id AND stream = 'enrollments'",
            names,
        ).fetchall()
        known = {row[0]: polling.Polled(*row) for row in lists}
        courses = [known.get(scope, polling.Polled(scope, None, None)) for scope in scopes]
        now = utc_now()
        chosen = polling.due(courses, now, polling.cadence_of(starts, now), bound)
        report.left_out = len(scopes) - len(chosen)
        return chosen

    async def _fan_out(self, state: _Stream, scopes: Sequence[str], loader: asyncio.Task[None]) -> None:
        """Walk all lists with as many workers as calls may run at once; stop early if loading fails."""
        waiting = iter(scopes)

        async def work() -> None:
            for scope in waiting:
                await self._list(state, scope)

        workers = [asyncio.create_task(work()) for _ in range(min(len(scopes), self._settings.absorb.concurrency))]
        watched = [*workers, loader]
        try:
            while not all(worker.done() for worker in workers):
                done, _ = await asyncio.wait(
                    [task for task in watched if not task.done()], return_when="FIRST_COMPLETED"
                )
                for task in done:
                    task.result()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _list(self, state: _Stream, scope: str) -> None:
        try:
            await self._walk(state, scope)
            state.in_a_row = 0
            state.read += 1
        except NotFoundError:
            if scope == ALL:
                raise
            log.info("course %s is gone (404); its enrollments stay as they were", scope)
            await state.queue.put(scope)
            state.report.tombstones.append(scope)
            sweep = self._sweep(state)
            if sweep:
                sweep.finished(scope, gone=True)
        except (ApiError, IncompleteError) as failure:
            # A role that may not see one course is that course's failure; a bad key or token is everybody's.
            if scope == ALL or (isinstance(failure, ApiError) and concerns_every_call(failure)):
                raise
            state.report.failures[scope] = str(failure)
            # A role may well be kept from many courses, one after the other: no outage, if it may see any.
            state.in_a_row += not (state.read and isinstance(failure, PermissionDeniedError))
            nothing_read = len(state.report.failures) == state.report.lists > 1
            if nothing_read or state.in_a_row >= FAILURES_IN_A_ROW:
                raise
            log.warning("%s of %s not read: %s", state.name, scope, failure)
        finally:
            self._progress.advance()

    async def _walk(self, state: _Stream, scope: str) -> None:
        start = self._start(state, scope)
        walk = Walk(start.since, self._settings.absorb.page_size)
        collection = STREAMS[state.name].collection
        step: Ask | Done | Incomplete = walk.next
        ceiling: datetime | None = None
        verified: datetime | None = None
        rows = 0
        while isinstance(step, Ask):
            began = time.monotonic()
            try:
                served = await self._client.page(state.name, scope, collection, step)
            except BadRequestError as refusal:
                again = walk.refuse() if refusal.status == 422 else None
                if again is None:
                    raise
                log.info("%s of %s: the portal refuses %s; asking %s", state.name, scope, step, again)
                step = again
                continue
            if ceiling is None:
                # Nothing edited after the walk began may be claimed; the portal's own clock says when that was.
                ceiling = (served.clock or utc_now()) - timedelta(seconds=1 + time.monotonic() - began)
            rows += len(served.page.ids)
            self._note_page(state, scope, served.page.ids)
            await self._land(state, served.body, len(served.page.ids))
            step = walk.feed(served.page)
            if start.covers and walk.verified != verified:
                verified = walk.verified
                await state.queue.put(ResumePoint(scope, verified, ceiling))
        if isinstance(step, Incomplete):
            raise IncompleteError(
                f"{state.name} of {scope}: {step.reason}.",
                remedy="Rows that were read are kept; the watermark stays, so the next pull reads the list again.",
            )
        state.report.repeated_walks += step.passes - 1
        reached = max((moment for moment in (step.high, start.floor) if moment is not None), default=None)
        claim = min(reached, ceiling) if reached and ceiling and start.covers else None
        await state.queue.put(Watermark(state.name, scope, claim, rows, utc_now()))
        sweep = self._sweep(state)
        if sweep:
            if walk.total_disagrees:
                sweep.doubt(scope)
            sweep.finished(scope)

    def _sweep(self, state: _Stream) -> SweepLog | None:
        return self._options.sweep if state.name == "enrollments" else None

    def _note_page(self, state: _Stream, scope: str, ids: Sequence[str | None]) -> None:
        sweep = self._sweep(state)
        if sweep:
            sweep.page(scope, ids)
            if None in ids:
                sweep.doubt(scope)

    def _start(self, state: _Stream, scope: str) -> _Start:
        """From the watermark less the overlap, or from where a killed walk was; `--since` and `--full` come first."""
        mark = state.marks.get(scope)
        asked = self._options.since
        # Account-wide lists are small, and a new warehouse needs them whole to know whose and what the enrollments are.
        if asked is not None and (scope != ALL or mark is not None):
            # A walk that begins later than the list's watermark leaves a gap and may not move it.
            return _Start(asked, None, covers=mark is not None and asked <= mark)
        if self._options.full:
            return _Start(None, None, covers=True)
        overlap = timedelta(minutes=self._settings.absorb.overlap_minutes)
        since = mark - overlap if mark is not None else None
        point = state.points.get(scope)
        if point is not None and point.key is not None:
            # What became visible late while the killed walk ran is read again, like the overlap of any pull.
            key = min(point.key, point.ceiling - overlap)
            if since is None or key > since:
                return _Start(key, key, covers=True)
        return _Start(since, None, covers=True)

    async def _land(self, state: _Stream, body: bytes, rows: int) -> None:
        if rows:
            path = state.folder / f"{next(self._numbers):010d}.json"
            path.write_bytes(body)
            await state.queue.put(_Landed(path, rows))

    async def _load_all(self, state: _Stream) -> None:
        """Take landed pages and finished lists in order, load them group by group until None comes."""
        more = True
        while more:
            batch = Batch(state.name)
            more = await self._gather(state, batch)
            if batch.files or batch.watermarks or batch.tombstones or batch.resume_points:
                await asyncio.to_thread(self._load, state, batch)

    @staticmethod
    async def _gather(state: _Stream, batch: Batch) -> bool:
        """Fill a group until it is old or large enough; False when nothing will follow."""
        deadline: float | None = None
        while batch.rows < GROUP_ROWS and len(batch.files) + len(batch.watermarks) < GROUP_LISTS:
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                item = await asyncio.wait_for(state.queue.get(), left)
            except TimeoutError:
                break
            deadline = deadline or time.monotonic() + GROUP_SECONDS
            if isinstance(item, _Landed):
                batch.files.append(item.path)
                batch.rows += item.rows
            elif isinstance(item, Watermark):
                batch.watermarks.append(item)
            elif isinstance(item, ResumePoint):
                batch.resume_points[item.scope_id] = item
            elif item is None:
                return False
            else:
                batch.tombstones.append(item)
        return True

    def _load(self, state: _Stream, batch: Batch) -> None:
        counts = load_batch(
            self._warehouse,
            batch,
            tenant_id=self._settings.tenant_id,
            run_id=self._run_id,
            now=utc_now(),
            note_due=bool(self._settings.absorb.detail_streams),
        )
        state.report.counts.add(counts)
        if not self._settings.warehouse.keep_landing:
            for path in batch.files:
                path.unlink(missing_ok=True)


def known_courses(connection: Connection, tenant_id: str, *, gone_too: bool = False) -> list[str]:
    """Ids of every course not known to be gone, inactive ones too, largest first so that no long walk starts last.

    A course that answered 404 is asked for a week more: a role that lost its view for an hour looks the same.
    """
    query = """
        SELECT CAST(courses.id AS VARCHAR)
        FROM absorb.courses
        LEFT JOIN (
          SELECT course_id, count(*) AS size FROM absorb.enrollments WHERE tenant_id = $tenant_id GROUP BY course_id
        ) AS sizes ON sizes.course_id = courses.id
        WHERE courses.tenant_id = $tenant_id
          AND (courses._removed_at IS NULL OR courses._removed_at > now() - INTERVAL 7 DAY OR $gone_too)
        ORDER BY coalesce(size, 0) DESC, courses.id
    """
    return [row[0] for row in connection.execute(query, {"tenant_id": tenant_id, "gone_too": gone_too}).fetchall()]
