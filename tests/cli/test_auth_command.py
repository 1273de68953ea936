"""`learnsync auth`: the whole login as a person meets it, what is told of it, and that no secret is ever printed."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from oauth_browser import EXCHANGES, calls, decide, follow
from typer.testing import CliRunner

from connector.absorb.login.token_file import TokenFile
from connector.cli.main import app
from connector.errors import LearnsyncError, SettingsError
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.times import utc_now

REPO = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"  (http://\S+/oauth/authorize\?\S+)\n")


@dataclass
class Login:
    """`learnsync auth login` under way."""

    process: subprocess.Popen[str]
    address: str
    heard: str

    def end(self, typed: str | None = None) -> tuple[int, str, str]:
        out, err = self.process.communicate(typed, timeout=30)
        return self.process.returncode, out, self.heard + err


@dataclass
class Shell:
    """A shell in an empty folder with the OAuth settings of one sandbox."""

    box: Sandbox
    folder: Path
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        own = {"LEARNSYNC_ABSORB__REDIRECT_PORT": "0", "COLUMNS": "200"}
        return self.box.settings() | self.box.oauth_settings() | own | self.changes

    @property
    def env(self) -> dict[str, str]:
        return os.environ | self.variables | {"PYTHONPATH": str(REPO)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        # A session of its own: a hidden prompt then reads stdin, there being no terminal.
        return subprocess.Popen(
            [sys.executable, "-m", "connector.cli", "auth", *arguments], env=self.env, cwd=self.folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """A command that asks nobody anything, in this process: its exit code, stdout, and message."""
        handlers = logging.getLogger().handlers[:]
        try:
            done = CliRunner().invoke(app, arguments, env=self.variables)
        finally:
            logging.getLogger().handlers[:] = handlers
        code, said = done.exit_code, done.stderr
        if isinstance(done.exception, LearnsyncError):
            code, said = done.exception.exit_code, said + str(done.exception)
        self.check(done.stdout + said)
        return code, done.stdout, said

    def login(self, *arguments: str) -> Login:
        """Start it, and read on until it shows the page's address."""
        process = self.start("login", "--no-browser", *arguments)
        heard = ""
        assert process.stderr is not None
        while not ADDRESS.search(heard):
            line = process.stderr.readline()
            assert line, heard
            heard += line
        found = ADDRESS.search(heard)
        assert found
        return Login(process, found[1], heard)

    @property
    def token_file(self) -> Path:
        return self.folder / "data" / "absorb-token.json"

    def check(self, printed: str) -> None:
        """No secret and no traceback."""
        assert "Traceback" not in printed, printed
        secrets = {self.box.absorb.api_key, self.box.absorb.password, self.box.absorb.oauth.client_secret}
        if self.token_file.exists():
            stored = json.loads(self.token_file.read_bytes())
            secrets |= {stored[name] for name in ("access_token", "refresh_token") if name in stored}
        for secret in secrets:
            assert secret not in printed, "a secret was printed"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=60, courses=3, salesforce=False, rate_limit=0)) as running:
        yield running


@pytest.fixture
def shell(box: Sandbox, tmp_path: Path) -> Shell:
    return Shell(box, tmp_path)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_login_status_pull_and_logout(shell: Shell) -> None:
    started = calls(shell.box)["POST /authenticate"]
    login = shell.login("--json", "--verbose")
    assert follow(login.address).status_code == 200
    code, out, err = login.end()
    assert code == 0, err
    shell.check(out + err)
    told: dict[str, Any] = json.loads(out)
    assert (told["mode"], told["portal"], told["ready"]) == ("oauth", shell.box.absorb_url, True)
    assert timedelta(hours=3.9) < moment(told["access_token_expires_at"]) - utc_now() < timedelta(hours=4)
    assert moment(told["login_ends_at"]) - utc_now() > timedelta(days=364)
    assert stat.S_IMODE(shell.token_file.stat().st_mode) == 0o600

    assert json.loads(shell.run("auth", "status", "--json")[1]) == told
    code, out, _ = shell.run("auth", "status")
    assert code == 0
    assert f"{told['access_token_expires_at'][:10]} " in out

    code, _, err = shell.run("pull", "--json", "--verbose")
    assert code == 0, err
    assert calls(shell.box)["POST /authenticate"] == started

    assert json.loads(shell.run("auth", "logout", "--json")[1]) == {
        "deleted": True,
        "token_file": "data/absorb-token.json",
    }
    assert not shell.token_file.exists()
    code, out, _ = shell.run("auth", "status", "--json")
    assert (code, json.loads(out)["ready"]) == (1, False)
    assert "learnsync auth login" in json.loads(out)["remedy"]


def test_a_denied_access_is_said_and_nothing_is_stored(shell: Shell) -> None:
    exchanged = calls(shell.box)[EXCHANGES]
    login = shell.login()
    assert follow(login.address, "deny").status_code == 400
    code, _, err = login.end()
    assert code == 2
    assert "not permitted" in err
    assert not shell.token_file.exists()
    assert calls(shell.box)[EXCHANGES] == exchanged


