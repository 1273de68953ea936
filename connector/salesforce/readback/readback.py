"""Salesforce → warehouse, in two parts: what matching looks at, then our own records and native progress.

A sync does the first part before its build and the second after its push; `learnsync readback` does both. Rows of an
object, its checkpoint and, for our own records, the marks in the push ledger are one transaction. Objects that the org
does not have are reported and left aside. Facts: docs/facts/salesforce.md sections 0 and 5.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence

from connector.canonical.maps import load_maps
from connector.canonical.match import match
from connector.errors import NotFoundError, PreflightError
from connector.progress import Silent
from connector.push.engine import push_lock
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.readback import people
from connector.salesforce.readback.objects import ITEM, OWN, PROGRESS, Readable
from connector.salesforce.readback.own import LedgerCheck
from connector.salesforce.readback.plan import Checkpoint
from connector.salesforce.readback.read import Reading, read
from connector.salesforce.readback.report import ObjectReport, ReadbackOptions, ReadbackReport
from connector.salesforce.readback.store import StoreCounts, checkpoints, store
from connector.settings import Settings
from connector.warehouse import runs
from connector.warehouse.database import Connection, Warehouse, committed
from connector.warehouse.runs import Closing
from connector.warehouse.statements import statements
from mappings import FieldMap

sql = statements(__package__)


Part = Callable[["_Readback"], Awaitable[None]]


def readback(settings: Settings, run_id: str, options: ReadbackOptions, close: Closing | None = None) -> ReadbackReport:
    """Both parts: match, then check. Raises LearnsyncError; objects stored by then stay."""
    return _run(settings, run_id, options, close, _Readback.match, _Readback.check)


def match_org(
    settings: Settings, run_id: str, options: ReadbackOptions, close: Closing | None = None
) -> ReadbackReport:
    """Read people and learning items, and match learners and courses with them. Raises LearnsyncError."""
    return _run(settings, run_id, options, close, _Readback.match)


def check_own(
    settings: Settings, run_id: str, options: ReadbackOptions, close: Closing | None = None
) -> ReadbackReport:
    """Read our own records and native progress, mark the ledger, count the drift. Raises LearnsyncError."""
    return _run(settings, run_id, options, close, _Readback.check)


def _run(
    settings: Settings, run_id: str, options: ReadbackOptions, close: Closing | None, *parts: Part
) -> ReadbackReport:
    runner = _Readback(settings, run_id, options)
    with push_lock(settings, run_id):  # a push reads people too, and writes the ledger that `check` marks
        return asyncio.run(runner.run(parts, close))


class _Readback:
    def __init__(self, settings: Settings, run_id: str, options: ReadbackOptions) -> None:
        self._settings = settings
        self._maps = load_maps(settings)
        self._run_id = run_id
        self._full = options.full
        self._progress = options.progress or Silent()
        self._warehouse = Warehouse.of(settings)
        self._client = SalesforceClient.of(settings)
        self._folder = settings.warehouse.outbox / run_id
        self._known: dict[str, Checkpoint] = {}
        self._report = ReadbackReport()
        self._close: Closing | None = None  # while the last part runs

    async def run(self, parts: Sequence[Part], close: Closing | None) -> ReadbackReport:
        try:
            async with self._client:
                await self._client.grant()
                with self._warehouse.transaction() as connection:
                    runs.note_begun(connection, self._run_id)
                    self._known = checkpoints(connection, self._settings.tenant_id)
                for part in parts:
                    self._close = close if part is parts[-1] else None
                    await part(self)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
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
        readings = await people.fetch(
            self._client, self._maps, self._folder, self._known, self._progress, full=self._full
        )
        readings += await self._read_licensed(ITEM)
        tenant = self._settings.tenant_id
        with self._warehouse.connect() as connection:
            with committed(connection):
                for reading in readings:
                    self._add(reading, store(connection, reading, tenant, self._run_id))
                matches = match(connection, self._maps, tenant)
            self._report.learners, self._report.items = matches.learners, matches.items
            self._end(connection)

    async def check(self) -> None:
        """Everything is read first; then each object is stored and checked in a transaction of its own."""
        ledger = LedgerCheck(self._settings, self._maps, await self._client.grant())
        own: list[tuple[Reading, tuple[FieldMap, ...]]] = []
        native: list[Reading] = []
        try:
            for readable in OWN:
                own += await self._read_own(readable)
            native = await self._read_licensed(PROGRESS)
        except BaseException:
            self._store(ledger, own, native)  # what was read before the failure need not be read again
            raise
        self._store(ledger, own, native, self._end)

    def _store(
        self,
        ledger: LedgerCheck,
        own: list[tuple[Reading, tuple[FieldMap, ...]]],
        native: list[Reading],
        end: Callable[[Connection], None] | None = None,
    ) -> None:
        tenant = self._settings.tenant_id
        with self._warehouse.connect() as connection:
            for reading, fields in own:
                readable = reading.readable
                with committed(connection):
                    self._add(reading, store(connection, reading, tenant, self._run_id))
                    counts = ledger.mark(connection, readable, fields, full=bool(reading.full))
                self._report.own[readable.object] = counts
            for reading in native:
                with committed(connection):
                    self._add(reading, store(connection, reading, tenant, self._run_id))
            found = connection.execute(sql("drift_by_kind"), {"tenant_id": tenant})
            self._report.drift = dict(found.fetchall())
            if end:
                end(connection)

    async def _read_own(self, readable: Readable) -> list[tuple[Reading, tuple[FieldMap, ...]]]:
        """An object that learnsync writes, and the mapped fields that the org has; empty where it is not set up."""
        assert readable.target is not None
        self._progress.stage(readable.object)
        try:
            fields = await preflight.check(self._client, readable.target, self._maps)
        except PreflightError as failure:
            self._report.absent[readable.object] = "; ".join(failure.problems)
            return []
        return [(await self._read(readable, fields=fields), fields)]

    async def _read_licensed(self, readable: Readable) -> list[Reading]:
        """An object that only some orgs have, and perhaps not with every field; empty where it is missing."""
        self._progress.stage(readable.object)
        try:
            describe = await self._client.describe(readable.object)
        except NotFoundError:
            await self._client.check_version()  # a version that the org does not serve looks the same
            self._report.absent[readable.object] = "not in this org"
            return []
        visible = {str(entry["name"]) for entry in describe["fields"]}
        return [await self._read(readable, select=tuple(name for name in readable.columns if name in visible))]

    async def _read(
        self, readable: Readable, *, fields: tuple[FieldMap, ...] = (), select: tuple[str, ...] = ()
    ) -> Reading:
        return await read(
            self._client, readable, self._known.get(readable.object), self._folder, self._progress,
            fields=fields, select=select, full=self._full,
        )  # fmt: skip

    def _add(self, reading: Reading, counts: StoreCounts) -> None:
        name = reading.readable.object
        self._report.objects[name] = ObjectReport(
            name, reading.full, reading.rows, counts.inserted, counts.updated, counts.removed
        )
