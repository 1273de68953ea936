"""One target by sObject Collections: records from a spool file, 200 a call (docs/facts/salesforce.md section 3b)."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from connector.errors import BadRequestError, IncompleteError, LearnsyncError
from connector.progress import Progress
from connector.push.outcomes import classify, last_word, ledger_row, tried_again
from connector.push.reports import TargetReport
from connector.salesforce.client import COLLECTION_LIMIT, RowResult, SalesforceClient
from connector.salesforce.targets import Target
from mappings import ErrorRule

log = logging.getLogger(__name__)

FLUSH_RECORDS = 2_000
# Records that met a lock go again in ever smaller calls, so that one row cannot keep failing its neighbours.
RETRY_SIZES = (50, 10, 1)
# So many records that each make the org refuse a whole call are not the records' fault.
MOST_ISOLATED = 20

LedgerRow = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spooled:
    """One record as the difference wrote it: the payload is the body of its upsert."""

    external_id: str
    payload_hash: str
    payload: dict[str, Any]
    # What the same payload was refused with in the run before.
    prior_code: str | None


@dataclass(slots=True)
class CollectionsPush:
    """Sends spool files and hands outcomes to `record`, some thousands at a time."""

    client: SalesforceClient
    rules: tuple[ErrorRule, ...]
    record: Callable[[Target, list[LedgerRow]], None]
    folder: Path
    progress: Progress
    stopped: LearnsyncError | None = None
    _isolated: int = 0
    _spools: int = 0

    async def send(self, target: Target, report: TargetReport, spool: Path, tries: int = 0) -> None:
        """Send every record; those that met a lock or a passing fault again, a few rounds with growing pauses.

        `tries` is how often they were sent before, in this run. A code of class `stop` ends it early and is left in
        `stopped`. Raises LearnsyncError for what concerns every call; outcomes known by then are recorded.
        """
        waiting = await self._pass(target, report, spool, COLLECTION_LIMIT, tries)
        while waiting is not None and not self.stopped:
            tries += 1
            await asyncio.sleep(random.uniform(0.5, 1.0) * 2 ** (tries - 1))  # noqa: S311 - jitter, not a secret
            size = RETRY_SIZES[min(tries, len(RETRY_SIZES)) - 1]
            waiting = await self._pass(target, report, waiting, size, tries)

    async def _pass(self, target: Target, report: TargetReport, spool: Path, size: int, tries: int) -> Path | None:
        """Once through a spool; returns the spool of records worth another try, None when there are none."""
        self._spools += 1
        again = self.folder / f"{target.name}-again-{self._spools}.ndjson"
        outcomes: list[LedgerRow] = []
        waiting = 0
        try:
            with again.open("w", encoding="utf-8") as kept:
                for chunk in _chunks(_read(spool), size):
                    for line in await self._chunk(target, chunk, report, outcomes, tries):
                        kept.write(line)
                        waiting += 1
                    self.progress.advance(0 if size < COLLECTION_LIMIT else len(chunk))
                    if len(outcomes) >= FLUSH_RECORDS:
                        self._flush(target, outcomes)
                    if self.stopped:
                        break
        finally:
            self._flush(target, outcomes)
        return again if waiting else None

    def _flush(self, target: Target, outcomes: list[LedgerRow]) -> None:
        if outcomes:
            self.record(target, outcomes)
            outcomes.clear()

    async def _chunk(
        self, target: Target, chunk: list[Spooled], report: TargetReport, outcomes: list[LedgerRow], tries: int
    ) -> list[str]:
        """Send up to 200 records, sent `tries` times before; returns, as spool lines, those worth another try."""
        again = []
        for record, result in zip(chunk, await self._upsert(target, chunk), strict=True):
            outcome = classify(result, self.rules)
            if tried_again(outcome, tries):
                again.append(_line(record))
                continue
            outcome = last_word(outcome, result.code, record.prior_code)
            row = ledger_row(record.external_id, record.payload_hash, result, outcome)
            report.count(row["state"], result.code, created=result.created)
            outcomes.append(row)
            if outcome == "stop" and self.stopped is None:
                self.stopped = IncompleteError(
                    f"The org refuses {target.object} records: {result.code} ({result.text}).",
                    remedy="This needs an admin of the org; what was not pushed stays due.",
                )
        return again

    async def _upsert(self, target: Target, chunk: list[Spooled]) -> list[RowResult]:
        """One result per record. A call that is refused whole is halved until the record at fault stands alone."""
        try:
            if target.update_only:
                return await self.client.update(
                    target.object, [{"id": one.external_id, **one.payload} for one in chunk]
                )
            return await self.client.upsert(target.object, target.key, [record.payload for record in chunk])
        except BadRequestError as refusal:
            alone = RowResult(success=False, created=False, salesforce_id=None, code=refusal.code, text=refusal.message)
            if classify(alone, self.rules) == "stop" or self._isolated >= MOST_ISOLATED:
                raise
            if len(chunk) == 1:
                self._isolated += 1
                log.warning("%s %s makes the org refuse its call: %s", target.object, chunk[0].external_id, refusal)
                return [alone]
        half = len(chunk) // 2
        return await self._upsert(target, chunk[:half]) + await self._upsert(target, chunk[half:])


def _read(path: Path) -> Iterator[Spooled]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield Spooled(row["external_id"], row["payload_hash"], json.loads(row["payload"]), row.get("prior_code"))


def _line(record: Spooled) -> str:
    return json.dumps({**asdict(record), "payload": json.dumps(record.payload)}) + "\n"


def _chunks(rows: Iterator[Spooled], size: int) -> Iterator[list[Spooled]]:
    while chunk := list(islice(rows, size)):
        yield chunk
