"""learning_record → the LearningRecord API: each record created once (docs/learning-records.md).

The API gives out the ids and offers no upsert, so a create whose answer was lost is looked for before it is repeated:
by what it says, among the person's records that the ledger does not already account for. Records that say the same are
interchangeable, so it does not matter which of them is whose. The intent is in the ledger before the call.
"""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
from collections import defaultdict
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from connector.canonical.maps import load_maps
from connector.errors import BadRequestError, LearnsyncError, ProtocolError, ServerFaultError, UnreachableError
from connector.learning_records.client import CONCURRENCY, LearningRecordsApi
from connector.learning_records.content import FIELDS, canonical, fingerprint, said
from connector.learning_records.ledger import Item, Ledger, Unsettled, read
from connector.learning_records.models import LearningRecord
from connector.progress import Progress, Silent
from connector.push.reports import PushReport, TargetReport
from connector.salesforce.push.objects import PushOptions, push_lock
from connector.settings import Settings, require_learning_records
from connector.warehouse import runs
from connector.warehouse.database import Warehouse

log = logging.getLogger(__name__)

TARGET, OBJECT = "learning_records", "LearningRecord"
BATCH = 100
ROUNDS = 3
PAUSE_SECONDS = 1.0  # before the second try; twice that before the third
# Above so many people to look at, the whole list is read instead: it costs a call per 100 records, not per person.
PEOPLE_LOOKED_AT = 50
LOST_IN_A_ROW = 5
# So many refusals in a row for one reason are the API's or the map's doing: the rest stays due.
MOST_ALIKE = 50
NO_ANSWER, CONFLICT = "NO_ANSWER", "CONFLICT"
_LOST = (UnreachableError, ServerFaultError, ProtocolError)


def push_learning_records(
    settings: Settings, run_id: str, options: PushOptions | None = None, progress: Progress | None = None
) -> PushReport:
    """Create what the API does not have. Raises LearnsyncError; outcomes known by then are in the ledger."""
    require_learning_records(settings)
    runner = _RecordsPush(settings, run_id, options or PushOptions(), progress or Silent())
    if runner.options.dry_run:
        return runner.rehearse()
    with push_lock(settings, run_id):
        with Warehouse.of(settings).transaction() as connection:
            runs.end_killed(connection, settings.tenant_id, "push", run_id)
        return asyncio.run(runner.run())


