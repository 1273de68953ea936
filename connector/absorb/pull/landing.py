"""Pages on their way into the warehouse: landed as received, then loaded group by group, in order.

Loading happens in one thread at a time while fetching goes on. A bounded queue keeps the two together, so memory does
not grow with a stream.
"""

import asyncio
import itertools
import time
from typing import Self

from connector.absorb.pull.options import Context, StreamReport
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse.database import Stamp
from connector.warehouse.load import Batch, load_batch


class Landing:
    """One stream's queue. Use as an async context manager: leaving it waits until everything is loaded."""

    def __init__(self, context: Context, report: StreamReport) -> None:
        self._context = context
        self._report = report
        self._limits = context.options.limits
        self._folder = context.folder / report.stream
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(self._limits.queue_pages)
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self.loading = asyncio.create_task(self._load_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        # A loader that fails with a full queue takes nothing any more: do not wait for room then.
        ending = asyncio.create_task(self._queue.put(None))
        await asyncio.wait({ending, self.loading}, return_when=asyncio.FIRST_COMPLETED)
        if self.loading.done():
            ending.cancel()
        await self.loading

    async def page(self, body: bytes, rows: int) -> None:
        """Land a page of `rows` rows as received."""
        if rows:
            path = self._folder / f"{next(self._numbers):010d}.json"
            path.write_bytes(body)
            await self.put(Batch(self._report.stream, files=[path], rows=rows))

    async def put(self, part: Batch) -> None:
        """Part of a batch: what holds once the pages before it are loaded."""
        await self._queue.put(part)

    async def _load_all(self) -> None:
        """Take landed pages and finished lists in order, load them group by group until None comes."""
        more = True
        while more:
            batch = Batch(self._report.stream)
            more = await self._gather(batch)
            if batch != Batch(self._report.stream):
                await asyncio.to_thread(self._load, batch)

    async def _gather(self, batch: Batch) -> bool:
        """Fill a group until it is old or large enough; False when nothing will follow."""
        limits, deadline = self._limits, None
        while batch.rows < limits.group_rows and len(batch.files) + len(batch.watermarks) < limits.group_lists:
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                part = await asyncio.wait_for(self._queue.get(), left)
            except TimeoutError:
                break
            deadline = deadline or time.monotonic() + limits.group_seconds
            if part is None:
                return False
            _add(batch, part)
        return True

    def _load(self, batch: Batch) -> None:
        stamp = Stamp(self._context.settings.tenant_id, self._context.run_id, utc_now())
        note_due = bool(self._context.settings.absorb.detail_streams)
        counts = load_batch(self._context.warehouse, batch, stamp, note_due=note_due)
        self._report.counts.add(counts)
        drop_files(batch, self._context.settings)


def _add(batch: Batch, part: Batch) -> None:
    batch.files += part.files
    batch.rows += part.rows
    batch.watermarks += part.watermarks
    batch.tombstones += part.tombstones
    batch.resume_points |= part.resume_points
    batch.begun_at = part.begun_at or batch.begun_at


def drop_files(batch: Batch, settings: Settings) -> None:
    """Delete the files of a batch that was loaded, unless LEARNSYNC_WAREHOUSE__KEEP_LANDING is set."""
    if not settings.warehouse.keep_landing:
        for path in batch.files:
            path.unlink(missing_ok=True)
