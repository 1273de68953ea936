"""What the portal says about one learner in one course: the lists inside the enrollment, as served."""

import codecs
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from connector.absorb.bodies import rows_apart
from connector.absorb.client import AbsorbClient
from connector.absorb.faults import READER
from connector.absorb.pull.options import StreamReport
from connector.errors import NotFoundError, ProtocolError
from connector.http.answers import Answer
from connector.streams.details import attempt_count, placed
from connector.warehouse.quarantine import Reject

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
class WholeList:
    """A list read whole: the ids it has, and the course enrollments that its rows name."""

    stream: str
    ids: list[str]
    named: list[str]


@dataclass(frozen=True, slots=True)
class Attempted:
    """The attempts at one lesson, read whole."""

    enrollment_id: str
    lesson_id: str
    ids: list[str]


@dataclass(slots=True)
class ServedPair:
    """What the portal said about one pair. `whole` and `attempted` show what is no longer there."""

    pair: Pair
    lists: list[tuple[str, str]] = field(default_factory=list)  # stream, rows as text without the array's brackets
    rejects: list[tuple[str, Reject]] = field(default_factory=list)  # stream, row that cannot be read
    whole: list[WholeList] = field(default_factory=list)
    attempted: list[Attempted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Array:
    """An array as served: the text between its brackets, and its rows; `rejects` are those that cannot be read."""

    text: str
    rows: list[Any]
    rejects: Sequence[Reject] = ()

    @property
    def ids(self) -> list[str] | None:
        """The ids of its rows; None when a row has none that can be read, so that it could be any of ours."""
        named = [*self.rows, *({"id": reject.source_id} for reject in self.rejects)]
        known = [row_id for row in named if (row_id := _guid(row, "id")) is not None]
        return known if len(known) == len(named) else None


class DetailReader:
    """Asks for the lists of `reports`, which count the calls; `missing` of the lists `asked` for answered 404."""

    def __init__(self, client: AbsorbClient, reports: Mapping[str, StreamReport]) -> None:
        self._client = client
        self._reports = reports
        self.asked = 0
        self.missing = 0

    async def look(self, stream: str, found: ServedPair) -> None:
        """Read one list of a pair into `found`; attempts come with the lessons that have some. Raises ApiError."""
        if stream == "attempts":
            return
        self.asked += 1
        answer = await self._array(stream, found.pair)
        if answer is None:
            # Un-enrolled meanwhile, or a course without such a thing: there is nothing to wait for.
            self.missing += 1
            return
        found.rejects += [(stream, reject) for reject in answer.rejects]
        if answer.rows:
            found.lists.append((stream, answer.text))
        if answer.ids is not None:
            named = {parent for row in answer.rows if (parent := _guid(row, "courseEnrollmentId")) is not None}
            found.whole.append(WholeList(stream, answer.ids, sorted(named)))
        if stream == "lesson_enrollments" and "attempts" in self._reports:
            for lesson in answer.rows:
                await self._attempts(lesson, found)

    async def _attempts(self, lesson: Any, found: ServedPair) -> None:
        """The attempts at one lesson. One that counts none is known to have none, without asking."""
        lesson_id, enrollment_id = (_guid(lesson, name) for name in ("lessonId", "courseEnrollmentId"))
        if lesson_id is None:
            return
        count = attempt_count(lesson.get("attempts"))
        if not count and lesson.get("score") is None:
            if count == 0 and enrollment_id:
                found.attempted.append(Attempted(enrollment_id, lesson_id, []))
            return
        answer = await self._array("attempts", found.pair, lesson_id)
        if answer is None:
            return
        found.rejects += [("attempts", reject) for reject in answer.rejects]
        if answer.rows:
            found.lists.append(("attempts", _placed_text(answer.rows, found.pair, lesson_id)))
        if enrollment_id and answer.ids is not None:
            found.attempted.append(Attempted(enrollment_id, lesson_id, answer.ids))

    async def _array(self, stream: str, pair: Pair, lesson_id: str = "") -> Array | None:
        """One list of a pair; None when the portal knows none (404). Raises ApiError."""
        path = LISTS[stream].format(user_id=pair.user_id, course_id=pair.course_id, lesson_id=lesson_id)
        self._reports[stream].lists += 1
        self._reports[stream].requests += 1
        try:
            return await self._client.read(path, read_array)
        except NotFoundError:
            return None


def read_array(answer: Answer) -> Array:
    """A plain array as served. Raises ProtocolError when it is not one."""
    try:
        text = answer.body.decode("utf-8-sig").strip() if answer.status != NO_CONTENT else "[]"
        # Strictly: a body that DuckDB cannot read must fail here, for its pair alone.
        rows = from_json(text, allow_inf_nan=False)
    except ValueError:
        return _row_by_row(answer)
    if not isinstance(rows, list):
        raise READER.error(answer, "a JSON array was due")
    return Array(text[1:-1], rows)


def _row_by_row(answer: Answer) -> Array:
    """An array that cannot be read at once. Raises ProtocolError where its rows cannot be told apart."""
    try:
        texts, rejects = rows_apart(answer.body.removeprefix(codecs.BOM_UTF8).strip())
        return Array(b",".join(texts).decode(), [from_json(text) for text in texts], rejects)
    except ValueError:
        raise READER.error(answer, "the body is not JSON") from None


def _placed_text(rows: Sequence[Any], pair: Pair, lesson_id: str) -> str:
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
