"""The inside of a course enrollment: lessons, attempts, chapters and sessions that agree with it. No storage here.

What a real portal does to the parent when a lesson moves is not known (docs/facts/absorb.md section
4); here progress, score and time of the course are those of its lessons.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connector.sandbox.kit.instants import canonical, moment_of, naive_text, timespan
from connector.sandbox.portal.generator import stable_guid
from connector.sandbox.portal.outlines import Outline
from connector.sandbox.portal.schema import DETAILS

Row = dict[str, Any]
# Statuses of a course enrollment that has not been started.
UNBEGUN = {0, 2, 6, 8, 9, 10}
_AWAITING = {7, 11, 12}
# (when the number-th of count touched lessons began, when it ended)
Clock = Callable[[int, int], tuple[datetime, datetime]]


@dataclass(slots=True)
class LessonState:
    """A lesson enrollment as served, its attempts, and whether it differs from what is stored."""

    row: Row
    attempts: list[Row] = field(default_factory=list)
    changed: bool = True

    @property
    def ticks(self) -> int:
        """Time spent in all attempts."""
        return sum(attempt["timeSpentTicks"] for attempt in self.attempts)


def number(value: object, default: float = 0.0) -> float:
    """A number of a row that may be malformed."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def blank_lessons(enrollment: Mapping[str, Any], outline: Outline) -> list[LessonState]:
    """Every lesson of the course, not begun."""
    added = enrollment.get("dateAdded")
    rows = (
        {
            "id": stable_guid(f"{enrollment['id']}/{lesson.lesson_id}"),
            "chapterEnrollmentId": stable_guid(f"{enrollment['id']}/{lesson.chapter_id}"),
            "type": "LessonEnrollment",
            "attempts": 0,
            "failures": 0,
            "chapterId": lesson.chapter_id,
            "lessonId": lesson.lesson_id,
            "name": lesson.name,
            "status": 0,
            "progress": 0.0,
            "timeSpent": "00:00:00",
            "dateEdited": added,
            "dateAdded": added,
        }
        for lesson in outline.lessons
    )
    return [LessonState(_within(enrollment, "lesson_enrollments") | row) for row in rows]


def _within(enrollment: Mapping[str, Any], stream: str) -> Row:
    """A row of a stream with the ids of its enrollment and user, empty otherwise."""
    return DETAILS[stream].blank | {
        "courseEnrollmentId": enrollment["id"],
        "userId": enrollment.get("userId"),
        "fullName": enrollment.get("fullName"),
        "dateEnrolled": enrollment.get("dateAdded"),
    }


def spread(enrollment: Mapping[str, Any], last: datetime) -> Clock:
    """Events of the past: between the start of the enrollment and ``last``, its last edit."""
    begun = moment_of(enrollment.get("dateStarted")) or moment_of(enrollment.get("dateAdded")) or last
    span = max(timedelta(0), last - begun)
    return lambda place, count: (begun + span * (place / count), begun + span * ((place + 1) / count))


def bring_forward(enrollment: Mapping[str, Any], lessons: Sequence[LessonState], clock: Clock) -> None:
    """Move lessons on until they match the course enrollment; what is complete already stays so."""
    status = enrollment.get("status")
    if not lessons or status in UNBEGUN or not isinstance(status, int):
        return
    share = len(lessons) * min(100.0, number(enrollment.get("progress"))) / 100
    wanted = len(lessons) if status == 3 else min(int(share + 1e-9), len(lessons) - 1)
    done = sum(lesson.row["status"] == 3 for lesson in lessons)
    waiting = [lesson for lesson in lessons if lesson.row["status"] != 3]
    touched = waiting[: max(0, wanted - done)]
    for place, lesson in enumerate(touched):
        _close(lesson, 3, *clock(place, len(touched) + (status != 3)))
    if status != 3 and done <= wanted and len(touched) < len(waiting):
        lesson = waiting[len(touched)]
        touched.append(lesson)
        _leave(lesson, status, (share - wanted) * 100, *clock(len(touched) - 1, len(touched)))
    _share_time(enrollment, lessons, touched)
    _carry_score(enrollment, lessons, touched)


def _close(lesson: LessonState, status: int, begun: datetime, ended: datetime) -> None:
    """End the open attempt, or a new one."""
    attempt = next((one for one in lesson.attempts if one["status"] == 1), None)
    if attempt is None:
        attempt = new_attempt(lesson, begun)
    attempt |= {"status": status, "completionDate": naive_text(ended)}
    update_from_attempts(lesson, ended)


def _leave(lesson: LessonState, status: int, progress: float, begun: datetime, edited: datetime) -> None:
    """The lesson where the learner stands: failed, waiting for approval or marking, or in progress."""
    before = (lesson.row["status"], lesson.row["progress"])
    if status == 5 and lesson.row["status"] != 5:
        _close(lesson, 5, begun, edited)
        return
    target = status if status in _AWAITING else 1
    progress = max(round(progress, 2), number(lesson.row["progress"]))
    if before == (target, progress) or status == 5:
        return
    if not lesson.attempts or lesson.attempts[-1]["status"] != 1:
        new_attempt(lesson, begun)
    update_from_attempts(lesson, edited)
    lesson.row |= {"status": target, "progress": progress}


