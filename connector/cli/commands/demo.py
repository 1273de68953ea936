"""`learnsync demo`: the whole way, against a sandbox in a process of its own, run by Dagster, told step by step.

Nothing here is special to the demo: the same assets, settings and HTTP as against a real portal and org.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import files
from connector.cli import demo_folder
from connector.cli.command import Outcome, Run, command
from connector.cli.commands.push import REASONS
from connector.cli.console import err, out
from connector.cli.dagster_home import checkout, make_instance, prepare
from connector.cli.tables import bars, records, sql, table
from connector.errors import IncompleteError
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession
from connector.times import utc_now
from connector.warehouse.database import Warehouse

FOLDER = Path("data/demo")
CONFIG = demo_folder.CONFIG
CHANGES = {"edits": 40, "inserts": 12, "deletes": 0}
START_SECONDS = 60
JOB = "incremental_sync"
STAGES = ("pull", "match", "build", "push", "readback", "publish")
FIGURES = {
    "portal requests": "requests",
    "enrollments read": "read",
    "· new": "inserted",
    "· changed": "updated",
    "· quarantined": "quarantined",
    "records pushed": "pushed",
    "· created": "created",
    "· rejected": "rejected",
    "org API calls": "api_calls",
}


@command(has_verbose=False)
def demo(
    run: Run,
    *,
    scale: Annotated[int, typer.Option(min=100, help="How many enrollments the demo portal has, about.")] = 5000,
    folder: Annotated[Path, typer.Option(help="Its files: a new or empty folder, or a demo's.")] = FOLDER,
) -> Outcome:
    """Run the whole way through Dagster against a sandbox: pull, map, push, change, sync again."""
    fresh(folder)

    def say(text: str) -> None:
        if not run.as_json:
            out.print(text)

    with sandbox(folder, scale) as settings:
        say(f"A portal with about {scale:,} enrollments and a Salesforce org are up on loopback.")
        environs = environment(folder, settings)
        make_instance(environs)
        syncs = [_sync(folder, environs, "1st: all")]
        changed = asyncio.run(_change(settings["LEARNSYNC_ABSORB__BASE_URL"]))
        say(f"Meanwhile in the portal: {len(changed['edits'])} enrollments edited, {len(changed['inserts'])} new.")
        syncs.append(_sync(folder, environs, "2nd: changes"))
        syncs.append(_sync(folder, environs, "3rd: nothing"))
    example = (changed["edits"] or changed["inserts"])[0]
    figures = {"folder": str(folder), "changed": {key: len(ids) for key, ids in changed.items()}, "syncs": syncs}
    return Outcome(figures, partial(_show, folder, syncs, example))


def fresh(folder: Path) -> None:
    """A folder with the files of a new demo; what an earlier demo made there is removed. Raises SettingsError."""
    demo_folder.claim(folder)
    demo_folder.clear(folder)
    prepare(folder / "dagster")
    places = {"path": folder / "warehouse.duckdb", "publish_path": folder / "learning.duckdb"}
    lines = [f"{name} = {json.dumps(str(path))}\n" for name, path in places.items()]
    files.write(folder / CONFIG, "".join([demo_folder.CONFIG_TITLE, "[warehouse]\n", *lines]))


@contextmanager
def sandbox(folder: Path, scale: int) -> Iterator[dict[str, str]]:
    """A sandbox process, yields the settings it prints: one portal and one org, without the LearningRecord API."""
    command = [sys.executable, "-m", "connector.cli", "sandbox", "--json", "--scale", str(scale)]
    with files.open_text(folder / "sandbox.log") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - our own
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise IncompleteError("The sandbox did not start.", remedy=f"See {folder / 'sandbox.log'}.")
            yield json.loads(line)["settings"]
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """The settings of the sandbox and the demo's files, without any LEARNSYNC_… variable of the caller."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEARNSYNC_")}
    return {
        **inherited,
        **settings,
        "LEARNSYNC_CONFIG": str(folder / CONFIG),
        "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "100",
        "DAGSTER_HOME": str((folder / "dagster").resolve()),
    }


def _sync(folder: Path, environment: dict[str, str], title: str) -> dict[str, Any]:
    """One Dagster run of the incremental job; returns the sums of what its stages recorded in ops.runs."""
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines.definitions", "-j", JOB]
    log = folder / "dagster.log"
    err.print(f"learnsync: sync {title} (Dagster job {JOB}, log {log})", soft_wrap=True)
    started, since = time.monotonic(), utc_now()
    with files.open_text(log, "a") as stream:
        done = subprocess.run(command, env=environment, stdout=stream, stderr=stream, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise IncompleteError(f"The Dagster run failed (exit code {done.returncode}).", remedy=f"See {log}.")
    seconds = time.monotonic() - started
    with Warehouse(folder / "warehouse.duckdb").connect() as connection:
        [figures] = records(connection, sql("demo_figures"), {"since": since})
    return {"title": title, "seconds": seconds, **figures}


async def _change(base_url: str) -> dict[str, list[str]]:
    """Let time pass in the portal: the sandbox's own control call."""
    async with HttpSession(base_url, Gate(50, 50, 4), setting="the sandbox") as session:
        answer = await session.call("POST", "/_sandbox/change", json=CHANGES)
    changed: dict[str, list[str]] = answer.json()
    return changed


def _show(folder: Path, syncs: list[dict[str, Any]], example: str) -> None:
    figures = [(label, *(f"{sync[key]:,}" for sync in syncs)) for label, key in FIGURES.items()]
    stages = [(f"{stage}, s", *(float(sync["stages"].get(stage, 0)) for sync in syncs)) for stage in STAGES]
    in_all = ("in all, s", *(sync["seconds"] for sync in syncs))
    titles = ("", *(sync["title"] for sync in syncs))
    out.print(table("\nThree syncs, run by Dagster", titles, [*figures, None, *stages, in_all]))
    last = syncs[-1]
    out.print(table("Where learners stand (ProgressStatus)", ("", "", ""), bars(last["statuses"])))
    for reason, rows in last["blocked"].items():
        out.print(f"Blocked: {rows:,} enrollments, {reason}: {REASONS.get(reason, reason)}", soft_wrap=True)
    out.print("\n[bold]Try next[/]")
    for line in hints(folder, example):
        out.print(f"  {line}", soft_wrap=True)


def hints(folder: Path, example: str) -> list[str]:
    """Commands to go on with; `example` is an enrollment id."""
    program, elsewhere = _program(), "" if folder == FOLDER else f" --folder {folder}"
    pages = "make ui" if checkout() == Path.cwd() and not elsewhere else f"{program} ui --sandbox{elsewhere}"
    prefix = f"LEARNSYNC_CONFIG={folder / CONFIG} {program}"
    return [pages, f"{prefix} status", f"{prefix} explain {example}"]


def _program() -> str:
    """How a person calls us: by name, or by its place where a checkout's environment is not the active one."""
    beside = Path(sys.executable).with_name("learnsync")
    if not checkout() or not beside.is_file() or shutil.which("learnsync") == str(beside):
        return "learnsync"
    return str(beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside)
