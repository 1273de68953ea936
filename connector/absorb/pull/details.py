"""Absorb → warehouse for what lies inside course enrollments: lessons, chapters, sessions and attempts.

No list says what changed here (docs/facts/absorb.md sections 4 and 6), so the course enrollments that changed are the
guide: the loader puts each into ops.details_due in the transaction that stores it, and this module works that list off,
learner and course by learner and course. A pair leaves the list in the transaction that stores what was served for it.
Nothing but the list says what is left to do, so a run that stops anywhere is gone on with by the next one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from connector.absorb.client import AbsorbClient
from connector.absorb.faults import READER, concerns_every_call
from connector.absorb.pull.pull import FAILURES_IN_A_ROW, StreamReport
from connector.errors import (
    ApiError,
    LearnsyncError,
    NotFoundError,
    ProtocolError,
    WrongPathError,
)
from connector.http.answers import Answer
from connector.progress import Progress
from connector.settings import Settings
from connector.streams.details import DETAIL_STREAMS, attempt_count, placed
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.load import Batch, load_together
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

log = logging.getLogger(__name__)

# So many learners and courses are asked about between two commits, and so much is asked again after a kill.
CHUNK_PAIRS = 200
NO_CONTENT = 204
# Where each list of one learner in one course lives.
_PAIR = "/users/{user_id}/enrollments/{course_id}"
LISTS = {
    "lesson_enrollments": _PAIR + "/lessons",
    "chapter_enrollments": _PAIR + "/chapters",
    "session_enrollments": _PAIR + "/sessions",
    "attempts": _PAIR + "/lessons/{lesson_id}/attempts",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A learner and a course, and the entries of the due list that one look at them settles."""

    user_id: str
    course_id: str
    entries: list[dict[str, Any]]

    def __str__(self) -> str:
        return f"user {self.user_id} in course {self.course_id}"


@dataclass(frozen=True, slots=True)
class _List:
    """An array as served: the text between its brackets, and its rows."""

    text: str
    rows: list[Any]


