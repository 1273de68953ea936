"""Warehouse → Salesforce: preflight, match learners, send what differs from the ledger, record each outcome.

The warehouse is open only to compute the difference and to write outcomes; between, records wait in a spool file and
are sent 200 at a time, or by Bulk API 2.0 when there are more than LEARNSYNC_SALESFORCE__BULK_THRESHOLD (`bulk_push`).
Upserts go by external id, so sending a record twice (a kill before its outcome was written) does no harm.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from connector.build import load_maps
from connector.errors import IncompleteError, LearnsyncError, PreflightError
from connector.locks import claim
from connector.progress import Progress, Silent
from connector.salesforce import bulk_files, people, preflight
from connector.salesforce.bulk import BulkJobs
from connector.salesforce.bulk_files import BulkSpool
from connector.salesforce.bulk_ledger import BulkLedger
from connector.salesforce.bulk_push import RETRY_LIMIT, BulkPush, JobOutcome
from connector.salesforce.client import COLLECTION_LIMIT, RowResult, SalesforceClient
from connector.salesforce.outcomes import STATES, classify
from connector.salesforce.targets import ENROLLMENT, TARGETS, Target, payload_sql
from connector.settings import Settings, require_salesforce
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse, rows_param, sql
from mappings import FieldMap, Mapping

FLUSH_RECORDS = 2_000
RETRY_ROUNDS = 3
STALE_SECONDS = 86_400
RETRY_BATCH = 50
SAMPLE_ROWS = 3


@dataclass(frozen=True, slots=True)
class PushOptions:
    """`limit` caps the records sent per target; a dry run writes nothing anywhere.

    `targets` are names of what is pushed to; None is all that the settings configure.
    """

    targets: Sequence[str] | None = None
    dry_run: bool = False
    limit: int | None = None


@dataclass(slots=True)
class TargetReport:
    """What a push did, or would do, to one target."""

    target: str
    object: str
    create: int = 0
    update: int = 0
    unchanged: int = 0
    held: int = 0
    blocked: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    accepted: int = 0
    created: int = 0
    rejected: int = 0
    deferred: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    method: str = ""  # collections | bulk | graph | records; empty when nothing is to be sent
    jobs: list[str] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    # What a person should know of the source, such as prerequisites that form a cycle.
    notes: list[str] = field(default_factory=list)

    @property
    def pending(self) -> int:
        """Records the org does not have as they should be, blocked ones apart."""
        return self.rejected + self.deferred + self.held


@dataclass(slots=True)
class PushReport:
    """What a push did, or with `dry_run` would do."""

    dry_run: bool
    targets: dict[str, TargetReport] = field(default_factory=dict)
    learners: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0
    # Bulk jobs of an earlier push whose results this one brought in.
    resumed: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when nothing is rejected, deferred, held back by an earlier rejection, or left out by a limit."""
        due = 0 if self.dry_run else sum(t.create + t.update - t.sent for t in self.targets.values())
        return due <= 0 and not any(report.pending for report in self.targets.values())


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
        return asyncio.run(runner.run())


@contextmanager
def push_lock(settings: Settings, run_id: str) -> Iterator[None]:
    """One push per warehouse: of two, the slower could leave an older payload behind the newer one's entry.

    Folders that killed pushes left behind hold people's data: they are cleared once they are a day old.
    """
    outbox = settings.warehouse.outbox
    outbox.mkdir(parents=True, exist_ok=True)
    with (outbox / ".push.lock").open("a+") as handle:
        claim(handle, "push is running on this warehouse", run_id)
        for left in outbox.iterdir():
            if left.is_dir() and time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        yield


