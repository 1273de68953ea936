"""One object by sObject Collections: records from a spool file, 200 a call (docs/facts/salesforce.md section 3b)."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.errors import BadRequestError
from connector.push.difference import Item, append, batches, read
from connector.push.engine import Run
from connector.push.ledger import Ledger
from connector.push.outcomes import RowResult, classify, final_outcome, ledger_row, stop_error, tried_again
from connector.salesforce.client import COLLECTION_LIMIT, SalesforceClient
from connector.salesforce.targets import OrgObject

log = logging.getLogger(__name__)

FLUSH_RECORDS = 2_000
# Records that met a lock go again in ever smaller calls, so that one row cannot keep failing its neighbours.
RETRY_SIZES = (50, 10, 1)
# So many records that each make the org refuse a whole call are not the records' fault.
MOST_ISOLATED = 20


@dataclass(slots=True)
class CollectionsPush:
    """Sends spool files of one object; outcomes go into the ledger some thousands at a time."""

    run: Run
    client: SalesforceClient
    ledger: Ledger
    target: OrgObject
    _isolated: int = field(default=0, init=False)
    _spools: int = field(default=0, init=False)

    async def send(self, spool: Path, tries: int = 0) -> None:
        """Send every record; those that met a lock or a passing fault again, a few rounds with growing pauses.

        `tries` is how often they were sent before, in this run. Raises LearnsyncError for what concerns every call, a
        code of class `stop` included; outcomes known by then are recorded.
        """
        waiting = await self._pass(spool, COLLECTION_LIMIT, tries)
        while waiting is not None:
            tries += 1
            await self.run.options.pauses.before_try(tries)
            waiting = await self._pass(waiting, RETRY_SIZES[min(tries, len(RETRY_SIZES)) - 1], tries)

    async def _pass(self, spool: Path, size: int, tries: int) -> Path | None:
        """Once through a spool; returns the spool of records worth another try, None when there are none."""
        self._spools += 1
        again = self.run.folder / f"{self.target.name}-again-{self._spools}.ndjson"
        outcomes: list[dict[str, Any]] = []
        try:
            for chunk in batches(read(spool), size):
                append(again, await self._chunk(chunk, outcomes, tries))
                self.run.progress.advance(0 if size < COLLECTION_LIMIT else len(chunk))
                if len(outcomes) >= FLUSH_RECORDS:
                    self.ledger.put(outcomes)
                    outcomes.clear()
        finally:
            self.ledger.put(outcomes)
        return again if again.stat().st_size else None

    async def _chunk(self, chunk: list[Item], outcomes: list[dict[str, Any]], tries: int) -> list[Item]:
        """Send up to 200 records, sent `tries` times before; returns those worth another try."""
        again: list[Item] = []
        stopped = ""
        for item, result in zip(chunk, await self._write(chunk), strict=True):
            outcome = classify(result, self.run.maps.errors)
            if tried_again(outcome, tries):
                again.append(item)
                continue
            outcome = final_outcome(outcome, result.code, item.prior_code, tries)
            outcomes.append(ledger_row(item.external_id, item.payload_hash, result, outcome))
            if outcome == "stop":
                stopped = stopped or f"{result.code} ({result.text})"
        if stopped:
            raise stop_error(self.target.object, stopped)
        return again

    async def _write(self, chunk: list[Item]) -> list[RowResult]:
        """One result per record. A call that is refused whole is halved until the record at fault stands alone."""
        try:
            if self.target.update_only:
                rows = [{"id": item.external_id, **item.payload} for item in chunk]
                return await self.client.update(self.target.object, rows)
            rows = [item.payload for item in chunk]
            return await self.client.upsert(self.target.object, self.target.key, rows)
        except BadRequestError as refusal:
            alone = RowResult.refused(refusal.code, refusal.message)
            if classify(alone, self.run.maps.errors) == "stop" or self._isolated >= MOST_ISOLATED:
                raise
            if len(chunk) == 1:
                self._isolated += 1
                name = f"{self.target.object} {chunk[0].external_id}"
                log.warning("%s makes the org refuse its call: %s", name, refusal)
                return [alone]
        half = len(chunk) // 2
        return await self._write(chunk[:half]) + await self._write(chunk[half:])
