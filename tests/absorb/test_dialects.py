"""A portal that refuses to be asked by date: found out once per list, kept, and no promise of the pull is lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hostile import SEMANTIC, Call, Fault, Stage, reply
from support import query
from test_pull import NOTHING_NEW, assert_truth, counts

from connector.absorb.api import AbsorbApi
from connector.absorb.client import AbsorbClient
from connector.absorb.dialects import Dialect, concerns_query
from connector.absorb.pull.pull import pull
from connector.cli.commands.doctor import examine
from connector.errors import BadRequestError
from connector.sandbox.portal import Portal
from connector.sandbox.portal.generator import generate
from connector.settings import Settings
from connector.warehouse.database import Warehouse

LISTS = ["courses", "departments", "enrollments", "users"]
FILTER = "dateEdited"


@pytest.fixture
def portal() -> Portal:
    portal = Portal()
    generate(portal, scale=200, courses=5, now=datetime.now(UTC) - timedelta(hours=3))
    return portal


def settings_for(stage: Stage, folder: Path) -> Settings:
    return stage.settings(folder / "warehouse.duckdb", page_size=10)


def kept(settings: Settings) -> dict[str, str]:
    return dict(query(Warehouse.of(settings), "SELECT stream, dialect FROM ops.dialects"))


def by_date(call: Call) -> set[str]:
    """The ways in which a call asks for what changed."""
    asked = {"modifiedSince"} & set(call.query)
    return asked | ({FILTER} if FILTER in call.query.get("_filter", "") else set())


@pytest.mark.parametrize(
    ("faults", "dialect", "ways"),
    [
        ("nosince", Dialect.FILTER, {FILTER}),
        ("nodates", Dialect.WHOLE, set[str]()),
        ("nodatefilter", Dialect.MODIFIED_SINCE, {"modifiedSince"}),
    ],
)
def test_a_refusal_is_met_once_per_list_and_every_change_still_arrives(
    serving: Stage, portal: Portal, tmp_path: Path, faults: str, dialect: Dialect, ways: set[str]
) -> None:
    serving.show(portal, faults=faults)
    settings = settings_for(serving, tmp_path)
    assert pull(settings, "first").complete
    assert_truth(settings, serving)
    portal.edit(15)
    portal.edit(40, same_instant=True)
    portal.insert(5)
    report = pull(settings, "second")
    assert report.complete
    assert counts(report)["enrollments"][0] == 5
    assert_truth(settings, serving)
    refused = {} if dialect is Dialect.MODIFIED_SINCE else dict.fromkeys(LISTS, dialect.value)
    assert kept(settings) == refused
    serving.calls.clear()
    edited = portal.edit(3)
    report = pull(settings, "third")
    assert counts(report) == NOTHING_NEW | {"enrollments": (0, 3)}
    moved = query(Warehouse.of(settings), "SELECT CAST(id AS VARCHAR) FROM absorb.enrollments WHERE _run_id = 'third'")
    assert {row_id for (row_id,) in moved} == {row_id.lower() for row_id in edited}
    assert set().union(*map(by_date, serving.calls)) == ways
    assert not [call for call in serving.calls if call.status == 422]


def test_another_422_stays_an_error_and_teaches_nothing(serving: Stage, portal: Portal, tmp_path: Path) -> None:
    serving.show(portal)
    settings = settings_for(serving, tmp_path)
    assert pull(settings, "first").complete
    broken = portal.courses()[0]["id"].lower()

    def script(call: Call) -> Fault | None:
        return reply(422, SEMANTIC) if broken in call.path.lower() else None

    serving.script = script
    report = pull(settings, "second")
    assert list(report.streams["enrollments"].failures) == [broken]
    assert kept(settings) == {}


def test_a_list_read_whole_is_asked_by_date_again_after_a_week(
    serving: Stage, portal: Portal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serving.show(portal, faults="nodates")
    settings = settings_for(serving, tmp_path)
    pull(settings, "first")
    assert "users: the portal refuses modifiedSince" in caplog.text
    pull(settings, "second")
    assert len(kept(settings)) == 4
    query(Warehouse.of(settings), "UPDATE ops.dialects SET found_at = now() - INTERVAL 8 DAY RETURNING 1")
    serving.show(portal, api_key=serving.absorb.api_key, password=serving.absorb.password)
    assert pull(settings, "third").complete
    assert kept(settings) == {}
    assert "modifiedSince" in set().union(*map(by_date, serving.calls))


def test_doctor_names_the_way_of_each_list(
    serving: Stage, portal: Portal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.show(portal, faults="nosince")
    settings = settings_for(serving, tmp_path)
    absorb = settings.absorb
    for name in ("base_url", "username"):
        monkeypatch.setenv(f"LEARNSYNC_ABSORB__{name.upper()}", str(getattr(absorb, name)))
    for name, secret in (("API_KEY", absorb.api_key), ("PASSWORD", absorb.password)):
        monkeypatch.setenv(f"LEARNSYNC_ABSORB__{name}", secret.get_secret_value() if secret else "")
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(settings.warehouse.path))

    def found() -> tuple[str, str, str]:
        (one,) = (finding for finding in examine() if finding.check == "changes")
        return one.verdict, one.text, one.remedy

    usual = (
        "departments by modifiedSince, users by modifiedSince, courses by modifiedSince, enrollments by modifiedSince"
    )
    assert found() == ("ok", usual, "")
    pull(settings, "first")
    pull(settings, "second")
    verdict, text, _ = found()
    assert (verdict, text.count("_filter=dateEdited (since 20")) == ("ok", 4)
    query(Warehouse.of(settings), "UPDATE ops.dialects SET dialect = 'whole reads' WHERE stream = 'users' RETURNING 1")
    verdict, text, remedy = found()
    assert verdict == "warn"
    assert "users by whole reads" in text
    assert "docs/operators.md" in remedy


def test_the_filter_of_a_list_and_the_date_are_asked_together(serving: Stage, portal: Portal, tmp_path: Path) -> None:
    serving.show(portal, faults="nosince")
    course = portal.rows("enrollments")[0]["courseId"]
    rows = [row for row in portal.rows("enrollments") if row["courseId"] == course]
    middle = sorted(row["dateEdited"] for row in rows)[len(rows) // 2]
    since = datetime.fromisoformat(middle[:19]).replace(tzinfo=UTC)

    async def listed() -> set[str]:
        async with AbsorbClient.of(settings_for(serving, tmp_path)) as client:
            found = AbsorbApi(client).enrollments.of_course(
                course, modified_since=since, where="status eq 3 or status eq 1"
            )
            return {row.id async for row in found}

    wanted = {row["id"] for row in rows if row["dateEdited"] >= middle[:19] and row["status"] in (1, 3)}
    assert asyncio.run(listed()) == wanted
    assert 0 < len(wanted) < len(rows)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (422, "", True),
        (422, SEMANTIC, True),
        (400, '{"message": "The modifiedSince parameter is no longer supported."}', True),
        (400, '{"message": "The request is invalid."}', False),
        (405, '{"message": "semantic errors"}', False),
    ],
)
def test_which_refusals_are_about_the_query(status: int, body: str, expected: bool) -> None:
    assert concerns_query(BadRequestError("refused", status=status, body=body)) is expected