@dataclass(frozen=True, slots=True)
class _Spooled:
    external_id: str
    payload_hash: str
    payload: dict[str, Any]


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
        targets = [target for name, target in TARGETS.items() if chosen is None or name in chosen]
        self._progress.stage("preflight", len(targets))
        self._org_id = (await self._client.grant()).org_id
        fields = await self._preflight(targets)
        if not self._options.dry_run:
            report.resumed = await self._resume()  # may wait for long: before people are read
        found = people.People()
        if ENROLLMENT in targets:
            self._progress.stage("learners")
            found = await people.fetch(self._client, self._maps, self._folder)
        self._plan(report, targets, fields, found)
        for target in targets:
            outcome = report.targets[target.name]
            if not self._options.dry_run and outcome.create + outcome.update:
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
        found: people.People,
    ) -> None:
        """Match learners and spool what differs, in one transaction; a dry run rolls it back."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._warehouse.connect() as connection:
            connection.execute("BEGIN")
            try:
                if found.files:
                    people.store(connection, found, self._settings.tenant_id)
                    report.learners = people.match(connection, self._maps, self._settings.tenant_id)
                for target in targets:
                    report.targets[target.name] = self._difference(connection, target, fields[target.name])
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("ROLLBACK" if self._options.dry_run else "COMMIT")

    def _difference(self, connection: Connection, target: Target, fields: tuple[FieldMap, ...]) -> TargetReport:
        query = self._maps.sql(target.query)
        values: dict[str, Any] = {
            "tenant_id": self._settings.tenant_id, "org_id": self._org_id, "object": target.object,
        }  # fmt: skip
        if "$push_unmatched" in query:
            values["push_unmatched"] = self._settings.salesforce.push_unmatched
        connection.execute(sql("pushable", query=query, payload=payload_sql(fields)), values)
        counts = dict(connection.execute("SELECT action, count(*) FROM pushable GROUP BY ALL").fetchall())
        report = TargetReport(target.name, target.object)
        for action in ("create", "update", "unchanged", "held"):
            setattr(report, action, counts.pop(action, 0))
        report.blocked = counts
        report.samples = _samples(connection)
        report.method = self._method(self._due(report))
        if not self._options.dry_run:
            self._spool(connection, target, fields, report.method)
        return report

    def _due(self, report: TargetReport) -> int:
        total = report.create + report.update
        return total if self._options.limit is None else min(total, self._options.limit)

    def _method(self, rows: int) -> str:
        # Collections cost a call per 200 records, a bulk job about ten calls and some waiting, whatever its size.
        if not rows:
            return ""
        return "bulk" if rows > self._settings.salesforce.bulk_threshold else "collections"

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
            await self._send_spool(target, report, self._spool_file(target))

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
        if self._stopped or sum(job.tally.outcomes["retry"] for job in retries) > RETRY_LIMIT:
            return
        for job in retries:
            assert job.again is not None
            _uncount_retries(report, job)
            self._progress.stage(f"{target.object} again", job.tally.outcomes["retry"])
            await self._send_spool(target, report, job.again)
            if self._stopped:
                return

    async def _send_spool(self, target: Target, report: TargetReport, spool: Path) -> None:
        waiting: list[_Spooled] = []
        outcomes: list[dict[str, Any]] = []
        try:
            for chunk in _chunks(_read(spool), COLLECTION_LIMIT):
                waiting += await self._send_chunk(target, chunk, report, outcomes)
                self._progress.advance(len(chunk))
                if len(outcomes) >= FLUSH_RECORDS:
                    self._record(target, outcomes)
                if self._stopped:
                    break
            await self._try_again(target, waiting, report, outcomes)
        finally:
            self._record(target, outcomes)

    async def _send_chunk(
        self,
        target: Target,
        chunk: list[_Spooled],
        report: TargetReport,
        outcomes: list[dict[str, Any]],
        *,
        last: bool = False,
    ) -> list[_Spooled]:
        """Send up to 200 records; returns those worth another try in this run (none when it is the last)."""
        results = await self._client.upsert(target.object, target.key, [record.payload for record in chunk])
        again = []
        for record, result in zip(chunk, results, strict=True):
            outcome = classify(result, self._maps.errors)
            if outcome == "retry" and not last:
                again.append(record)
                continue
            _count(report, result, outcome)
            outcomes.append(_ledger_row(record, result, outcome))
            if outcome == "stop" and self._stopped is None:
                self._stopped = IncompleteError(
                    f"The org refuses {target.object} records: {result.code} ({result.text}).",
                    remedy="This needs an admin of the org; what was not pushed stays due.",
                )
        report.sent += len(chunk) - len(again)
        return again

    async def _try_again(
        self, target: Target, waiting: list[_Spooled], report: TargetReport, outcomes: list[dict[str, Any]]
    ) -> None:
        """Records that met a lock or a passing fault: smaller collections, growing pauses, a few rounds."""
        for number in range(1, RETRY_ROUNDS + 1):
            if not waiting:
                return
            await asyncio.sleep(random.uniform(0.5, 1.0) * 2 ** (number - 1))  # noqa: S311 - jitter, not a secret
            still: list[_Spooled] = []
            for chunk in _chunks(iter(waiting), RETRY_BATCH):
                last = number == RETRY_ROUNDS
                still += await self._send_chunk(target, chunk, report, outcomes, last=last)
            waiting = still

    def _record(self, target: Target, outcomes: list[dict[str, Any]]) -> None:
        if not outcomes:
            return
        values = {
            "outcomes": rows_param(outcomes), "tenant_id": self._settings.tenant_id, "org_id": self._org_id,
            "object": target.object, "now": utc_now(), "run_id": self._run_id,
        }  # fmt: skip
        with self._warehouse.transaction() as connection:
            connection.execute(sql("ledger_put"), values)
        outcomes.clear()


def _samples(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT action, external_id, payload FROM pushable"
        " QUALIFY row_number() OVER (PARTITION BY action ORDER BY sort_key, external_id) <= ?"
        " ORDER BY action, external_id",
        [SAMPLE_ROWS],
    ).fetchall()
    return [
        {"action": action, "external_id": key, "payload": json.loads(payload)}
        for action, key, payload in rows
        if action != "unchanged"
    ]


def _read(path: Path) -> Iterator[_Spooled]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield _Spooled(row["external_id"], row["payload_hash"], json.loads(row["payload"]))


def _chunks(rows: Iterator[_Spooled], size: int) -> Iterator[list[_Spooled]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def _count(report: TargetReport, result: RowResult, outcome: str) -> None:
    if outcome == "accepted":
        report.accepted += 1
        report.created += result.created
        return
    state = STATES[outcome]
    report.rejected += state == "rejected"
    report.deferred += state == "deferred"
    report.errors = dict(Counter(report.errors) + Counter({result.code or "UNKNOWN": 1}))


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
    report.sent -= job.tally.outcomes["retry"]
    report.deferred -= job.tally.outcomes["retry"]
    again = Counter({code: rows for (outcome, code), rows in job.tally.errors.items() if outcome == "retry"})
    report.errors = dict(Counter(report.errors) - again)


def _ledger_row(record: _Spooled, result: RowResult, outcome: str) -> dict[str, Any]:
    return {
        "external_id": record.external_id,
        "payload_hash": record.payload_hash,
        "salesforce_id": result.salesforce_id,
        "state": "accepted" if outcome == "accepted" else STATES[outcome],
        "error_code": result.code,
        "error_text": result.text,
    }
