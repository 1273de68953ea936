"""Absorb → warehouse for what lies inside course enrollments: lessons, chapters, sessions and attempts.

No list says what changed here (docs/facts/absorb.md sections 4 and 6), so the course enrollments that changed are the
guide: the loader puts each into ops.details_due in the transaction that stores it, and this module works that list off,
learner and course by learner and course. A pair leaves the list in the transaction that stores what was served for it.
Nothing else records what is left to do: wherever a run stops, the next one goes on from the list. When a stream is
switched on, every live enrollment is put on the list once: what changed before has something inside too.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial

from connector import files
from connector.absorb.faults import concerns_every_call
from connector.absorb.pull.details_reading import DetailReader, Pair, ServedPair
from connector.absorb.pull.fanout import work_off
from connector.absorb.pull.landing import drop_files
from connector.absorb.pull.options import Context, StreamReport
from connector.errors import ApiError, LearnsyncError, WrongPathError
from connector.streams import DETAIL_STREAMS
from connector.times import utc_now
from connector.warehouse import changed
from connector.warehouse.database import Connection, Stamp, count
from connector.warehouse.load import Batch, load_together
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

log = logging.getLogger(__name__)

_DUE = "SELECT count(DISTINCT (user_id, course_id)) FROM ops.details_due WHERE tenant_id = $tenant_id"


class DetailPull:
    """Works off ops.details_due. `reports` has one entry per detail stream that is on."""

    def __init__(self, context: Context, reports: dict[str, StreamReport]) -> None:
        self._context = context
        self._reports = reports
        self._reader = DetailReader(context.client, reports)
        self._loader = DetailLoader(context, reports)
        self._in_a_row = 0

    async def run(self, *, everything: bool = False) -> None:
        """Until nothing is due, too much fails, or it took long: no other pull may run meanwhile.

        `everything` makes every live enrollment due first, and takes as long as it takes.
        Raises LearnsyncError for what concerns every pair; a single pair that fails is reported and stays due.
        """
        started = time.monotonic()
        self._context.progress.stage("details", await asyncio.to_thread(self._begin, everything=everything))
        try:
            last: Pair | None = None
            while not self._stopped and (chunk := await asyncio.to_thread(self._next, last)):
                await self._chunk(chunk)
                last = chunk[-1]
                if not everything and time.monotonic() - started > self._context.options.limits.detail_seconds:
                    next(iter(self._reports.values())).left_out = await asyncio.to_thread(self._due)
                    break
        finally:
            for report in self._reports.values():
                report.seconds = time.monotonic() - started  # they are read side by side
        if self._stopped:
            log.warning("details: %d failures in a row; the rest stays due", self._in_a_row)
        if self._reader.asked and self._reader.missing == self._reader.asked:
            log.warning("details: the portal knew none of the %d lists asked for (404)", self._reader.asked)

    @property
    def _stopped(self) -> bool:
        """Too many failures one after the other are an outage; what was pulled before must not wait for its end."""
        return self._in_a_row >= self._context.options.limits.failures_in_a_row

    def _begin(self, *, everything: bool) -> int:
        """How many pairs are due."""
        tenant, now = {"tenant_id": self._context.settings.tenant_id}, utc_now()
        with self._context.warehouse.transaction() as connection:
            streams = {"streams": list(self._reports), **tenant}
            if connection.execute(sql("details_on_new"), streams).fetchall() or everything:
                connection.execute(sql("details_due_all"), {**tenant, "noted_at": now})
                connection.execute(sql("details_on_note"), {**streams, "since": now})
            return count(connection, _DUE, tenant)

    def _due(self) -> int:
        with self._context.warehouse.connect() as connection:
            return count(connection, _DUE, {"tenant_id": self._context.settings.tenant_id})

    def _next(self, last: Pair | None) -> list[Pair]:
        user_id, course_id = (last.user_id, last.course_id) if last else (None, None)
        tenant_id, size = self._context.settings.tenant_id, self._context.options.limits.detail_pairs
        values = {"tenant_id": tenant_id, "user_id": user_id, "course_id": course_id, "size": size}
        with self._context.warehouse.connect() as connection:
            return [Pair(*row) for row in connection.execute(sql("details_due_next"), values).fetchall()]

    async def _chunk(self, chunk: Sequence[Pair]) -> None:
        """Ask about each pair, as many at once as calls may run, then load what was served in one transaction."""
        served: list[ServedPair] = []
        try:
            await work_off(chunk, partial(self._look, served), self._context.settings.absorb.concurrency)
        except LearnsyncError:
            # What was served before the failure need not be asked for again.
            await asyncio.to_thread(self._loader.load, served)
            raise
        await asyncio.to_thread(self._loader.load, served)

    async def _look(self, served: list[ServedPair], pair: Pair) -> None:
        if self._stopped:
            return
        found = ServedPair(pair)
        stream = next(iter(self._reports))
        try:
            for stream in self._reports:
                await self._reader.look(stream, found)
        except ApiError as failure:
            if concerns_every_call(failure):
                raise
            self._failed(stream, pair, failure)
        else:
            self._in_a_row = 0
            served.append(found)
        finally:
            self._context.progress.advance()

    def _failed(self, stream: str, pair: Pair, failure: ApiError) -> None:
        """The pair stays due. A path that the gateway does not know fails for all pairs alike: no need to try them."""
        self._reports[stream].failures[str(pair)] = str(failure)
        wrong_path = isinstance(failure, WrongPathError)
        self._in_a_row += self._context.options.limits.failures_in_a_row if wrong_path else 1
        log.warning("%s of %s not read: %s", stream, pair, failure)


class DetailLoader:
    """Loads chunk after chunk; `reports` gets the counts."""

    def __init__(self, context: Context, reports: Mapping[str, StreamReport]) -> None:
        self._context = context
        self._reports = reports
        self._chunks = 0

    def load(self, served: Sequence[ServedPair]) -> None:
        """Everything served for these pairs, which are no longer due then."""
        if not served:
            return
        self._chunks += 1
        settings = self._context.settings
        stamp = Stamp(settings.tenant_id, self._context.run_id, utc_now())
        batches = [batch for stream in self._reports if (batch := self._land(stream, served)) is not None]

        def settle(connection: Connection) -> None:
            self._mark_removed(connection, served, stamp)
            done = rows_param(entry for one in served for entry in one.pair.entries)
            connection.execute(sql("details_due_done"), {"served": done, "tenant_id": settings.tenant_id})

        counts = load_together(self._context.warehouse, batches, settle, stamp)
        for stream, added in counts.items():
            self._reports[stream].counts.add(added)
        for batch in batches:
            drop_files(batch, settings)

    def _land(self, stream: str, served: Sequence[ServedPair]) -> Batch | None:
        """The lists of a chunk as one page: each list's own text, under the key that the loader reads."""
        lists = [text for one in served for name, text in one.lists if name == stream]
        rejects = [reject for one in served for name, reject in one.rejects if name == stream]
        if not lists:
            return Batch(stream, rejects=rejects) if rejects else None
        path = self._context.folder / "details" / stream / f"{self._chunks:010d}.json"
        files.make_folder(path.parent)
        files.write(path, f'{{"{DETAIL_STREAMS[stream].collection}": [{",".join(lists)}]}}')
        return Batch(stream, files=[path], rejects=rejects)

    def _mark_removed(self, connection: Connection, served: Sequence[ServedPair], stamp: Stamp) -> None:
        names = {**stamp.names, "now": stamp.now}
        for stream in self._reports:
            lists = [(one.pair, whole) for one in served for whole in one.whole if whole.stream == stream]
            if lists:
                empty = ({"user_id": pair.user_id, "course_id": pair.course_id} for pair, one in lists if not one.ids)
                values = {
                    "named": rows_param(name for _, whole in lists for name in whole.named),
                    "empty": rows_param(empty),
                    "served": rows_param(row_id for _, whole in lists for row_id in whole.ids),
                }
                gone = connection.execute(sql("details_removed", stream=stream), {**names, **values}).fetchall()
                if stream in changed.DETAILS:
                    changed.note_ids(connection, stamp.tenant_id, "enrollments", {parent for (parent,) in gone})
        attempted = [lesson for one in served for lesson in one.attempted]
        if attempted:
            kept = rows_param(row_id for lesson in attempted for row_id in lesson.ids)
            values = {"answered": rows_param(attempted), "served": kept}
            if count(connection, sql("attempts_removed"), {**names, **values}):
                parents = {lesson.enrollment_id for lesson in attempted}
                changed.note_ids(connection, stamp.tenant_id, "enrollments", parents)