class _RecordsPush:
    def __init__(self, settings: Settings, run_id: str, options: PushOptions, progress: Progress) -> None:
        self.options = options
        self._settings = settings
        self._maps = load_maps(settings)
        self._progress = progress
        base_url, _ = require_learning_records(settings)
        self._ledger = Ledger(Warehouse.of(settings), settings.tenant_id, base_url, run_id)
        self._folder = settings.warehouse.outbox / f"{run_id}-records"
        self._report = TargetReport(TARGET, OBJECT)
        self._claimed: set[str] = set()
        self._turns = asyncio.Semaphore(CONCURRENCY)
        self._ended = False
        self._lost_in_a_row = 0
        self._alike = 0
        self._last_code: str | None = None
        self._altered: set[str] = set()

    def rehearse(self) -> PushReport:
        """What a push would do; asks the API nothing and writes nothing."""
        self._plan(None, self.options.limit)
        return PushReport(True, {TARGET: self._report})

    async def run(self) -> PushReport:
        """Settle what earlier pushes left open, then create what is due."""
        report = PushReport(False, {TARGET: self._report})
        self._folder.mkdir(parents=True, exist_ok=True)
        spool = self._folder / "records.ndjson"
        try:
            async with LearningRecordsApi.of(self._settings) as self._api:
                known = self._ledger.known()
                self._claimed = known.claimed
                await self._settle(known.unsettled)
                if known.empty:
                    await self._look_around(spool)
                self._plan(spool, self.options.limit)
                if self._report.create:
                    await self._send(spool)
                report.calls = self._api.calls_made
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._altered:
            self._report.notes.append(
                f"the API changed what was sent ({', '.join(sorted(self._altered))}): a record whose answer is lost"
                " may not be recognised"
            )
        return report

    def _plan(self, spool: Path | None, limit: int | None) -> None:
        due = self._ledger.due(self._maps, spool, limit, self.options.samples, full=self.options.full)
        counts = dict(due.counts)
        for action in ("create", "unchanged", "held"):
            setattr(self._report, action, counts.pop(action, 0))
        self._report.blocked, self._report.samples = counts, due.samples
        self._report.method = "records" if self._report.create else ""

    # -- looking for what is there ---------------------------------------------------------------------------------

    async def _settle(self, unsettled: list[Unsettled]) -> None:
        """Find what a killed or failed push sent without hearing of it. What is not found is due as before."""
        if not unsettled:
            return
        self._progress.stage("looking for records of unknown outcome", len(unsettled))
        there = await self._gather({entry.content for entry in unsettled}, {entry.person for entry in unsettled})
        found = []
        for entry in unsettled:
            if ids := there.get(entry.content):
                found.append({"external_id": entry.external_id, **self._accepted(ids.pop())})
            self._progress.advance()
        self._ledger.put(found)
        if found:
            self._report.notes.append(f"{len(found)} record(s) of an earlier push, whose answer was lost, were found")

    async def _look_around(self, spool: Path) -> None:
        """A ledger that knows nothing may be that of a new warehouse: the API is read once, whole.

        What is found is taken over in one transaction, whatever the limit: after a kill it is all there or looked for
        again.
        """
        self._plan(spool, None)
        if not self._report.create:
            return
        self._progress.stage("looking for records of another warehouse")
        there = await self._gather({item.content for item in read(spool)}, {None})
        found = [(item, ids.pop()) for item in read(spool) if (ids := there.get(item.content))]
        self._ledger.adopt([(item, self._accepted(remote_id)) for item, remote_id in found])
        if found:
            self._report.notes.append(f"{len(found)} record(s) were in the API already and are taken over")

    async def _gather(self, wanted: set[str], people: set[str | None]) -> dict[str, list[str]]:
        """Content → ids of records that say it and that nobody has claimed; of these people, or of all."""
        one_by_one = None not in people and len(people) <= PEOPLE_LOOKED_AT
        filters = [{"person_id": person} for person in sorted(filter(None, people))] if one_by_one else [{}]
        there: dict[str, list[str]] = defaultdict(list)
        for chosen in filters:
            async for record in self._api.list(**chosen):
                content = fingerprint(said(record))
                if content in wanted and record.id not in self._claimed:
                    there[content].append(record.id)
        return there

    async def _find(self, item: Item) -> str | None:
        """A record that says what the item says and that nobody has claimed, now."""
        content = item.content
        filters = {"person_id": item.person} if item.person else {}
        async for record in self._api.list(**filters):
            if record.id not in self._claimed and fingerprint(said(record)) == content:
                return record.id
        return None

    # -- sending ---------------------------------------------------------------------------------------------------

    async def _send(self, spool: Path) -> None:
        total = self._report.create
        self._progress.stage(OBJECT, total if self.options.limit is None else min(total, self.options.limit))
        items = read(spool)
        while batch := list(islice(items, BATCH)):
            self._ledger.intend(batch)
            outcomes: list[dict[str, Any]] = []
            try:
                await self._send_batch(batch, outcomes)
            finally:
                self._ledger.put(outcomes)
            self._progress.advance(len(batch))

    async def _send_batch(self, batch: list[Item], outcomes: list[dict[str, Any]]) -> None:
        """People at the same time, the records of one person one after another: twins must not adopt each other."""
        groups = [list(group) for _, group in groupby(batch, key=lambda item: item.person)]
        results = await asyncio.gather(*(self._send_group(group, outcomes) for group in groups), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _send_group(self, group: list[Item], outcomes: list[dict[str, Any]]) -> None:
        async with self._turns:
            for item in group:
                if self._ended:
                    return
                try:
                    outcome = await self._create(item)
                except BaseException:
                    self._ended = True  # nobody begins another record; those under way come to their end
                    raise
                # Records that are found and taken over are created too: `_accepted` counts those.
                self._report.count(outcome["state"], outcome["error_code"], created=False)
                outcomes.append({"external_id": item.external_id, **outcome})

    async def _create(self, item: Item) -> dict[str, Any]:
        """Create one record; it is looked for whenever its answer is lost."""
        failure: LearnsyncError | None = None
        for number in range(ROUNDS):
            if number:
                await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.0) * 2 ** (number - 1))  # noqa: S311 - jitter, no secret
                if there := await self._find(item):
                    return self._accepted(there, created=True)
            try:
                made = await self._api.create(item.payload)
            except BadRequestError as refusal:
                if refusal.status != 409:
                    return self._rejected(refusal)
                there = await self._find(item)  # "there is one already": ours, if it says the same
                return self._accepted(there) if there else _refused("rejected", CONFLICT, refusal.message)
            except _LOST as lost:
                log.info("no certain answer for record %s: %s", item.external_id, lost.message)
                failure = lost
                continue
            self._note_altered(item, made)
            return self._accepted(made.id, created=True)
        assert failure is not None
        self._lost_in_a_row += 1
        if self._lost_in_a_row >= LOST_IN_A_ROW:
            raise failure
        return _refused("deferred", NO_ANSWER, failure.message)

    def _rejected(self, refusal: BadRequestError) -> dict[str, Any]:
        """Refused for what it says. So many in a row for one reason are not the records' fault: raises then."""
        self._alike = self._alike + 1 if refusal.code == self._last_code else 1
        self._last_code = refusal.code
        if self._alike > MOST_ALIKE:
            raise refusal
        return _refused("rejected", refusal.code, refusal.message)

    def _accepted(self, remote_id: str, *, created: bool = False) -> dict[str, Any]:
        self._claimed.add(remote_id)
        self._lost_in_a_row = self._alike = 0
        self._report.created += created
        return {"remote_id": remote_id, "state": "accepted", "error_code": None, "error_text": None}

    def _note_altered(self, item: Item, made: LearningRecord) -> None:
        sent, kept = canonical(item.payload), said(made)
        self._altered.update(name for name in FIELDS if sent[name] != kept[name])


def _refused(state: str, code: str, text: str) -> dict[str, Any]:
    return {"remote_id": None, "state": state, "error_code": code, "error_text": text}