@dataclass(slots=True)
class _Served:
    """What the portal said about one pair. `claims` are the answers that show what is no longer there."""

    pair: Pair
    lists: list[tuple[str, str]] = field(default_factory=list)
    claims: list[_Claim] = field(default_factory=list)
    attempted: list[_Attempted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A whole answer: the ids it has, and the course enrollments that it speaks for."""

    stream: str
    ids: list[str]
    named: list[str]


@dataclass(frozen=True, slots=True)
class _Attempted:
    """The attempts at one lesson, read whole."""

    enrollment_id: str
    lesson_id: str
    ids: list[str]


class DetailPull:
    """Works off ops.details_due. `reports` has one entry per detail stream that is on."""

    def __init__(
        self,
        settings: Settings,
        client: AbsorbClient,
        run_id: str,
        reports: dict[str, StreamReport],
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._client = client
        self._warehouse = Warehouse.of(settings)
        self._run_id = run_id
        self._reports = reports
        self._progress = progress
        self._folder = settings.warehouse.landing / run_id / "details"
        self._chunks = 0
        self._in_a_row = 0
        self._asked = 0
        self._missing = 0

    async def run(self, *, everything: bool = False) -> None:
        """Until nothing is due, or too much fails. `everything` makes every live enrollment due first.

        Raises LearnsyncError for what concerns every pair; a single pair that fails is reported and stays due.
        """
        started = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._progress.stage("details", await asyncio.to_thread(self._begin, everything=everything))
        try:
            last: Pair | None = None
            while not self._stopped and (chunk := await asyncio.to_thread(self._next, last)):
                await self._chunk(chunk)
                last = chunk[-1]
        finally:
            for report in self._reports.values():
                report.seconds = time.monotonic() - started  # they are read side by side
        if self._stopped:
            log.warning("details: %d failures in a row; the rest stays due", self._in_a_row)
        if self._asked and self._missing == self._asked:
            log.warning("details: the portal knew none of the %d lists asked for (404)", self._asked)

    @property
    def _stopped(self) -> bool:
        """Too many failures one after the other are an outage; what was pulled before must not wait for its end."""
        return self._in_a_row >= FAILURES_IN_A_ROW

    # -- the due list ----------------------------------------------------------------------------

    def _begin(self, *, everything: bool) -> int:
        """How many pairs are due."""
        tenant = {"tenant_id": self._settings.tenant_id}
        with self._warehouse.connect() as connection:
            if everything:
                connection.execute(sql("details_due_all"), {**tenant, "noted_at": utc_now()})
            found = connection.execute(
                "SELECT count(DISTINCT (user_id, course_id)) FROM ops.details_due WHERE tenant_id = $tenant_id", tenant
            ).fetchone()
        return int(found[0]) if found else 0

    def _next(self, last: Pair | None) -> list[Pair]:
        values = {
            "tenant_id": self._settings.tenant_id,
            "user_id": last.user_id if last else None,
            "course_id": last.course_id if last else None,
            "size": CHUNK_PAIRS,
        }
        with self._warehouse.connect() as connection:
            return [Pair(*row) for row in connection.execute(sql("details_due_next"), values).fetchall()]

    # -- asking ----------------------------------------------------------------------------------

    async def _chunk(self, chunk: Sequence[Pair]) -> None:
        """Ask about each pair, as many at once as calls may run, then load what was served in one transaction."""
        served: list[_Served] = []
        waiting = iter(chunk)
        workers = min(len(chunk), self._settings.absorb.concurrency)
        tasks = [asyncio.create_task(self._work(waiting, served)) for _ in range(workers)]
        try:
            await asyncio.gather(*tasks)
        except LearnsyncError:
            # What was served before the failure need not be asked for again.
            await _cancel(tasks)
            await asyncio.to_thread(self._load, served)
            raise
        finally:
            await _cancel(tasks)
        await asyncio.to_thread(self._load, served)

    async def _work(self, waiting: Iterator[Pair], served: list[_Served]) -> None:
        for pair in waiting:
            if self._stopped:
                return
            found = _Served(pair)
            stream = next(iter(self._reports))
            try:
                for stream in self._reports:
                    if stream != "attempts":
                        await self._look(stream, found)
            except ApiError as failure:
                if concerns_every_call(failure):
                    raise
                self._failed(stream, pair, failure)
            else:
                self._in_a_row = 0
                served.append(found)
            finally:
                self._progress.advance()

    def _failed(self, stream: str, pair: Pair, failure: ApiError) -> None:
        """The pair stays due. A path that the gateway does not know fails for all pairs alike: no need to try them."""
        self._reports[stream].failures[str(pair)] = str(failure)
        self._in_a_row += FAILURES_IN_A_ROW if isinstance(failure, WrongPathError) else 1
        log.warning("%s of %s not read: %s", stream, pair, failure)

    async def _look(self, stream: str, found: _Served) -> None:
        pair = found.pair
        self._asked += 1
        answer = await self._array(stream, pair)
        if answer is None:
            # Un-enrolled meanwhile, or a course without such a thing: there is nothing to wait for.
            self._missing += 1
            return
        if answer.rows:
            found.lists.append((stream, answer.text))
        ids = _ids(answer.rows)
        if ids is not None:
            found.claims.append(_Claim(stream, ids, _guids(answer.rows, "courseEnrollmentId")))
        if stream == "lesson_enrollments" and "attempts" in self._reports:
            for lesson in answer.rows:
                await self._attempts(lesson, found)

    async def _attempts(self, lesson: Any, found: _Served) -> None:
        """The attempts at one lesson. One that counts none is known to have none, without asking."""
        pair = found.pair
        lesson_id, enrollment_id = (_guid(lesson, name) for name in ("lessonId", "courseEnrollmentId"))
        if lesson_id is None:
            return
        count = attempt_count(lesson.get("attempts"))
        if count == 0 and lesson.get("score") is None:
            if enrollment_id:
                found.attempted.append(_Attempted(enrollment_id, lesson_id, []))
            return
        if not count and lesson.get("score") is None:
            return
        answer = await self._array("attempts", pair, lesson_id)
        if answer is None:
            return
        if answer.rows:
            found.lists.append(("attempts", placed_text(answer.rows, pair, lesson_id)))
        ids = _ids(answer.rows)
        if enrollment_id and ids is not None:
            found.attempted.append(_Attempted(enrollment_id, lesson_id, ids))

    async def _array(self, stream: str, pair: Pair, lesson_id: str = "") -> _List | None:
        """One list of a pair; None when the portal knows none (404). Raises ApiError."""
        path = LISTS[stream].format(user_id=pair.user_id, course_id=pair.course_id, lesson_id=lesson_id)
        self._reports[stream].lists += 1
        self._reports[stream].requests += 1
        try:
            return await self._client.read(path, read_array)
        except NotFoundError:
            return None

    # -- loading ---------------------------------------------------------------------------------

    def _load(self, served: Sequence[_Served]) -> None:
        """Rows, removals and the end of being due, together."""
        if not served:
            return
        self._chunks += 1
        now = utc_now()
        batches = [batch for stream in self._reports if (batch := self._land(stream, served)) is not None]

        def settle(connection: Connection) -> None:
            self._mark_removed(connection, served, {"now": now, "run_id": self._run_id})
            done = [entry for one in served for entry in one.pair.entries]
            connection.execute(
                sql("details_due_done"), {"served": rows_param(done), "tenant_id": self._settings.tenant_id}
            )

        counts = load_together(
            self._warehouse, batches, settle, tenant_id=self._settings.tenant_id, run_id=self._run_id, now=now
        )
        for stream, count in counts.items():
            self._reports[stream].counts.add(count)
        if not self._settings.warehouse.keep_landing:
            for batch in batches:
                for path in batch.files:
                    path.unlink(missing_ok=True)

    def _land(self, stream: str, served: Sequence[_Served]) -> Batch | None:
        """The lists of a chunk as one page: each list's own text, under the key that the loader reads."""
        lists = [text for one in served for name, text in one.lists if name == stream]
        if not lists:
            return None
        path: Path = self._folder / stream / f"{self._chunks:010d}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'{{"{DETAIL_STREAMS[stream].collection}": [{",".join(lists)}]}}', "utf-8")
        return Batch(stream, files=[path])

    def _mark_removed(self, connection: Connection, served: Sequence[_Served], stamp: dict[str, Any]) -> None:
        names = {"tenant_id": self._settings.tenant_id, **stamp}
        for stream in self._reports:
            claims = [(one.pair, claim) for one in served for claim in one.claims if claim.stream == stream]
            if claims:
                empty = [
                    {"user_id": pair.user_id, "course_id": pair.course_id} for pair, claim in claims if not claim.ids
                ]
                values = {
                    "named": rows_param(name for _, claim in claims for name in claim.named),
                    "empty": rows_param(empty),
                    "served": rows_param(row_id for _, claim in claims for row_id in claim.ids),
                }
                connection.execute(sql("details_removed", stream=stream), {**names, **values})
        attempted = [lesson for one in served for lesson in one.attempted]
        if attempted:
            values = {
                "answered": rows_param(attempted),
                "served": rows_param(row_id for lesson in attempted for row_id in lesson.ids),
            }
            connection.execute(sql("attempts_removed"), {**names, **values})


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def read_array(answer: Answer) -> _List:
    """A plain array as served. Raises ProtocolError when it is not one."""
    try:
        text = answer.body.decode("utf-8-sig").strip() if answer.status != NO_CONTENT else "[]"
        # Strictly: a body that DuckDB cannot read must fail here, for its pair alone.
        rows = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise READER.error(answer, "the body is not JSON") from None
    if not isinstance(rows, list):
        raise READER.error(answer, "a JSON array was due")
    return _List(text[1:-1], rows)


def placed_text(rows: Sequence[Any], pair: Pair, lesson_id: str) -> str:
    """Attempts with the ids of their path, as text between brackets; what is no object is the loader's to judge."""
    ids = (pair.user_id, pair.course_id, lesson_id)
    found = [placed([row], *ids)[0] if isinstance(row, dict) else row for row in rows]
    try:
        return json.dumps(found, allow_nan=False)[1:-1]
    except ValueError:
        raise ProtocolError(f"The attempts of {pair} hold a number too large to be one.", status=200) from None


def _guid(row: Any, name: str) -> str | None:
    value = row.get(name) if isinstance(row, dict) else None
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _guids(rows: Sequence[Any], name: str) -> list[str]:
    return sorted({value for row in rows if (value := _guid(row, name)) is not None})


def _ids(rows: Sequence[Any]) -> list[str] | None:
    """The ids of an answer; None when a row has none that can be read, so that it could be any of ours."""
    ids = [_guid(row, "id") for row in rows]
    known = [row_id for row_id in ids if row_id is not None]
    return known if len(known) == len(ids) else None
