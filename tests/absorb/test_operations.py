"""All 27 operations of the vendor's enrollment section: each has a method, a sandbox route and a round trip here."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from connector.absorb.api import AbsorbApi
from connector.absorb.api.calls import guid
from connector.absorb.api.resources import AttemptResult, AttemptStatus, CourseEnrollmentUpdate, EnrollmentStatus
from connector.absorb.client import AbsorbClient
from connector.absorb.dialects import Dialects
from connector.errors import BadRequestError, NotFoundError, ProtocolError, ServerFaultError, UnreachableError
from connector.sandbox.portal.app import ROUTES
from connector.sandbox.portal.outlines import Outline, outline_of
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.streams import DETAIL_STREAMS
from connector.streams.details import Attempt, LessonEnrollment, placed
from connector.streams.rows import AbsorbRow, Enrollment
from connector.warehouse.schema import source_columns

# What the vendor's page and docs/facts/absorb.md section 1 say of each operation, in the order of the page.
PAGE = Path(__file__).resolve().parents[1] / "data" / "absorb_operations.csv"
with PAGE.open(encoding="utf-8", newline="") as lines:
    OPERATIONS = {row["name"]: row for row in csv.DictReader(lines)}
NOBODY = "00000000-0000-4000-8000-000000000000"
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)

Trip = Callable[["World", AbsorbApi], Awaitable[None]]
TRIPS: dict[str, Trip] = {}


def trip(name: str) -> Callable[[Trip], Trip]:
    """Register the round trip of one operation."""

    def register(function: Trip) -> Trip:
        assert name in OPERATIONS, f"no operation {name}"
        assert name not in TRIPS
        TRIPS[name] = function
        return function

    return register


class World:
    """A portal and what a test needs to find in it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.portal = sandbox.portal
        self.rows = self.portal.rows("enrollments")
        self.outlines: dict[str, Outline] = {course["id"]: outline_of(course) for course in self.portal.courses()}

    def one(self, *statuses: int, sessions: bool = False) -> dict[str, Any]:
        """A current enrollment in a course with lessons, or with sessions."""
        for row in self.rows:
            outline = self.outlines[row["courseId"]]
            fits = outline.sessions and not outline.multi_session if sessions else len(outline.lessons) > 1
            if row["isActive"] and fits and row["status"] in (statuses or {3}) and not row["accessDate"]:
                return row
        raise AssertionError(f"no enrollment with status {statuses}")

    def pair(self, *statuses: int, sessions: bool = False) -> tuple[str, str]:
        """(user id, course id) of such an enrollment."""
        row = self.one(*statuses, sessions=sessions)
        return row["userId"], row["courseId"]

    def stranger(self, course_id: str) -> str:
        """A user who is not in the course."""
        known = {row["userId"] for row in self.rows if row["courseId"] == course_id}
        return next(user["id"] for user in self.portal.users() if user["id"] not in known)

    def ilc(self) -> tuple[str, list[str]]:
        """An instructor-led course and its sessions, more than one where there is such a course."""
        found = [
            (c, [s for s, _ in o.sessions]) for c, o in self.outlines.items() if o.sessions and not o.multi_session
        ]
        return max(found, key=lambda pair: len(pair[1]))

    def me(self) -> str:
        found = self.portal.me("integration.admin")
        assert found is not None
        return str(found["id"])


async def collect(rows: AsyncIterator[Any]) -> list[Any]:
    return [row async for row in rows]


def edited(world: World, enrollment_id: str) -> Any:
    return (world.portal.get("enrollments", enrollment_id) or {})["dateEdited"]


def _ids(path: str) -> list[str]:
    """The names of the ids in a path, in order."""
    return re.findall(r"{(\w+)}", path)


def _shape(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path).lower()


# -- the walk over the page --------------------------------------------------------------------------------------------


class Asked(Exception):  # noqa: N818 - no error: it ends a call that was only to be looked at
    """What a method asked of the client."""

    def __init__(self, method: str, path: str, params: dict[str, Any], json: Any, repeatable: bool) -> None:
        self.method, self.path, self.params, self.json, self.repeatable = method, path, params, json, repeatable


class Recorder(AbsorbClient):
    """Stands in for the client: notes the call and ends it."""

    def __init__(self) -> None:
        self.dialects = Dialects()

    async def call(
        self, method: str, path: str, *, params: dict[str, Any], json: Any = None, repeatable: bool = True
    ) -> None:
        raise Asked(method, path, params, json, repeatable)


