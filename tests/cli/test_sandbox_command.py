"""`learnsync sandbox`: prints settings that work, serves until a signal, and says why where it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connector.settings import load_settings
from connector.sync import run_pull

REPO = Path(__file__).resolve().parents[2]
SMALL = ("--scale", "60", "--courses", "3", "--rate-limit", "0")
NAMES = {
    "LEARNSYNC_ABSORB__BASE_URL", "LEARNSYNC_ABSORB__API_KEY", "LEARNSYNC_ABSORB__USERNAME",
    "LEARNSYNC_ABSORB__PASSWORD", "LEARNSYNC_SALESFORCE__LOGIN_URL", "LEARNSYNC_SALESFORCE__CLIENT_ID",
    "LEARNSYNC_SALESFORCE__CLIENT_SECRET",
}  # fmt: skip
RECORDS = {"LEARNSYNC_LEARNING_RECORDS__BASE_URL", "LEARNSYNC_LEARNING_RECORDS__API_KEY"}


@contextmanager
def serving(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "connector.cli", "sandbox", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(REPO)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def accepts(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as caller:
        caller.settimeout(2)
        return caller.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_settings_serves_all_parts_and_ends_cleanly_on_a_signal(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(*SMALL, "--json", "--learning-records") as process:
        settings = json.loads(first_line(process))["settings"]
        assert settings.keys() == NAMES | RECORDS
        urls = [settings[name] for name in sorted(settings) if name.endswith("_URL")]
        assert len(urls) == 3
        assert all(url.startswith("http://127.0.0.1:") for url in urls)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "w.duckdb"))
        assert run_pull(load_settings()).streams["enrollments"].counts.inserted == 60
        org, api = settings["LEARNSYNC_SALESFORCE__LOGIN_URL"], settings["LEARNSYNC_LEARNING_RECORDS__BASE_URL"]
        # Each asks for a token or key, so it serves.
        for url in (f"{org}/services/data/v67.0/limits", f"{api}/api/v1/performance/learning-records"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url, timeout=5)
            assert refused.value.code == 401

        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert (out, err) == ("", "")
        assert not any(accepts(url) for url in urls)


def test_without_json_the_lines_are_those_of_an_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(*SMALL, "--env-file", ".env") as process:
        printed = [first_line(process) for _ in NAMES]
        assert (tmp_path / ".env").read_text("utf-8").partition("\n")[2] == "".join(printed)
        assert {line.partition("=")[0] for line in printed} == NAMES
        monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "w.duckdb"))
        report = run_pull(load_settings())  # the settings come from the .env file in this folder
        assert report.streams["enrollments"].counts.inserted == 60
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


BAD = {
    "no such folder": ("--dataset", "nowhere"),
    "a folder without the files": ("--dataset", "."),
    "unknown fault profile": ("--faults", "meteor"),
    "port in use": ("--absorb-port", "{busy}"),
    "env file in no folder": ("--env-file", "nowhere/.env"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_keeps_it_from_starting_is_one_message(name: str) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        arguments = [text.format(busy=busy.getsockname()[1]) for text in BAD[name]]
        with serving(*SMALL, *arguments, "--json") as process:
            out, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "Traceback" not in err
    assert sum(line.startswith("learnsync: ") for line in err.splitlines()) == 1
    assert json.loads(out)["exit_code"] == 2
