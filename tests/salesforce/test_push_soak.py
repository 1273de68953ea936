"""100,000 records through everything an org does to a push: locks, a job that fails, ended sessions, a kill."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from support import records
from test_bulk import Expiring, run_push
from test_push import COURSE, ENROLLMENT, REPO, assert_org_is_the_map, catch_up, enrollments, writes

from connector.errors import IncompleteError
from connector.salesforce.push import bulk_files
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import load_settings
from connector.warehouse.database import Warehouse

pytestmark = pytest.mark.soak

ROWS = 100_000
FILE_BYTES = 12_000_000  # some jobs instead of one
MOST_PUSHES = 12
DIES_IN_ITS_SECOND_JOB = f"""
import asyncio

from connector.salesforce.push import bulk_files
from connector.salesforce.push import bulk_jobs as bulk
from connector.settings import load_settings
from connector.sync import run_push

bulk_files.MAX_FILE_BYTES = {FILE_BYTES}
wait, jobs = bulk.BulkJobs.wait, 0

async def stalls(self, job_id, *rest):
    global jobs
    jobs += 1
    if jobs == 2:
        await self.info(job_id)  # the org has begun
        print("half", flush=True)
        await asyncio.sleep(60)
    return await wait(self, job_id, *rest)

bulk.BulkJobs.wait = stalls
run_push(load_settings())
"""


class Trouble(Expiring):
    """Sessions end again and again, and a job fails half-way."""

    def stage(self, name: str, total: int | None = None) -> None:
        super().stage(name, total)
        if name == ENROLLMENT:
            self._org.fail_job_after(7_000)


def kill_a_push() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DIES_IN_ITS_SECOND_JOB], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=20) == -signal.SIGKILL
    process.communicate()


def test_a_hundred_thousand_records_end_exact(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    for name in [name for name in os.environ if name.upper().startswith("LEARNSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bulk_files, "MAX_FILE_BYTES", FILE_BYTES)
    with Sandbox(SandboxOptions(scale=ROWS, courses=200, rate_limit=0)) as box:
        for name, value in box.settings().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
        monkeypatch.setenv("LEARNSYNC_SALESFORCE__PUSH_UNMATCHED", "true")
        settings = load_settings()
        catch_up(settings)
        assert box.org is not None
        box.org.fail_share(0.1, "UNABLE_TO_LOCK_ROW")

        kill_a_push()
        reports, failed = [], 0
        for number in range(MOST_PUSHES):
            try:
                reports.append(run_push(settings, progress=Trouble(box) if number == 0 else Expiring(box)))
            except IncompleteError as failure:
                assert "ended as Failed" in str(failure)  # noqa: PT017 - one of several pushes
                failed += 1
                continue
            if reports[-1].complete:
                break

        assert failed == 1, "the job that fails half-way"
        assert reports[-1].complete, [enrollments(report) for report in reports]
        assert_org_is_the_map(box, settings, unmatched_too=True)
        ledger = records(Warehouse.of(settings), "SELECT target_object, state, attempts FROM salesforce.push_ledger")
        assert Counter((row["target_object"], row["state"]) for row in ledger) == {
            (COURSE, "accepted"): box.portal.count("courses"),
            (ENROLLMENT, "accepted"): ROWS,
        }
        assert writes(box)["created"] == ROWS, "no record twice"
        again = run_push(settings)
        assert [target.sent for target in again.targets.values()] == [0, 0]

        figures = {
            "records": ROWS,
            "pushes": len(reports) + failed + 1,
            "jobs": len(box.org.bulk.jobs),
            "locks met": writes(box)["failed"],
            "logins": box.org.calls["POST /services/oauth2/token"],
            "peak megabytes, sandbox included": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    for name, value in figures.items():
        record_property(name, value)
    with capsys.disabled():
        print("\n" + ", ".join(f"{name}: {value:,}" for name, value in figures.items()))
