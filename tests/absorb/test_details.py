"""Detail streams: what lies inside changed enrollments, read through a list of what is due that forgets nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import COURSE, USER, Row, enrollment, new_id, query, records
from support import load as load_pages

from connector.absorb.client import AbsorbClient
from connector.absorb.pull import details
from connector.absorb.pull.options import Limits, PullOptions, PullReport
from connector.absorb.pull.pull import pull
from connector.canonical.build import build
from connector.errors import ServerFaultError, SettingsError, WrongPathError
from connector.http.answers import Answer
from connector.sandbox.portal import Portal
from connector.sandbox.portal.details import DetailStore
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import DETAIL_STREAM_NAMES as ALL
from connector.settings import Settings, load_settings
from connector.streams import DETAIL_STREAMS
from connector.streams.details import placed
from connector.times import utc_now
from connector.warehouse.database import Stamp, Warehouse
from connector.warehouse.load import Batch, load_batch
from connector.warehouse.schema import data_columns, source_columns

SCALE = 40
LISTED = ("lesson_enrollments", "chapter_enrollments", "session_enrollments")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=SCALE, courses=6, rate_limit=0, salesforce=False)) as running:
        yield running


@pytest.fixture
def store(sandbox: Sandbox) -> DetailStore:
    """The portal's own view of its details."""
    return DetailStore(sandbox.portal)


@pytest.fixture
def off(sandbox: Sandbox, tmp_path: Path) -> Settings:
    """Settings of this portal and a new warehouse, as they come: without details."""
    values = {
        "base_url": sandbox.absorb_url, "api_key": sandbox.absorb.api_key, "username": sandbox.absorb.username,
        "password": sandbox.absorb.password, "requests_per_second": 5000, "burst": 5000,
    }  # fmt: skip
    return load_settings(absorb=values, warehouse={"path": tmp_path / "warehouse.duckdb"})


@pytest.fixture
def settings(off: Settings) -> Settings:
    return switched(off, *ALL)


def switched(settings: Settings, *streams: str) -> Settings:
    return settings.model_copy(update={"absorb": settings.absorb.model_copy(update={"detail_streams": streams})})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths below a learner's course enrollment that were asked for."""
    paths: list[str] = []
    original = AbsorbClient.call

    async def call(self: AbsorbClient, method: str, path: str, **more: Any) -> Answer:
        if path.startswith("/users/"):
            paths.append(path)
        return await original(self, method, path, **more)

    monkeypatch.setattr(AbsorbClient, "call", call)
    return paths


def failing(monkeypatch: pytest.MonkeyPatch, part: str, failure: Exception) -> None:
    """Every path with `part` in it fails."""
    original = AbsorbClient.call

    async def call(self: AbsorbClient, method: str, path: str, **more: Any) -> Answer:
        if part in path:
            raise failure
        return await original(self, method, path, **more)

    monkeypatch.setattr(AbsorbClient, "call", call)


def current(portal: Portal) -> list[Row]:
    """The enrollments that a look by learner and course meets."""
    pairs = {(row["userId"], row["courseId"]) for row in portal.rows("enrollments")}
    return [portal.enrollments_of(*pair)[0] for pair in sorted(pairs)]


def truth(portal: Portal, store: DetailStore) -> dict[str, dict[str, Row]]:
    """What the portal serves for them: stream → id → row as the model reads it."""
    found: dict[str, dict[str, Row]] = {stream: {} for stream in ALL}
    for parent in current(portal):
        store.look_into(parent["id"])
        rows = {stream: store.rows(stream, parent["id"]) for stream in LISTED}
        attempts = [
            row
            for lesson in store.lessons(parent["id"])
            for row in placed(lesson.attempts, parent["userId"], parent["courseId"], lesson.row["lessonId"])
        ]
        for stream, served in (rows | {"attempts": attempts}).items():
            model = DETAIL_STREAMS[stream]
            for row in served:
                parsed = model.model_validate(row)
                found[stream][parsed.id] = {
                    column.name: getattr(parsed, column.name) for column in source_columns(model)
                }
    return found


