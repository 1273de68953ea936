"""Lesson, chapter and session enrollments and attempts of a portal: made when first asked for, kept from then on.

A portal of 200,000 enrollments would hold several times as many of these, and most are never read. An enrollment that
was edited since its inside was last made is brought up to date first, so that both always agree.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.sandbox.kit.instants import canonical, moment_of, naive_text, timespan
from connector.sandbox.portal.generator import stable_guid
from connector.sandbox.portal.lessons import (
    LessonState,
    blank_lessons,
    bring_forward,
    chapter_rows,
    number,
    session_row,
    spread,
    summarize,
)
from connector.sandbox.portal.odata import Condition
from connector.sandbox.portal.outlines import Outline, outline_of
from connector.sandbox.portal.schema import DETAILS
from connector.sandbox.portal.state import Portal, Row, encode, sql, upsert

_COLUMNS = (
    "key", "name", "date_edited", "date_added", "json", "enrollment_id", "course_id", "user_id", "item_id",
    "parent_id", "status",
)  # fmt: skip
_WITHOUT_SESSION = {2, 6}
_Line = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Parent:
    """A course enrollment whose inside is being stored; `edited` is its canonical dateEdited."""

    key: str
    course_id: str
    enrollment: Row
    outline: Outline
    edited: str


class DetailStore:
    """The inside of every course enrollment of one portal."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        portal.script("".join(sql("detail_table", name=name) for name in DETAILS) + sql("looked_into"))

    def outline(self, course_id: str) -> Outline:
        """What a course is made of; an empty outline for one that is not there."""
        course = self.portal.get("courses", course_id)
        return Outline() if course is None else outline_of(course)

    def look_into(self, enrollment_id: str) -> None:
        """Make, or bring forward, what lies inside one enrollment."""
        self._refresh("key", enrollment_id)

    def look_into_course(self, course_id: str) -> None:
        """The same for all enrollments of a course."""
        self._refresh("course_id", course_id)

    def rows(self, stream: str, enrollment_id: str, condition: Condition | None = None) -> list[Row]:
        """What an enrollment holds of one stream, in course order."""
        condition = condition or Condition("1 = 1")
        statement = f"SELECT json FROM {DETAILS[stream].name} WHERE enrollment_id = ? AND {condition.sql} ORDER BY seq"
        return self.portal.documents(statement, (enrollment_id.lower(), *condition.parameters))

    def lessons(self, enrollment_id: str) -> list[LessonState]:
        """Lesson enrollments with their attempts."""
        attempts: dict[str, list[Row]] = defaultdict(list)
        for lesson_id, text in self.portal.select(
            "SELECT item_id, json FROM attempts WHERE enrollment_id = ? ORDER BY seq", (enrollment_id.lower(),)
        ):
            attempts[lesson_id].append(json.loads(text))
        rows = self.rows("lesson_enrollments", enrollment_id)
        return [LessonState(row, attempts[row["lessonId"]], changed=False) for row in rows]

    def attempt_place(self, attempt_id: str) -> tuple[str, str] | None:
        """(enrollment id, lesson id) of an attempt."""
        found = self.portal.select("SELECT enrollment_id, item_id FROM attempts WHERE key = ?", (attempt_id.lower(),))
        return (str(found[0][0]), str(found[0][1])) if found else None

    def adopt(self, enrollment_id: str) -> None:
        """Make the inside of an enrollment just made through the API, which has no session until one is chosen."""
        self._refresh("key", enrollment_id, pick_session=False)

    def save_lessons(self, enrollment: Row, lessons: Sequence[LessonState], moment: datetime) -> None:
        """Store changed lessons, then update progress, status and dateEdited of the course enrollment from them."""
        key = str(enrollment["id"]).lower()
        course_id = str(enrollment["courseId"]).lower()
        stamp = canonical(naive_text(moment)) or ""
        self._store(_lesson_lines(_Parent(key, course_id, enrollment, self.outline(course_id), stamp), lessons))
        self.portal.edit([key], changes=_course_changes(enrollment, lessons, moment))
        self.portal.write(
            "INSERT OR REPLACE INTO looked_into SELECT key, date_edited FROM enrollments WHERE key = ?", [(key,)]
        )

    def add_session(self, enrollment_id: str, session_id: str, moment: datetime) -> Row:
        """Put an enrollment into a session; whatever session it was in before is cancelled, and its row vanishes."""
        key = enrollment_id.lower()
        enrollment = self.portal.get("enrollments", key) or {}
        course_id = str(enrollment.get("courseId")).lower()
        for table in ("session_enrollments", "chapter_enrollments"):
            self.portal.write(f"DELETE FROM {table} WHERE enrollment_id = ?", [(key,)])
        outline, stamp = self.outline(course_id), naive_text(moment)
        row = session_row(enrollment, session_id, dict(outline.sessions)[session_id])
        row |= {"dateEnrolled": stamp, "dateEdited": stamp}
        parent = _Parent(key, course_id, enrollment, outline, canonical(stamp) or "")
        self._store(_session_lines(parent, row))
        return row

    def _refresh(self, column: str, value: str, *, pick_session: bool = True) -> None:
        with self.portal.lock:
            stale = self.portal.select(sql("stale", column=column), (value.lower(),))
            outlines: dict[str, Outline] = {}
            lines: list[tuple[str, _Line]] = []
            for key, edited, course_id, text, looked in stale:
                if course_id not in outlines:
                    outlines[course_id] = self.outline(course_id)
                enrollment = {**json.loads(text), "id": key}
                parent = _Parent(key, course_id, enrollment, outlines[course_id], edited)
                lines += self._inside(parent, new=looked is None, pick_session=pick_session)
            self._store(lines)
            self.portal.write(
                "INSERT OR REPLACE INTO looked_into VALUES (?, ?)", [(key, edited) for key, edited, *_ in stale]
            )

    def _inside(self, parent: _Parent, *, new: bool, pick_session: bool) -> Iterable[tuple[str, _Line]]:
        """The lines to store for one enrollment that is new here or was edited since."""
        moment = moment_of(parent.edited) or self.portal.now()
        lessons = blank_lessons(parent.enrollment, parent.outline) if new else self.lessons(parent.key)
        bring_forward(
            parent.enrollment, lessons, spread(parent.enrollment, moment) if new else (lambda *_: (moment, moment))
        )
        yield from _lesson_lines(parent, lessons)
        sessions = parent.outline.sessions
        if not new:
            picked = [(row["sessionId"], row["name"]) for row in self.rows("session_enrollments", parent.key)]
        elif pick_session and sessions and parent.enrollment.get("status") not in _WITHOUT_SESSION:
            picked = [sessions[sum(parent.key.encode()) % len(sessions)]]
        else:
            picked = []
        for session_id, name in picked:
            yield from _session_lines(parent, session_row(parent.enrollment, session_id, name))

    def _store(self, lines: Iterable[tuple[str, _Line]]) -> None:
        by_table: dict[str, list[_Line]] = defaultdict(list)
        for table, line in lines:
            by_table[table].append(line)
        for table, found in by_table.items():
            self.portal.write(upsert(table, _COLUMNS), found)


