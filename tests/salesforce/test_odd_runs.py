"""Whole pushes and read-backs against an org that answers oddly: no traceback, no row lost in silence, no hang."""

from __future__ import annotations

import json
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from odd import odd_csv, odd_json
from odd_org import OddOrg, Said, quiet
from started import Start, portal_of, started
from test_push import COURSE, ENROLLMENT, assert_org_is_the_map, enrollments, ledger

from connector.errors import IncompleteError, LearnsyncError, LimitError, ProtocolError
from connector.push.reports import Pauses, PushOptions, PushReport
from connector.salesforce.readback.readback import ReadbackOptions
from connector.sandbox.server import SandboxOptions
from connector.settings import load_settings
from connector.sync import run_build, run_push, run_readback
from connector.warehouse.database import Warehouse

QUICK = Pauses(between_tries=0.001, first_poll=0.001)
MOST_KILOBYTES = 1_500_000  # portal, org and warehouse are in this process too


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    return started(tmp_path_factory.mktemp("start"), scale=60, courses=3)


class Scene:
    """An org of its own, and a warehouse with everything due for it."""

    def __init__(self, start: Start, folder: Path) -> None:
        self.box = OddOrg(SandboxOptions(rate_limit=0))
        portal_of(start, self.box)
        self.path = folder / "warehouse.duckdb"
        shutil.copy(start.warehouse, self.path)

    @property
    def settings(self) -> Any:
        org = self.box.org
        assert org is not None
        login = {"login_url": self.box.salesforce_url, "client_id": org.client_id, "client_secret": org.client_secret}
        portal = {"base_url": self.box.absorb_url, "api_key": self.box.absorb.api_key}
        portal |= {"username": self.box.absorb.username, "password": self.box.absorb.password}
        return load_settings(
            absorb=portal,
            salesforce=login | {"bulk_threshold": 5, "api_budget_percent": 100},
            warehouse={"path": self.path},
            limits={"job_hours": 0.3 / 3600, "list_pages": 5, "answer_megabytes": 2},
        )

    def push(self, **options: Any) -> PushReport:
        return run_push(self.settings, PushOptions(pauses=QUICK, **options))


@pytest.fixture
def scene(start: Start, tmp_path: Path) -> Iterator[Scene]:
    found = Scene(start, tmp_path)
    with found.box:
        yield found


def job_says(**members: Any) -> Callable[[Said], None]:
    def script(said: Said) -> None:
        if said.method == "GET" and said.path.split("/")[-2] == "ingest":
            said.body = json.dumps(json.loads(said.body) | members).encode()

    return script


def rename_courses(scene: Scene, name: str) -> None:
    with Warehouse.of(scene.settings).connect() as connection:
        connection.execute("UPDATE absorb.courses SET name = ?", [name])


def polls(scene: Scene) -> int:
    return len([said for said in scene.box.seen if said.method == "GET" and said.path.split("/")[-2] == "ingest"])


@pytest.mark.parametrize(("state", "says"), [("Exploded", "does not document: Exploded"), ("InProgress", "JOB_HOURS")])
def test_a_job_that_never_ends_holds_back_its_object_alone(scene: Scene, state: str, says: str) -> None:
    scene.box.script = job_says(state=state)
    with pytest.raises(LimitError, match=says) as found:
        scene.push()
    assert found.value.exit_code == 1
    jobs, before = scene.box.org.bulk, polls(scene)
    waiting = jobs.rows_received
    assert waiting > 20

    rename_courses(scene, "Renamed")
    with pytest.raises(IncompleteError, match=says):
        scene.push()
    assert {row["Name"] for row in scene.box.org.records(COURSE)} == {"Renamed"}, "the others are sent"
    assert polls(scene) == before + 2, "a job that is late already is not waited for again"
    assert jobs.rows_received == waiting, "and its rows are not sent again"
    states = Counter(row["state"] for row in ledger(scene.settings, f"target_object = '{ENROLLMENT}'"))
    assert states == {"sent": waiting}

    scene.box.script = quiet
    report = scene.push()
    assert (report.complete, len(report.resumed), jobs.rows_received) == (True, 1, waiting)
    assert_org_is_the_map(scene.box, scene.settings)
    assert enrollments(scene.push()).sent == 0


