"""Warehouse → Salesforce: preflight, match learners, send what differs from the ledger, record each outcome.

The warehouse is open only to compute the difference and to write outcomes; between, records wait in a spool file and
are sent 200 at a time, or by Bulk API 2.0 when there are more than LEARNSYNC_SALESFORCE__BULK_THRESHOLD (`bulk_push`).
Upserts go by external id, so sending a record twice (a kill before its outcome was written) does no harm.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connector.canonical.maps import load_maps
from connector.canonical.match import match
from connector.errors import LearnsyncError, PreflightError
from connector.locks import claim_beside
from connector.progress import Progress, Silent
from connector.push import difference
from connector.push.outcomes import STATES, TRIES_AGAIN
from connector.push.reports import PushReport, TargetReport
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.push import bulk_files, native, preview
from connector.salesforce.push.bulk import RETRY_LIMIT, BulkPush, JobOutcome
from connector.salesforce.push.bulk_files import BulkSpool
from connector.salesforce.push.bulk_jobs import BulkJobs
from connector.salesforce.push.bulk_ledger import BulkLedger
from connector.salesforce.push.collections import CollectionsPush, LedgerRow
from connector.salesforce.readback import people
from connector.salesforce.readback.read import Reading
from connector.salesforce.readback.store import checkpoints, store
from connector.salesforce.targets import ALL_TARGETS, ENROLLMENT, PROGRESS, TARGETS, Target
from connector.settings import Settings, require_salesforce
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import rows_param, statements
from mappings import FieldMap, Mapping

sql = statements(__package__)
push_sql = statements("connector.push")

STALE_SECONDS = 86_400
SAMPLE_ROWS = 3


@dataclass(frozen=True, slots=True)
class PushOptions:
    """`limit` caps the records sent per target; a dry run writes nothing anywhere.

    `full` sends what the org accepted or refused before as well; `samples` is per target and action.

    `targets` are names of what is pushed to; None is all that the settings configure. `match` reads people and matches
    learners first; a sync has done both before its build.
    """

    targets: Sequence[str] | None = None
    dry_run: bool = False
    limit: int | None = None
    full: bool = False
    samples: int = SAMPLE_ROWS
    match: bool = True


def push(
    settings: Settings, run_id: str, options: PushOptions | None = None, progress: Progress | None = None
) -> PushReport:
    """Push the differences. Raises LearnsyncError; outcomes known by then are in the ledger."""
    require_salesforce(settings)
    maps = load_maps(settings)
    options = options or PushOptions()
    runner = _Push(settings, maps, run_id, options, progress or Silent())
    if options.dry_run:
        return asyncio.run(runner.run())
    with push_lock(settings, run_id):
        with Warehouse.of(settings).transaction() as connection:
            runs.end_killed(connection, settings.tenant_id, "push", run_id)
        return asyncio.run(runner.run())


@contextmanager
def push_lock(settings: Settings, run_id: str) -> Iterator[None]:
    """One push per warehouse: of two, the slower could leave an older payload behind the newer one's entry.

    Folders that killed pushes left behind hold people's data: they are cleared once they are a day old. Raises
    WarehouseLockedError, and WarehouseError when the folder cannot be used.
    """
    outbox = settings.warehouse.outbox
    with claim_beside(settings.warehouse.path, outbox / ".push.lock", "push is running on this warehouse", run_id):
        for left in outbox.iterdir():
            if left.is_dir() and time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        yield


class _Push:
    def __init__(
        self, settings: Settings, maps: Mapping, run_id: str, options: PushOptions, progress: Progress
    ) -> None:
        self._settings = settings
        self._maps = maps
        self._run_id = run_id
        self._options = options
        self._progress = progress
        self._warehouse = Warehouse.of(settings)
        self._client = SalesforceClient.of(settings)
        self._folder = settings.warehouse.outbox / run_id
        self._org_id = ""
        self._stopped: LearnsyncError | None = None
        self._collections = CollectionsPush(self._client, maps.errors, self._record, self._folder, self._progress)
        self._bulk: BulkPush | None = None
        self._bulk_spools: dict[str, BulkSpool] = {}

    async def run(self) -> PushReport:
        report = PushReport(self._options.dry_run)
        try:
            async with self._client:
                await self._run(report)
                report.calls = self._client.calls_made
                report.api_used, report.api_allowed = self._client.calls_used, self._client.calls_allowed
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        return report

    async def _run(self, report: PushReport) -> None:
        chosen = self._options.targets
        targets = [ALL_TARGETS[name] for name in ALL_TARGETS if name in (TARGETS if chosen is None else chosen)]
        self._progress.stage("preflight", len(targets))
        self._org_id = (await self._client.grant()).org_id
        if PROGRESS in targets:
            await native.permit(self._client, self._settings)
        fields = await self._preflight(targets)
        if not self._options.dry_run:
            report.resumed = await self._resume()  # may wait for long: before people are read
        found: list[Reading] = []
        if self._options.match and (ENROLLMENT in targets or PROGRESS in targets):
            self._progress.stage("learners")
            with self._warehouse.connect() as connection:
                known = checkpoints(connection, self._settings.tenant_id)
            found = await people.fetch(self._client, self._maps, self._folder, known)
        self._plan(report, targets, fields, found)
        if self._options.dry_run:
            for target in targets:
                await preview.add_changes(self._client, target, report.targets[target.name].samples)
            return
        for target in targets:
            outcome = report.targets[target.name]
            if outcome.create + outcome.update:
                await self._send(target, outcome)
            if self._stopped:
                raise self._stopped

    async def _resume(self) -> list[str]:
        """Results of jobs that an earlier push was killed over, so that the difference knows of them."""
        self._folder.mkdir(parents=True, exist_ok=True)
        ledger = BulkLedger(self._warehouse, self._settings.tenant_id, self._org_id, self._run_id)
        self._bulk = BulkPush(BulkJobs(self._client), ledger, self._maps.errors, self._folder, self._progress)
        await self._bulk.resume()
        return self._bulk.resumed

    async def _preflight(self, targets: list[Target]) -> dict[str, tuple[FieldMap, ...]]:
        """The fields to send per target. Raises PreflightError with the problems of all of them."""
        fields: dict[str, tuple[FieldMap, ...]] = {}
        problems: list[str] = []
        for target in targets:
            try:
                fields[target.name] = await preflight.check(self._client, target, self._maps)
            except PreflightError as failure:
                problems += failure.problems
            self._progress.advance()
        if problems:
            raise PreflightError(problems, remedy=preflight.REMEDY)
        return fields

    # -- difference ----------------------------------------------------------------------------------------------

    def _plan(
        self,
        report: PushReport,
        targets: list[Target],
        fields: dict[str, tuple[FieldMap, ...]],
        found: list[Reading],
    ) -> None:
        """Match learners and spool what differs, in one transaction; a dry run rolls it back."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._warehouse.connect() as connection:
            connection.execute("BEGIN")
            try:
                for reading in found:
                    store(connection, reading, self._settings.tenant_id, self._run_id)
                if found:
                    report.learners = match(connection, self._maps, self._settings.tenant_id).learners
                for target in targets:
                    report.targets[target.name] = self._difference(connection, target, fields[target.name])
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("ROLLBACK" if self._options.dry_run else "COMMIT")

    def _difference(self, connection: Connection, target: Target, fields: tuple[FieldMap, ...]) -> TargetReport:
        difference.compute(
            connection,
            self._settings,
            self._maps,
            org_id=self._org_id,
            target=target,
            fields=fields,
            full=self._options.full,
        )
        counts = dict(connection.execute("SELECT action, count(*) FROM pushable GROUP BY ALL").fetchall())
        report = TargetReport(target.name, target.object)
        for action in ("create", "update", "unchanged", "held"):
            setattr(report, action, counts.pop(action, 0))
        report.blocked = counts
        report.samples = difference.samples(connection, self._options.samples)
        report.method = self._method(target, self._due(report))
        if not self._options.dry_run:
            self._spool(connection, target, fields, report.method)
        return report

    def _due(self, report: TargetReport) -> int:
        total = report.create + report.update
        return total if self._options.limit is None else min(total, self._options.limit)

    def _method(self, target: Target, rows: int) -> str:
        # Collections cost a call per 200 records, a bulk job about ten calls and some waiting, whatever its size.
        if not rows:
            return ""
        few = rows <= self._settings.salesforce.bulk_threshold or target.update_only
        return "collections" if few else "bulk"

    def _spool(self, connection: Connection, target: Target, fields: tuple[FieldMap, ...], method: str) -> None:
        if method == "bulk":
            spool = bulk_files.write(connection, self._folder, target, fields, self._options.limit)
            self._bulk_spools[target.name] = spool
        elif method == "collections":
            limit = "ALL" if self._options.limit is None else str(self._options.limit)
            path = bulk_files.quoted(self._spool_file(target))
            connection.execute(sql("push_spool", path=path, limit=limit))

    def _spool_file(self, target: Target) -> Path:
        return self._folder / f"{target.name}.ndjson"

    # -- sending -------------------------------------------------------------------------------------------------

    async def _send(self, target: Target, report: TargetReport) -> None:
        self._progress.stage(target.object, self._due(report))
        if report.method == "bulk":
            await self._send_jobs(target, report)
        else:
            await self._collect(target, report, self._spool_file(target))

    async def _send_jobs(self, target: Target, report: TargetReport) -> None:
        """The parts as bulk jobs; then rows that met a lock, by collections, if they are few."""
        assert self._bulk is not None
        spool = self._bulk_spools[target.name]
        retries: list[JobOutcome] = []
        for part in spool.parts:
            job = await self._bulk.send(target, spool, part)
            report.jobs.append(job.job_id)
            _count_job(report, job)
            if job.again:
                retries.append(job)
            self._stopped = job.stopped
            if self._stopped:
                break
        if self._stopped or sum(job.tally.again for job in retries) > RETRY_LIMIT:
            return
        for job in retries:
            assert job.again is not None
            _uncount_retries(report, job)
            self._progress.stage(f"{target.object} again", job.tally.again)
            await self._collect(target, report, job.again, tries=1)
            if self._stopped:
                return

    async def _collect(self, target: Target, report: TargetReport, spool: Path, *, tries: int = 0) -> None:
        await self._collections.send(target, report, spool, tries)
        self._stopped = self._collections.stopped

    def _record(self, target: Target, outcomes: list[LedgerRow]) -> None:
        values = {
            "outcomes": rows_param(outcomes), "tenant_id": self._settings.tenant_id, "org_id": self._org_id,
            "object": target.object, "now": utc_now(), "run_id": self._run_id,
        }  # fmt: skip
        with self._warehouse.transaction() as connection:
            connection.execute(push_sql("ledger_put"), values)


def _count_job(report: TargetReport, job: JobOutcome) -> None:
    tally = job.tally
    report.sent += job.rows
    report.accepted += tally.outcomes["accepted"]
    report.created += tally.created
    for outcome, state in STATES.items():
        report.rejected += tally.outcomes[outcome] if state == "rejected" else 0
        report.deferred += tally.outcomes[outcome] if state == "deferred" else 0
    codes = Counter(report.errors)
    for (_, code), rows in tally.errors.items():
        codes[code] += rows
    report.errors = dict(codes)


def _uncount_retries(report: TargetReport, job: JobOutcome) -> None:
    """Rows that are sent again in this run are counted by what becomes of them then."""
    report.sent -= job.tally.again
    report.deferred -= job.tally.again
    again: Counter[str] = Counter()
    for (outcome, code), rows in job.tally.errors.items():
        again[code] += rows if outcome in TRIES_AGAIN else 0
    report.errors = dict(Counter(report.errors) - again)
