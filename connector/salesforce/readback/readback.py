"""Salesforce → warehouse: people, native learning progress and our own records, so that drift shows.

Each object is one transaction: its rows, its checkpoint and, for our own records, the marks in the push ledger. Objects
that the org does not have are reported and left aside. Facts: docs/facts/salesforce.md sections 0 and 5.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field

from connector.canonical.build import load_maps
from connector.canonical.match import match_items
from connector.errors import NotFoundError, PreflightError
from connector.progress import Progress, Silent
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.push.objects import push_lock
from connector.salesforce.readback import people
from connector.salesforce.readback.objects import LICENSED, OWN, Readable
from connector.salesforce.readback.own import Judge, OwnCounts
from connector.salesforce.readback.plan import Checkpoint
from connector.salesforce.readback.read import Reading, read
from connector.salesforce.readback.store import StoreCounts, checkpoints, store
from connector.settings import Settings, require_salesforce
from connector.warehouse.database import Warehouse
from mappings import FieldMap


@dataclass(frozen=True, slots=True)
class ReadbackOptions:
    """`full` reads everything anew; without `people`, users and contacts are left to the push, which reads them."""

    full: bool = False
    people: bool = True


@dataclass(slots=True)
class ObjectReport:
    """What was read of one object. `full` says why all of it was read; empty for its changes alone."""

    object: str
    full: str
    rows: int
    inserted: int
    updated: int
    removed: int


@dataclass(slots=True)
class ReadbackReport:
    """What a read-back met."""

    objects: dict[str, ObjectReport] = field(default_factory=dict)
    # Object → why it was not read: it is not in this org, or not as the field map needs it.
    absent: dict[str, str] = field(default_factory=dict)
    own: dict[str, OwnCounts] = field(default_factory=dict)
    # Courses by whether they are one LearningItem, and the rows of salesforce.drift by kind.
    items: dict[str, int] = field(default_factory=dict)
    drift: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0


def readback(
    settings: Settings, run_id: str, options: ReadbackOptions | None = None, progress: Progress | None = None
) -> ReadbackReport:
    """Read back what changed since the checkpoints. Raises LearnsyncError; objects read by then are stored."""
    require_salesforce(settings)
    runner = _Readback(settings, run_id, options or ReadbackOptions(), progress or Silent())
    with push_lock(settings, run_id):  # the ledger is marked: no push may be under way
        return asyncio.run(runner.run())


class _Readback:
    def __init__(self, settings: Settings, run_id: str, options: ReadbackOptions, progress: Progress) -> None:
        self._settings = settings
        self._tenant = settings.tenant_id
        self._maps = load_maps(settings)
        self._run_id = run_id
        self._options = options
        self._progress = progress
        self._warehouse = Warehouse.of(settings)
        self._client = SalesforceClient.of(settings)
        self._folder = settings.warehouse.outbox / run_id
        self._report = ReadbackReport()

    async def run(self) -> ReadbackReport:
        report = self._report
        try:
            async with self._client:
                await self._run()
                report.calls = self._client.calls_made
                report.api_used, report.api_allowed = self._client.calls_used, self._client.calls_allowed
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        return report

    async def _run(self) -> None:
        await self._client.grant()
        known = checkpoints(self._warehouse, self._tenant)
        if self._options.people:
            await self._read_people(known)
        for readable in OWN:
            await self._read_own(readable, known.get(readable.object))
        for readable in LICENSED:
            await self._read_native(readable, known.get(readable.object))
        self._conclude()

    async def _read_people(self, known: dict[str, Checkpoint]) -> None:
        self._progress.stage("people")
        found = await people.fetch(
            self._client, self._maps, self._folder, known, self._progress, full=self._options.full
        )
        with self._warehouse.transaction() as connection:
            counts = people.keep(connection, found, self._tenant, self._run_id)
            people.match(connection, self._maps, self._tenant)
        for reading in found.readings:
            self._tell(reading, counts[reading.readable.object])

    async def _read_own(self, readable: Readable, known: Checkpoint | None) -> None:
        """Our records, compared with what was sent, and the ledger marked."""
        assert readable.target is not None
        self._progress.stage(readable.object)
        try:
            fields = await preflight.check(self._client, readable.target, self._maps)
        except PreflightError as failure:
            self._report.absent[readable.object] = "; ".join(failure.problems)
            return
        reading = await self._read(readable, known, fields=fields)
        grant = await self._client.grant()
        with self._warehouse.transaction() as connection:
            counts = store(connection, reading, self._tenant, self._run_id)
            judge = Judge(self._settings, self._maps, grant)
            self._report.own[readable.object] = judge.judge(connection, readable, fields, full=bool(reading.full))
        self._tell(reading, counts)

    async def _read_native(self, readable: Readable, known: Checkpoint | None) -> None:
        """An object that only some orgs have, and perhaps not with every field."""
        self._progress.stage(readable.object)
        try:
            describe = await self._client.describe(readable.object)
        except NotFoundError:
            await self._client.check_version()  # a version that the org does not serve looks the same
            self._report.absent[readable.object] = "not in this org"
            return
        visible = {str(entry["name"]) for entry in describe["fields"]}
        select = tuple(column for column in readable.columns if column in visible)
        reading = await self._read(readable, known, select=select)
        with self._warehouse.transaction() as connection:
            counts = store(connection, reading, self._tenant, self._run_id)
        self._tell(reading, counts)

    async def _read(
        self,
        readable: Readable,
        known: Checkpoint | None,
        *,
        fields: tuple[FieldMap, ...] = (),
        select: tuple[str, ...] = (),
    ) -> Reading:
        return await read(
            self._client, readable, known, self._folder, self._progress,
            fields=fields, select=select, full=self._options.full,
        )  # fmt: skip

    def _tell(self, reading: Reading, counts: StoreCounts) -> None:
        name = reading.readable.object
        self._report.objects[name] = ObjectReport(
            name, reading.full, reading.rows, counts.inserted, counts.updated, counts.removed
        )

    def _conclude(self) -> None:
        """Learning items to courses, as a build does, so that the drift is that of this moment."""
        names = {"tenant_id": self._tenant}
        with self._warehouse.transaction() as connection:
            self._report.items = match_items(connection, self._maps, self._tenant)
            connection.execute(self._maps.sql("item_progress"), names)
            drift = "SELECT kind, count(*) FROM salesforce.drift WHERE tenant_id = $tenant_id GROUP BY ALL ORDER BY ALL"
            self._report.drift = dict(connection.execute(drift, names).fetchall())
