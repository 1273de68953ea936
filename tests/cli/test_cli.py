"""The `learnsync` command as a user meets it: exit codes, one message, one JSON object, no secret, nothing lost."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support import query
from typer.testing import CliRunner

from connector import redact
from connector.absorb.login import password
from connector.cli.commands import SUMMARIES
from connector.cli.main import app, load, main
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import load_settings
from connector.sync import run_build, run_pull
from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).with_name("learnsync")
LEARNSYNC = [str(SCRIPT)] if SCRIPT.is_file() else [sys.executable, "-m", "connector.cli"]
STAGE = re.compile(r"learnsync: [\w ]+( \([\d,]+\))?")
ABSORB, SALESFORCE, WAREHOUSE = "LEARNSYNC_ABSORB__", "LEARNSYNC_SALESFORCE__", "LEARNSYNC_WAREHOUSE__"


@dataclass
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything else there fails."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out + self.err
        document = json.loads(lines[0])
        assert isinstance(document, dict)
        return document

    @property
    def messages(self) -> list[str]:
        """Complaints on stderr, without progress lines and remedies."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return [line for line in lines if not STAGE.fullmatch(line) and not line.startswith("  → ")]


@dataclass
class Shell:
    """A shell with the settings of one sandbox in its environment."""

    box: Sandbox
    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> set[str]:
        return {self.box.absorb.api_key, self.box.absorb.password, self.box.org.client_secret}

    def run(self, *arguments: str, **changes: str) -> Outcome:
        """Run `learnsync <arguments>` by its entry point, as if in a new process."""
        with pytest.MonkeyPatch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in (self.env | changes).items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["learnsync", *arguments])
            patch.setattr(sys, "stdin", io.StringIO())
            patch.setattr(sys, "stdout", io.StringIO())
            patch.setattr(sys, "stderr", io.StringIO())
            patch.setattr(redact, "_known", set())
            patch.setattr(password, "_accounts", {})
            patch.setattr(logging.getLogger(), "handlers", [])
            with pytest.raises(SystemExit) as left:
                main()
            done = Outcome(int(left.value.code or 0), sys.stdout.getvalue(), sys.stderr.getvalue())
        return self.checked(done, changes)

    def run_process(self, *arguments: str, **changes: str) -> Outcome:
        """Run the installed `learnsync` as a process."""
        done = subprocess.run(
            [*LEARNSYNC, *arguments], env=self.env | changes, cwd=self.folder, capture_output=True, text=True,
            timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return self.checked(Outcome(done.returncode, done.stdout, done.stderr), changes)

    def checked(self, done: Outcome, changes: dict[str, str]) -> Outcome:
        """No output may ever hold a secret or a traceback."""
        printed = done.out + done.err
        assert "Traceback" not in printed, printed
        given = {value for name, value in changes.items() if name.endswith(("KEY", "PASSWORD", "SECRET")) and value}
        for secret in self.secrets | given:
            assert secret not in printed, "a secret was printed"
        return done

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.folder / "warehouse.duckdb")

    def count(self, table: str, where: str = "true") -> int:
        return int(query(self.warehouse, f"SELECT count(*) FROM {table} WHERE {where}")[0][0])


def shell_for(box: Sandbox, folder: Path) -> Shell:
    env = {name: value for name, value in os.environ.items() if not name.startswith("LEARNSYNC_")}
    own = {
        f"{WAREHOUSE}PATH": str(folder / "warehouse.duckdb"),
        f"{WAREHOUSE}PUBLISH_PATH": str(folder / "learning.duckdb"),
        f"{ABSORB}REQUESTS_PER_SECOND": "5000",
        f"{ABSORB}BURST": "5000",
        "PYTHONPATH": str(REPO),
        "COLUMNS": "200",
    }
    return Shell(box, folder, env | box.settings() | own)


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """A portal and an org for tests that change neither by hand."""
    with Sandbox(SandboxOptions(scale=250, courses=5, rate_limit=0, salesforce="agreeing")) as running:
        yield running


@pytest.fixture(scope="module")
def built(shared: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that has pulled and built `shared`."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LEARNSYNC_")]:
            patch.delenv(name)
        patch.chdir(folder)
        for name, value in shared.settings().items():
            patch.setenv(name, value)
        patch.setenv(f"{WAREHOUSE}PATH", str(folder / "warehouse.duckdb"))
        run_pull(load_settings())
        run_build(load_settings())
    return folder / "warehouse.duckdb"


