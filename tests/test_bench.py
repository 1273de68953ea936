"""The portal of the benchmarks serves what it says: what is measured against it is a pull of real rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

import pytest
from support import Row

from benchmarks import serving
from benchmarks.portal import Portal
from benchmarks.results import Results
from benchmarks.shape import COURSES, ENROLLMENTS, Shape
from benchmarks.steps import CONTENDERS, STEPS, needed
from connector.absorb.pull.options import PullOptions
from connector.settings import load_settings
from connector.sync import run_pull
from connector.warehouse.database import Warehouse

SHAPE = Shape.of(300, 7)


@pytest.fixture
def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    """A portal of 300 enrollments that serves, and settings that name it and a new warehouse."""
    made, ready = Portal(SHAPE), Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve() -> None:
        ended = asyncio.Event()
        await serving.serve(made, lambda url: ready.set_result((url, asyncio.get_running_loop(), ended)), ended)

    thread = Thread(target=asyncio.run, args=[serve()])
    thread.start()
    url, loop, ended = ready.result(10)
    monkeypatch.chdir(tmp_path)
    where = {"LEARNSYNC_WAREHOUSE__PATH": str(tmp_path / "warehouse.duckdb")}
    for name, value in {**serving.settings(url), **where}.items():
        monkeypatch.setenv(name, value)
    yield made
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)


def served(portal: Portal, stream: str) -> dict[str, Row]:
    lists = [listed for listed in portal.lists.values() if listed.collection == stream]
    rows = [json.loads(row) for listed in lists for row in listed.rows]
    return {row["id"]: row for row in rows}


def stored(columns: str, table: str) -> list[tuple[object, ...]]:
    with Warehouse.of(load_settings()).connect() as connection:
        return connection.execute(f"SELECT {columns} FROM absorb.{table} ORDER BY id").fetchall()


def test_a_pull_of_it_is_complete_and_equal_and_so_is_one_of_what_changed(portal: Portal) -> None:
    report = run_pull(load_settings())
    assert report.complete
    assert {name: one.counts.inserted for name, one in report.streams.items()} == {
        "departments": 9, "users": SHAPE.users, "courses": 7, "enrollments": 300
    }  # fmt: skip
    columns = "CAST(id AS VARCHAR), CAST(course_id AS VARCHAR), CAST(user_id AS VARCHAR), status, progress, score"
    text = "strftime(timezone('UTC', date_edited), '%Y-%m-%dT%H:%M:%S.%g')"
    for changed in (0, 6):
        if changed:
            portal.change(changed / 300)
            assert run_pull(load_settings()).streams["enrollments"].counts.updated == changed
        fields = ("id", "courseId", "userId", "status", "progress", "score", "dateEdited")
        rows = sorted(served(portal, "enrollments").values(), key=lambda row: row["id"])
        assert stored(f"{columns}, {text}", "enrollments") == [tuple(row[field] for field in fields) for row in rows]


def test_a_portal_of_what_changed_has_rows_of_the_whole_one(portal: Portal) -> None:
    run_pull(load_settings(), PullOptions(["courses", "enrollments"]))
    changed, whole = served(Portal(SHAPE, every=100), "enrollments"), served(portal, "enrollments")
    assert len(changed) == 3
    assert {row_id: row["courseId"] for row_id, row in changed.items()}.items() <= {
        (row_id, row["courseId"]) for row_id, row in whole.items()
    }
    assert all(row["dateEdited"] > whole[row_id]["dateEdited"] for row_id, row in changed.items())


def test_its_shape_is_that_of_the_portal_that_was_counted() -> None:
    shape = Shape.of(ENROLLMENTS)
    assert (shape.courses, sum(shape.sizes)) == (COURSES, ENROLLMENTS)
    assert [shape.course_of(number) for number in (0, shape.starts[5], ENROLLMENTS - 1)][:2] == [0, 5]
    assert min(shape.sizes) == 0 < sorted(shape.sizes)[COURSES // 2] < 200 < 20_000 < max(shape.sizes)


def test_each_contender_comes_with_what_it_needs_and_after_it() -> None:
    for name in CONTENDERS:
        order = [step.name for step in needed([name])]
        for step in needed([name]):
            assert all(order.index(before) < order.index(step.name) for before in step.after)
        assert CONTENDERS[name].beside in {"", *CONTENDERS}
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert Results(300).document()["contenders"] == []
