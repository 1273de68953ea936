"""A real data set, all the way: every registration of the Open University (OULAD) reaches the org, accounted for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from oulad import folders, statuses
from support import query

from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[1]


@folders
def test_every_registration_of_a_real_data_set_reaches_the_org_and_is_accounted_for(
    folder: Path, tmp_path: Path
) -> None:
    wanted = statuses(folder)
    registrations = wanted.total()
    assert registrations in {413, 32_593}

    learnsync = [sys.executable, "-m", "connector.cli"]
    env = os.environ | {"PYTHONPATH": str(REPO)}
    sandbox = subprocess.Popen(
        [*learnsync, "sandbox", "--dataset", str(folder), "--rate-limit", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip
    try:
        assert sandbox.stdout is not None
        env |= json.loads(sandbox.stdout.readline())["settings"]
        env |= {
            "LEARNSYNC_WAREHOUSE__PATH": str(tmp_path / "warehouse.duckdb"),
            "LEARNSYNC_WAREHOUSE__PUBLISH_PATH": str(tmp_path / "learning.duckdb"),
            "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "5000",
            "LEARNSYNC_ABSORB__BURST": "5000",
            # Low enough for the sample to go by Bulk API 2.0, as the whole data set does.
            "LEARNSYNC_SALESFORCE__BULK_THRESHOLD": "100",
            "LEARNSYNC_MAPPING__AS_OF": "2026-01-01T00:00:00Z",
        }
        synced = run([*learnsync, "sync", "--json"], env)
        status = run([*learnsync, "status", "--json"], env)
        again = run([*learnsync, "pull", "--full", "--json"], env)
        dry = run([*learnsync, "push", "--dry-run", "--json"], env)
    finally:
        sandbox.send_signal(signal.SIGTERM)
        sandbox.communicate(timeout=30)

    assert synced["pull"]["streams"]["enrollments"]["counts"]["inserted"] == registrations
    assert (again["vanished"], again["emptied"]) == ([], [])
    sent = synced["push"]["targets"]["lms_enrollment"]
    assert (sent["accepted"], sent["created"], sent["rejected"]) == (registrations, registrations, 0)
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    assert query(warehouse, "SELECT count(*), count(DISTINCT id) FROM learning_record") == [(registrations,) * 2]
    counted = query(warehouse, "SELECT absorb_status, count(*) FROM learning_item_progress GROUP BY ALL")
    assert dict(counted) == dict(wanted)
    passed = query(warehouse, "SELECT passed, count(*) FROM learning_record GROUP BY ALL")
    assert dict(passed) == {True: wanted[3], False: wanted[5], None: wanted[6]}
    assert status["accounting"] == [{"state": "in Salesforce", "enrollments": registrations}]
    assert status["balanced"] is True
    assert (status["pending"], status["holds"]) == ({}, [])
    left = dry["targets"]["lms_enrollment"]
    assert (left["create"], left["update"], left["unchanged"], left["blocked"]) == (0, 0, registrations, {})
    assert (left["hold"], left["notes"]) == (None, [])


def run(command: list[str], env: dict[str, str]) -> dict[str, object]:
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