def new_attempt(lesson: LessonState, begun: datetime, attempt_id: str | None = None) -> Row:
    """Open an attempt (id, timeSpentTicks, status, score, startDate, completionDate)."""
    attempt: Row = {
        "id": attempt_id or stable_guid(f"{lesson.row['id']}/{len(lesson.attempts)}"),
        "timeSpentTicks": 0,
        "status": 1,
        "score": None,
        "startDate": naive_text(begun),
        "completionDate": None,
    }
    lesson.attempts.append(attempt)
    return attempt


def update_from_attempts(lesson: LessonState, edited: datetime) -> None:
    """Bring a lesson enrollment in line with its attempts; one success counts for good."""
    attempts, row = lesson.attempts, lesson.row
    statuses = [attempt["status"] for attempt in attempts]
    scores = [attempt["score"] for attempt in attempts if attempt["score"] is not None]
    ends = [attempt["completionDate"] for attempt in attempts if attempt["status"] == 3]
    status = 3 if 3 in statuses else statuses[-1] if statuses else 0
    row |= {
        "attempts": len(attempts),
        "failures": statuses.count(5),
        "lastAttempt": attempts[-1]["startDate"] if attempts else None,
        "status": status,
        "progress": 100.0 if status == 3 else row["progress"],
        "score": max(scores) if scores else None,
        "timeSpent": timespan(lesson.ticks),
        "dateStarted": attempts[0]["startDate"] if attempts else None,
        "dateCompleted": ends[0] if ends else None,
        "dateEdited": naive_text(edited),
    }
    lesson.changed = True


def _share_time(enrollment: Mapping[str, Any], lessons: Sequence[LessonState], touched: Sequence[LessonState]) -> None:
    """Give the time that the course has and its lessons have not yet to the lessons just touched."""
    left = int(number(enrollment.get("timeSpentTicks"))) - sum(lesson.ticks for lesson in lessons)
    for place, lesson in enumerate(touched):
        part = max(0, left) // (len(touched) - place)
        left -= part
        if lesson.attempts:
            lesson.attempts[-1]["timeSpentTicks"] += part
            lesson.row["timeSpent"] = timespan(lesson.ticks)


def _carry_score(enrollment: Mapping[str, Any], lessons: Sequence[LessonState], touched: Sequence[LessonState]) -> None:
    """The course's score is that of its last lesson, the assessment."""
    score = enrollment.get("score")
    if not touched or not isinstance(score, int | float) or not touched[-1].attempts:
        return
    for lesson in lessons:
        for attempt in lesson.attempts:
            attempt["score"] = None
        lesson.changed = lesson.changed or lesson.row["score"] is not None
        lesson.row["score"] = None
    touched[-1].attempts[-1]["score"] = touched[-1].row["score"] = float(score)


def chapter_rows(enrollment: Mapping[str, Any], outline: Outline, lessons: Sequence[LessonState]) -> list[Row]:
    """Chapter enrollments as the sum of their lessons; they have no dateEdited (docs/facts/absorb.md section 5)."""
    return [
        _chapter(enrollment, chapter_id, name, [one for one in lessons if one.row["chapterId"] == chapter_id])
        for chapter_id, name in outline.chapters
    ]


def _chapter(enrollment: Mapping[str, Any], chapter_id: str, name: str, lessons: Sequence[LessonState]) -> Row:
    rows = [lesson.row for lesson in lessons]
    summary = summarize(lessons)
    return _within(enrollment, "chapter_enrollments") | {
        "id": stable_guid(f"{enrollment['id']}/{chapter_id}"),
        "chapterId": chapter_id,
        # When the portal names a lesson is not documented (docs/facts/absorb.md section 5): where there is but one.
        "lessonId": rows[0]["lessonId"] if len(rows) == 1 else None,
        "name": name,
        **summary,
        "timeSpent": timespan(sum(lesson.ticks for lesson in lessons)),
        "dateStarted": _extreme(min, rows, "dateStarted"),
        "dateCompleted": _extreme(max, rows, "dateCompleted") if summary["status"] == 3 else None,
        "lessonEnrollmentIds": [row["id"] for row in rows],
    }


def summarize(lessons: Sequence[LessonState]) -> Row:
    """Status, progress and score of several lessons together."""
    rows = [lesson.row for lesson in lessons]
    statuses = {row["status"] for row in rows}
    scores = [row["score"] for row in rows if row["score"] is not None]
    pending = statuses & _AWAITING
    if statuses == {3}:
        status = 3
    elif statuses <= {3, 5}:
        status = 5
    elif pending:
        status = max(pending)
    else:
        status = 0 if statuses == {0} else 1
    return {
        "status": status,
        "progress": round(sum(number(row["progress"]) for row in rows) / len(rows), 2) if rows else 0.0,
        "score": round(sum(scores) / len(scores), 2) if scores else None,
    }


def _extreme(pick: Callable[[Iterable[str]], str], rows: Sequence[Row], name: str) -> str | None:
    stamps = {canonical(row[name]) or "": row[name] for row in rows if row[name]}
    return stamps[pick(stamps)] if stamps else None


def session_row(enrollment: Mapping[str, Any], session_id: str, name: str) -> Row:
    """A session enrollment with the state of its course enrollment; no dateAdded (docs/facts/absorb.md section 5)."""
    said = ("status", "progress", "score", "timeSpent", "dateStarted", "dateCompleted", "dateEdited")
    return _within(enrollment, "session_enrollments") | {
        "id": stable_guid(f"{enrollment['id']}/{session_id}"),
        "sessionId": session_id,
        "name": name,
        **{field: enrollment.get(field) for field in said},
    }
