"""Answers of a portal, changed at random from good ones: a pull ends in a report or in one clear error, and what the
portal holds is in the warehouse, in quarantine, or in a list that is named as unread."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hostile import Call, Fault, Script, Stage, quiet, spelled, staged
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import examples, query
from test_pull import fitting, held

from connector.absorb import client
from connector.absorb.login import password
from connector.absorb.pull.options import ORDER, PullOptions, PullReport
from connector.absorb.pull.pull import pull
from connector.errors import LearnsyncError
from connector.http import retry
from connector.sandbox.portal import Portal
from connector.sandbox.portal.generator import generate
from connector.settings import Settings
from connector.warehouse.database import Warehouse

MARK = b'"@@"'
GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(@.*)?"
LONGEST_SECONDS = 60
MOST_KILOBYTES = 1_500_000  # the portal is in this process too
# What a value is spelled as: JSON of another type, JSON that few readers take, and no JSON.
VALUES = [
    b"null", b"true", b"0", b"-1", b"1e400", b"-0.0", b"NaN", b"1" * 5_000, b"0." + b"1" * 5_000, b"[]", b"{}",
    b'""', b'"x"', rb'"\u0000"', rb'"a\ud800b"', b'"a\xffb"', b'"a\x00b"', b'"a\nb"', b"[" * 300 + b"]" * 300,
    b'{"id": "x", "enrollments": [1]}', b'"0001-01-01T00:00:00"', b'"9999-12-31T23:59:59.9999999-14:00"',
    b'"2026-02-30T00:00:00"', b'"00000000-0000-0000-0000-000000000000"', b'"a"b"', b"", b"[1", b"}", b"'a'",
    b'"' + b"x" * 70_000 + b'"',
]  # fmt: skip
# What a field is called.
NAMES = [
    b"_loaded_at", b"tenant_id", b"_run_id", b"_removed_at", b"_extra", b"_unfit", b"_shape", b"seq", b"raw", b"r",
    b"ID", b"Id", b"dateedited", b"DATEEDITED", b"course_id", b"", b" ", rb"\u0000", rb"x\u0000y", b"a'b", rb"a\"b",
    b"a/b~c", b"$.id", b"{{raw}}", b"k", b"users", b"filename", b"\xff", b"n" * 2_000,
]  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What happens to each page of a list: `how`, where (`row`, `field`, `place`), and with what."""

    how: str
    kind: str
    row: int
    field: int
    place: int
    value: bytes
    name: bytes
    calls: int  # only the first so many calls of this kind; 0 means all

    @property
    def hidden(self) -> str:
        """The stream whose lists this makes empty, as for an account that sees none of its rows; else none."""
        fields = sorted([self.kind, "totalItems", "returnedItems", "limit", "offset"])
        empties = self.how == "envelope" and self.value == b"[]" and fields[self.field % len(fields)] == self.kind
        return self.kind if empties else ""

    def __call__(self, body: bytes) -> bytes:
        return HOW[self.how](self, body)

    def _rows(self, body: bytes) -> tuple[dict, list]:
        document = json.loads(body)
        return document, document[self.kind]

    def on_row(self, body: bytes, act: Callable[[dict, str], None]) -> bytes:
        """Act on the row whose id falls to this change, so that it is the same one on every page."""
        document, rows = self._rows(body)
        for row in rows:
            if int(row["id"][:8], 16) % 4 == self.row % 4:
                act(row, sorted(row)[self.field % len(row)])
        return json.dumps(document).encode()

    def spelled_value(self, body: bytes) -> bytes:
        return self.on_row(body, lambda row, name: row.update({name: "@@"})).replace(MARK, self.value)

    def renamed(self, body: bytes) -> bytes:
        return self.on_row(body, lambda row, name: row.update({"@@": row[name]})).replace(MARK, b'"' + self.name + b'"')

    def dropped(self, body: bytes) -> bytes:
        return self.on_row(body, lambda row, name: row.pop(name))

    def beside(self, body: bytes) -> bytes:
        document, rows = self._rows(body)
        rows.insert(self.place % (len(rows) + 1), "@@")
        return json.dumps(document).encode().replace(MARK, self.value)

    def envelope(self, body: bytes) -> bytes:
        document = json.loads(body)
        document[sorted(document)[self.field % len(document)]] = "@@"
        return json.dumps(document).encode().replace(MARK, self.value)

    def twice(self, body: bytes) -> bytes:
        document = json.loads(body)
        name = sorted(document)[self.field % len(document)]
        return (
            json.dumps({"@@": 1, **document})
            .encode()
            .replace(MARK + b": 1", b'"%s": %s' % (name.encode(), self.value or b"1"))
        )

    def byte(self, body: bytes) -> bytes:
        at, put = self.place % len(body), self.value[:3]
        # An id that becomes another one is a row that nobody can miss.
        put = put if re.search(rb"[^0-9a-fA-F]", put) else b"\xff"
        return body[:at] + put + body[at + self.row % 3 :]

    def cut(self, body: bytes) -> bytes:
        return body[: self.place % len(body)]


