"""A portal that stops serving a field: nothing of it reaches the org, and every command says so until it is settled."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
from support import query
from typer.testing import CliRunner

from connector.cli.commands import doctor
from connector.cli.main import app
from connector.sandbox.server import Sandbox
from connector.settings import Settings
from connector.warehouse.database import Warehouse

DUE = "SELECT id, date_due, _due_day FROM absorb.enrollments ORDER BY id"
STATUSES = 'SELECT enrollment_id, "ProgressStatus" FROM learning_item_progress ORDER BY ALL'


def learnsync(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, [*arguments, "--json"], env=dict(os.environ))
    return done.exit_code, json.loads(done.stdout)


def printed(*arguments: str) -> str:
    return " ".join(CliRunner().invoke(app, arguments, env=os.environ | {"COLUMNS": "300"}).stdout.split())


def serve(sandbox: Sandbox, **acts: list[str]) -> None:
    answer = httpx.post(f"{sandbox.absorb_url}/_sandbox/answers", json={"stream": "enrollments"} | acts)
    assert answer.status_code == 200, answer.text


def warned() -> list[str]:
    return [one.text for one in doctor.examine() if one.check == "fields" and one.verdict == "warn"]


def test_a_field_that_vanished_blanks_nothing_and_is_named_until_it_is_settled(
    sandbox: Sandbox, settings: Settings, monkeypatch: Any
) -> None:
    monkeypatch.setenv("LEARNSYNC_MAPPING__AS_OF", "2026-11-01T00:00:00Z")  # no status changes with the clock
    warehouse = Warehouse.of(settings)
    assert learnsync("sync")[0] == 0
    before = query(warehouse, DUE), query(warehouse, STATUSES)
    assert sum(due is not None for _, due, _ in before[0]) > 100

    # An ordinary day: a repeat, and everything read again.
    for arguments in (("sync",), ("pull", "--full")):
        code, document = learnsync(*arguments)
        report = document.get("pull", document)
        assert (code, report["vanished"], report["emptied"]) == (0, [], [])
    assert (warned(), learnsync("status")[1]["fields"]) == ([], {"vanished": [], "emptied": []})

    serve(sandbox, leave_out=["dateDue"])
    # Every row carried it so far, so a pull that reads a few rows without it is enough. They keep what they had.
    sandbox.portal.edit(5, changes={"acceptedTermsAndConditions": True})
    code, document = learnsync("pull")
    assert (code, [one["field"] for one in document["vanished"]]) == (1, ["dateDue"])
    assert document["streams"]["enrollments"]["counts"]["updated"] == 5

    code, document = learnsync("sync", "--full")
    assert code == 1
    assert [(one["stream"], one["field"]) for one in document["pull"]["vanished"]] == [("enrollments", "dateDue")]
    assert document["push"]["targets"]["lms_enrollment"]["update"] == 0
    assert (query(warehouse, DUE), query(warehouse, STATUSES)) == before

    assert learnsync("pull")[0] == 1, "it is named until it is back"
    assert warned() == ["enrollments.dateDue: the portal serves it no more; stored values stay"]
    code, status = learnsync("status")
    assert (code, status["fields"]["vanished"]) == (1, ["enrollments.dateDue"])
    assert status["pending"] == {"field(s) that the portal stopped serving": 1}
    assert [row["field"] for row in learnsync("rejects", "list")[1]["fields"]] == ["dateDue"]
    assert "vanished enrollments.dateDue" in printed("pull")
    assert "dateDue" in printed("rejects", "list")

    assert learnsync("rejects", "clear", "--yes") == (0, {"cleared": 0, "fields": 1})
    assert learnsync("pull", "--full")[0] == 0
    assert (learnsync("rejects", "list")[1]["pending"], warned()) == (0, [])


def test_values_that_vanish_are_a_warning_and_odd_scores_are_counted(sandbox: Sandbox, settings: Settings) -> None:
    rows = [row for row in sandbox.portal.rows("enrollments") if row["dateDue"]][:150]
    sandbox.portal.edit([row["id"] for row in rows[:3]], changes={"score": 105.0})
    assert learnsync("pull")[0] == 0
    serve(sandbox, empty=["dateDue"])
    code, report = learnsync("pull", "--full")
    assert code == 0
    [jump] = report["emptied"]
    assert (jump["field"], jump["reread"], jump["null_after"]) == ("dateDue", 600, 600)
    assert jump["null_before"] < 400
    assert len(warned()) == 1
    assert "emptied enrollments.dateDue" in printed("status")

    code, built = learnsync("build")
    assert (code, built["scores_out_of_range"]) == (0, 3)
    assert "3 score(s) outside 0-100" in printed("build")
    odd = "SELECT count(*) FROM absorb.enrollments WHERE score = 105"
    assert query(Warehouse.of(settings), odd) == [(3,)]
    assert query(Warehouse.of(settings), "SELECT count(*) FROM learning_record WHERE score > 100") == [(0,)]

    serve(sandbox)
    assert learnsync("pull", "--full")[1]["emptied"] == []
