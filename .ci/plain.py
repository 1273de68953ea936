"""A plain `pip install .` is the same product: installed into an empty environment, used from an empty folder.

Builds a new environment without constraints.txt, runs `learnsync demo`, and serves `learnsync ui` until its page, its
daemon and its run queue answer. Everything lies in a temporary folder, which is removed. Takes about two minutes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CALL_SECONDS, START_SECONDS, STOP_SECONDS = 900, 300, 60
OF_A_CHECKOUT = re.compile(r"\bmake\s+\w+|\.venv")
QUERY = """{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } }
                        runQueueConfig { tagConcurrencyLimitsYaml } }
             repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"""
# What a person who was handed only the published file does, with the duckdb of that environment.
READ = """
import duckdb, sys
print(duckdb.__version__, *duckdb.connect(sys.argv[1], read_only=True).sql(sys.argv[2]).fetchone())
"""


def main() -> int:
    """Install, run, look. Exit code 0, or 1 with what is wrong."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="learnsync-plain-") as name:
        try:
            versions = install(Path(name) / "environment")
            environment = surroundings(Path(name))
            demo(Path(name) / "empty", environment)
            pages(Path(name) / "elsewhere", environment)
        except (AssertionError, subprocess.SubprocessError, OSError) as failure:
            print(f"plain: {failure}", file=sys.stderr)
            return 1
    print(
        f"plain: `pip install .` alone runs the demo and the web pages ({versions}, {time.monotonic() - started:.0f} s)"
    )
    return 0


def install(folder: Path) -> str:
    """A new environment with learnsync and nothing else; says which duckdb and dagster came along."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    call([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)], ROOT, os.environ)
    ask = "from importlib.metadata import version as v; print('duckdb', v('duckdb') + ', dagster', v('dagster'))"
    versions = call([python, "-c", ask], folder, os.environ).strip()
    assert versions.startswith("duckdb 1.5."), f"{versions}: files must open in DuckDB 1.5"
    return versions


def surroundings(folder: Path) -> dict[str, str]:
    """What a person has who activated that environment: no settings, no checkout, a home that is empty."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LEARNSYNC_", "DAGSTER", "PYTHON"))}
    home = folder / "home"
    home.mkdir()
    scripts = folder / "environment" / "bin"
    return {**kept, "HOME": str(home), "PATH": f"{scripts}{os.pathsep}{kept.get('PATH', '')}"}


def demo(folder: Path, environment: Mapping[str, str]) -> None:
    """The demo runs, names nothing that only a checkout has, and leaves a file for analysts."""
    folder.mkdir()
    said = call(["learnsync", "demo", "--scale", "300"], folder, environment)
    assert "Try next" in said, said
    assert not OF_A_CHECKOUT.search(said), f"a message names what only a checkout has:\n{said}"
    published = folder / "data" / "demo" / "learning.duckdb"
    rows = call(["python", "-c", READ, str(published), "SELECT count(*) FROM learning_record"], folder, environment)
    assert rows.startswith("1.5."), rows
    assert "enabled: false" in (folder / "data" / "demo" / "dagster" / "dagster.yaml").read_text("utf-8")


def pages(folder: Path, environment: Mapping[str, str]) -> None:
    """`learnsync ui` serves until it is stopped, sends nothing home and leaves no process."""
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(
        [find("learnsync", environment), "ui", "--json", "--scale", "100", "--port", str(port)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=(folder / "ui.log").open("wb"), text=True,
    )  # fmt: skip
    overdue = threading.Timer(START_SECONDS, process.terminate)
    overdue.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        overdue.cancel()
        log = (folder / "ui.log").read_text("utf-8", "replace")
        assert line, f"learnsync ui ended with {process.wait()}:\n{log}"
        look(json.loads(line)["url"])
    finally:
        overdue.cancel()
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_SECONDS)
    assert code == 0, f"learnsync ui ended with {code} after SIGTERM"
    assert not OF_A_CHECKOUT.search(log), f"a message names what only a checkout has:\n{log}"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the web pages are still served after the command ended"
    sent = [path for top in (folder, Path(environment["HOME"])) for path in top.rglob(".telemetry")]
    assert not sent, f"telemetry is on: {sent}"


def look(url: str) -> None:
    """The page answers, Dagster has loaded our definitions, the run queue has our limit and the daemon is at work."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert b"<html" in answer.read()
    ends = time.monotonic() + START_SECONDS
    while True:
        found = ask(url)
        health = found["instance"]["daemonHealth"]["allDaemonStatuses"]
        queue = [one["healthy"] for one in health if one["daemonType"] == "QUEUED_RUN_COORDINATOR"]
        if queue == [True]:
            break
        assert time.monotonic() < ends, f"the daemon of the run queue is not healthy: {health}"
        time.sleep(1)
    assert "learnsync/writer" in found["instance"]["runQueueConfig"]["tagConcurrencyLimitsYaml"]
    assert found["repositoriesOrError"]["nodes"], found


def ask(url: str) -> dict[str, dict[str, dict[str, list[dict[str, str]]]]]:
    """Dagster's answer to QUERY."""
    headers = {"content-type": "application/json"}
    body = json.dumps({"query": QUERY}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/graphql", body, headers), timeout=30) as answer:
        return json.loads(answer.read())["data"]


def call(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command to its end and return what it wrote; AssertionError with all of it where it fails."""
    program = [find(command[0], environment), *command[1:]]
    done = subprocess.run(
        program, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=CALL_SECONDS
    )
    assert done.returncode == 0, f"`{' '.join(command[:2])}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + (done.stderr if command[0] == "learnsync" else "")


def find(name: str, environment: Mapping[str, str]) -> str:
    """The program of that name in the new environment."""
    beside = Path(environment["PATH"].split(os.pathsep)[0]) / name
    return str(beside) if beside.is_file() else name


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