HOW: dict[str, Callable[[Change, bytes], bytes]] = {
    "value": Change.spelled_value,
    "name": Change.renamed,
    "drop": Change.dropped,
    "beside": Change.beside,
    "envelope": Change.envelope,
    "twice": Change.twice,
    "byte": Change.byte,
    "cut": Change.cut,
}
CHANGES = st.builds(
    Change,
    how=st.sampled_from(sorted(HOW)),
    kind=st.sampled_from(ORDER),
    row=st.integers(0, 3),
    field=st.integers(0, 40),
    place=st.integers(0, 100_000),
    value=st.sampled_from(VALUES),
    name=st.sampled_from(NAMES),
    calls=st.sampled_from([0, 0, 1, 4]),
)


def script_of(change: Change) -> Script:
    met = 0

    def script(call: Call) -> Fault | None:
        nonlocal met
        if call.kind != change.kind:
            return None
        met += 1
        return spelled(change) if not change.calls or met <= change.calls else None

    return script


@pytest.fixture(autouse=True, scope="module")
def peak_of_earlier_tests() -> Iterator[None]:
    """Tests of this process before these may have taken more memory than these may."""
    with pytest.MonkeyPatch.context() as patch:
        most = max(MOST_KILOBYTES, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 1)
        patch.setattr(sys.modules[__name__], "MOST_KILOBYTES", most)
        yield


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    portal = Portal()
    generate(portal, scale=24, courses=3, now=datetime.now(UTC) - timedelta(hours=3))
    with staged(portal) as running:
        yield running


def ended(stage: Stage, settings: Settings, run: str) -> PullReport | None:
    """The report of a pull; None where it ended in one clear error. Anything else it ends in fails the test."""
    started = time.monotonic()
    try:
        return pull(settings, run, PullOptions(full=run == "last"))
    except LearnsyncError:
        return None
    finally:
        assert time.monotonic() - started < LONGEST_SECONDS
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MOST_KILOBYTES
        assert len(stage.calls) < 2_000


def assert_nothing_lost(stage: Stage, settings: Settings, report: PullReport, shown: Sequence[str]) -> None:
    """Each row of a list that was read is held or in quarantine; `shown` are the streams whose lists hold rows."""
    found = query(Warehouse.of(settings), "SELECT stream, source_id FROM ops.quarantine WHERE resolved_at IS NULL")
    nameless = {stream for stream, source_id in found if not re.fullmatch(GUID, source_id)}
    for stream in shown:
        known = held(settings, stream).keys() | {source_id.partition("@")[0] for of, source_id in found if of == stream}
        for row in stage.portal.rows(stream):
            unread = stream == "enrollments" and row["courseId"].lower() in report.streams[stream].failures
            assert row["id"].lower() in known or unread or stream in nameless, (stream, row["id"])


def check(stage: Stage, change: Change) -> None:
    password._accounts.clear()
    with TemporaryDirectory() as folder:
        settings = stage.settings(Path(folder) / "warehouse.duckdb", page_size=10)
        stage.script, stage.calls = script_of(change), []
        report = ended(stage, settings, "first")
        if report is not None:
            assert_nothing_lost(stage, settings, report, [name for name in ORDER if name != change.hidden])
        stage.script, stage.calls = quiet, []
        assert ended(stage, settings, "last") is not None
        for stream in ORDER:
            truth = fitting(stream, stage.portal.rows(stream))
            assert (
                truth.items()
                <= {row_id: row for row_id, row in held(settings, stream).items() if row_id in truth}.items()
            )


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "GARBLED_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture(autouse=True, scope="module")
def no_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        yield


@settings(
    max_examples=4, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(change=CHANGES)
def test_a_pull_of_changed_answers_loses_nothing_in_silence(stage: Stage, change: Change) -> None:
    check(stage, change)


@pytest.mark.soak
@settings(
    max_examples=examples(10), derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(change=CHANGES)
def test_many_pulls_of_changed_answers_lose_nothing_in_silence(stage: Stage, change: Change) -> None:
    check(stage, change)