def held(settings: Settings, stream: str, where: str = "_removed_at IS NULL") -> dict[str, Row]:
    model = DETAIL_STREAMS[stream]
    kinds = {column.name: column.sql_type for column in source_columns(model)}
    columns = ", ".join(name for name in data_columns(model) if name != "_extra")
    rows = records(Warehouse.of(settings), f"SELECT {columns} FROM absorb.{stream} WHERE {where}")
    for row in rows:
        for name, value in row.items():
            if value is not None and kinds[name] in {"UUID", "JSON"}:
                row[name] = str(value) if kinds[name] == "UUID" else json.loads(value)
    return {row["id"]: row for row in rows}


def assert_truth(settings: Settings, portal: Portal, store: DetailStore) -> None:
    expected = truth(portal, store)
    for stream in settings.absorb.detail_streams:
        assert held(settings, stream) == expected[stream], stream
        assert expected[stream], f"{stream}: nothing to compare"


def due(settings: Settings) -> int:
    return int(query(Warehouse.of(settings), "SELECT count(*) FROM ops.details_due")[0][0])


def detail_requests(report: PullReport) -> int:
    return sum(stream.requests for name, stream in report.streams.items() if name in DETAIL_STREAMS)


def with_lessons(portal: Portal, store: DetailStore) -> Row:
    """An enrollment with attempts, the only one of its pair."""
    for row in current(portal):
        store.look_into(row["id"])
        alone = len(portal.enrollments_of(row["userId"], row["courseId"])) == 1
        if alone and sum(bool(lesson.attempts) for lesson in store.lessons(row["id"])) > 1:
            return row
    raise AssertionError("no such enrollment")