@pytest.fixture
def shell(shared: Sandbox, built: Path, tmp_path: Path) -> Shell:
    """Pulled and built from the shared portal."""
    shutil.copy(built, tmp_path / "warehouse.duckdb")
    return shell_for(shared, tmp_path)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Shell]:
    """A portal and an org of this test's own, nothing pulled."""
    with Sandbox(SandboxOptions(scale=120, courses=4, rate_limit=0, salesforce="agreeing")) as running:
        yield shell_for(running, tmp_path)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# -- bad input --------------------------------------------------------------------------------------------------------

# command, changed variables, what the message must name
BAD: dict[str, tuple[str, dict[str, str], str]] = {
    "wrong key": ("pull", {f"{ABSORB}API_KEY": "4D1F-wrong-key"}, f"{ABSORB}API_KEY"),
    "wrong password": ("pull", {f"{ABSORB}PASSWORD": "wrong-password-77"}, f"{ABSORB}PASSWORD"),
    "no password": ("pull", {f"{ABSORB}PASSWORD": ""}, f"{ABSORB}PASSWORD"),
    "unreachable portal": ("pull", {f"{ABSORB}BASE_URL": "http://127.0.0.1:{free}"}, f"{ABSORB}BASE_URL"),
    "a path behind the host": ("pull", {f"{ABSORB}BASE_URL": "{portal}/api/rest/v2"}, f"{ABSORB}BASE_URL"),
    "plain http": ("pull", {f"{ABSORB}BASE_URL": "http://portal.example"}, f"{ABSORB}BASE_URL"),
    "no URL": ("build", {f"{ABSORB}BASE_URL": "rest.myabsorb.com"}, f"{ABSORB}BASE_URL"),
    "unknown region": ("build", {f"{ABSORB}REGION": "moon"}, f"{ABSORB}REGION"),
    "page size above Absorb's": ("pull", {f"{ABSORB}PAGE_SIZE": "1001"}, f"{ABSORB}PAGE_SIZE"),
    "page size in words": ("pull", {f"{ABSORB}PAGE_SIZE": "many"}, f"{ABSORB}PAGE_SIZE"),
    "unknown zone": ("build", {"LEARNSYNC_MAPPING__TIMEZONE": "Mars/Base"}, "LEARNSYNC_MAPPING__TIMEZONE"),
    "no instant": ("build", {"LEARNSYNC_MAPPING__AS_OF": "yesterday"}, "LEARNSYNC_MAPPING__AS_OF"),
    "no mapping folder": ("build", {"LEARNSYNC_MAPPING__DIR": "nowhere"}, "LEARNSYNC_MAPPING__DIR"),
    "budget above all": ("push", {f"{SALESFORCE}API_BUDGET_PERCENT": "200"}, f"{SALESFORCE}API_BUDGET_PERCENT"),
    "misspelt": ("build", {f"{ABSORB}PASWORD": "x-misspelt-x"}, f"{ABSORB}PASSWORD"),
    "no login URL": ("push", {f"{SALESFORCE}LOGIN_URL": ""}, f"{SALESFORCE}LOGIN_URL"),
    "wrong secret": ("push", {f"{SALESFORCE}CLIENT_SECRET": "wrong-secret-55"}, f"{SALESFORCE}CLIENT_SECRET"),
    "unreachable org": ("push", {f"{SALESFORCE}LOGIN_URL": "http://127.0.0.1:{free}"}, f"{SALESFORCE}LOGIN_URL"),
    "unknown stream": ("pull --stream grades", {}, "--stream"),
    "no instant to start from": ("pull --since tomorrow-ish", {}, "--since"),
    "no enrollment id": ("explain 12345", {}, "12345"),
    "unwritable published file": (
        "publish", {f"{WAREHOUSE}PUBLISH_PATH": "{file}/learning.duckdb"}, f"{WAREHOUSE}PUBLISH_PATH",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_that_names_its_variable_and_loses_nothing(shell: Shell, name: str) -> None:
    command, changes, named = BAD[name]
    (shell.folder / "file").write_text("in the way")
    places = {"free": free_port(), "portal": shell.box.absorb_url, "file": shell.folder / "file"}
    changes = {key: value.format(**places) for key, value in changes.items()}
    before = shell.count("absorb.enrollments"), shell.count("learning_item_progress")
    done = shell.run(*command.split(), **changes)
    assert done.code == 2, done.err
    assert len(done.messages) == 1, done.err
    assert done.messages[0].startswith("learnsync: ")
    assert named in done.err or named.replace("LEARNSYNC_SALESFORCE", "") in done.err
    assert done.out == ""
    assert before == (250, 250) == (shell.count("absorb.enrollments"), shell.count("learning_item_progress"))


def test_an_unwritable_warehouse_path_is_named_by_every_command(shell: Shell) -> None:
    (shell.folder / "file").write_text("in the way")
    commands = ("pull", "build", "push", "sync", "status", "publish", "rejects")
    found = {
        command: shell.run(*command.split(), **{f"{WAREHOUSE}PATH": str(shell.folder / "file" / "w.duckdb")})
        for command in commands
    }
    for command, done in found.items():
        assert (done.code, done.out) == (2, ""), command
        assert len(done.messages) == 1, (command, done.err)
        assert f"{WAREHOUSE}PATH" in done.messages[0], command


def test_a_file_that_is_no_warehouse_is_named(shell: Shell) -> None:
    (shell.folder / "notes.txt").write_text("no database " * 1000)
    done = shell.run("status", **{f"{WAREHOUSE}PATH": str(shell.folder / "notes.txt")})
    assert (done.code, len(done.messages)) == (2, 1)
    assert f"{WAREHOUSE}PATH" in done.messages[0]
    assert (shell.folder / "notes.txt").read_text() == "no database " * 1000


def test_a_missing_salesforce_field_stops_the_push_and_the_sync_still_publishes(fresh: Shell) -> None:
    fresh.box.org.remove_field("LMS_Enrollment__c", "Score__c")
    done = fresh.run("sync")
    assert done.code == 2
    assert len(done.messages) == 1, done.err
    assert "LMS_Enrollment__c.Score__c" in done.messages[0]
    assert "LearnSync_Integration" in done.err
    assert fresh.box.org.write_counts["objects"] == {}
    assert fresh.count("learning_item_progress") == 120
    with duckdb.connect(str(fresh.folder / "learning.duckdb"), read_only=True) as published:
        for table in ("learning_record", "learning_item_progress_history"):
            assert published.execute(f"SELECT count(*) FROM {table}").fetchone() == (120,)


def test_a_malformed_row_is_kept_aside_and_all_others_go_all_the_way(fresh: Shell) -> None:
    bad = fresh.box.portal.rows("enrollments")[3]
    fresh.box.portal.put_row("enrollments", bad | {"progress": "a lot"})
    done = fresh.run("sync", "--json")
    assert done.code == 1
    assert done.json["pull"]["pending"] == 1
    assert done.json["complete"] is False
    assert fresh.count("absorb.enrollments") == fresh.count("learning_item_progress") == 119
    ((source_id, where, raw),) = query(fresh.warehouse, "SELECT source_id, field, raw FROM ops.quarantine")
    assert (source_id, where) == (bad["id"], "progress")
    assert json.loads(raw) == bad | {"progress": "a lot"}


def test_an_unknown_status_is_kept_and_reaches_no_target(fresh: Shell) -> None:
    (odd,) = fresh.box.portal.edit(1, changes={"status": 42})
    done = fresh.run("sync", "--json")
    assert done.code == 1
    assert done.json["build"]["unmapped"] == 1
    assert fresh.count("absorb.enrollments", f"id = '{odd}' AND status = 42") == 1
    assert fresh.count("learning_item_progress") == 119
    assert fresh.count("ops.quarantine", "reason LIKE 'unmapped status%'") == 1
    assert odd not in {row["Absorb_Enrollment_Id__c"] for row in fresh.box.org.records("LMS_Enrollment__c")}
    fresh.box.portal.edit([odd], changes={"status": 3})
    assert fresh.run("sync").code == 0
    assert fresh.count("learning_item_progress") == 120


# -- the process ------------------------------------------------------------------------------------------------------


def test_the_installed_command_keeps_the_exit_codes_and_streams(fresh: Shell) -> None:
    done = fresh.run_process("sync", "--json")
    assert (done.code, done.json["complete"]) == (0, True)
    assert done.err, "progress goes to stderr"
    bad = fresh.box.portal.rows("enrollments")[3]
    fresh.box.portal.put_row("enrollments", bad | {"progress": "a lot", "dateEdited": None})
    assert fresh.run_process("pull").code == 1
    wrong = fresh.run_process("pull", **{f"{ABSORB}PASSWORD": "wrong-password-77"})
    assert (wrong.code, len(wrong.messages), wrong.out) == (2, 1, "")
    assert f"{ABSORB}PASSWORD" in wrong.err
    assert fresh.run_process("pull", "--nonsense").code == 2
    assert fresh.count("absorb.enrollments") == 120


def test_an_interrupt_says_what_stays_and_leaves_130(tmp_path: Path) -> None:
    with Sandbox(SandboxOptions(scale=120, courses=4, rate_limit=0)) as box:
        shell = shell_for(box, tmp_path)
        # A call a second, and a dozen to make: it does not end before the signal, however busy the machine is.
        slow = {f"{ABSORB}REQUESTS_PER_SECOND": "1", f"{ABSORB}BURST": "1", f"{ABSORB}PAGE_SIZE": "20"}
        process = subprocess.Popen(
            [*LEARNSYNC, "pull"], env=shell.env | slow, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("learnsync: ")  # the first stage has begun
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
        done = shell.checked(Outcome(process.returncode, out, err), {})
        assert done.code == 130
        assert [line for line in done.messages if "interrupted" in line] == done.messages
        assert len(done.messages) == 1
        assert shell.run("sync").code == 0
        assert shell.count("absorb.enrollments") == 120


# -- JSON -------------------------------------------------------------------------------------------------------------

COMMANDS = (
    "pull", "build", "push --dry-run", "push --limit 5", "readback", "readback --full", "sync", "publish",
    "status", "doctor", "rejects list", "rejects", "rejects retry", "rejects clear --yes", "assign",
    "version", "api list",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_exactly_one_object_on_stdout(shell: Shell, command: str) -> None:
    done = shell.run(*command.split(), "--json")
    # A limit leaves records due, so that run is not complete.
    assert done.code == (1 if "--limit" in command else 0), done.err
    assert done.json
    assert done.messages == []


def test_json_is_one_object_for_errors_too(shell: Shell) -> None:
    commands = [*sorted({*COMMANDS} - {"version", "api list"}), "explain 00000000-0000-4000-8000-000000000000"]
    found = {
        command: shell.run(*command.split(), "--json", LEARNSYNC_MAPPING__TIMEZONE="Mars/Base") for command in commands
    }
    for command, done in found.items():
        assert done.code == 2, command
        if command == "doctor":
            assert done.json["ok"] is False
        else:
            assert done.json["exit_code"] == 2, command
            assert done.json["remedy"], command
        assert "LEARNSYNC_MAPPING__TIMEZONE" in done.out, command


def test_json_is_one_object_for_wrong_usage_too(shell: Shell) -> None:
    commands = ["push --limit 0", "push --limit few", "pull --no-such-option", "explain"]
    for command in commands:
        done = shell.run(*command.split(), "--json")
        assert done.code == 2, command
        assert done.err, command
        assert done.json["exit_code"] == 2, command


# -- help -------------------------------------------------------------------------------------------------------------


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield (*path, name), inner
        yield from walk(inner, (*path, name))


ALL = {path: command for name in SUMMARIES for path, command in [((name,), load(name)), *walk(load(name), (name,))]}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_is_documented(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert command.help, "no description"
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for option in command.params:
        for name in option.opts:
            if name.startswith("--"):
                assert option.help, f"{name} has no help"
                assert name in shown.output


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    assert load(name).get_short_help_str(limit=1000) == SUMMARIES[name]


def test_help_loads_no_command() -> None:
    asked = "import sys; sys.argv[1:] = ['--help']; from connector.cli import main"
    script = f"{asked}\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"connector.cli.main", "connector.errors"} <= set(done.stderr.split())
    assert set(done.stderr.split()).isdisjoint({"duckdb", "httpx", "pydantic", "uvicorn", "connector.settings"})
    assert all(f"  {name} " in done.stdout for name in SUMMARIES)


def test_the_commands_of_the_contract_exist_and_take_json() -> None:
    wanted = {
        "doctor", "pull", "build", "push", "readback", "sync", "reconcile", "publish", "status", "rejects", "explain",
        "sandbox", "demo", "ui",
    }  # fmt: skip
    assert wanted <= {path[0] for path in ALL}
    for path, command in ALL.items():
        if path[0] in wanted:
            assert "--json" in {name for option in command.params for name in option.opts}, path


# -- status, explain, doctor ------------------------------------------------------------------------------------------


def test_status_accounts_for_every_enrollment(fresh: Shell) -> None:
    portal = fresh.box.portal
    rows = portal.rows("enrollments")
    portal.put_row("enrollments", rows[0] | {"userId": "not-a-guid"})
    portal.edit([row["id"] for row in rows[1:4]], changes={"status": 42})
    assert fresh.run("sync").code == 1
    done = fresh.run("status", "--json")
    assert done.code == 1, "something waits for a fix"
    report = done.json
    states = {row["state"]: row["enrollments"] for row in report["accounting"]}
    assert report["balanced"] is True
    assert sum(states.values()) == report["tables"]["absorb.enrollments"] == 119
    assert states.pop("unmapped status (quarantined)") == 3
    assert states.pop("in Salesforce") == fresh.box.org.record_counts()["LMS_Enrollment__c"] > 60
    assert states
    assert all(state.startswith("blocked: learner ") for state in states)
    assert report["pending"] == {"source row(s) that do not fit": 1, "enrollment(s) with an unmapped status": 3}
    assert {row["stream"]: row["lists"] for row in report["watermarks"]}["enrollments"] == 4
    assert {row["command"] for row in report["runs"]} == {"pull", "match", "build", "push", "readback", "publish"}
    # Every stage that calls the org is counted.
    recorded = query(fresh.warehouse, "SELECT sum(CAST(stats ->> '$.calls' AS BIGINT)) FROM ops.runs")
    assert (report["api_calls"]["salesforce"],) == recorded[0]
    assert report["api_calls"]["absorb"] > 4
    assert report["api_calls"]["salesforce"] > 4
    shown = fresh.run("status")
    assert shown.code == 1
    assert "unmapped status (quarantined)" in shown.out
    assert "these two figures differ" not in shown.out


def test_a_read_back_tells_what_became_of_our_records(fresh: Shell) -> None:
    assert fresh.run("sync").code == 0
    victim, other = fresh.box.org.records("LMS_Enrollment__c")[:2]
    person = fresh.box.org.records("User")[1]["Id"]
    fresh.box.org.delete("LMS_Enrollment__c", [victim["Id"]])
    fresh.box.org.update("LMS_Enrollment__c", other["Id"], {"Score__c": 0.5}, by=person)
    for name in ("LearningItem", "LearningItemProgress"):
        fresh.box.org.remove_object(name)
    shown = fresh.run("readback")
    assert shown.code == 0
    for text in (
        "LearningItem: not in this org",
        "1 of our records deleted",
        "1 field(s) of our records",
        "2 record(s)",
    ):
        assert text in shown.out
    told = fresh.run("readback", "--json").json
    assert (told["drift"], told["complete"]) == ({"changed": 1, "deleted": 1}, True)
    status = fresh.run("status", "--json").json
    assert status["drift"] == {"changed": 1, "deleted": 1}
    states = {row["state"]: row["enrollments"] for row in status["accounting"]}
    assert states["deleted in Salesforce: due again"] == states["changed in Salesforce: due again"] == 1
    assert status["balanced"]
    story = fresh.run("explain", other["Absorb_Enrollment_Id__c"])
    assert "the record was changed in Salesforce" in story.out
    assert fresh.run("sync").code == 0
    assert fresh.run("status", "--json").json["drift"] == {}
    refused = fresh.run("readback", LEARNSYNC_SALESFORCE__LOGIN_URL="")
    assert (refused.code, "LEARNSYNC_SALESFORCE__LOGIN_URL" in refused.err) == (2, True)


def test_status_before_and_between_the_stages(fresh: Shell) -> None:
    missing = fresh.run("status", "--json")
    assert missing.code == 2
    assert f"{WAREHOUSE}PATH" in missing.json["error"]
    assert "learnsync pull" in missing.json["remedy"]
    assert list(fresh.folder.iterdir()) == []
    assert fresh.run("pull").code == 0
    assert fresh.run("status", "--json").json["accounting"] == [{"state": "not built yet", "enrollments": 120}]
    assert fresh.run("build").code == 0
    assert fresh.run("status", "--json").json["accounting"] == [{"state": "not pushed yet", "enrollments": 120}]


def test_status_names_what_salesforce_refused(fresh: Shell) -> None:
    assert fresh.run("sync").code == 0
    matched = fresh.box.org.records("LMS_Enrollment__c")[0]["Absorb_Enrollment_Id__c"]
    fresh.box.portal.edit([matched], changes={"score": 3.5})
    fresh.box.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert fresh.run("sync").code == 1
    states = {row["state"]: row["enrollments"] for row in fresh.run("status", "--json").json["accounting"]}
    assert states["rejected by Salesforce: FIELD_CUSTOM_VALIDATION_EXCEPTION"] == 1
    assert sum(states.values()) == 120
    listed = fresh.run("rejects", "list", "--json")
    assert (listed.code, [row["external_id"] for row in listed.json["pushes"]]) == (1, [matched])
    assert fresh.run("rejects", "retry", "--json").json["pushes_due"] == 1
    assert fresh.run("push").code == 0
    assert fresh.run("rejects", "list").code == 0


def test_explain_tells_the_whole_way_and_the_rule(fresh: Shell) -> None:
    active = {row["id"] for row in fresh.box.portal.rows("users") if row["activeStatus"] == 0}
    done_row = next(r for r in fresh.box.portal.rows("enrollments") if r["status"] == 3 and r["userId"] in active)
    fresh.box.portal.edit([done_row["id"]], changes={"dateDue": None, "isActive": True})
    (odd,) = fresh.box.portal.edit([r["id"] for r in fresh.box.portal.rows("enrollments") if r["status"] != 3][:1],
                                   changes={"status": 42})  # fmt: skip
    assert fresh.run("sync").code == 1
    story = fresh.run("explain", done_row["id"].upper(), "--json").json
    assert story["enrollment"]["id"] == done_row["id"]
    assert story["learning_record"]["passed"] is True
    assert story["learning_item_progress"]["ProgressStatus"] == "Completed"
    assert (story["rule"]["name"], story["rule"]["condition"]) == ("completed", "status IN (3)")
    assert [(row["status"], row["valid_to"]) for row in story["history"]] == [("Completed", None)]
    assert story["learner"]["outcome"] in {"matched", "ambiguous", "unmatched"}
    assert (story["push"] or {}).get("state") == ("accepted" if story["learner"]["outcome"] == "matched" else None)
    shown = fresh.run("explain", done_row["id"])
    assert shown.code == 0
    assert "because completed is the first match: status IN (3)" in shown.out
    assert story["rule"]["why"] in shown.out
    assert "one of the two dates is missing" in story["rule"]["why"]
    fresh.box.portal.edit([done_row["id"]], changes={"status": 10})
    assert (fresh.run("pull").code, fresh.run("build").code) == (0, 1)
    again = fresh.run("explain", done_row["id"]).out
    assert "because withdrawn is the first match" in again
    assert "before: Completed (completed) from" in again
    aside = fresh.run("explain", odd, "--json").json
    assert aside["learning_item_progress"] is None
    assert aside["quarantine"]["reason"] == "unmapped status 42"
    unknown = fresh.run("explain", "00000000-0000-4000-8000-000000000000")
    assert (unknown.code, len(unknown.messages)) == (1, 1)


def test_doctor_prints_one_line_a_check_when_all_is_well(shell: Shell) -> None:
    done = shell.run("doctor")
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) >= 8
    assert all(line.startswith("ok   ") for line in lines), done.out


@pytest.mark.parametrize(
    ("changes", "code", "verdict", "check", "named"),
    [
        ({f"{SALESFORCE}LOGIN_URL": ""}, 0, "warn", "salesforce", f"{SALESFORCE}LOGIN_URL"),
        ({f"{ABSORB}PASSWORD": "wrong-password-77"}, 2, "fail", "absorb login", f"{ABSORB}PASSWORD"),
        ({f"{ABSORB}API_KEY": ""}, 2, "fail", "absorb", f"{ABSORB}API_KEY"),
        ({f"{SALESFORCE}CLIENT_SECRET": "wrong-secret-55"}, 2, "fail", "salesforce login", "__CLIENT_SECRET"),
        ({f"{WAREHOUSE}PATH": "/proc/nowhere/w.duckdb"}, 2, "fail", "warehouse", f"{WAREHOUSE}PATH"),
        ({"LEARNSYNC_MAPPING__DIR": "nowhere"}, 2, "fail", "mapping", "LEARNSYNC_MAPPING__DIR"),
        ({f"{ABSORB}PAGE_SIZE": "0"}, 2, "fail", "settings", f"{ABSORB}PAGE_SIZE"),
    ],
)
def test_doctor_says_which_check_fails_and_what_to_do(
    shell: Shell, changes: dict[str, str], code: int, verdict: str, check: str, named: str
) -> None:
    done = shell.run("doctor", "--json", **changes)
    assert done.code == code
    assert done.json["ok"] is (code == 0)
    found = [entry for entry in done.json["checks"] if entry["verdict"] != "ok"]
    assert (verdict, check) in {(entry["verdict"], entry["check"]) for entry in found}
    for entry in found:
        assert entry["remedy"]
        assert entry["verdict"] == verdict
    assert named in "".join(entry["text"] + entry["remedy"] for entry in found)


def test_doctor_names_a_missing_field_and_its_remedy(fresh: Shell) -> None:
    fresh.box.org.remove_field("LMS_Enrollment__c", "Due_Date__c")
    done = fresh.run("doctor")
    assert done.code == 2
    lines = done.out.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.startswith("fail ")]
    assert "LMS_Enrollment__c.Due_Date__c" in lines[at]
    assert lines[at + 1].strip().startswith("→ ")
    assert "LearnSync_Integration" in lines[at + 1]


# -- rejects ----------------------------------------------------------------------------------------------------------


def test_a_quarantined_row_corrected_by_hand_is_loaded_by_a_retry(fresh: Shell) -> None:
    bad = fresh.box.portal.rows("enrollments")[3]
    fresh.box.portal.put_row("enrollments", bad | {"progress": "a lot"})
    assert fresh.run("sync").code == 1
    listed = fresh.run("rejects", "--json")
    assert (listed.code, listed.json["pending"]) == (1, 1)
    assert (listed.json["source"][0]["source_id"], listed.json["source"][0]["field"]) == (bad["id"], "progress")
    unchanged = fresh.run("rejects", "retry", "--json")
    assert (unchanged.code, unchanged.json["still_unfit"]) == (1, 1)
    assert fresh.count("absorb.enrollments") == 119

    with fresh.warehouse.connect() as connection:
        connection.execute("""UPDATE ops.quarantine SET raw = json_merge_patch(raw, '{"progress": 12.5}')""")
    fixed = fresh.run("rejects", "retry", "--json")
    assert (fixed.code, fixed.json["still_unfit"], fixed.json["loaded"]["enrollments"]) == (0, 0, 1)
    assert fresh.count("absorb.enrollments", f"id = '{bad['id']}' AND progress = 12.5") == 1
    assert fresh.count("ops.quarantine", "resolved_at IS NOT NULL") == 1
    assert fresh.run("rejects", "list").code == 0
    assert fresh.run("build", "--json").json["tables"]["learning_item_progress"]["inserted"] == 1


def test_brackets_in_what_the_org_says_are_shown_as_they_are(fresh: Shell) -> None:
    assert fresh.run("sync").code == 0
    one = fresh.box.org.records("LMS_Enrollment__c")[0]["Absorb_Enrollment_Id__c"]
    fresh.box.portal.edit([one], changes={"score": 3.5})
    text = "Title may not hold [/] tags: [name]"
    fresh.box.org.refuse_record(one, "FIELD_CUSTOM_VALIDATION_EXCEPTION", text)
    assert fresh.run("sync").code == 1
    shown = fresh.run("rejects", "list")
    assert shown.code == 1
    assert "[/]" in shown.out
    assert "[name]" in shown.out
    assert fresh.run("status").code == 1


def test_rejects_are_filtered_by_stream_object_code_and_id(fresh: Shell) -> None:
    bad = fresh.box.portal.rows("enrollments")[3]
    fresh.box.portal.put_row("enrollments", bad | {"progress": "a lot"})
    assert fresh.run("sync").code == 1
    two = sorted(row["Absorb_Enrollment_Id__c"] for row in fresh.box.org.records("LMS_Enrollment__c"))[:2]
    fresh.box.portal.edit(two, changes={"score": 3.5})
    fresh.box.org.refuse_record(two[0], "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    fresh.box.org.refuse_record(two[1], "STRING_TOO_LONG")
    assert fresh.run("sync").code == 1
    every = fresh.run("rejects", "list", "--json").json
    assert (every["pending"], len(every["source"]), len(every["pushes"])) == (3, 1, 2)

    def listed(*options: str) -> list[str]:
        found = fresh.run("rejects", "list", "--json", *options).json
        assert found["pending"] == len(found["source"]) + len(found["pushes"])
        return [row["source_id"] for row in found["source"]] + [row["external_id"] for row in found["pushes"]]

    assert listed("--stream", "enrollments") == [bad["id"]]
    assert listed("--stream", "users") == []
    assert sorted(listed("--object", "LMS_Enrollment__c")) == two
    assert listed("--code", "STRING_TOO_LONG") == [two[1]]
    assert listed("--id", two[0]) == [two[0]]
    assert listed("--id", bad["id"]) == [bad["id"]]
    mixed = fresh.run("rejects", "list", "--stream", "users", "--code", "STRING_TOO_LONG")
    assert (mixed.code, "--stream" in mixed.err) == (2, True)

    fresh.box.org.forgive()
    assert fresh.run("rejects", "retry", "--code", "STRING_TOO_LONG", "--json").json["pushes_due"] == 1
    fresh.run("push")
    assert listed("--object", "LMS_Enrollment__c") == [two[0]], "the other one was not asked to go again"


def test_clear_asks_first_and_then_settles_without_loading(fresh: Shell) -> None:
    bad = fresh.box.portal.rows("enrollments")[3]
    fresh.box.portal.put_row("enrollments", bad | {"progress": "a lot"})
    assert fresh.run("pull").code == 1
    declined = fresh.run("rejects", "clear")
    assert declined.code == 1
    assert fresh.count("ops.quarantine", "resolved_at IS NULL") == 1
    assert fresh.run("rejects", "clear", "--yes", "--json").json == {"cleared": 1, "fields": 0}
    assert fresh.count("ops.quarantine", "resolved_at IS NOT NULL") == 1
    assert fresh.count("absorb.enrollments") == 119


# -- files ------------------------------------------------------------------------------------------------------------

READ = "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True).sql(sys.argv[2]).fetchone()[0])"


@pytest.mark.lets_go
def test_the_published_file_opens_while_the_writer_is_locked(shell: Shell) -> None:
    assert shell.run("publish").code == 0
    with duckdb.connect(str(shell.folder / "warehouse.duckdb")) as writer:
        writer.execute("BEGIN")
        writer.execute("DELETE FROM learning_record")
        arguments = [str(shell.folder / "learning.duckdb"), "SELECT count(*) FROM learning_record"]
        read = subprocess.run([sys.executable, "-c", READ, *arguments], capture_output=True, text=True, check=True)
        assert read.stdout.strip() == "250"
        refused = shell.run_process("status", LEARNSYNC_WAREHOUSE__LOCK_TIMEOUT_SECONDS="0.2")
    assert (refused.code, len(refused.messages)) == (2, 1)
    assert "LEARNSYNC_WAREHOUSE__LOCK_TIMEOUT_SECONDS" in refused.err
    assert f"{WAREHOUSE}PUBLISH_PATH" in refused.err
    assert shell.run("status").code == 0


def test_publishing_again_leaves_open_readers_their_snapshot(shell: Shell) -> None:
    assert shell.run("publish").code == 0
    with duckdb.connect(str(shell.folder / "learning.duckdb"), read_only=True) as reader:
        with shell.warehouse.connect() as connection:
            connection.execute("DELETE FROM learning_item_progress")
        done = shell.run("publish", "--json")
        assert done.code == 0
        assert reader.execute("SELECT count(*) FROM learning_item_progress").fetchone() == (250,)
    with duckdb.connect(done.json["path"], read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM learning_item_progress").fetchone() == (0,)
    assert [path.name for path in shell.folder.glob(".*draft*")] == []
