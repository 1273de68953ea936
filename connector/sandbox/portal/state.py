"""The portal's state: every row, kept as the JSON text that is served, in an in-memory SQLite database."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from connector.sandbox.kit.instants import canonical, naive_text, utc_now
from connector.sandbox.portal.changes import advance
from connector.sandbox.portal.schema import ALL, STREAMS, enrollment_row

Row = dict[str, Any]
Selection = int | Sequence[str]

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_COLUMNS = ("key", "name", "date_edited", "date_added", "json")
_NAME_FIELD = {name: stream.default_sort for name, stream in STREAMS.items()}


class Portal:
    """Users, courses, departments and enrollments of one portal, safe to use from several threads."""

    def __init__(self, *, now: Callable[[], datetime] | None = None, seed: int = 20260101) -> None:
        self.now = now or utc_now
        self.random = random.Random(seed)  # noqa: S311 - repeatable choices, not secrets
        self.lock = threading.RLock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._db.create_function("canonical", 1, canonical, deterministic=True)
        self._db.executescript(sql("tables"))
        self._last_stamp = datetime.min.replace(tzinfo=UTC)
        self._counts: dict[tuple[str, tuple[object, ...]], int] = {}
        self._course_keys: set[str] = set()
        self._served: dict[str, str] = {}
        self._deleted: list[tuple[str, Row]] = []
        self._refused: dict[str, tuple[int, int]] = {}  # course → how often its enrollments are refused yet, status
        # Whether accessDate and dateDue can be set by the API: by the vendor's list they cannot.
        self.keeps_dates = False

    def count(self, stream: str) -> int:
        """How many rows a stream holds."""
        return int(self.select(f"SELECT count(*) FROM {_table(stream)}")[0][0])

    def rows(self, stream: str) -> list[Row]:
        """Every row of a stream exactly as served: the truth that a pull is compared with."""
        return self.documents(f"SELECT json FROM {_table(stream)} ORDER BY seq")

    def users(self) -> list[Row]:
        return self.rows("users")

    def courses(self) -> list[Row]:
        return self.rows("courses")

    def get(self, stream: str, row_id: str) -> Row | None:
        """One row by id, or None."""
        return next(iter(self.documents(f"SELECT json FROM {_table(stream)} WHERE key = ?", (row_id.lower(),))), None)

    def has(self, stream: str, row_id: str) -> bool:
        return bool(self.select(f"SELECT 1 FROM {_table(stream)} WHERE key = ?", (row_id.lower(),)))

    def enrollments_of(
        self, user_id: str, course_id: str, *, where: str = "1 = 1", parameters: Sequence[object] = ()
    ) -> list[Row]:
        """A user's enrollments in a course, the current one first, then the newest history."""
        return self.documents(
            f"SELECT json FROM enrollments WHERE user_id = ? AND course_id = ? AND {where} "
            "ORDER BY is_active DESC, date_added DESC, seq DESC",
            (user_id.lower(), course_id.lower(), *parameters),
        )

    def select(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run one reading statement."""
        with self.lock:
            return self._db.execute(sql, tuple(parameters)).fetchall()

    def documents(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """The rows whose ``json`` a statement selects."""
        return [json.loads(text) for (text,) in self.select(sql, parameters)]

    def page(
        self, stream: str, *, where: str, parameters: Sequence[object], order: str, limit: int, skip: int
    ) -> tuple[int, list[str]]:
        """Return how many rows match and the served texts of one page.

        The inner query walks an index without touching the JSON; CROSS JOIN keeps its order.
        """
        table = _table(stream)
        inner = f"SELECT seq FROM {table} WHERE {where} ORDER BY {order} LIMIT {int(limit)} OFFSET {int(skip)}"
        with self.lock:
            total = self._total(f"SELECT count(*) FROM {table} WHERE {where}", tuple(parameters))
            served = self._served.get(stream, "t.json")
            page = f"SELECT {served} FROM ({inner}) AS p CROSS JOIN {table} AS t ON t.seq = p.seq"
            found = self._db.execute(page, tuple(parameters)).fetchall()
        return total, [text for (text,) in found]

    def alter(self, stream: str, *, leave_out: Iterable[str] = (), empty: Iterable[str] = ()) -> None:
        """From now on lists of this stream leave these fields out, and serve null for those; naming none ends it."""
        removed = "".join(f", '$.{name}'" for name in leave_out)
        emptied = "".join(f", '$.{name}', NULL" for name in empty)
        self._served[stream] = f"json_remove(json_set(t.json{emptied}){removed})"

    def _total(self, sql: str, parameters: tuple[object, ...]) -> int:
        # A long pull asks for the same total with every page; the cache lives until the next change.
        known = self._counts.get((sql, parameters))
        if known is None:
            known = self._counts[sql, parameters] = int(self._db.execute(sql, parameters).fetchone()[0])
        return known

    def me(self, username: str) -> Row | None:
        """The user behind an account: the one of that name, else the first, so that any data has one."""
        ranked = "SELECT json FROM users ORDER BY lower(json_extract(json, '$.username')) = ? DESC, seq LIMIT 1"
        return next(iter(self.documents(ranked, (username.lower(),))), None)

    def new_id(self) -> str:
        """A fresh id, repeatable with the portal's seed."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def stamp(self) -> datetime:
        """The next instant: the clock, but always later than the stamp before, so no two edits collide."""
        with self.lock:
            moment = max(self.now().astimezone(UTC), self._last_stamp + timedelta(microseconds=1))
            self._last_stamp = moment
            return moment

    def load(self, stream: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert or replace many rows verbatim in one transaction."""
        self.write(_upsert(stream), (self._columns(stream, row, None) for row in rows))

    def copy_from(self, other: Portal) -> None:
        """Hold the rows of another portal, in place of what is here."""
        with self.lock, other.lock:
            other._db.backup(self._db)
            self._course_keys = set(other._course_keys)
            self._counts.clear()

    def script(self, sql: str) -> None:
        """Run statements that define tables."""
        with self.lock:
            self._db.executescript(sql)

    def write(self, sql: str, parameters: Iterable[tuple[object, ...]]) -> None:
        """Run one writing statement for each row of parameters, in one transaction."""
        with self.lock:
            self._db.execute("BEGIN")
            try:
                self._db.executemany(sql, parameters)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            self._counts.clear()

    def put_row(self, stream: str, row: Mapping[str, Any], *, course_id: str | None = None) -> None:
        """Insert or replace one row verbatim, malformed or not.

        A row whose own courseId is unusable is listed under ``course_id``, else where its id already was.
        """
        with self.lock:
            self._db.execute(_upsert(stream), self._columns(stream, row, course_id))
            self._counts.clear()

    def edit(
        self, which: Selection, *, changes: Mapping[str, Any] | None = None, same_instant: bool = False
    ) -> list[str]:
        """Edit enrollments (ids, or how many) and bump dateEdited; returns their ids.

        Without ``changes`` each one moves on as a learner would; ``same_instant`` makes a bulk edit.
        """
        with self.lock:
            ids = self._choose(which)
            shared = self.stamp() if same_instant else None
            self.load("enrollments", [self._edited(i, changes, shared or self.stamp()) for i in ids])
            return ids

    def _edited(self, row_id: str, changes: Mapping[str, Any] | None, moment: datetime) -> Row:
        row = self.get("enrollments", row_id)
        if row is None:
            raise KeyError(f"no enrollment {row_id}")
        row.update(advance(row, moment, self.random) if changes is None else changes)
        row["dateEdited"] = _like(row.get("dateEdited"), moment)
        return row

    def patch(self, stream: str, row_id: str, changes: Mapping[str, Any]) -> Row:
        """Change one row of any stream and bump its own dateEdited only."""
        with self.lock:
            row = self.get(stream, row_id)
            if row is None:
                raise KeyError(f"no row {row_id} in {stream}")
            row |= changes
            row["dateEdited"] = naive_text(self.stamp())
            self.put_row(stream, row)
            return row

    def insert(self, count: int) -> list[str]:
        """Enroll ``count`` pairs of user and course that are not enrolled yet; returns the new ids."""
        with self.lock:
            users, courses = self._keys("users"), self._keys("courses")
            return [self.enroll(*self._free_pair(users, courses)) for _ in range(count)]

    def _free_pair(self, users: list[str], courses: list[str]) -> tuple[str, str]:
        for _ in range(1000):
            user, course = self.random.choice(users), self.random.choice(courses)
            if not self.enrollments_of(user, course):
                return user, course
        raise ValueError("every user of the portal is already enrolled in every course")

    def enroll(self, user_id: str, course_id: str, changes: Mapping[str, Any] | None = None) -> str:
        """Add an enrollment; earlier ones of the pair become history (docs/facts/absorb.md section 4)."""
        with self.lock:
            user, course = self.get("users", user_id), self.get("courses", course_id)
            if user is None or course is None:
                raise KeyError(f"no user {user_id} or no course {course_id}")
            current = [e["id"] for e in self.enrollments_of(user_id, course_id) if e.get("isActive")]
            self.edit(current, changes={"isActive": False})
            row_id, now = self.new_id(), naive_text(self.stamp())
            row = enrollment_row(row_id, user, course, dateEdited=now, dateAdded=now, **(changes or {}))
            self.put_row("enrollments", row)
            return row_id

    def delete(self, which: Selection) -> list[str]:
        """Un-enroll (ids, or how many): the rows vanish (docs/facts/absorb.md section 4); returns their ids."""
        with self.lock:
            ids = self._choose(which)
            self._delete("enrollments", "key", ids)
            return ids

    def delete_course(self, course_id: str) -> None:
        """Remove a course and its enrollments; its enrollment list then answers 404."""
        with self.lock:
            self._delete("enrollments", "course_id", [course_id])
            self._delete("courses", "key", [course_id])
            self._course_keys.discard(course_id.lower())

    def remove(self, stream: str, ids: Sequence[str]) -> None:
        """Delete rows of any stream; a user and a course take their enrollments along."""
        with self.lock:
            if stream == "users":
                self._delete("enrollments", "user_id", ids)
            if stream == "courses":
                for course_id in ids:
                    self.delete_course(course_id)
            else:
                self._delete(stream, "key", ids)

    def restore(self) -> list[str]:
        """Put back every row that was deleted, as it was, dateEdited and all; returns their ids."""
        with self.lock:
            found, self._deleted = self._deleted[::-1], []
            for stream, row in found:
                self.put_row(stream, row)
            return [str(row["id"]) for _, row in found]

    def refuse(self, course_id: str, times: int, status: int = 404) -> None:
        """Answer so many requests for the course's enrollments with an error; 404 is that of a role without a view."""
        with self.lock:
            self._refused[course_id.lower()] = (times, status)

    def refusal(self, course_id: str) -> int | None:
        """The status when this request is one of those."""
        with self.lock:
            left, status = self._refused.get(course_id.lower(), (0, 0))
            self._refused[course_id.lower()] = (max(0, left - 1), status)
            return status if left else None

    def _delete(self, stream: str, column: str, values: Sequence[str]) -> None:
        where = f"FROM {_table(stream)} WHERE {column} = ?"
        with self.lock:
            for value in values:
                rows = self.documents(f"SELECT json {where}", (value.lower(),))
                self._deleted += [(stream, row) for row in rows]
            self.write(f"DELETE {where}", [(value.lower(),) for value in values])

    def _choose(self, which: Selection) -> list[str]:
        if not isinstance(which, int):
            return list(which)
        keys = self._keys("enrollments")
        return self.random.sample(keys, min(which, len(keys)))

    def _keys(self, stream: str) -> list[str]:
        return [key for (key,) in self.select(f"SELECT key FROM {_table(stream)} ORDER BY seq")]

    def _columns(self, stream: str, row: Mapping[str, Any], course_id: str | None) -> tuple[object, ...]:
        """The indexed columns of a row, then its text; nonsense in a row never stops it being served."""
        key = str(row.get("id") or uuid.UUID(int=self.random.getrandbits(128))).lower()
        # A row without a readable stamp counts as touched now, so incremental pulls meet it too.
        edited = canonical(row.get("dateEdited")) or canonical(naive_text(self.stamp()))
        name = row.get(_NAME_FIELD[stream])
        common = (key, None if name is None else str(name), edited, canonical(row.get("dateAdded")), encode(dict(row)))
        if stream == "courses":
            self._course_keys.add(key)
        if stream != "enrollments":
            return common
        course = course_id or row.get("courseId")
        if not isinstance(course, str) or course.lower() not in self._course_keys:
            known = self.select("SELECT course_id FROM enrollments WHERE key = ?", (key,))
            course = known[0][0] if known else course
        status, active = row.get("status"), row.get("isActive")
        return (
            *common,
            str(course).lower(),
            str(row.get("userId")).lower(),
            status if isinstance(status, int) else None,
            int(active) if isinstance(active, bool) else None,
        )


def _table(stream: str) -> str:
    """Only known stream names ever reach SQL."""
    return ALL[stream].name


def _upsert(stream: str) -> str:
    more = ("course_id", "user_id", "status", "is_active") if stream == "enrollments" else ()
    return upsert(_table(stream), (*_COLUMNS, *more))


def upsert(table: str, columns: Sequence[str]) -> str:
    """The statement that inserts a row or replaces the one with the same key, which is the first column."""
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT (key) DO UPDATE SET {updates}"


@cache
def sql(name: str, /, **parts: str) -> str:
    """One of the portal's SQL files, its placeholders filled in."""
    text = resources.files("connector.sandbox.portal").joinpath("sql", f"{name}.sql").read_text("utf-8")
    return text.format(**parts)


def _like(previous: object, moment: datetime) -> str:
    """Keep each row's own date style: a row that was served with Z stays so."""
    return naive_text(moment) + ("Z" if isinstance(previous, str) and previous.endswith("Z") else "")