def _lesson_lines(parent: _Parent, lessons: Sequence[LessonState]) -> Iterable[tuple[str, _Line]]:
    """Changed lessons, their attempts, and the chapters that sum them up."""
    touched = {lesson.row["chapterId"] for lesson in lessons if lesson.changed}
    for lesson in lessons:
        if lesson.changed:
            lesson_id = lesson.row["lessonId"]
            yield "lesson_enrollments", _line(parent, lesson.row, lesson_id, parent_id=lesson.row["chapterId"])
            for attempt in lesson.attempts:
                yield "attempts", _line(parent, attempt, lesson_id)
    for chapter in chapter_rows(parent.enrollment, parent.outline, lessons) if touched else ():
        if chapter["chapterId"] in touched:
            rows = [lesson.row for lesson in lessons if lesson.row["chapterId"] == chapter["chapterId"]]
            latest = max(canonical(row["dateEdited"]) or parent.edited for row in rows)
            yield "chapter_enrollments", _line(parent, chapter, chapter["chapterId"], edited=latest)


def _session_lines(parent: _Parent, row: Row) -> Iterable[tuple[str, _Line]]:
    """A session enrollment, and the chapter enrollment that names the session."""
    chapter = _session_chapter(row)
    yield "session_enrollments", _line(parent, row, row["sessionId"])
    yield "chapter_enrollments", _line(parent, chapter, chapter["chapterId"], edited=canonical(row["dateEdited"]))


def _session_chapter(session: Row) -> Row:
    """The chapter enrollment of a learner in a session: where an instructor-led course has its `sessionId`.

    Reasoned: the vendor lists the field and does not say when it is filled (docs/facts/absorb.md section 5).
    """
    told = {name: value for name, value in session.items() if name != "dateEdited"}
    chapter_id = stable_guid(f"{session['sessionId']}/chapter")
    own = {"id": stable_guid(f"{session['id']}/chapter"), "chapterId": chapter_id, "lessonEnrollmentIds": []}
    return DETAILS["chapter_enrollments"].blank | told | own


def _line(parent: _Parent, row: Row, item_id: str, *, parent_id: str | None = None, edited: str | None = None) -> _Line:
    """A row of one of the four tables, in the order of ``_COLUMNS``; without a stamp of its own it has its parent's."""
    status = row.get("status")
    return (
        str(row["id"]).lower(),
        row.get("name"),
        canonical(row.get("dateEdited")) or edited or parent.edited,
        canonical(row.get("dateAdded")),
        encode(row),
        parent.key,
        parent.course_id,
        str(parent.enrollment.get("userId")).lower(),
        item_id,
        parent_id,
        status if isinstance(status, int) else None,
    )


def _course_changes(enrollment: Row, lessons: Sequence[LessonState], moment: datetime) -> dict[str, Any]:
    """The changes of a course enrollment that follow from its lessons. A completed course stays completed."""
    summary = summarize(lessons)
    ticks = max(int(number(enrollment.get("timeSpentTicks"))), sum(lesson.ticks for lesson in lessons))
    begun = [lesson.row["dateStarted"] for lesson in lessons if lesson.row["dateStarted"]]
    changes: dict[str, Any] = {
        "timeSpentTicks": ticks,
        "timeSpent": timespan(ticks),
        "dateStarted": enrollment.get("dateStarted") or min(begun, default=None),
        "score": enrollment.get("score") if summary["score"] is None else summary["score"],
    }
    if enrollment.get("status") == 3:
        return changes
    changes |= {"progress": summary["progress"], "status": summary["status"] or 1}
    if summary["status"] == 3:
        ends = [row["dateCompleted"] for row in (lesson.row for lesson in lessons) if row["dateCompleted"]]
        changes["dateCompleted"] = max(ends, key=lambda end: canonical(end) or "", default=naive_text(moment))
    return changes