# What a method may be given besides the ids of its path: the vendor's name → our name and a value.
QUERY: dict[str, tuple[str, Any]] = {
    "status": ("status", 3),
    "modifiedSince": ("modified_since", LONG_AGO),
    "_filter": ("where", "status eq 3"),
    "reEnroll": ("re_enroll", True),
    "cancelSession": ("cancel_session", True),
    "userIds": ("user_ids", [NOBODY]),
    "courseIds": ("course_ids", [NOBODY]),
}
BODIES: dict[str, Any] = {
    "change": CourseEnrollmentUpdate(course_id=NOBODY),
    "result": AttemptResult(status=AttemptStatus.FAILED),
    "enrollment_ids": [NOBODY],
}


def asked(name: str, **changes: Any) -> tuple[Asked, dict[str, str]]:
    """What the method asks when it is given everything that the page lists, and the ids that it was given."""
    operation = OPERATIONS[name]
    listed = [*operation["query"].split(), *operation["deprecated"].split()]
    function = attrgetter(name)(AbsorbApi(Recorder()))  # type: ignore[arg-type]
    ids = {part: f"{number:08d}-0000-4000-8000-000000000000" for number, part in enumerate(_ids(operation["path"]))}
    given: dict[str, Any] = dict(QUERY[part] for part in listed if part in QUERY)
    given |= {part: value for part, value in BODIES.items() if part in inspect.signature(function).parameters}
    given |= {("enrollment_id" if part == "id" else part.replace("Id", "_id")): ids[part] for part in ids}
    given |= changes

    async def act() -> None:
        answer = function(**given)
        await (collect(answer) if isinstance(answer, AsyncIterator) else answer)

    with pytest.raises(Asked) as caught:
        asyncio.run(act())
    return caught.value, ids


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_asked_as_the_page_has_it(name: str) -> None:
    operation = OPERATIONS[name]
    found, ids = asked(name)
    assert (found.method, found.path) == (operation["method"], operation["path"].format(**ids))
    listed = {*operation["query"].split(), *operation["deprecated"].split()} - {"limit", "offset"}
    assert set(found.params) == listed
    assert found.repeatable == (operation["method"] == "GET")
    assert bool(found.json) == (name.split(".")[1] in {"create_or_update", "unenroll", "finish", "finish_in_lesson"})
    assert inspect.getdoc(attrgetter(name)(AbsorbApi(Recorder())))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_takes_what_the_page_does_not_list(name: str) -> None:
    listed = {*OPERATIONS[name]["query"].split(), *OPERATIONS[name]["deprecated"].split()}
    for part in QUERY.keys() - listed:
        option, value = QUERY[part]
        with pytest.raises(TypeError, match="unexpected keyword"):
            asked(name, **{option: value})


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if _ids(operation["path"])])
def test_an_id_that_is_no_guid_is_refused_before_any_call(name: str) -> None:
    for part in _ids(OPERATIONS[name]["path"]):
        with pytest.raises(ValueError, match="must be a GUID"):
            asked(name, **{"enrollment_id" if part == "id" else part.replace("Id", "_id"): "../users"})


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_a_route_and_a_round_trip(name: str) -> None:
    operation = OPERATIONS[name]
    assert name in TRIPS, "no round-trip test"
    served = {(verb, _shape(path)) for path, functions in ROUTES.items() for verb in functions}
    assert (operation["method"], _shape(operation["path"])) in served, "no sandbox route"


def test_there_are_27_operations() -> None:
    assert len(OPERATIONS) == len({(o["method"], o["path"]) for o in OPERATIONS.values()}) == 27


def test_the_client_has_no_method_besides(api: AbsorbApi) -> None:
    groups = {name: group for name, group in vars(api).items() if not name.startswith("_")}
    public = {f"{name}.{m}" for name, group in groups.items() for m in dir(group) if not m.startswith("_")}
    assert public == set(OPERATIONS)


# -- round trips over HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=300, courses=8, rate_limit=0, salesforce=False)) as sandbox:
        yield sandbox


@pytest.fixture
def world(running: Sandbox) -> World:
    """As it stands now: the trips share one portal and leave traces."""
    return World(running)


