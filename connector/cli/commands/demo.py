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

from connector.cli.command import Outcome, Run, command
from connector.cli.commands.push import REASONS
from connector.cli.console import err, out
from connector.cli.tables import bars, records, sql, table
from connector.errors import IncompleteError
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession
from connector.times import utc_now
from connector.warehouse.database import Warehouse

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
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files.")] = Path("data/demo"),
) -> Outcome:
    """Run the whole way through Dagster against a sandbox: pull, map, push, change, sync again."""
    _fresh(folder)

    def say(text: str) -> None:
        if not run.as_json:
            out.print(text)

    with _sandbox(folder, scale) as settings:
        say(f"A portal with about {scale:,} enrollments and a Salesforce org are up on loopback.")
        environment = _environment(folder, settings)
        subprocess.run([sys.executable, "-m", "pipelines.instance"], env=environment, check=True)
        syncs = [_sync(folder, environment, "1st: all")]
        changed = asyncio.run(_change(settings["LEARNSYNC_ABSORB__BASE_URL"]))
        say(f"Meanwhile in the portal: {len(changed['edits'])} enrollments edited, {len(changed['inserts'])} new.")
        syncs.append(_sync(folder, environment, "2nd: changes"))
        syncs.append(_sync(folder, environment, "3rd: nothing"))
    example = (changed["edits"] or changed["inserts"])[0]
    figures = {"folder": str(folder), "changed": {key: len(ids) for key, ids in changed.items()}, "syncs": syncs}
    return Outcome(figures, partial(_show, folder, syncs, example))


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    home = folder / "dagster"
    home.mkdir(parents=True)
    instance = Path("dagster.yaml")
    if instance.is_file():
        shutil.copy(instance, home / "dagster.yaml")
    (folder / "learnsync.toml").write_text(
        "# Points learnsync at the demo's files.\n"
        "[warehouse]\n"
        f'path = "{folder / "warehouse.duckdb"}"\n'
        f'publish_path = "{folder / "learning.duckdb"}"\n',
        "utf-8",
    )


@contextmanager
def _sandbox(folder: Path, scale: int) -> Iterator[dict[str, str]]:
    """A sandbox process, yields the settings it prints: one portal and one org, without the LearningRecord API."""
    command = [sys.executable, "-m", "connector.cli", "sandbox", "--json", "--scale", str(scale)]
    with (folder / "sandbox.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - our own
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise IncompleteError("The sandbox did not start.", remedy=f"See {folder / 'sandbox.log'}.")
            yield json.loads(line)["settings"]
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """The settings of the sandbox and the demo's files, without any LEARNSYNC_… variable of the caller."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEARNSYNC_")}
    return {
        **inherited,
        **settings,
        "LEARNSYNC_CONFIG": str(folder / "learnsync.toml"),
        "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "100",
        "DAGSTER_HOME": str((folder / "dagster").resolve()),
    }


def _sync(folder: Path, environment: dict[str, str], title: str) -> dict[str, Any]:
    """One Dagster run of the incremental job; returns the sums of what its stages recorded in ops.runs."""
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines.definitions", "-j", JOB]
    log = folder / "dagster.log"
    err.print(f"learnsync: sync {title} (Dagster job {JOB}, log {log})", soft_wrap=True)
    started, since = time.monotonic(), utc_now()
    with log.open("a") as stream:
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
    prefix = f"LEARNSYNC_CONFIG={folder / 'learnsync.toml'} .venv/bin/learnsync"
    out.print("\n[bold]Try next[/]")
    for line in ("make ui", f"{prefix} status", f"{prefix} explain {example}"):
        out.print(f"  {line}", soft_wrap=True)
