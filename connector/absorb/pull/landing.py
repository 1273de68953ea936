"""Pages on their way into the warehouse: landed as received, then loaded group by group, in order.

Loading happens in one thread at a time while the next group is fetched. A group that is full waits for the one before
it, and those who fetch wait for room, so neither memory nor the landing folder grows with a stream.
"""

import asyncio
import itertools
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from connector import files
from connector.absorb.bodies import Body
from connector.absorb.pull.options import Context, Limits, StreamReport
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse.database import Stamp
from connector.warehouse.landed import PageFiles
from connector.warehouse.load import Batch, load_batch


class _Group:
    """What the next load takes: its batch, how large it is, and since when it has been waiting."""

    def __init__(self, stream: str) -> None:
        self.batch = Batch(stream)
        self.bytes = 0
        self.lists = 0
        self.since: float | None = None

    def add(self, part: Batch, size: int = 0) -> None:
        _add(self.batch, part)
        self.bytes += size
        self.lists += bool(part.rows) + len(part.watermarks)
        self.since = self.since or time.monotonic()

    def is_full(self, limits: Limits) -> bool:
        return (
            self.batch.rows >= limits.group_rows or self.bytes >= limits.group_bytes or self.lists >= limits.group_lists
        )


class Landing:
    """One stream's pages. Use as an async context manager: leaving it waits until everything is loaded."""

    def __init__(self, context: Context, report: StreamReport) -> None:
        self._context = context
        self._report = report
        self._limits = context.options.limits
        self._folder = context.folder / report.stream
        self._files = PageFiles(self._folder, apart=context.settings.warehouse.keep_landing)
        self._numbers = itertools.count(1)
        self._group = _Group(report.stream)
        self._patience = self._limits.group_seconds
        self._ended = self._spoiled = False
        self._news, self._room = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> Self:
        files.make_folder(self._folder)
        self.loading = asyncio.create_task(self._load_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended = True
        self._news.set()
        try:
            await self.loading
        finally:
            self._files.end()

    async def page(self, body: Body) -> None:
        """Land a page as received, but for rows that cannot be read: those go on beside it."""
        await self._has_room()
        part = Batch(self._report.stream, rejects=list(body.rejects))
        if body.rows:
            part.files = self._write(body.landed)
            part.rows, part.largest = body.rows, len(body.landed)
        if body.rows or body.rejects:
            self._add(part, part.largest)

    def _write(self, landed: bytes) -> list[Path]:
        try:
            return self._files.add(next(self._numbers), landed)
        except OSError:
            # Half a page may be in the file of the whole group, and what comes after may claim the pages in it.
            self._ended = self._spoiled = True
            self._news.set()
            raise

    async def put(self, part: Batch) -> None:
        """Part of a batch: what holds once the pages before it are loaded."""
        await self._has_room()
        self._add(part)

    async def _has_room(self) -> None:
        """Wait while the group is full. A loader that failed takes nothing any more: nobody waits for it."""
        while self._group.is_full(self._limits) and not self.loading.done():
            self._room.clear()
            await self._room.wait()

    def _add(self, part: Batch, size: int = 0) -> None:
        first = self._group.since is None
        self._group.add(part, size)
        if first or self._group.is_full(self._limits):
            self._news.set()

    async def _load_all(self) -> None:
        """Load group by group until the last one."""
        try:
            while await self._is_due():
                batch, self._group = self._group.batch, _Group(self._report.stream)
                self._files.end()
                self._room.set()
                began = time.monotonic()
                await asyncio.to_thread(self._load, batch)
                self._patience = self._limits.patience(time.monotonic() - began)
        finally:
            self._room.set()

    async def _is_due(self) -> bool:
        """Wait until the group is old or large enough; False when nothing will follow."""
        while not (self._ended or self._group.is_full(self._limits)):
            since = self._group.since
            left = None if since is None else since + self._patience - time.monotonic()
            if left is not None and left <= 0:
                break
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)
        return self._group.since is not None and not self._spoiled

    def _load(self, batch: Batch) -> None:
        stamp = Stamp(self._context.settings.tenant_id, self._context.run_id, utc_now())
        note_due = bool(self._context.settings.absorb.detail_streams)
        counts = load_batch(self._context.warehouse, batch, stamp, note_due=note_due)
        self._report.counts.add(counts)
        drop_files(batch, self._context.settings)


def _add(batch: Batch, part: Batch) -> None:
    batch.files += part.files
    batch.rows += part.rows
    batch.largest = max(batch.largest, part.largest)
    batch.rejects += part.rejects
    batch.watermarks += part.watermarks
    batch.tombstones += part.tombstones
    batch.resume_points |= part.resume_points
    batch.begun_at = part.begun_at or batch.begun_at


def drop_files(batch: Batch, settings: Settings) -> None:
    """Delete the files of a batch that was loaded, unless LEARNSYNC_WAREHOUSE__KEEP_LANDING is set."""
    if not settings.warehouse.keep_landing:
        for path in batch.files:
            path.unlink(missing_ok=True)