def test_results_that_cannot_be_read_are_asked_for_again_and_no_row_is_sent_twice(
    scene: Scene,
) -> None:
    def script(said: Said) -> None:
        if said.path.endswith("/successfulResults/"):
            said.body = said.body[: len(said.body) // 2]

    scene.box.script = script
    with pytest.raises(ProtocolError, match=r"it is cut or no CSV|values, the header"):
        scene.push()
    received = scene.box.org.bulk.rows_received
    scene.box.script = quiet
    report = scene.push()
    assert (report.complete, len(report.resumed), scene.box.org.bulk.rows_received) == (True, 1, received)
    assert_org_is_the_map(scene.box, scene.settings)
    assert list((scene.path.parent / "outbox").glob("*/*")) == []


# -- generated ---------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True, scope="module")
def peak_of_earlier_tests() -> Iterator[None]:
    """Tests of this process before these may have taken more memory than these may."""
    with pytest.MonkeyPatch.context() as patch:
        most = max(MOST_KILOBYTES, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 1)
        patch.setattr(sys.modules[__name__], "MOST_KILOBYTES", most)
        yield


@pytest.fixture(scope="module")
def script_of_a_day(start: Start, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, bytes]]:
    """The answers of an org to a push and a read-back, in their order."""
    folder = tmp_path_factory.mktemp("day")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        scene = Scene(start, folder)
        with scene.box:
            work(scene)
            return [(at, said.body) for at, said in enumerate(scene.box.seen) if said.body]


def work(scene: Scene) -> None:
    """A push, a change, a push of it, and a read-back; what fails of it, fails in our words."""
    rename_courses(scene, "First Aid")
    for stage in (scene.push, lambda: rename_courses(scene, "Fire"), scene.push, lambda: run_readback(scene.settings)):
        with suppress(LearnsyncError):
            stage()


@st.composite
def odd_day(draw: st.DrawFn, day: list[tuple[int, bytes]]) -> dict[int, bytes]:
    """Which answers of the day are odd, and what they are."""
    found: dict[int, bytes] = {}
    for at, body in draw(st.lists(st.sampled_from(day), min_size=1, max_size=4)):
        csv = body.startswith(b'"sf__Id"')
        found[at] = draw(odd_csv(body) if csv else odd_json(json.loads(body)))
    return found


def assert_nothing_is_lost(scene: Scene) -> None:
    """On ordinary days again, everything is read and sent, and the org is what the map says."""
    scene.box.script = quiet
    run_readback(scene.settings, ReadbackOptions(full=True))
    run_build(scene.settings)
    scene.push(full=True)
    assert_org_is_the_map(scene.box, scene.settings)
    # A token answer may have named no organization, so that some records are noted under the org's address as well.
    assert {row["state"] for row in ledger(scene.settings, "org_id LIKE '00D%'")} == {"accepted"}
    assert [target.sent for target in scene.push().targets.values()] == [0, 0]


def live_through(scene: Scene, odd: dict[int, bytes]) -> None:
    def script(said: Said) -> None:
        said.body = odd.get(len(scene.box.seen), said.body)

    scene.box.script = script
    with scene.box:
        work(scene)
        assert_nothing_is_lost(scene)


def generated(count: int) -> Any:
    return hypothesis_settings(
        max_examples=count,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],  # a run takes seconds: the first that fails will do
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@generated(2)
@given(data=st.data())
def test_odd_answers_lose_nothing(
    start: Any, script_of_a_day: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    live_through(Scene(start, tmp_path_factory.mktemp("run")), data.draw(odd_day(script_of_a_day)))


@pytest.mark.soak
@generated(60)
@given(data=st.data())
def test_many_odd_answers_lose_nothing(
    start: Any, script_of_a_day: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    live_through(Scene(start, tmp_path_factory.mktemp("run")), data.draw(odd_day(script_of_a_day)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MOST_KILOBYTES