@pytest.fixture
def portal_settings(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in running.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", "5000")
    monkeypatch.setenv("LEARNSYNC_ABSORB__BURST", "5000")
    return load_settings()


@pytest.fixture
def api(portal_settings: Settings) -> AbsorbApi:
    return AbsorbApi(AbsorbClient.of(portal_settings), page_size=7)


@pytest.fixture
def go(portal_settings: Settings) -> Callable[[Callable[[AbsorbApi], Awaitable[None]]], None]:
    """Run something with an open client."""

    def run(act: Callable[[AbsorbApi], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with AbsorbClient.of(portal_settings) as client:
                # Small pages, so that each walk takes several.
                await act(AbsorbApi(client, page_size=7))

        asyncio.run(whole())

    return run


@pytest.mark.parametrize("name", OPERATIONS)
def test_round_trip(name: str, world: World, go: Any, running: Sandbox) -> None:
    async def act(api: AbsorbApi) -> None:
        await TRIPS[name](world, api)

    go(act)
    operation = OPERATIONS[name]
    called = httpx.get(f"{running.absorb_url}/_sandbox/state").json()["requests"]
    assert any(call.split(" ")[0] == operation["method"] and _shape(call.split(" ")[1]) == _shape(operation["path"])
               for call in called)  # fmt: skip


@trip("sessions.of_user")
async def _(world: World, api: AbsorbApi) -> None:
    parent = world.one(3, sessions=True)
    (row,) = await api.sessions.of_user(parent["userId"], parent["courseId"])
    assert (row.course_enrollment_id, row.user_id, row.status) == (parent["id"], parent["userId"], 3)
    assert row.session_id in dict(world.outlines[parent["courseId"]].sessions)
    assert (row.time_spent, row.full_name, row.score) == (parent["timeSpent"], parent["fullName"], parent["score"])
    assert await api.sessions.of_user(parent["userId"], parent["courseId"], status=1) == []
    assert await api.sessions.of_user(parent["userId"], parent["courseId"], modified_since=LONG_AGO) == [row]
    now = datetime.now(UTC)
    assert await api.sessions.of_user(parent["userId"], parent["courseId"], modified_since=now) == []


@trip("sessions.get")
async def _(world: World, api: AbsorbApi) -> None:
    user, course = world.pair(3, sessions=True)
    (row,) = await api.sessions.of_user(user, course)
    assert row.session_id is not None
    assert await api.sessions.get(user, course, row.session_id, status=3) == row
    with pytest.raises(NotFoundError):
        await api.sessions.get(user, course, NOBODY)


@trip("sessions.enroll")
async def _(world: World, api: AbsorbApi) -> None:
    course, sessions = world.ilc()
    user = world.stranger(course)
    made = await api.sessions.enroll(user, course, sessions[0])
    assert (made.user_id, made.course_id, made.session_id) == (user, course, sessions[0])
    assert (await api.enrollments.get(made.enrollment_id)).status == 0
    assert await api.sessions.enroll(user, course, sessions[0]) == made
    again = await api.sessions.enroll(user, course, sessions[0], re_enroll=True)
    assert again.enrollment_id != made.enrollment_id
    assert (await api.enrollments.get(made.enrollment_id)).is_active is False
    if len(sessions) > 1:
        with pytest.raises(BadRequestError):
            await api.sessions.enroll(user, course, sessions[1])
        moved = await api.sessions.enroll(user, course, sessions[1], cancel_session=True)
        assert moved.enrollment_id == again.enrollment_id
        assert [row.session_id for row in await api.sessions.of_user(user, course)] == [sessions[1]]
    with pytest.raises(NotFoundError):
        await api.sessions.enroll(user, course, NOBODY)


@trip("sessions.of_session")
async def _(world: World, api: AbsorbApi) -> None:
    course, sessions = world.ilc()
    parents = {row["id"] for row in world.rows if row["courseId"] == course}
    found = [row for session in sessions for row in await collect(api.sessions.of_session(course, session))]
    assert len({row.id for row in found}) == len(found) > 0
    assert {row.course_enrollment_id for row in found} <= parents
    complete = [r for s in sessions for r in await collect(api.sessions.of_session(course, s, status=3))]
    assert {row.id for row in complete} == {row.id for row in found if row.status == 3}
    by_filter = await collect(api.sessions.of_session(course, sessions[0], where="status eq 3"))
    assert {row.id for row in by_filter} == {row.id for row in complete if row.session_id == sessions[0]}
    now = datetime.now(UTC) + timedelta(hours=1)
    assert await collect(api.sessions.of_session(course, sessions[0], modified_since=now)) == []


@trip("chapters.of_user")
async def _(world: World, api: AbsorbApi) -> None:
    parent = world.one(3)
    rows = await api.chapters.of_user(parent["userId"], parent["courseId"])
    assert [row.chapter_id for row in rows] == [c for c, _ in world.outlines[parent["courseId"]].chapters]
    assert {(row.course_enrollment_id, row.status, row.progress) for row in rows} == {(parent["id"], 3, 100.0)}
    lessons = await api.lessons.of_user(parent["userId"], parent["courseId"])
    assert [i for row in rows for i in row.lesson_enrollment_ids] == [lesson.id for lesson in lessons]
    assert await api.chapters.of_user(parent["userId"], parent["courseId"], status=0) == []
    later = datetime.now(UTC) + timedelta(hours=1)
    assert await api.chapters.of_user(parent["userId"], parent["courseId"], modified_since=later) == []
    user, course = world.pair(0)
    assert {(row.status, row.progress, row.date_started) for row in await api.chapters.of_user(user, course)} == {
        (0, 0.0, None)
    }


@trip("chapters.get")
async def _(world: World, api: AbsorbApi) -> None:
    user, course = world.pair(3)
    first = (await api.chapters.of_user(user, course))[0]
    assert first.chapter_id is not None
    assert await api.chapters.get(user, course, first.chapter_id) == first
    with pytest.raises(NotFoundError):
        await api.chapters.get(user, course, first.chapter_id, status=0)


@trip("enrollments.create")
async def _(world: World, api: AbsorbApi) -> None:
    _, course = world.pair(3)
    user = world.stranger(course)
    made = await api.enrollments.create(user, course)
    assert (made.user_id, made.course_id) == (user, course)
    assert (await api.enrollments.get(made.enrollment_id)).status == 0
    assert await api.enrollments.create(user, course) == made
    again = await api.enrollments.create(user, course, re_enroll=True)
    assert again.enrollment_id != made.enrollment_id
    assert (await api.enrollments.get(made.enrollment_id)).is_active is False
    with pytest.raises(NotFoundError):
        await api.enrollments.create(NOBODY, course)


@trip("enrollments.of_user_in_course")
async def _(world: World, api: AbsorbApi) -> None:
    parent = world.one(3)
    found = await api.enrollments.of_user_in_course(parent["userId"].upper(), parent["courseId"])
    assert (found.id, found.status, found.progress) == (parent["id"], 3, 100.0)
    with pytest.raises(NotFoundError):
        await api.enrollments.of_user_in_course(NOBODY, parent["courseId"])


@trip("enrollments.create_or_update")
async def _(world: World, api: AbsorbApi) -> None:
    _, course = world.pair(3)
    user = world.stranger(course)
    made = await api.enrollments.create_or_update(user, CourseEnrollmentUpdate(course_id=course))
    when = datetime(2026, 3, 2, 15, 4, 5, tzinfo=UTC)
    change = CourseEnrollmentUpdate(course_id=course, status=EnrollmentStatus.COMPLETE, score=88.5, date_completed=when)
    assert await api.enrollments.create_or_update(user, change) == made
    row = await api.enrollments.get(made.enrollment_id)
    assert (row.status, row.score, row.progress, row.date_completed) == (3, 88.5, 100.0, when)
    assert {lesson.status for lesson in await api.lessons.of_user(user, course)} == {3}
    again = await api.enrollments.create_or_update(user, CourseEnrollmentUpdate(course_id=course), re_enroll=True)
    assert again.enrollment_id != made.enrollment_id


@trip("enrollments.of_user")
async def _(world: World, api: AbsorbApi) -> None:
    user = world.one(3)["userId"]
    truth = {row["id"]: row for row in world.rows if row["userId"] == user}
    found = await collect(api.enrollments.of_user(user))
    assert sorted(row.id for row in found) == sorted(truth)
    assert {row.id for row in await collect(api.enrollments.of_user(user, status=3))} == {
        key for key, row in truth.items() if row["status"] == 3
    }
    where = "isActive eq false"
    assert {row.id for row in await collect(api.enrollments.of_user(user, where=where))} == {
        key for key, row in truth.items() if not row["isActive"]
    }


@trip("enrollments.unenroll")
async def _(world: World, api: AbsorbApi) -> None:
    _, course = world.pair(3)
    user = world.stranger(course)
    made = await api.enrollments.create(user, course)
    lesson = (await api.lessons.of_user(user, course))[0]
    started = await api.attempts.start(user, course, str(lesson.lesson_id))
    with pytest.raises(NotFoundError):
        await api.enrollments.unenroll([made.enrollment_id, NOBODY])
    gone = await api.enrollments.unenroll([made.enrollment_id])
    assert gone.validations == []
    with pytest.raises(NotFoundError):
        await api.enrollments.get(made.enrollment_id)
    with pytest.raises(NotFoundError):
        await api.lessons.of_user(user, course)
    with pytest.raises(NotFoundError):
        await api.attempts.finish(started.attempt_id, AttemptResult(status=AttemptStatus.COMPLETE))
    listed = await collect(api.lessons.of_lesson(course, str(lesson.lesson_id)))
    assert user not in {row.user_id for row in listed}


@trip("enrollments.get")
async def _(world: World, api: AbsorbApi) -> None:
    parent = world.one(3)
    assert (await api.enrollments.get(parent["id"])).course_name == parent["courseName"]
    with pytest.raises(NotFoundError):
        await api.enrollments.get(NOBODY)


@trip("enrollments.of_course")
async def _(world: World, api: AbsorbApi) -> None:
    course = world.one(3)["courseId"]
    truth = {row["id"] for row in world.rows if row["courseId"] == course}
    found = await collect(api.enrollments.of_course(course))
    assert len(found) == len(truth) > 7
    assert {row.id for row in found} == truth
    middle = sorted(row.date_edited for row in found)[len(found) // 2]
    since = await collect(api.enrollments.of_course(course, modified_since=middle))
    assert {row.id for row in found if row.date_edited > middle} <= {row.id for row in since} < truth
    with pytest.raises(NotFoundError):
        await collect(api.enrollments.of_course(NOBODY))
    with pytest.raises(BadRequestError):
        await collect(api.enrollments.of_course(course, where="nonsense eq 1"))


@trip("enrollments.of_course_for_user")
async def _(world: World, api: AbsorbApi) -> None:
    parent = world.one(3)
    found = await api.enrollments.of_course_for_user(parent["courseId"], parent["userId"], status=3)
    assert found.id == parent["id"]
    with pytest.raises(NotFoundError):
        await api.enrollments.of_course_for_user(parent["courseId"], parent["userId"], status=0)


@trip("enrollments.bulk")
async def _(world: World, api: AbsorbApi) -> None:
    users = [user["id"] for user in world.portal.users()]
    course = world.one(3)["courseId"]
    found = await api.enrollments.bulk(users, [course])  # more users than one URL carries
    assert sorted(row.id for row in found) == sorted(row["id"] for row in world.rows if row["courseId"] == course)
    of_one = await api.enrollments.bulk(users[:1], [])
    assert {row.id for row in of_one} == {row["id"] for row in world.rows if row["userId"] == users[0]}
    with pytest.raises(ValueError, match="learners"):
        await api.enrollments.bulk([], [])


@trip("lessons.of_lesson")
async def _(world: World, api: AbsorbApi) -> None:
    course = world.one(3)["courseId"]
    lesson = world.outlines[course].lessons[0]
    parents = {row["id"] for row in world.rows if row["courseId"] == course}
    found = await collect(api.lessons.of_lesson(course, lesson.lesson_id))
    assert {row.course_enrollment_id for row in found} == parents
    assert {(row.lesson_id, row.chapter_id, row.name) for row in found} == {
        (lesson.lesson_id, lesson.chapter_id, lesson.name)
    }
    complete = await collect(api.lessons.of_lesson(course, lesson.lesson_id, where="status eq 3"))
    assert {row.id for row in complete} == {row.id for row in found if row.status == 3}
    with pytest.raises(NotFoundError):
        await collect(api.lessons.of_lesson(course, NOBODY))


@trip("lessons.get_in_chapter")
async def _(world: World, api: AbsorbApi) -> None:
    user, course = world.pair(3)
    row = (await api.lessons.of_user(user, course))[0]
    assert await api.lessons.get_in_chapter(user, course, str(row.chapter_id), str(row.lesson_id)) == row
    with pytest.raises(NotFoundError):
        await api.lessons.get_in_chapter(user, course, NOBODY, str(row.lesson_id))


@trip("lessons.of_user")
async def _(world: World, api: AbsorbApi) -> None:
    for status in (0, 1, 3):
        parent = world.one(status)
        rows = await api.lessons.of_user(parent["userId"], parent["courseId"])
        assert [row.lesson_id for row in rows] == [o.lesson_id for o in world.outlines[parent["courseId"]].lessons]
        assert {row.course_enrollment_id for row in rows} == {parent["id"]}
        mean = sum(row.progress or 0 for row in rows) / len(rows)
        assert mean == pytest.approx(parent["progress"] or 0, abs=0.02)
    done = await api.lessons.of_user(parent["userId"], parent["courseId"], status=3, modified_since=LONG_AGO)
    assert done == rows
    assert {row.attempt_count for row in rows} == {1}


@trip("lessons.get")
async def _(world: World, api: AbsorbApi) -> None:
    user, course = world.pair(1)
    row = (await api.lessons.of_user(user, course))[-1]
    assert await api.lessons.get(user, course, str(row.lesson_id)) == row
    with pytest.raises(NotFoundError):
        await api.lessons.get(user, course, row.id)  # the enrollment's id is not the lesson's


@trip("lessons.of_chapter")
async def _(world: World, api: AbsorbApi) -> None:
    user, course = world.pair(3)
    rows = await api.lessons.of_user(user, course)
    chapters = list(dict.fromkeys(str(row.chapter_id) for row in rows))
    by_chapter = [row for chapter in chapters for row in await api.lessons.of_chapter(user, course, chapter)]
    assert by_chapter == rows
    with pytest.raises(NotFoundError):
        await api.lessons.of_chapter(user, course, NOBODY)


@trip("attempts.of_lesson")
async def _(world: World, api: AbsorbApi) -> None:
    parent = world.one(3)
    lessons = await api.lessons.of_user(parent["userId"], parent["courseId"])
    spent = 0
    for lesson in lessons:
        rows = await api.attempts.of_lesson(parent["userId"], parent["courseId"], str(lesson.lesson_id))
        assert len(rows) == lesson.attempt_count
        assert {(row.user_id, row.course_id, row.lesson_id) for row in rows} == {
            (parent["userId"], parent["courseId"], lesson.lesson_id)
        }
        assert rows[-1].status == 3
        assert rows[-1].completion_date == lesson.date_completed
        spent += sum(row.time_spent_ticks or 0 for row in rows)
    assert spent == parent["timeSpentTicks"]
    with pytest.raises(NotFoundError):
        await api.attempts.of_lesson(parent["userId"], parent["courseId"], lessons[0].id)


@trip("attempts.start")
async def _(world: World, api: AbsorbApi) -> None:
    parent = world.one(0)
    user, course = parent["userId"], parent["courseId"]
    lesson = str((await api.lessons.of_user(user, course))[0].lesson_id)
    before = edited(world, parent["id"])
    started = await api.attempts.start(user, course, lesson)
    assert (started.user_id, started.course_id) == (user, course)
    (attempt,) = await api.attempts.of_lesson(user, course, lesson)
    assert (attempt.id, attempt.status, attempt.completion_date) == (started.attempt_id, 1, None)
    row = await api.lessons.get(user, course, lesson)
    assert (row.status, row.attempt_count, row.last_attempt) == (1, 1, attempt.start_date)
    course_row = await api.enrollments.get(parent["id"])
    assert (course_row.status, course_row.date_started) == (1, attempt.start_date)
    assert edited(world, parent["id"]) > before
    with pytest.raises(NotFoundError):
        await api.attempts.start(user, course, NOBODY)
    pending = world.one(2)
    closed = (await api.lessons.of_user(pending["userId"], pending["courseId"]))[0]
    with pytest.raises(BadRequestError):
        await api.attempts.start(pending["userId"], pending["courseId"], str(closed.lesson_id))


@trip("attempts.finish")
async def _(world: World, api: AbsorbApi) -> None:
    _, course = world.pair(3)
    user = world.stranger(course)
    parent = (await api.enrollments.create(user, course)).enrollment_id
    lessons = [str(row.lesson_id) for row in await api.lessons.of_user(user, course)]
    for number, lesson in enumerate(lessons, 1):
        moment = datetime.now(UTC)
        attempt = (await api.attempts.start(user, course, lesson)).attempt_id
        result = AttemptResult(
            status=AttemptStatus.COMPLETE, score=90.0, completion_date=datetime.now(UTC) + timedelta(minutes=5)
        )
        assert (await api.attempts.finish(attempt, result)).attempt_id == attempt
        row = await api.lessons.get(user, course, lesson, modified_since=moment)
        assert (row.status, row.progress, row.score, row.date_completed) == (3, 100.0, 90.0, result.completion_date)
        assert row.time_spent is not None
        assert row.time_spent.startswith("00:05:00")
        whole = await api.enrollments.get(parent)
        assert whole.progress == pytest.approx(100 * number / len(lessons), abs=0.01)
        assert (whole.status, whole.score) == (3 if number == len(lessons) else 1, 90.0)
        assert whole.date_edited > moment
    assert {row.status for row in await api.chapters.of_user(user, course)} == {3}
    assert whole.date_completed == result.completion_date
    with pytest.raises(NotFoundError):
        await api.attempts.finish(NOBODY, result)


@trip("attempts.finish_in_lesson")
async def _(world: World, api: AbsorbApi) -> None:
    _, course = world.pair(3)
    user = world.stranger(course)
    await api.enrollments.create(user, course)
    lesson = str((await api.lessons.of_user(user, course))[0].lesson_id)
    attempt = (await api.attempts.start(user, course, lesson)).attempt_id
    failed = AttemptResult(status=AttemptStatus.FAILED, score=12)
    with pytest.raises(NotFoundError):
        await api.attempts.finish_in_lesson(NOBODY, course, lesson, attempt, failed)
    await api.attempts.finish_in_lesson(user, course, lesson, attempt, failed)
    row = await api.lessons.get(user, course, lesson)
    assert (row.status, row.failures, row.attempt_count, row.score) == (5, 1, 1, 12.0)
    second = (await api.attempts.start(user, course, lesson)).attempt_id
    await api.attempts.finish_in_lesson(user, course, lesson, second, AttemptResult(status=AttemptStatus.COMPLETE))
    row = await api.lessons.get(user, course, lesson)
    assert (row.status, row.failures, row.attempt_count) == (3, 1, 2)


@trip("mine.get")
async def _(world: World, api: AbsorbApi) -> None:
    course = world.one(3)["courseId"]
    await api.mine.enroll(course)
    mine = await api.mine.get(course)
    assert (mine.user_id, mine.course_id) == (world.me(), course)
    assert mine == await api.enrollments.of_user_in_course(world.me(), course)
    with pytest.raises(NotFoundError):
        await api.mine.get(NOBODY)


@trip("mine.enroll")
async def _(world: World, api: AbsorbApi) -> None:
    made = await api.mine.enroll(world.one(3)["courseId"])
    assert made.user_id == world.me()
    assert (await api.enrollments.get(made.enrollment_id)).user_id == world.me()
    with pytest.raises(NotFoundError):
        await api.mine.enroll(NOBODY)


@trip("mine.enrollments")
async def _(world: World, api: AbsorbApi) -> None:
    made = await api.mine.enroll(world.one(3)["courseId"])
    found = await collect(api.mine.enrollments())
    assert made.enrollment_id in {row.id for row in found}
    assert {row.user_id for row in found} == {world.me()}
    assert await collect(api.mine.enrollments(modified_since=datetime.now(UTC) + timedelta(hours=1))) == []


# -- arguments, answers and repeats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "../users", "x", "12345678-1234-1234-1234-12345678901g", None, 7])
def test_what_is_no_guid_never_reaches_a_path(value: Any) -> None:
    with pytest.raises(ValueError, match="user id must be a GUID"):
        guid(value, "user id")


def test_a_body_carries_only_what_was_set() -> None:
    assert CourseEnrollmentUpdate(course_id=NOBODY, credits=None).body() == {"courseId": NOBODY, "credits": None}
    local = datetime(2026, 1, 1, 12, tzinfo=UTC).astimezone()
    body = AttemptResult(status=AttemptStatus.FAILED, start_date=local).body()
    assert body == {"status": 5, "startDate": "2026-01-01T12:00:00Z"}
    with pytest.raises(ValueError, match="timezone"):
        AttemptResult(status=AttemptStatus.FAILED, start_date=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="Extra"):
        CourseEnrollmentUpdate(course_id=NOBODY, fullName="not settable")  # type: ignore[call-arg]


@pytest.mark.parametrize(("served", "count"), [(2, 2), ([{"id": NOBODY}], 1), (None, None)])
def test_attempts_of_a_lesson_may_be_a_number_or_a_list(served: Any, count: int | None) -> None:
    row = LessonEnrollment.model_validate({"id": NOBODY, "userId": NOBODY, "status": 1, "attempts": served})
    assert row.attempt_count == count


def test_an_attempt_is_told_where_it_stands() -> None:
    (row,) = placed([{"id": NOBODY, "status": 3}], "u" * 3, "c" * 3, "l" * 3)
    assert (row["userId"], row["courseId"], row["lessonId"]) == ("uuu", "ccc", "lll")
    assert Attempt.model_validate({"id": NOBODY, "status": 3}).user_id is None


@pytest.mark.parametrize("model", DETAIL_STREAMS.values(), ids=lambda model: model.stream)
def test_every_detail_field_has_a_warehouse_column(model: type[AbsorbRow]) -> None:
    assert {column.name for column in source_columns(model)} == set(model.model_fields)


URL = "https://portal.example"
CREATE = f"/users/{NOBODY}/enrollments/{NOBODY}"


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.MockRouter]:
    monkeypatch.setenv("LEARNSYNC_ABSORB__BASE_URL", URL)
    for name in ("API_KEY", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"LEARNSYNC_ABSORB__{name}", f"made-up-{name.lower()}")
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds: real(0))
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        router.post("/authenticate").respond(json="token")
        yield router


CREATED = httpx.Response(201, json={"enrollmentId": NOBODY, "courseId": NOBODY, "userId": NOBODY})


@pytest.mark.parametrize(
    ("first", "error", "calls"),
    [
        (httpx.Response(429), None, 2),
        (httpx.Response(401), None, 2),
        (httpx.ConnectError("refused"), None, 2),
        (httpx.ConnectTimeout("slow"), None, 2),
        (httpx.ReadTimeout("slow"), UnreachableError, 1),
        (httpx.ReadError("reset"), UnreachableError, 1),
        (httpx.RemoteProtocolError("cut"), UnreachableError, 1),
        (httpx.WriteError("reset"), UnreachableError, 1),
        (httpx.Response(500), ServerFaultError, 1),
        (httpx.Response(503), ServerFaultError, 1),
        (httpx.Response(200, json=[]), ProtocolError, 1),
        (httpx.Response(200, text="<html>"), ProtocolError, 1),
        (httpx.Response(200, json={"enrollmentId": "x"}), ProtocolError, 1),
    ],
)
def test_a_write_is_sent_again_only_if_nobody_heard_it(
    mocked: respx.MockRouter, first: Any, error: type[Exception] | None, calls: int
) -> None:
    route = mocked.post(CREATE).mock(side_effect=[first, CREATED])

    async def act() -> None:
        async with AbsorbClient.of(load_settings()) as client:
            await AbsorbApi(client).enrollments.create(NOBODY, NOBODY)

    if error is None:
        asyncio.run(act())
    else:
        with pytest.raises(error) as caught:
            asyncio.run(act())
        if error is not ProtocolError:
            assert "may have carried it out" in str(caught.value)
    assert route.call_count == calls


def test_a_read_is_repeated_as_ever(mocked: respx.MockRouter) -> None:
    rows: list[Any] = [httpx.Response(503), httpx.ReadTimeout("slow"), httpx.Response(200, json=[])]
    route = mocked.get(f"{CREATE}/lessons").mock(side_effect=rows)

    async def act() -> list[LessonEnrollment]:
        async with AbsorbClient.of(load_settings()) as client:
            return await AbsorbApi(client).lessons.of_user(NOBODY, NOBODY)

    assert asyncio.run(act()) == []
    assert route.call_count == 3


def test_a_row_that_does_not_fit_is_named_without_its_values(mocked: respx.MockRouter) -> None:
    mocked.get(f"{CREATE}/lessons").respond(json=[{"id": NOBODY, "userId": "private", "status": 1}])

    async def act() -> None:
        async with AbsorbClient.of(load_settings()) as client:
            await AbsorbApi(client).lessons.of_user(NOBODY, NOBODY)

    with pytest.raises(ProtocolError, match=NOBODY) as caught:
        asyncio.run(act())
    assert "private" not in str(caught.value)


@pytest.mark.parametrize(("garbled", "error"), [(0, None), (2, None), (3, ProtocolError)])
def test_a_garbled_page_of_a_list_is_asked_for_again(
    mocked: respx.MockRouter, garbled: int, error: type[Exception] | None
) -> None:
    page = httpx.Response(200, json={"totalItems": 0, "limit": 1000, "enrollments": []})
    answers = [httpx.Response(200, text="<html>")] * garbled + [page]
    route = mocked.get(f"/courses/{NOBODY}/enrollments").mock(side_effect=answers)

    async def act() -> list[Enrollment]:
        async with AbsorbClient.of(load_settings()) as client:
            return await collect(AbsorbApi(client).enrollments.of_course(NOBODY))

    with pytest.raises(error) if error else contextlib.nullcontext():
        assert asyncio.run(act()) == []
    assert route.call_count == min(garbled + 1, 3)
