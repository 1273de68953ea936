"""`learnsync api`: the 27 operations by hand, against the sandbox portal over HTTP."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import redact
from connector.absorb.api.registry import operations
from connector.absorb.login import password
from connector.cli.console import out
from connector.cli.main import main
from connector.sandbox.server import Sandbox, SandboxOptions

PAGE = Path(__file__).resolve().parents[1] / "data" / "absorb_operations.csv"


@pytest.fixture(scope="module")
def portal() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=60, courses=4, rate_limit=0, salesforce=False)) as running:
        yield running


@pytest.fixture(autouse=True)
def environment(portal: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in portal.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(out, "_width", 300)  # the console may be older than this test and its environment


def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
    """Run `learnsync api <arguments>`: exit code, standard output, standard error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["learnsync", "api", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(typed))
        patch.setattr(sys, "stdout", io.StringIO())
        patch.setattr(sys, "stderr", io.StringIO())
        patch.setattr(redact, "_known", set())
        patch.setattr(password, "_accounts", {})
        patch.setattr(logging.getLogger(), "handlers", [])
        with pytest.raises(SystemExit) as left:
            main()
        printed = sys.stdout.getvalue(), sys.stderr.getvalue()
    assert "Traceback" not in printed[1]
    return int(left.value.code or 0), *printed


def snake(path: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", path).lower().replace("{id}", "{enrollment_id}")


def test_the_operations_are_those_of_the_vendors_page() -> None:
    with PAGE.open(encoding="utf-8", newline="") as lines:
        page = [(row["name"], row["method"], snake(row["path"])) for row in csv.DictReader(lines)]
    assert [(one.name, one.verb, one.path) for one in operations().values()] == page
    assert all(one.summary for one in operations().values())


def test_the_list_shows_name_method_path_and_parameters() -> None:
    code, printed, _ = run("list")
    assert code == 0
    line = next(line for line in printed.splitlines() if "lessons.of_lesson" in line)
    assert all(part in line for part in ("GET", "/courses/{course_id}/lessons/{lesson_id}/enrollments", "[where]"))
    listed = json.loads(run("list", "--json")[1])["operations"]
    assert len(listed) == 27
    assert [one["name"] for one in listed if one["writes"]] == [
        one.name for one in operations().values() if one.verb != "GET"
    ]


def test_a_read_prints_what_the_portal_serves(portal: Sandbox) -> None:
    row = portal.portal.rows("enrollments")[0]
    code, printed, _ = run("call", "enrollments.get", "--param", f"enrollmentId={row['id'].upper()}")
    assert code == 0
    assert json.loads(printed)["userId"] == row["userId"].lower()
    of_course = ("call", "enrollments.of_course", "--param", f"course_id={row['courseId']}")
    rows = json.loads(run(*of_course)[1])
    assert {one["id"] for one in rows} == {
        one["id"].lower() for one in portal.portal.rows("enrollments") if one["courseId"] == row["courseId"]
    }
    document = json.loads(run(*of_course, "--param", "status=3", "--json")[1])
    assert document["operation"] == "enrollments.of_course"
    assert {one["status"] for one in document["result"]} == {3}
    bulk = json.loads(run("call", "enrollments.bulk", "--param", f"user_ids={row['userId']},{row['userId']}")[1])
    assert row["id"] in {one["id"] for one in bulk}


def test_a_write_asks_for_yes_and_then_does_it(portal: Sandbox, tmp_path: Path) -> None:
    first, second = (row["id"] for row in portal.portal.rows("enrollments")[:2])
    unenroll = ("call", "enrollments.unenroll", "--param", f"enrollment_ids={first}")
    code, _, said = run(*unenroll)
    assert (code, portal.portal.has("enrollments", first)) == (2, True)
    assert "--yes" in said
    assert run(*unenroll, "--yes")[0] == 0
    assert run("call", "enrollments.unenroll", "--body", "-", "--yes", typed=json.dumps([second]))[0] == 0
    assert not any(portal.portal.has("enrollments", row_id) for row_id in (first, second))
    user, course = portal.portal.users()[0]["id"], portal.portal.rows("enrollments")[0]["courseId"]
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"courseId": course, "score": 88.5}), "utf-8")
    create = ("call", "enrollments.create_or_update", "--param", f"user_id={user}", "--body", str(body), "--yes")
    code, printed, said = run(*create)
    assert (code, said) == (0, "")
    made = json.loads(printed)["enrollmentId"]
    assert (portal.portal.get("enrollments", made) or {})["score"] == 88.5
    assert run("call", "enrollments.get", "--param", f"enrollment_id={first}")[0] == 2  # 404


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["enrollments.of_cours"], "enrollments.of_course"),
        (["lessons.get", "--param", "user_id=a0000000-0000-4000-8000-000000000001"], "--param lesson_id="),
        (["lessons.get", "--param", "lesson=1"], "lesson_id"),
        (["lessons.get", "--param", "lesson_id"], "name=value"),
        (["enrollments.get", "--param", "enrollment_id=7"], "must be a GUID"),
        (["mine.enrollments", "--param", "status=many"], "--param status"),
        (["mine.enrollments", "--param", "modified_since=soon"], "--param modified_since"),
        (["enrollments.bulk"], "name learners, courses or both"),
        (["mine.enrollments", "--body", "-"], "takes no body"),
        (["attempts.finish", "--yes", "--param", "attempt_id=a0000000-0000-4000-8000-000000000001"], "--body FILE"),
        (["attempts.finish", "--yes", "--body", "-"], "JSON"),
        (["attempts.finish", "--yes", "--body", "/nowhere/x.json"], "/nowhere/x.json"),
    ],
)
def test_what_cannot_be_called_is_told_in_one_message(arguments: list[str], said: str) -> None:
    code, printed, complaint = run("call", *arguments)
    assert (code, printed) == (2, "")
    assert complaint.count("learnsync:") == 1
    assert said in complaint


def test_a_body_with_an_unknown_field_names_those_there_are() -> None:
    code, _, said = run("call", "enrollments.create_or_update", "--yes", "--body", "-", typed='{"progress": 5}')
    assert code == 2
    assert "dateCompleted" in said
