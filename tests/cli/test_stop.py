"""SIGINT and SIGTERM end a pull in good order: what is in hand is committed, the exit code says which signal it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import ClassVar

import httpx
import pytest

from connector.absorb.pull.landing import Landing
from connector.absorb.pull.options import Limits, PullOptions
from connector.absorb.pull.pull import pull, pull_lock
from connector.cli.commands.doctor import examine
from connector.errors import WarehouseLockedError
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.warehouse.database import Warehouse


def counted(settings: Settings, table: str) -> int:
    with Warehouse.of(settings).connect() as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return found[0] if found else 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_pull_in_good_order(
    settings: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__PAGE_SIZE", "5")
    monkeypatch.setenv("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", "40")
    monkeypatch.setenv("LEARNSYNC_ABSORB__BURST", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "connector.cli", "pull"], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stderr is not None
    while not (line := process.stderr.readline()).startswith("learnsync: enrollments"):
        assert line, "the pull ended before it came to the enrollments"
    process.send_signal(number)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == code
    assert complaint.count("interrupted") == 1
    assert "Traceback" not in complaint
    monkeypatch.delenv("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND")
    assert counted(settings, "ops.watermarks") > 0, "what was read before the signal is kept"
    pull(settings, "rest")
    assert counted(settings, "absorb.enrollments") == sandbox.portal.count("enrollments")


def test_two_pulls_with_one_account_are_refused_whatever_the_warehouse(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    with pull_lock(settings, "the-first-run"):
        monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", f"{tmp_path}/other/warehouse.duckdb")
        with pytest.raises(WarehouseLockedError, match="the-first-run") as refusal:
            pull(load_settings(), "second")
    assert "account" in refusal.value.message


def test_a_killed_walk_of_one_long_list_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """The list of one course: what was committed before the end is not fetched again."""
    with Sandbox(SandboxOptions(scale=900, courses=1, rate_limit=0, salesforce=False)) as portal:
        for name, value in portal.settings().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LEARNSYNC_ABSORB__PAGE_SIZE", "20")
        stopped = load_settings()
        often = PullOptions(limits=Limits(group_seconds=0.02))
        land = Landing.page
        landed = 0

        async def stop_after_forty_pages(self: Landing, *page: object) -> None:
            nonlocal landed
            await land(self, *page)
            landed += 1
            if landed == 40:
                raise RuntimeError("stopped here")

        pull(stopped, "courses", often)  # parents and one whole pull, to learn what a whole pull costs
        whole = counted(stopped, "absorb.enrollments")
        with Warehouse.of(stopped).transaction() as connection:
            connection.execute("DELETE FROM absorb.enrollments")
            connection.execute("DELETE FROM ops.watermarks WHERE stream = 'enrollments'")
        with monkeypatch.context() as patched:
            patched.setattr(Landing, "page", stop_after_forty_pages)
            with pytest.raises(RuntimeError, match="stopped here"):
                pull(stopped, "stopped", often)
        before = counted(stopped, "absorb.enrollments")
        assert before > 0
        assert counted(stopped, "ops.resume") == 1
        report = pull(stopped, "resumed", often).streams["enrollments"]
        assert counted(stopped, "absorb.enrollments") == whole
        assert report.counts.inserted == whole - before
        assert report.requests < 900 / 20, "it did not begin at the beginning"
        assert counted(stopped, "ops.resume") == 0


def test_doctor_does_not_log_in_beside_a_running_pull(settings: Settings, sandbox: Sandbox) -> None:
    with pull_lock(settings, "the-first-run"):
        findings = examine()
    asked = [finding for finding in findings if finding.check.startswith("absorb")]
    assert [finding.verdict for finding in asked] == ["warn"]
    assert "the-first-run" in asked[0].text
    assert [finding.verdict for finding in examine() if finding.check == "absorb login"] == ["ok"]


@pytest.mark.lets_go
def test_doctor_beside_a_running_pull_uses_its_token(settings: Settings, sandbox: Sandbox) -> None:
    class Beside:
        """Another process runs doctor when the pull comes to the enrollments."""

        checks: ClassVar[dict[str, str]] = {}

        def stage(self, name: str, total: int | None = None) -> None:
            if name == "enrollments":
                command = [sys.executable, "-m", "connector.cli", "doctor", "--json"]
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
                self.checks |= {check["check"]: check["verdict"] for check in json.loads(done.stdout)["checks"]}

        def advance(self, steps: int = 1, note: str = "") -> None:
            """Nothing."""

    assert pull(settings, "first", progress=Beside()).complete
    assert {name: Beside.checks[name] for name in ("absorb login", "absorb users", "absorb courses")} == {
        "absorb login": "ok",
        "absorb users": "ok",
        "absorb courses": "ok",
    }
    assert httpx.get(f"{sandbox.absorb_url}/_sandbox/state").json()["tokens_minted"] == 1
