"""`learnsync ui` and the folder of Dagster: against what, with which files, until when.

A stand-in takes Dagster's place, which needs a quarter of a minute to start; `make plain` runs the real one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from connector.cli import dagster_home
from connector.cli.commands import demo
from connector.errors import SettingsError

REPO = Path(__file__).resolve().parents[2]
STAND_IN = """
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\\n".join(f"{name}={value}" for name, value in os.environ.items()).encode())

if os.environ.get("DIES"):
    sys.exit(1)
signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
HTTPServer((sys.argv[sys.argv.index("-h") + 1], int(sys.argv[sys.argv.index("-p") + 1])), Page).serve_forever()
"""

# What `pipelines.instance` asks Dagster for.
INSTANCE = """
import contextlib, pathlib, types

class DagsterInstance:
    @staticmethod
    def from_config(home):
        pathlib.Path(home, "made").touch()
        storages = dict.fromkeys(("run_storage", "event_log_storage", "schedule_storage"), True)
        return contextlib.nullcontext(types.SimpleNamespace(**storages))
"""


@contextmanager
def ui(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    package = folder / "dagster"  # the current folder is where `python -m` looks first
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(INSTANCE)
    (package / "__main__.py").write_text(STAND_IN)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEARNSYNC_", "DAGSTER"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "connector.cli", "ui", "--json", "--scale", "100", *arguments],
        cwd=folder, env=kept | variables | {"PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()  # not killed: that would leave what it has started
        process.communicate(timeout=60)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def first_line(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())  # type: ignore[no-any-return]


def environment_of(url: str) -> Mapping[str, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return dict(line.partition("=")[::2] for line in answer.read().decode().splitlines())


def test_without_settings_it_serves_a_sandbox_until_it_is_stopped(tmp_path: Path) -> None:
    with ui(tmp_path, "--port", free_port()) as process:
        said = first_line(process)
        home = tmp_path / "data" / "demo" / "dagster"
        assert (said["against"], said["dagster_home"]) == ("sandbox", str(home))
        seen = environment_of(said["url"])
        assert seen["DAGSTER_HOME"] == str(home)
        assert seen["LEARNSYNC_ABSORB__BASE_URL"].startswith("http://127.0.0.1:")
        assert (home / "dagster.yaml").read_bytes() == (REPO / "dagster.yaml").read_bytes()
        assert (home / "made").is_file(), "two processes would make Dagster's tables at once"
        assert (tmp_path / "data" / "demo" / demo.CONFIG).is_file(), "a demo may use the folder afterwards"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert err.endswith("told to stop\n")
        with pytest.raises(OSError, match="refused"):
            environment_of(said["url"])


def test_with_a_login_in_the_settings_it_serves_that_portal(tmp_path: Path) -> None:
    login = {f"LEARNSYNC_ABSORB__{name}": "a-value-of-mine" for name in ("API_KEY", "USERNAME", "PASSWORD")}
    with ui(tmp_path, "--port", free_port(), **login, LEARNSYNC_WAREHOUSE__PATH="files/w.duckdb") as process:
        said = first_line(process)
        assert said["against"] == "https://rest.myabsorb.com"
        assert said["dagster_home"] == str(tmp_path / "files" / "dagster")
        seen = environment_of(said["url"])
        assert seen["LEARNSYNC_ABSORB__PASSWORD"] == "a-value-of-mine"
        assert not (tmp_path / "data").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


BAD = {
    "a port in use": ({}, "--port {busy}"),
    "a folder of one's own": ({}, "no demo made it", "--folder", "."),
    "half a login": ({"LEARNSYNC_ABSORB__API_KEY": "a-value-of-mine"}, "LEARNSYNC_ABSORB__USERNAME"),
    "a home in no folder": (
        {f"LEARNSYNC_ABSORB__{name}": "a-value-of-mine" for name in ("API_KEY", "USERNAME", "PASSWORD")}
        | {"DAGSTER_HOME": "/dev/null/home"},
        "DAGSTER_HOME",
    ),
    "a Dagster that ends": (
        {f"LEARNSYNC_ABSORB__{name}": "a-value-of-mine" for name in ("API_KEY", "USERNAME", "PASSWORD")}
        | {"DIES": "yes"},
        "Dagster ended",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_keeps_it_from_serving_is_one_message(name: str, tmp_path: Path) -> None:
    variables, message, *arguments = BAD[name]
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = str(busy.getsockname()[1])
        port = taken if "{busy}" in message else free_port()
        with ui(tmp_path, "--port", port, *arguments, **variables) as process:
            out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert message.format(busy=taken) in json.loads(out)["error"]
    assert "Traceback" not in err


def test_a_home_is_its_owners_alone_and_a_file_of_his_own_stays(tmp_path: Path) -> None:
    home = dagster_home.prepare(tmp_path / "home")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert (home / "dagster.yaml").read_bytes() == (REPO / "dagster.yaml").read_bytes()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
    dagster_home.prepare(home)
    assert (home / "dagster.yaml").read_text("utf-8").startswith("telemetry: {")
    dagster_home.prepare(home, renew=True)
    assert "max_concurrent_runs" in (home / "dagster.yaml").read_text("utf-8")
    with pytest.raises(SettingsError, match="DAGSTER_HOME"):
        dagster_home.prepare(home / "dagster.yaml")


def test_the_file_that_a_wheel_carries_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").touch()
    (tmp_path / "pipelines" / "dagster.yaml").write_text("nux: {enabled: false}\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "pipelines", raising=False)
    assert dagster_home.shipped() == tmp_path / "pipelines" / "dagster.yaml"


def test_outside_a_checkout_no_hint_names_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)
    assert "make ui" in demo.hints(demo.FOLDER, "id"), "in a checkout it is the shortest way"
    monkeypatch.setattr(demo, "checkout", lambda: None)
    for folder in (demo.FOLDER, Path("elsewhere")):
        hints = "\n".join(demo.hints(folder, "id"))
        assert "learnsync ui" in hints
        assert ("--folder elsewhere" in hints) == (folder != demo.FOLDER)
        assert not re.search(r"\bmake\b|\.venv", hints)


def test_no_message_names_what_only_a_checkout_has() -> None:
    named = re.compile(r'"[^"\n]*(`make |\.venv/)[^"\n]*"')
    lines = [
        f"{path.relative_to(REPO)}: {line.strip()}"
        for folder in ("connector", "mappings", "pipelines")
        for path in (REPO / folder).rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if named.search(line)
    ]
    assert lines == []