def test_nobody_answers(shell: Shell) -> None:
    code, out, err = shell.login("--timeout", "0.2", "--json").end()
    assert code == 2
    assert "No answer came from the portal within 0.2 s" in json.loads(out)["error"]
    assert "within 0.2 s" in err


def test_a_portal_that_wants_https_is_answered_by_hand(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    redirect = "https://learnsync.example/callback"
    monkeypatch.setattr(shell.box.absorb.oauth, "redirect_uris", (redirect,))
    login = shell.login("--redirect-uri", redirect)
    ended_on = decide(login.address)
    assert ended_on.startswith(f"{redirect}?")
    code, out, err = login.end(f"{ended_on}\n")
    assert code == 0, err
    shell.check(out + err)
    assert ended_on.split("code=")[1].split("&")[0] not in out + err
    assert shell.token_file.exists()


def test_doctor_says_which_login_is_used_and_a_second_tenants_does_not_displace_it(shell: Shell) -> None:
    login = shell.login()
    follow(login.address)
    assert login.end()[0] == 0
    code, out, _ = shell.run("doctor", "--json")
    checks = {check["check"]: check for check in json.loads(out)["checks"]}
    assert code == 0
    assert checks["absorb login mode"]["verdict"] == "warn"
    assert "LEARNSYNC_ABSORB__USERNAME" in checks["absorb login mode"]["text"]
    assert "OAuth" in checks["absorb login"]["text"]
    assert checks["absorb users"]["verdict"] == "ok"
    before = shell.token_file.read_bytes()
    shell.changes["LEARNSYNC_ABSORB__PORTAL_URL"] = "https://other.myabsorb.com"
    code, _, err = shell.run("auth", "login", "--no-browser")
    assert code == 2
    assert "LEARNSYNC_ABSORB__TOKEN_FILE" in err
    assert shell.token_file.read_bytes() == before


def test_a_file_open_to_others_is_refused_until_the_next_login(shell: Shell) -> None:
    shell.token_file.parent.mkdir()
    shell.token_file.write_text('{"access_token": "a-token", "refresh_token": "r-token"}', "utf-8")
    shell.token_file.chmod(0o644)
    code, out, _ = shell.run("auth", "status", "--json")
    assert code == 1
    assert "LEARNSYNC_ABSORB__TOKEN_FILE" in json.loads(out)["problem"]
    assert "chmod 600" in json.loads(out)["remedy"]
    login = shell.login()
    follow(login.address)
    assert login.end()[0] == 0
    assert stat.S_IMODE(shell.token_file.stat().st_mode) == 0o600


def test_status_without_oauth_tells_the_account(shell: Shell) -> None:
    shell.changes["LEARNSYNC_ABSORB__OAUTH_CLIENT_ID"] = ""
    code, out, _ = shell.run("auth", "status", "--json")
    told = json.loads(out)
    assert (code, told["mode"], told["account"]) == (0, "password", shell.box.absorb.username)
    code, _, err = shell.run("auth", "login", "--no-browser")
    assert code == 2
    assert "LEARNSYNC_ABSORB__OAUTH_CLIENT_ID is not set" in err


def test_logout_where_nothing_is_stored(shell: Shell) -> None:
    code, out, _ = shell.run("auth", "logout")
    assert (code, out) == (0, "There was no login in data/absorb-token.json.\n")
    assert list(shell.folder.iterdir()) == []


def test_the_sandbox_prints_its_oauth_settings_when_asked() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "connector.cli", "sandbox", "--oauth", "--scale", "20", "--courses", "2", "--json"],
        env=os.environ | {"PYTHONPATH": str(REPO)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())["settings"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert printed["LEARNSYNC_ABSORB__PORTAL_URL"] == printed["LEARNSYNC_ABSORB__BASE_URL"]
    assert {"LEARNSYNC_ABSORB__OAUTH_CLIENT_ID", "LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET"} <= printed.keys()


@pytest.mark.parametrize("command", [["login", "--no-browser", "--timeout", "0.2"], ["logout"]])
def test_a_file_of_somebodys_own_is_neither_replaced_nor_removed(shell: Shell, command: list[str]) -> None:
    shell.token_file.parent.mkdir()
    mine = '{"access": "1", "refresh_token": "not-ours-2"}'
    shell.token_file.write_text(mine, "utf-8")
    code, _, err = shell.run("auth", *command)
    assert code == 2
    assert "LEARNSYNC_ABSORB__TOKEN_FILE = data/absorb-token.json: the file there does not hold a login" in err
    assert shell.token_file.read_text("utf-8") == mine


@pytest.mark.parametrize("content", [b"Host example\n", b'["access", "token"]', b"\xff", b"7"])
def test_what_holds_no_login_is_no_file_of_ours(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(content)
    file = TokenFile(tmp_path / "mine")
    with pytest.raises(SettingsError), file.replacing():
        pass
    with pytest.raises(SettingsError):
        file.delete()
    assert (tmp_path / "mine").read_bytes() == content
