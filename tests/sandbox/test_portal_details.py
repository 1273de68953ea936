"""What lies inside the portal's enrollments agrees with them, whenever and however it is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connector.sandbox.kit.instants import canonical
from connector.sandbox.portal import Portal
from connector.sandbox.portal.app import create_absorb_app
from connector.sandbox.portal.details import DetailStore
from connector.sandbox.portal.gateway import AbsorbOptions
from connector.sandbox.portal.generator import generate
from connector.sandbox.portal.lessons import UNBEGUN
from connector.sandbox.portal.schema import ALL, DETAILS
from connector.sandbox.server import Sandbox, SandboxOptions

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


def filled(scale: int = 1200, seed: int = 1) -> tuple[Portal, DetailStore]:
    portal = Portal(now=lambda: NOW)
    generate(portal, scale=scale, courses=12, seed=seed)
    return portal, DetailStore(portal)


def look_everywhere(portal: Portal, store: DetailStore) -> None:
    for course in portal.courses():
        store.look_into_course(course["id"])


@pytest.fixture(scope="module")
def known() -> tuple[Portal, DetailStore]:
    """Only read from."""
    portal, store = filled()
    look_everywhere(portal, store)
    return portal, store


def with_lessons(portal: Portal, store: DetailStore) -> list[Row]:
    return [row for row in portal.rows("enrollments") if store.outline(row["courseId"]).lessons]


class TestGenerated:
    def test_courses_differ_in_what_they_hold(self, known: tuple[Portal, DetailStore]) -> None:
        portal, store = known
        kinds: dict[str, list[tuple[int, int]]] = {}
        for course in portal.courses():
            outline = store.outline(course["id"])
            kinds.setdefault(course["courseType"], []).append((len(outline.lessons), len(outline.sessions)))
        assert all(lessons == 0 < sessions for lessons, sessions in kinds["InstructorLedCourse"])
        assert all(sizes == (0, 0) for sizes in kinds["CourseBundle"])
        assert len({lessons for lessons, _ in kinds["OnlineCourse"]}) > 2

    def test_equal_arguments_give_equal_rows(self) -> None:
        first, second, other = filled(150), filled(150), filled(150, seed=2)
        for portal, store in (first, second, other):
            look_everywhere(portal, store)
        for stream in DETAILS:
            assert first[0].rows(stream) == second[0].rows(stream)
            assert first[0].rows(stream) != other[0].rows(stream)

    def test_the_order_of_looking_does_not_matter(self) -> None:
        portal, store = filled(150)
        for row in reversed(portal.rows("enrollments")):
            store.look_into(row["id"])
        whole, at_once = filled(150)
        look_everywhere(whole, at_once)
        for stream in DETAILS:
            assert {row["id"]: row for row in portal.rows(stream)} == {row["id"]: row for row in whole.rows(stream)}

    def test_lessons_add_up_to_the_course(self, known: tuple[Portal, DetailStore]) -> None:
        portal, store = known
        seen = set()
        for parent in with_lessons(portal, store):
            lessons = [lesson.row for lesson in store.lessons(parent["id"])]
            seen.add(parent["status"])
            assert len(lessons) == len(store.outline(parent["courseId"]).lessons)
            if parent["status"] in UNBEGUN:
                assert {row["status"] for row in lessons} == {0}
            elif parent["status"] == 3:
                assert {row["status"] for row in lessons} == {3}
            elif parent["status"] == 5:
                assert [row["status"] for row in lessons].count(5) == 1
            elif parent["status"] in {7, 11, 12}:
                assert [row["status"] for row in lessons].count(parent["status"]) == 1
            mean = sum(row["progress"] for row in lessons) / len(lessons)
            if parent["status"] != 5:
                assert mean == pytest.approx(parent["progress"] or 0, abs=0.02)
            scores = [row["score"] for row in lessons if row["score"] is not None]
            assert scores == ([] if parent["score"] is None else [parent["score"]])
        assert seen == set(range(13))

    def test_attempts_add_up_to_the_lesson(self, known: tuple[Portal, DetailStore]) -> None:
        portal, store = known
        for parent in with_lessons(portal, store):
            lessons = store.lessons(parent["id"])
            for lesson in lessons:
                statuses = [attempt["status"] for attempt in lesson.attempts]
                assert lesson.row["attempts"] == len(statuses)
                assert lesson.row["failures"] == statuses.count(5)
                assert set(statuses) <= {1, 3, 5}
                assert (lesson.row["status"] == 3) == (3 in statuses)
            if parent["status"] not in UNBEGUN:
                assert sum(lesson.ticks for lesson in lessons) == parent["timeSpentTicks"]

    def test_dates_agree(self, known: tuple[Portal, DetailStore]) -> None:
        portal, store = known
        for parent in with_lessons(portal, store):
            for lesson in store.lessons(parent["id"]):
                row = lesson.row
                names = ("dateAdded", "dateStarted", "dateCompleted", "dateEdited")
                chain = [canonical(row[name]) for name in names if row[name]]
                whole = [stamp[:19] for stamp in (*chain, canonical(parent["dateEdited"])) if stamp]
                assert whole == sorted(whole)

    def test_chapters_are_the_sum_of_their_lessons(self, known: tuple[Portal, DetailStore]) -> None:
        portal, store = known
        for parent in with_lessons(portal, store):
            lessons = [lesson.row for lesson in store.lessons(parent["id"])]
            chapters = store.rows("chapter_enrollments", parent["id"])
            assert [i for row in chapters for i in row["lessonEnrollmentIds"]] == [row["id"] for row in lessons]
            for chapter in chapters:
                own = [row for row in lessons if row["chapterEnrollmentId"] == chapter["id"]]
                assert (chapter["status"] == 3) == ({row["status"] for row in own} == {3})
                assert "dateEdited" not in chapter

    def test_sessions_say_what_their_course_enrollment_says(self, known: tuple[Portal, DetailStore]) -> None:
        portal, store = known
        rows = portal.rows("session_enrollments")
        assert rows
        for row in rows:
            parent = portal.get("enrollments", row["courseEnrollmentId"])
            assert parent is not None
            assert row["sessionId"] in dict(store.outline(parent["courseId"]).sessions)
            for name in ("status", "score", "progress", "timeSpent", "dateEdited"):
                assert row[name] == parent[name]
            assert "dateAdded" not in row


class TestChanges:
    def test_nothing_is_made_before_somebody_looks(self) -> None:
        portal, store = filled(150)
        row = with_lessons(portal, store)[0]
        assert {stream: portal.count(stream) for stream in DETAILS} == dict.fromkeys(DETAILS, 0)
        store.look_into(row["id"])
        assert {r["courseEnrollmentId"] for r in portal.rows("lesson_enrollments")} == {row["id"]}

    @pytest.mark.parametrize("looked", [True, False])
    def test_edits_of_the_course_move_the_lessons_on(self, looked: bool) -> None:
        portal, store = filled(300)
        parent = next(row for row in with_lessons(portal, store) if row["status"] == 0)
        before = {}
        if looked:
            store.look_into(parent["id"])
            before = {lesson.row["id"]: lesson.row for lesson in store.lessons(parent["id"])}
        for _ in range(60):
            portal.edit([parent["id"]])
            now = portal.get("enrollments", parent["id"])
            assert now is not None
            store.look_into(parent["id"])
            rows = [lesson.row for lesson in store.lessons(parent["id"])]
            mean = sum(row["progress"] for row in rows) / len(rows)
            assert mean == pytest.approx(now["progress"], abs=0.02)
            touched = {row["id"]: row for row in rows}
            assert set(touched) == set(before or touched)
            for key, row in touched.items():
                changed = key in before and row != before[key]
                assert not changed or canonical(row["dateEdited"]) == canonical(now["dateEdited"])
            before = touched
            if now["status"] == 3:
                break
        assert {row["status"] for row in rows} == {3}

    def test_an_edit_that_moves_nothing_touches_no_lesson(self) -> None:
        portal, store = filled(300)
        parent = next(row for row in with_lessons(portal, store) if row["status"] == 1)
        store.look_into(parent["id"])
        before = [lesson.row for lesson in store.lessons(parent["id"])]
        portal.edit([parent["id"]], changes={"isActive": False})
        store.look_into(parent["id"])
        assert [lesson.row for lesson in store.lessons(parent["id"])] == before

    def test_all_goes_with_the_enrollment_and_with_the_course(self) -> None:
        portal, store = filled(300)
        look_everywhere(portal, store)
        first, *_, last = with_lessons(portal, store)
        portal.delete([first["id"]])
        for stream in DETAILS:
            assert store.rows(stream, first["id"]) == []
        portal.delete_course(last["courseId"])
        left = portal.select("SELECT count(*) FROM lesson_enrollments WHERE course_id = ?", (last["courseId"],))
        assert left == [(0,)]


def test_malformed_enrollments_have_an_inside_too() -> None:
    portal, _ = filled(300)
    create_absorb_app(portal, AbsorbOptions(faults="malformed"))
    store = DetailStore(portal)
    look_everywhere(portal, store)
    for row in portal.rows("enrollments"):
        store.look_into(row["id"])


@pytest.fixture(scope="module")
def own() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=300, courses=8, rate_limit=0, salesforce=False)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def api(own: Sandbox) -> Iterator[httpx.Client]:
    settings = own.settings()
    key = settings["LEARNSYNC_ABSORB__API_KEY"]
    body = {
        "username": settings["LEARNSYNC_ABSORB__USERNAME"],
        "password": settings["LEARNSYNC_ABSORB__PASSWORD"],
        "privateKey": key,
    }
    token = httpx.post(f"{own.absorb_url}/authenticate", json=body, headers={"x-api-key": key}).json()
    headers = {"x-api-key": key, "Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=own.absorb_url, headers=headers) as client:
        yield client


class TestOverHttp:
    def test_bulk_takes_repeated_keys_and_comma_lists(self, own: Sandbox, api: httpx.Client) -> None:
        rows = own.portal.rows("enrollments")
        users = list(dict.fromkeys(row["userId"] for row in rows))[:3]
        course = rows[0]["courseId"]
        repeated = api.get("/bulk/student-courses", params={"userIds": users, "courseIds": [course]}).json()
        listed = api.get("/bulk/student-courses", params={"userIds": ",".join(users), "courseIds": course}).json()
        assert repeated == listed == [r for r in rows if r["userId"] in users and r["courseId"] == course]
        assert api.get("/bulk/student-courses").status_code == 422
        assert api.get("/bulk/student-courses", params={"userIds": "x"}).status_code == 422

    def test_lists_keep_the_limits_of_the_others(self, own: Sandbox, api: httpx.Client) -> None:
        store = DetailStore(own.portal)
        parent = with_lessons(own.portal, store)[0]
        lesson = store.outline(parent["courseId"]).lessons[0].lesson_id
        path = f"/courses/{parent['courseId']}/lessons/{lesson}/enrollments"
        page = api.get(path.upper(), params={"_limit": 2, "_offset": 1, "_sort": "-dateEdited"}).json()
        assert (page["limit"], page["offset"], page["returnedItems"]) == (2, 1, len(page["lessonEnrollments"]))
        for query in ({"_limit": 1001}, {"_sort": "score"}, {"status": 13}, {"modifiedSince": "soon"}):
            answer = api.get(path, params=query)
            assert (answer.status_code, answer.json()["term"]) == (422, "ErrorGeneric")

    @pytest.mark.parametrize(
        "body",
        [{}, [], {"status": 2}, {"status": "3"}, {"status": [3]}, {"status": True}, {"status": 3, "score": "a lot"},
         {"status": 3, "completionDate": "soon"}],
    )  # fmt: skip
    def test_a_bad_result_is_422(self, api: httpx.Client, body: Any) -> None:
        assert api.put("/attempts/00000000-0000-4000-8000-000000000000", json=body).status_code == 422

    def test_each_operation_has_one_method(self, own: Sandbox, api: httpx.Client) -> None:
        course = own.portal.courses()[0]["id"]
        for method, path in (
            ("DELETE", "/enrollments/unenroll"),
            ("POST", "/attempts/00000000-0000-4000-8000-000000000000"),
            ("POST", f"/my-enrollments/{course}"),
            ("PUT", f"/users/{own.portal.users()[0]['id']}/enrollments"),
            ("POST", "/users"),
        ):
            assert api.request(method, path, json={}).status_code == 405, (method, path)

    def test_rows_carry_every_field_empty_ones_as_null(self, own: Sandbox, api: httpx.Client) -> None:
        parent = with_lessons(own.portal, DetailStore(own.portal))[0]
        pair = f"/users/{parent['userId']}/enrollments/{parent['courseId']}"
        lists = {name: api.get(f"/{name}").json()[name] for name in ("users", "courses", "departments")}
        lists["enrollments"] = api.get(f"/courses/{parent['courseId']}/enrollments").json()["enrollments"]
        lists |= {f"{name}_enrollments": api.get(f"{pair}/{name}s").json() for name in ("lesson", "chapter", "session")}
        assert lists["lesson_enrollments"]
        for name, rows in lists.items():
            for row in rows:
                assert set(row) == set(ALL[name].blank), name

    def test_a_course_that_has_not_opened_cannot_be_started(self, own: Sandbox, api: httpx.Client) -> None:
        store = DetailStore(own.portal)
        parent = next(r for r in with_lessons(own.portal, store) if r["status"] == 1 and r["isActive"])
        own.portal.edit([parent["id"]], changes={"accessDate": "2999-01-01T00:00:00"})
        lesson = store.outline(parent["courseId"]).lessons[0].lesson_id
        path = f"/users/{parent['userId']}/enrollments/{parent['courseId']}/lessons/{lesson}/attempts"
        assert api.post(path).status_code == 422

    def test_the_account_is_a_learner_too(self, own: Sandbox, api: httpx.Client) -> None:
        course = own.portal.courses()[0]["id"]
        made = api.post(f"/enroll/{course}").json()
        assert api.post(f"/enroll/{course}").json() == made
        user = own.portal.get("users", made["userId"])
        assert user is not None
        assert (user["username"], user["isAdmin"]) == (own.absorb.username, True)

    def test_multi_session_courses_cannot_be_enrolled_in(self, own: Sandbox, api: httpx.Client) -> None:
        store = DetailStore(own.portal)
        course = own.portal.courses()[0] | {"courseType": "InstructorLedCourse"}
        for number in range(100):
            course["id"] = f"00000000-0000-4000-8000-{number:012d}"
            own.portal.put_row("courses", course)
            if store.outline(course["id"]).multi_session:
                break
        user, session = own.portal.users()[1]["id"], store.outline(course["id"]).sessions[0][0]
        pair = f"/users/{user}/enrollments/{course['id']}"
        for path in (pair, f"{pair}/sessions/{session}", f"/enroll/{course['id']}"):
            assert api.post(path).status_code == 422