# -- the setting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "streams"),
    [
        ("", ()),
        ("chapter_enrollments", ("chapter_enrollments",)),
        (" Session_Enrollments , lesson_enrollments,", ("lesson_enrollments", "session_enrollments")),
        ("attempts", ("lesson_enrollments", "attempts")),
        (",".join(reversed(ALL)), ALL),
    ],
)
def test_the_setting_is_a_list_and_attempts_bring_their_lessons(
    text: str, streams: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__DETAIL_STREAMS", text)
    assert load_settings().absorb.detail_streams == streams


def test_the_settings_file_takes_a_list(tmp_path: Path) -> None:
    (tmp_path / "learnsync.toml").write_text('[absorb]\ndetail_streams = ["attempts"]\n', "utf-8")
    assert load_settings().absorb.detail_streams == ("lesson_enrollments", "attempts")


def test_an_unknown_name_is_refused_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__DETAIL_STREAMS", "lesson_enrollments,grades")
    with pytest.raises(SettingsError, match=r"LEARNSYNC_ABSORB__DETAIL_STREAMS names 'grades'"):
        load_settings()


def test_a_stream_that_is_off_cannot_be_pulled_by_name(off: Settings) -> None:
    with pytest.raises(SettingsError, match="LEARNSYNC_ABSORB__DETAIL_STREAMS"):
        pull(off, "r", PullOptions(streams=["attempts"]))


# -- pulling ---------------------------------------------------------------------------------------------


def test_off_by_default_costs_nothing(off: Settings, asked: list[str]) -> None:
    report = pull(off, "first")
    assert report.complete
    assert not set(report.streams) & set(DETAIL_STREAMS)
    assert asked == []
    assert due(off) == 0
    assert all(held(off, stream, "true") == {} for stream in ALL)


def test_on_the_tables_are_what_the_portal_holds(
    settings: Settings, sandbox: Sandbox, store: DetailStore, asked: list[str]
) -> None:
    report = pull(settings, "first")
    assert report.complete
    assert tuple(report.streams)[-4:] == ALL
    assert due(settings) == 0
    assert_truth(settings, sandbox.portal, store)
    assert detail_requests(report) == len(asked) == len(set(asked))
    assert {name: report.streams[name].counts.inserted for name in ALL} == {n: len(held(settings, n)) for n in ALL}
    again = pull(settings, "second")
    assert (again.complete, detail_requests(again)) == (True, 0)


def test_a_pull_of_one_stream_asks_for_one_list_a_pair(off: Settings, sandbox: Sandbox, store: DetailStore) -> None:
    lessons = switched(off, "lesson_enrollments")
    report = pull(lessons, "first")
    assert detail_requests(report) == len(current(sandbox.portal))
    assert_truth(lessons, sandbox.portal, store)
    assert held(lessons, "attempts", "true") == {}


def test_an_edit_costs_requests_for_that_enrollment_only(
    settings: Settings, sandbox: Sandbox, store: DetailStore, asked: list[str]
) -> None:
    pull(settings, "first")
    asked.clear()
    row = with_lessons(sandbox.portal, store)
    sandbox.portal.edit([row["id"]])
    report = pull(settings, "second")
    assert report.complete
    below = f"/users/{row['userId']}/enrollments/{row['courseId']}/".lower()
    attempted = [lesson.row["lessonId"] for lesson in store.lessons(row["id"]) if lesson.attempts]
    expected = {"lessons", "chapters", "sessions", *(f"lessons/{lesson}/attempts" for lesson in attempted)}
    assert sorted(asked) == sorted(below + path for path in expected)
    assert_truth(settings, sandbox.portal, store)


def test_switched_on_later_everything_is_read_once_and_again_when_asked_for(
    off: Settings, sandbox: Sandbox, store: DetailStore
) -> None:
    def assessed() -> int:
        build(off, "b")
        found = "SELECT count(linked_assessment_id) FROM learning_record"
        return int(query(Warehouse.of(off), found)[0][0])

    pull(off, "first")
    assert assessed() == 0
    settings = switched(off, *ALL)
    some = pull(settings, "second", PullOptions(limits=Limits(detail_pairs=10, detail_seconds=0)))
    assert some.complete  # what takes long is left to later pulls, which go on
    assert next(iter(some.streams[name].left_out for name in ALL)) == due(settings) == len(current(sandbox.portal)) - 10
    assert pull(settings, "third").complete
    assert_truth(settings, sandbox.portal, store)
    assert assessed() > 0
    assert detail_requests(pull(settings, "fourth")) == 0
    assert detail_requests(pull(settings, "full", PullOptions(full=True))) == 0
    report = pull(settings, "all", PullOptions(streams=["lesson_enrollments"], full=True))
    assert list(report.streams) == list(ALL)
    assert report.complete
    assert detail_requests(report) > 0
    # What is off is not read, so it begins anew when it is on again.
    pull(switched(off, "lesson_enrollments"), "fewer")
    assert detail_requests(pull(settings, "more again")) > 0


def test_chapters_name_their_session_and_their_only_lesson_where_the_portal_does(settings: Settings) -> None:
    pull(settings, "first")
    named = (
        "SELECT count(session_id), count(lesson_id), count(DISTINCT s.session_id) FROM absorb.chapter_enrollments AS c"
        " LEFT JOIN absorb.session_enrollments AS s USING (session_id, course_enrollment_id)"
    )
    sessions, lessons, matched = query(Warehouse.of(settings), named)[0]
    assert min(sessions, lessons, matched) > 0


def test_small_chunks_end_the_same(settings: Settings, sandbox: Sandbox, store: DetailStore) -> None:
    assert pull(settings, "first", PullOptions(limits=Limits(detail_pairs=17))).complete
    assert_truth(settings, sandbox.portal, store)


def test_a_bad_line_changes_nothing(tmp_path: Path) -> None:
    with Sandbox(SandboxOptions(scale=16, courses=6, rate_limit=0, faults="flaky", salesforce=False)) as sandbox:
        values = {
            "base_url": sandbox.absorb_url, "api_key": sandbox.absorb.api_key, "username": sandbox.absorb.username,
            "password": sandbox.absorb.password, "requests_per_second": 5000, "burst": 5000,
            "detail_streams": ["attempts"],
        }  # fmt: skip
        settings = load_settings(absorb=values, warehouse={"path": tmp_path / "warehouse.duckdb"})
        assert pull(settings, "first").complete
        assert_truth(settings, sandbox.portal, DetailStore(sandbox.portal))


# -- nothing is forgotten --------------------------------------------------------------------------------


def test_a_run_cut_short_leaves_the_rest_due(
    settings: Settings, sandbox: Sandbox, store: DetailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = iter(range(100))
    original = details.load_together

    def cut(*args: Any, **more: Any) -> Any:
        if next(loads) == 2:
            raise RuntimeError("cut")
        return original(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(details, "load_together", cut)
        with pytest.raises(RuntimeError, match="cut"):
            pull(settings, "cut", PullOptions(limits=Limits(detail_pairs=10)))
    assert SCALE - 30 < due(settings) <= SCALE - 20
    report = pull(settings, "rest", PullOptions(streams=["attempts"]))
    assert report.complete
    assert due(settings) == 0
    assert_truth(settings, sandbox.portal, store)


def test_what_was_noted_again_meanwhile_stays_due(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    again = "UPDATE ops.details_due SET date_edited = date_edited + INTERVAL 1 DAY WHERE enrollment_id = ?"
    noted: list[str] = []
    original = details.load_together

    def meddling(*args: Any, **more: Any) -> Any:
        if not noted:
            noted.append(query(Warehouse.of(settings), "SELECT min(enrollment_id)::VARCHAR FROM ops.details_due")[0][0])
            query(Warehouse.of(settings), again, noted)
        return original(*args, **more)

    monkeypatch.setattr(details, "load_together", meddling)
    assert pull(settings, "first").complete
    assert query(Warehouse.of(settings), "SELECT enrollment_id::VARCHAR FROM ops.details_due") == [(noted[0],)]


def test_a_pair_that_fails_stays_due_and_is_reported(
    settings: Settings, sandbox: Sandbox, store: DetailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = with_lessons(sandbox.portal, store)
    with monkeypatch.context() as patched:
        below = f"/users/{row['userId']}/enrollments/{row['courseId']}/chapters".lower()
        failing(patched, below, ServerFaultError("down", status=500))
        report = pull(settings, "first")
    assert not report.complete
    assert list(report.streams["chapter_enrollments"].failures) == [f"user {row['userId']} in course {row['courseId']}"]
    assert due(settings) == 1
    assert pull(settings, "second").complete
    assert_truth(settings, sandbox.portal, store)


@pytest.mark.parametrize(
    ("failure", "most"),
    [(ServerFaultError("down", status=500), 40), (WrongPathError("no such path", status=403), 8)],
)
def test_an_outage_stops_asking_but_not_the_pull(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, failure: Exception, most: int
) -> None:
    failing(monkeypatch, "/sessions", failure)
    report = pull(settings, "first")
    assert not report.complete
    assert 0 < len(report.streams["session_enrollments"].failures) <= most
    assert report.streams["enrollments"].counts.inserted == SCALE
    assert due(settings) == SCALE


def test_a_pair_that_is_gone_is_done(settings: Settings, sandbox: Sandbox, store: DetailStore) -> None:
    everything = PullOptions(streams=["attempts"], full=True)
    pull(settings, "first")
    row = with_lessons(sandbox.portal, store)
    where = f"course_enrollment_id = '{row['id']}'"
    before = held(settings, "lesson_enrollments", where)
    sandbox.portal.delete([row["id"]])
    report = pull(settings, "second", everything)
    assert report.complete
    assert due(settings) == 0
    assert held(settings, "lesson_enrollments", f"{where} AND _removed_at IS NULL") == before != {}


def test_a_row_that_cannot_be_read_is_quarantined_and_the_rest_is_loaded(
    settings: Settings, sandbox: Sandbox, store: DetailStore
) -> None:
    row = with_lessons(sandbox.portal, store)
    lesson = store.rows("lesson_enrollments", row["id"])[0]
    deep = "[" * 300 + "]" * 300
    bad = json.dumps(lesson | {"name": "@@"}).replace('"@@"', deep)
    sandbox.portal.write("UPDATE lesson_enrollments SET json = ? WHERE key = ?", [(bad, lesson["id"])])
    report = pull(settings, "first")
    assert ({name: one.failures for name, one in report.streams.items() if one.failures}, report.pending) == ({}, 1)
    [reject] = records(Warehouse.of(settings), "FROM ops.quarantine")
    assert (reject["stream"], reject["source_id"]) == ("lesson_enrollments", lesson["id"])
    assert deep in json.loads(reject["raw"])
    siblings = held(settings, "lesson_enrollments", f"course_enrollment_id = '{row['id']}'")
    assert len(siblings) == len(store.rows("lesson_enrollments", row["id"])) - 1


def test_a_row_that_does_not_fit_is_quarantined_and_the_rest_is_loaded(
    settings: Settings, sandbox: Sandbox, store: DetailStore
) -> None:
    row = with_lessons(sandbox.portal, store)
    lesson = store.rows("lesson_enrollments", row["id"])[0]
    bad = json.dumps(lesson | {"status": "soon"})
    sandbox.portal.write("UPDATE lesson_enrollments SET json = ? WHERE key = ?", [(bad, lesson["id"])])
    report = pull(settings, "first")
    assert (report.complete, report.pending) == (False, 1)
    assert report.streams["lesson_enrollments"].counts.quarantined == 1
    [reject] = records(Warehouse.of(settings), "FROM ops.quarantine")
    assert (reject["stream"], reject["source_id"], reject["field"]) == ("lesson_enrollments", lesson["id"], "status")
    assert json.loads(reject["raw"]) == lesson | {"status": "soon"}
    siblings = held(settings, "lesson_enrollments", f"course_enrollment_id = '{row['id']}'")
    assert len(siblings) == len(store.rows("lesson_enrollments", row["id"])) - 1
    sandbox.portal.write("UPDATE lesson_enrollments SET json = ? WHERE key = ?", [(json.dumps(lesson), lesson["id"])])
    sandbox.portal.edit([row["id"]], changes={"fullName": "Somebody Else"})
    assert pull(settings, "second").complete
    assert_truth(settings, sandbox.portal, store)


def test_a_lesson_that_is_no_longer_served_is_marked(settings: Settings, sandbox: Sandbox, store: DetailStore) -> None:
    pull(settings, "first")
    row = with_lessons(sandbox.portal, store)
    first, *_, last = (lesson for lesson in store.lessons(row["id"]) if lesson.attempts)
    gone, undone = last.row["id"], first.attempts[-1]["id"]
    sandbox.portal.write("DELETE FROM lesson_enrollments WHERE key = ?", [(gone,)])
    sandbox.portal.write("DELETE FROM attempts WHERE key = ?", [(undone,)])
    sandbox.portal.edit([row["id"]], changes={"fullName": "Somebody Else"})
    pull(settings, "second")
    assert list(held(settings, "lesson_enrollments", "_removed_at IS NOT NULL")) == [gone]
    assert list(held(settings, "attempts", "_removed_at IS NOT NULL")) == [undone]


def test_what_a_former_enrollment_left_is_kept(settings: Settings, sandbox: Sandbox, store: DetailStore) -> None:
    pull(settings, "first")
    row = with_lessons(sandbox.portal, store)
    before = {stream: held(settings, stream) for stream in ALL}
    renewed = sandbox.portal.enroll(row["userId"], row["courseId"])
    pull(settings, "second")
    for stream in ALL:
        after = held(settings, stream)
        assert before[stream].items() <= after.items(), stream
    assert len(held(settings, "lesson_enrollments", f"course_enrollment_id = '{renewed}'")) == len(
        store.rows("lesson_enrollments", renewed)
    )


# -- linked ids ------------------------------------------------------------------------------------------

BUNDLE = "b0000000-0000-4000-8000-000000000001"
FIRST, AGAIN = (f"e0000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
S1, S2, A1, A2, A3 = (f"d0000000-0000-4000-8000-00000000000{n}" for n in range(1, 6))
LESSON = "f0000000-0000-4000-8000-000000000001"


def session(session_id: str, edited: str | None, of: str = FIRST) -> Row:
    return {
        "id": new_id(), "sessionId": session_id, "courseEnrollmentId": of, "userId": USER, "status": 1,
        "dateEdited": edited,
    }  # fmt: skip


def attempt(row_id: str, score: float | None, begun: str | None, ended: str | None = None) -> Row:
    row = {"id": row_id, "status": 3, "score": score, "startDate": begun, "completionDate": ended}
    return placed([row], USER, COURSE, LESSON)[0]


@pytest.mark.parametrize(
    ("sessions", "attempts", "cohorts", "assessments"),
    [
        ([], [], [BUNDLE, BUNDLE], [None, None]),
        ([session(S1, "2026-01-03T00:00:00")], [], [S1, BUNDLE], [None, None]),
        ([session(S1, "2026-01-03T00:00:00"), session(S2, "2026-01-04T00:00:00")], [], [S2, BUNDLE], [None, None]),
        ([session(S1, None), session(S2, "2026-01-01T00:00:00")], [], [S2, BUNDLE], [None, None]),
        ([session(S1, "2026-01-03T00:00:00"), session(S2, None, of=AGAIN)], [], [S1, S2], [None, None]),
        ([], [attempt(A1, None, "2026-01-02T00:00:00")], [BUNDLE, BUNDLE], [None, None]),
        ([], [attempt(A1, 0, "2026-01-02T00:00:00")], [BUNDLE, BUNDLE], [A1, None]),
        # The latest by completion, then start, then id.
        ([], [attempt(A1, 50, "2026-01-02T00:00:00", "2026-01-09T00:00:00"),
              attempt(A2, 60, "2026-01-03T00:00:00", "2026-01-04T00:00:00"),
              attempt(A3, 70, "2026-01-05T00:00:00")], [BUNDLE, BUNDLE], [A1, None]),
        ([], [attempt(A1, 50, "2026-01-02T00:00:00"),
              attempt(A2, 60, "2026-01-02T00:00:00")], [BUNDLE, BUNDLE], [A2, None]),
        # Each enrollment of the pair has its own; one from before the first was made counts for the first.
        ([], [attempt(A1, 50, "2025-12-02T00:00:00"),
              attempt(A2, 60, "2026-02-01T00:00:00")], [BUNDLE, BUNDLE], [A1, A2]),
        ([], [attempt(A1, 50, "2026-01-31T23:59:59"), attempt(A2, 60, None)], [BUNDLE, BUNDLE], [A1, A2]),
    ],
)  # fmt: skip
def test_linked_ids(
    tmp_path: Path, sessions: list[Row], attempts: list[Row], cohorts: list[str], assessments: list[str | None]
) -> None:
    settings = load_settings(warehouse={"path": tmp_path / "warehouse.duckdb"})
    warehouse = Warehouse.of(settings)
    pair = [
        enrollment(id=FIRST, dateAdded="2026-01-01T00:00:00", isActive=False, courseCollectionId=BUNDLE),
        enrollment(id=AGAIN, dateAdded="2026-02-01T00:00:00", courseCollectionId=BUNDLE),
    ]
    load_pages(warehouse, pair)
    land_details(warehouse, "session_enrollments", sessions)
    land_details(warehouse, "attempts", attempts)
    build(settings, "b")
    found = query(
        warehouse,
        "SELECT linked_cohort_id::VARCHAR, linked_assessment_id::VARCHAR FROM learning_record"
        " JOIN learning_item_progress AS p ON p.learning_record_id = id ORDER BY enrollment_id",
    )
    assert found == list(zip(cohorts, assessments, strict=True))


def land_details(warehouse: Warehouse, stream: str, rows: list[Row]) -> None:
    if rows:
        path = warehouse.path.parent / "0000000001.json"
        path.write_text(json.dumps({DETAIL_STREAMS[stream].collection: rows}), "utf-8")
        load_batch(warehouse, Batch(stream, files=[path]), Stamp("default", "r", utc_now()))


def test_removed_details_link_nothing_and_a_pulled_portal_keeps_one_record_an_enrollment(
    settings: Settings, sandbox: Sandbox
) -> None:
    pull(settings, "first")
    build(settings, "b")
    warehouse = Warehouse.of(settings)
    counted = "SELECT count(*), count(linked_cohort_id) > 0, count(linked_assessment_id) > 0 FROM learning_record"
    assert query(warehouse, counted) == [(SCALE, True, True)]
    query(warehouse, "UPDATE absorb.attempts SET _removed_at = now()")
    query(warehouse, "UPDATE absorb.session_enrollments SET _removed_at = now()")
    build(settings, "b")
    assert query(warehouse, "SELECT count(*), count(linked_assessment_id) FROM learning_record") == [(SCALE, 0)]
