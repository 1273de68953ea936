"""Warehouse → Salesforce: preflight, match learners, send what differs from the ledger, record each outcome.

The warehouse is open only to compute the difference and to write outcomes; between, records wait in a spool file and
are sent 200 at a time. Upserts go by external id, so sending a record twice (a kill before its outcome was written)
does no harm. The seam for Bulk API 2.0 is `_send_all`: it takes a spool and yields outcomes.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from connector.build import load_maps
from connector.errors import IncompleteError, LearnsyncError, PreflightError
from connector.progress import Progress, Silent
from connector.salesforce import people, preflight
from connector.salesforce.client import COLLECTION_LIMIT, RowResult, SalesforceClient
from connector.salesforce.outcomes import STATES, classify
from connector.salesforce.targets import ENROLLMENT, TARGETS, Target, payload_sql
from connector.settings import Settings, require_salesforce
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse, rows_param, sql
from mappings import FieldMap, Mapping

FLUSH_RECORDS = 2_000
RETRY_ROUNDS = 3
RETRY_BATCH = 50
SAMPLE_ROWS = 3


@dataclass(frozen=True, slots=True)
class PushOptions:
    """`limit` caps the records sent per target; a dry run writes nothing anywhere."""

    targets: Sequence[str] = tuple(TARGETS)
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
    samples: list[dict[str, Any]] = field(default_factory=list)

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

    @property
    def complete(self) -> bool:
        """True when nothing is rejected, deferred or held back by an earlier rejection."""
        return not any(report.pending for report in self.targets.values())


def push(
    settings: Settings, run_id: str, options: PushOptions | None = None, progress: Progress | None = None
) -> PushReport:
    """Push the differences. Raises LearnsyncError; outcomes known by then are in the ledger."""
    require_salesforce(settings)
    maps = load_maps(settings)
    runner = _Push(settings, maps, run_id, options or PushOptions(), progress or Silent())
    return asyncio.run(runner.run())


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
        targets = [TARGETS[name] for name in TARGETS if name in self._options.targets]
        self._progress.stage("preflight", len(targets))
        self._org_id = (await self._client.grant()).org_id
        fields = await self._preflight(targets)
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
        limit = "ALL" if self._options.limit is None else str(self._options.limit)
        path = str(self._spool(target)).replace("'", "''")
        connection.execute(sql("push_spool", path=path, limit=limit))
        return report

    def _spool(self, target: Target) -> Path:
        return self._folder / f"{target.name}.ndjson"

    # -- sending -------------------------------------------------------------------------------------------------

    async def _send(self, target: Target, report: TargetReport) -> None:
        total = report.create + report.update
        self._progress.stage(target.object, min(total, self._options.limit) if self._options.limit else total)
        waiting: list[_Spooled] = []
        outcomes: list[dict[str, Any]] = []
        try:
            for chunk in _chunks(_read(self._spool(target)), COLLECTION_LIMIT):
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


def _ledger_row(record: _Spooled, result: RowResult, outcome: str) -> dict[str, Any]:
    return {
        "external_id": record.external_id,
        "payload_hash": record.payload_hash,
        "salesforce_id": result.salesforce_id,
        "state": "accepted" if outcome == "accepted" else STATES[outcome],
        "error_code": result.code,
        "error_text": result.text,
    }
