"""Salesforce → warehouse, in two parts: what matching looks at, then our own records and native progress.

A sync does the first part before its build and the second after its push; `learnsync readback` does both. Rows of an
object, its checkpoint and, for our own records, the marks in the push ledger are one transaction. Objects that the org
does not have are reported and left aside. Facts: docs/facts/salesforce.md sections 0 and 5.
"""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from connector.canonical import load_maps
from connector.canonical.match import match
from connector.errors import PreflightError
from connector.progress import Progress, Silent
from connector.push.engine import push_lock
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.readback.contacts import forget_unneeded, spool_keys
from connector.salesforce.readback.objects import ITEM, OWN, PROGRESS, Readable
from connector.salesforce.readback.own import LedgerCheck, OwnCounts
from connector.salesforce.readback.people import read_people
from connector.salesforce.readback.read import Reader, Reading
from connector.salesforce.readback.store import ObjectReport, checkpoints, store
from connector.settings import Settings
from connector.warehouse import runs
from connector.warehouse.database import Connection, Warehouse, committed
from connector.warehouse.identity import require_same
from connector.warehouse.runs import Closing
from connector.warehouse.statements import statements

sql = statements(__package__)

Part = Literal["match", "check"]


@dataclass(slots=True)
class ReadbackReport:
    """What was read of the org, and what it means: matches from the first part, `own` and `drift` from the second."""

    objects: dict[str, ObjectReport] = field(default_factory=dict)
    # Object → why it was not read: it is not in this org, or not as the field map needs it.
    absent: dict[str, str] = field(default_factory=dict)
    # Learners, and courses by LearningItem, per outcome of matching.
    learners: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    # What somebody should settle in learner_crosswalk.csv.
    notes: list[str] = field(default_factory=list)
    own: dict[str, OwnCounts] = field(default_factory=dict)
    # Rows of salesforce.drift by kind.
    drift: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0


@dataclass(frozen=True, slots=True)
class ReadbackOptions:
    """`full` reads every object anew instead of its changes."""

    full: bool = False
    progress: Progress | None = None


READ_CHANGES = ReadbackOptions()


def readback(
    settings: Settings,
    options: ReadbackOptions,
    run_id: str,
    close: Closing | None = None,
    *,
    parts: Sequence[Part] = ("match", "check"),
) -> ReadbackReport:
    """Both parts, or the one that is named. Raises LearnsyncError; objects stored by then stay.

    `match` reads people and learning items and matches learners and courses with them; `check` reads our own records
    and native progress, marks the ledger, counts the drift.
    """
    runner = _Readback(settings, run_id, options)
    with push_lock(settings, run_id):  # a push reads people too, and writes the ledger that `check` marks
        return asyncio.run(runner.run(parts, close))


class _Readback:
    def __init__(self, settings: Settings, run_id: str, options: ReadbackOptions) -> None:
        self._settings = settings
        self._maps = load_maps(settings)
        self._run_id = run_id
        self._progress = options.progress or Silent()
        self._warehouse = Warehouse.of(settings)
        self._client = SalesforceClient.of(settings)
        folder = settings.warehouse.outbox / run_id
        self._reader = Reader(self._client, {}, folder, self._progress, options.full)
        self._keys = folder  # of contacts, until they are spooled
        self._report = ReadbackReport()
        self._close: Closing | None = None  # while the last part runs

    async def run(self, parts: Sequence[Part], close: Closing | None) -> ReadbackReport:
        try:
            async with self._client:
                org = (await self._client.grant()).identity
                require_same(self._warehouse, org, self._settings.tenant_id)
                with self._warehouse.transaction() as connection:
                    runs.note_begun(connection, self._run_id)
                    self._reader.known = checkpoints(connection, self._settings.tenant_id)
                    if "match" in parts:
                        self._keys = spool_keys(connection, self._maps, self._settings.tenant_id, self._reader.folder)
                for part in parts:
                    self._close = close if part is parts[-1] else None
                    await (self.match() if part == "match" else self.check())
        finally:
            shutil.rmtree(self._reader.folder, ignore_errors=True)
        return self._report

    def _end(self, connection: Connection) -> None:
        """The org has been asked everything; the part's rows are stored."""
        report, client = self._report, self._client
        report.calls, report.api_used, report.api_allowed = client.calls_made, client.calls_used, client.calls_allowed
        if self._close:
            self._close(connection, report)

    async def match(self) -> None:
        """People and learning items are stored and matched in one transaction."""
        self._progress.stage("people")
        readings = await read_people(self._reader, self._maps, self._keys)
        readings += await self._read_licensed(ITEM)
        with self._warehouse.connect() as connection:
            with committed(connection):
                for reading in readings:
                    self._store_one(connection, reading)
                forget_unneeded(connection, self._maps, self._settings.tenant_id)
                matches = match(connection, self._maps, self._settings.tenant_id)
            self._report.learners, self._report.items = matches.learners, matches.items
            self._report.notes = matches.notes
            self._end(connection)

    async def check(self) -> None:
        """Everything is read first; then each object is stored and checked in a transaction of its own."""
        ledger = LedgerCheck(self._settings, self._maps, await self._client.grant())
        readings: list[Reading] = []
        try:
            for readable in OWN:
                readings += await self._read_own(readable)
            readings += await self._read_licensed(PROGRESS)
        except BaseException:
            self._store(ledger, readings)  # what was read before the failure need not be read again
            raise
        self._store(ledger, readings, end=True)

    def _store(self, ledger: LedgerCheck, readings: list[Reading], *, end: bool = False) -> None:
        with self._warehouse.connect() as connection:
            for reading in readings:
                with committed(connection):
                    self._store_one(connection, reading)
                    if reading.readable in OWN:
                        self._report.own[reading.readable.object] = ledger.mark(connection, reading)
            found = connection.execute(sql("drift_by_kind"), {"tenant_id": self._settings.tenant_id})
            self._report.drift = dict(found.fetchall())
            if end:
                self._end(connection)

    async def _read_own(self, readable: Readable) -> list[Reading]:
        """An object that learnsync writes, with the mapped fields that the org has; empty where it is not set up."""
        assert readable.target is not None
        self._progress.stage(readable.object)
        try:
            fields = await preflight.check(self._client, readable.target, self._maps)
        except PreflightError as failure:
            self._report.absent[readable.object] = "; ".join(failure.problems)
            return []
        return [await self._reader.read(readable, fields=fields)]

    async def _read_licensed(self, readable: Readable) -> list[Reading]:
        """An object that only some orgs have, and perhaps not with every field; empty where it is missing."""
        self._progress.stage(readable.object)
        describe = await preflight.describe_or_none(self._client, readable.object)
        if describe is None:
            self._report.absent[readable.object] = "not in this org"
            return []
        visible = {str(entry["name"]) for entry in describe["fields"]}
        return [await self._reader.read(readable, select=tuple(name for name in readable.columns if name in visible))]

    def _store_one(self, connection: Connection, reading: Reading) -> None:
        stored = store(connection, reading, self._settings.tenant_id, self._run_id)
        self._report.objects[stored.object] = stored
