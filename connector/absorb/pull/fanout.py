"""All lists of one stream, walked by as many workers as calls may run at once.

Only page envelopes pass through Python; the pages themselves go to the landing folder.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from connector.absorb.faults import concerns_every_call
from connector.absorb.lists import LIST_PATHS, Served, read_list
from connector.absorb.pull.landing import Landing
from connector.absorb.pull.options import ALL, Context, StreamReport
from connector.absorb.pull.plan import Start, Starts
from connector.absorb.walk.walk import Walk
from connector.errors import ApiError, IncompleteError, NotFoundError, PermissionDeniedError
from connector.streams import STREAMS
from connector.times import utc_now
from connector.warehouse.load import Batch
from connector.warehouse.sweeps import SWEPT
from connector.warehouse.watermarks import ResumePoint, Watermark

log = logging.getLogger(__name__)

T = TypeVar("T")


class FanOut:
    """Reads the lists of one stream into `landing`."""

    def __init__(self, context: Context, report: StreamReport, landing: Landing, starts: Starts) -> None:
        self._context = context
        self._report = report
        self._landing = landing
        self._starts = starts
        self._sweep = context.options.sweep if report.stream in SWEPT else None
        self._in_a_row = 0
        self._read = 0  # lists read to their end

    async def run(self, scopes: Sequence[str]) -> None:
        """Walk all lists; stop early if loading fails.

        Raises LearnsyncError for what concerns every list; a single course that fails is reported and stays due.
        """
        workers = self._context.settings.absorb.concurrency
        await work_off(scopes, self._list, workers, watched=[self._landing.loading])

    async def _list(self, scope: str) -> None:
        try:
            await self._walk(scope)
            self._in_a_row = 0
            self._read += 1
        except NotFoundError:
            if scope == ALL:
                raise
            await self._gone(scope)
        except (ApiError, IncompleteError) as failure:
            self._failed(scope, failure)
        finally:
            self._context.progress.advance()

    async def _gone(self, course_id: str) -> None:
        log.info("course %s answered 404; its enrollments stay as they were", course_id)
        missing = Batch(self._report.stream, tombstones=[course_id], begun_at=self._context.begun_at)
        await self._landing.put(missing)
        self._report.tombstones.append(course_id)
        if self._sweep:
            self._sweep.finished(self._report.stream, course_id, gone=True)

    def _failed(self, scope: str, failure: ApiError | IncompleteError) -> None:
        """Report the list; call while the failure is handled: it is raised again where it concerns every list."""
        report = self._report
        # A role that may not see one course fails for that course alone; a bad key or token fails for all.
        if scope == ALL or (isinstance(failure, ApiError) and concerns_every_call(failure)):
            raise failure
        report.failures[scope] = str(failure)
        # A role may well be kept from many courses, one after the other: no outage, if it may see any.
        self._in_a_row += not (self._read and isinstance(failure, PermissionDeniedError))
        nothing_read = len(report.failures) == report.lists > 1
        if nothing_read or self._in_a_row >= self._context.options.limits.failures_in_a_row:
            raise failure
        log.warning("%s of %s not read: %s", report.stream, scope, failure)

    async def _walk(self, scope: str) -> None:
        stream, start = self._report.stream, self._starts.of(scope)
        walk = Walk(start.since, self._context.settings.absorb.page_size, self._context.options.limits.largest_page)
        rows, ceiling, verified = 0, None, None
        async for served in self._pages(walk, scope):
            # Nothing edited after the walk began may be claimed.
            ceiling = ceiling or served.asked_at
            rows += len(served.page.ids)
            if self._sweep:
                self._sweep.page(stream, scope, served.page.ids)
            for body in served.bodies:
                await self._landing.page(body)
            # A row that came in part only is asked for again by the next pull: nothing from here on may be claimed.
            start = start if served.whole else replace(start, covers=False)
            if start.covers and walk.verified != verified:
                verified = walk.verified
                point = ResumePoint(scope, verified, ceiling)
                await self._landing.put(Batch(stream, resume_points={scope: point}))
        mark = Watermark(stream, scope, _claim(start, walk, ceiling), rows, utc_now())
        await self._landing.put(Batch(stream, watermarks=[mark]))
        self._report.repeated_walks += walk.state.passes - 1
        if self._sweep:
            if walk.state.total_disagrees:
                self._sweep.doubt(stream, scope)
            self._sweep.finished(stream, scope)

    def _pages(self, walk: Walk, scope: str) -> AsyncIterator[Served]:
        stream, client = self._report.stream, self._context.client
        path, name = LIST_PATHS[stream].format(scope=scope), f"{stream} of {scope}"
        remedy = "Rows that were read are kept; the watermark stays, so the next pull reads the list again."
        collection, most_pages = STREAMS[stream].collection, self._context.settings.limits.list_pages
        return read_list(client, walk, path, collection, kind=stream, name=name, remedy=remedy, most_pages=most_pages)


def _claim(start: Start, walk: Walk, ceiling: datetime | None) -> datetime | None:
    """The watermark of a list read to its end: the newest row held, but not later than `ceiling`."""
    reached = max((moment for moment in (walk.high, start.floor) if moment is not None), default=None)
    return min(reached, ceiling) if reached and ceiling and start.covers else None


async def work_off(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], workers: int, watched: Sequence[asyncio.Task[None]] = ()
) -> None:
    """`work` on each item, as many at once as there are `workers`.

    The first error ends all of it, also that of a `watched` task.
    """
    waiting = iter(items)

    async def one_after_another() -> None:
        for item in waiting:
            await work(item)

    tasks = [asyncio.create_task(one_after_another()) for _ in range(workers)]
    try:
        while unfinished := [task for task in tasks if not task.done()]:
            running = [task for task in watched if not task.done()]
            done, _ = await asyncio.wait([*unfinished, *running], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
