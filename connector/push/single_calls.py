"""Records that go one a call to an API without upsert: each is made once, whatever happens to the answers.

The intent is in the ledger before the call. A write whose answer was lost is not repeated blindly: the target looks for
the record first. What is not known in the end waits for the next push.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Protocol

from connector.errors import LearnsyncError, LimitError, ProtocolError, ServerFaultError, UnreachableError
from connector.push.difference import Item, batches
from connector.push.engine import Run
from connector.push.ledger import Ledger
from connector.push.outcomes import NO_ANSWER, RowResult, classify, final_outcome, ledger_row, stop_error, tried_again
from mappings import ErrorRule

log = logging.getLogger(__name__)

ROUNDS = 3
# After these it is not known whether a write was carried out.
LOST = (UnreachableError, ServerFaultError, ProtocolError, LimitError)

# What the target has is not known: the look-up, which was repeated already, failed. Other records may get an answer.
_UNSEEN: Any = object()


class Caller(Protocol):
    """The calls of one target."""

    async def find(self, item: Item, number: int, /) -> Any:
        """What the target has of a record, None if nothing; a RowResult where that settles it without a write.

        `number` counts the tries from 0.
        """

    async def write(self, item: Item, there: Any, /) -> RowResult:
        """Make the record, or update what was found. Raises one of LOST when it is not known whether it was done."""


@dataclass(slots=True)
class SingleCalls:
    """Sends records one a call.

    `batch` records share a ledger entry before and after. Those for which `together` is equal go one after another,
    others at the same time, up to `concurrency`. After `most_lost` records in a row without an answer the target is
    not well, and every further record would cost minutes: the push to it ends.
    """

    run: Run
    ledger: Ledger
    rules: tuple[ErrorRule, ...]
    caller: Caller
    batch: int
    most_lost: int
    concurrency: int = 1
    together: Callable[[Item], object] = lambda _: None
    content: Callable[[Item], str | None] = lambda _: None
    _lost_in_a_row: int = field(default=0, init=False)
    _ended: bool = field(default=False, init=False)

    async def send(self, items: Iterable[Item]) -> None:
        """Send them in order. Raises LearnsyncError for what concerns every call; outcomes by then are recorded."""
        for batch in batches(items, self.batch):
            self.ledger.intend([self.intent(item) for item in batch])
            outcomes: list[dict[str, Any]] = []
            try:
                await self._send_batch(batch, outcomes)
            finally:
                self.ledger.put(outcomes)

    def intent(self, item: Item) -> dict[str, Any]:
        """What the ledger keeps of a record that is about to be sent."""
        return {"external_id": item.external_id, "payload_hash": item.payload_hash, "content": self.content(item)}

    async def _send_batch(self, batch: list[Item], outcomes: list[dict[str, Any]]) -> None:
        turns = asyncio.Semaphore(self.concurrency)
        groups = (list(group) for _, group in groupby(batch, key=self.together))
        sent = (self._send_group(group, turns, outcomes) for group in groups)
        for result in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _send_group(self, group: list[Item], turns: asyncio.Semaphore, outcomes: list[dict[str, Any]]) -> None:
        async with turns:
            for item in group:
                if self._ended:
                    return
                try:
                    await self._send_one(item, outcomes)
                except BaseException:
                    self._ended = True  # no further record is begun; those under way come to their end
                    raise
                self.run.progress.advance()

    async def _send_one(self, item: Item, outcomes: list[dict[str, Any]]) -> None:
        result, outcome, failure = await self._try(item)
        outcomes.append(ledger_row(item.external_id, item.payload_hash, result, outcome))
        if outcome == "stop":
            raise stop_error(self.ledger.key["object"], f"{result.code} ({result.text})")
        self._lost_in_a_row = self._lost_in_a_row + 1 if failure else 0
        if failure and self._lost_in_a_row >= self.most_lost:
            raise failure

    async def _try(self, item: Item) -> tuple[RowResult, str, LearnsyncError | None]:
        """(result, outcome, the failure that left it unknown) after all tries."""
        create_lost = False
        for number in range(ROUNDS):
            if number:
                await self.run.options.pauses.before_try(number)
            result, failure, there = await self._attempt(item, number)
            outcome = classify(result, self.rules)
            lost = failure is not None and there is not _UNSEEN
            create_lost = create_lost or (lost and there is None)
            if not lost and not tried_again(outcome, number):
                break
        created = result.success and (result.created or create_lost)
        return replace(result, created=created), final_outcome(outcome, result.code, item.prior_code, number), failure

    async def _attempt(self, item: Item, number: int) -> tuple[RowResult, LearnsyncError | None, Any]:
        """(result, failure, what was there before the write) of one try."""
        there = _UNSEEN
        try:
            there = await self.caller.find(item, number)
            return there if isinstance(there, RowResult) else await self.caller.write(item, there), None, there
        except LOST as failure:
            if there is _UNSEEN and not isinstance(failure, ServerFaultError):
                raise
            log.info("no certain answer for %s %s: %s", self.ledger.key["object"], item.external_id, failure.message)
            return RowResult.refused(NO_ANSWER, failure.message), failure, there
