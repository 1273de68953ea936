"""Another portal or org behind the same tenant: refused by what reads or writes it, until it is adopted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import query
from typer.testing import CliRunner

from connector.cli.commands import doctor
from connector.cli.main import app
from connector.errors import IdentityError
from connector.push.reports import PushOptions
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_pull, run_push
from connector.warehouse.database import Warehouse

ENROLLMENT = "LMS_Enrollment__c"
KEPT = (
    "absorb.departments", "absorb.enrollments", "ops.watermarks", "ops.identity", "salesforce.push_ledger",
    "salesforce.users", "salesforce.learner_matches", "learning_record", "learning_item_progress", "ops.assignments",
)  # fmt: skip


@pytest.fixture(scope="module")
def other() -> Iterator[Sandbox]:
    """Another portal and another org."""
    with Sandbox(SandboxOptions(scale=80, courses=4, rate_limit=0, seed=77)) as running:
        yield running


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=120, courses=4, rate_limit=0)) as running:
        yield running


def learnsync(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(app, [*arguments, "--json"], env=dict(os.environ))
    if isinstance(done.exception, IdentityError):  # what the entry point prints
        return done.exception.exit_code, {"error": done.exception.message, "remedy": done.exception.remedy}
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def point_at(box: Sandbox, patch: pytest.MonkeyPatch, *systems: str) -> None:
    """Let the settings name the portal (ABSORB), the org (SALESFORCE) or both of another sandbox."""
    for name, value in box.settings().items():
        if any(system in name for system in systems):
            patch.setenv(name, value)


def root(box: Sandbox) -> str:
    (found,) = [row["id"] for row in box.portal.rows("departments") if row["parentId"] is None]
    return str(found)


def org_id(box: Sandbox) -> str:
    assert box.org is not None
    return box.org.sessions.org_id


def contents(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    return {name: query(Warehouse.of(settings), f"FROM {name} ORDER BY ALL") for name in KEPT}


def identities(settings: Settings) -> dict[str, str]:
    return dict(query(Warehouse.of(settings), "SELECT system, id FROM ops.identity"))


def test_another_portal_and_org_are_refused_and_nothing_changes(
    settings: Settings, sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learnsync("sync")[0] == 0
    assert identities(settings) == {"portal": root(sandbox), "org": org_id(sandbox)}
    before, portal_rows = contents(settings), other.portal.rows("enrollments")
    point_at(other, monkeypatch, "ABSORB", "SALESFORCE")
    monkeypatch.setenv("LEARNSYNC_ASSIGNMENTS__ENABLED", "true")
    portals, orgs = {root(sandbox), root(other)}, {org_id(sandbox), org_id(other)}
    for command, named in {
        "pull": portals, "pull --full": portals, "sync": portals | orgs, "reconcile": portals, "push": orgs,
        "push --dry-run": orgs, "push --target lms_course": orgs, "readback": orgs, "assign": orgs,
        "readback --record 0zt5g0000000001AAA": orgs,
        "assign --apply": orgs,
    }.items():  # fmt: skip
        code, said = learnsync(*command.split())
        assert code == 2, command
        assert all(one in said["error"] for one in named), (command, said)
        assert "learnsync adopt" in said["remedy"]
    assert contents(settings) == before
    assert other.org is not None
    assert other.org.write_counts["objects"] == {}
    assert other.portal.rows("enrollments") == portal_rows
    checks = {found.check: found for found in doctor.examine() if found.verdict == "fail"}
    assert set(checks) == {"absorb portal", "salesforce org"}
    assert root(sandbox) in checks["absorb portal"].text
    assert org_id(other) in checks["salesforce org"].text


def test_commands_that_ask_nobody_go_on_and_the_way_back_is_open(
    settings: Settings, sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learnsync("sync")[0] == 0
    point_at(other, monkeypatch, "ABSORB", "SALESFORCE")
    assert [learnsync(command)[0] for command in ("build", "publish", "status", "rejects")] == [0, 0, 0, 0]
    point_at(sandbox, monkeypatch, "ABSORB", "SALESFORCE")
    code, report = learnsync("sync")
    assert (code, report["push"]["targets"]["lms_enrollment"]["sent"]) == (0, 0)


def test_the_same_portal_with_another_org_ends_a_sync_before_anything_is_read(
    settings: Settings, sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learnsync("sync")[0] == 0
    before = contents(settings)
    point_at(other, monkeypatch, "SALESFORCE")
    code, said = learnsync("sync")
    assert (code, org_id(other) in said["error"]) == (2, True)
    assert contents(settings) == before


def test_an_org_that_is_not_set_up_is_called_another_one_first(
    settings: Settings, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learnsync("sync")[0] == 0
    with Sandbox(SandboxOptions(scale=0, courses=1, rate_limit=0)) as bare:
        assert bare.org is not None
        bare.org.remove_field(ENROLLMENT, "Score__c")
        point_at(bare, monkeypatch, "SALESFORCE")
        with pytest.raises(IdentityError):
            run_push(load_settings(), PushOptions(match=False))


def test_an_adopted_portal_is_read_whole_and_an_adopted_org_is_pushed_to(
    settings: Settings, sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learnsync("sync")[0] == 0
    point_at(other, monkeypatch, "ABSORB", "SALESFORCE")
    code, report = learnsync("adopt")
    assert code == 0
    assert (report["portal"]["id"], report["portal"]["before"]) == (root(other), root(sandbox))
    assert (report["org"]["id"], report["org"]["before"]) == (org_id(other), org_id(sandbox))
    assert report["next_pull_is_full"] is True
    assert query(Warehouse.of(settings), "SELECT count(*) FROM ops.watermarks") == [(0,)]
    # Every enrollment of the new portal comes, also those that were edited before the last pull from the old one.
    assert learnsync("pull")[1]["streams"]["enrollments"]["counts"]["inserted"] == 80
    again = learnsync("adopt")[1]
    assert (again["portal"]["before"], again["org"]["before"], again["next_pull_is_full"]) == (None, None, False)
    assert query(Warehouse.of(settings), "SELECT count(*) FROM ops.watermarks") != [(0,)]
    assert learnsync("push", "--dry-run")[0] == 0


def test_a_warehouse_of_the_version_before_takes_the_identity_silently(settings: Settings, sandbox: Sandbox) -> None:
    assert learnsync("sync")[0] == 0
    with Warehouse.of(settings).connect() as connection:
        connection.execute("DELETE FROM ops.identity")
    assert learnsync("push", "--dry-run")[0] == learnsync("readback")[0] == 0
    assert identities(settings) == {}, "a dry run notes nothing, and what is only read is not ours yet"
    code, report = learnsync("sync")
    assert (code, report["push"]["targets"]["lms_enrollment"]["sent"]) == (0, 0)
    assert identities(settings) == {"portal": root(sandbox), "org": org_id(sandbox)}


def test_an_account_that_sees_no_department_is_known_by_the_url(settings: Settings, sandbox: Sandbox) -> None:
    departments, own = sandbox.portal.rows("departments"), root(sandbox)
    hide = "DELETE FROM departments"
    with sandbox.portal.lock:
        sandbox.portal._db.execute(hide)
        sandbox.portal._counts.clear()
    run_pull(settings)
    assert identities(settings) == {"portal": sandbox.absorb_url}
    sandbox.portal.load("departments", departments)
    run_pull(settings)  # a wider role shows them: the same portal
    assert identities(settings) == {"portal": own}
    with sandbox.portal.lock:
        sandbox.portal._db.execute(hide)
        sandbox.portal._counts.clear()
    with pytest.raises(IdentityError, match="show no department, so they may name another portal"):
        run_pull(settings)  # the portals of a region share their URL
    assert identities(settings) == {"portal": own}


def test_adopt_makes_no_warehouse(settings: Settings, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["adopt"], env=dict(os.environ))
    assert done.exception is not None
    assert "there is no warehouse" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
