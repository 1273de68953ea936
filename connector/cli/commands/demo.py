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

import duckdb
import typer
from rich.table import Table

from connector.cli.command import Outcome, Run, command, new_app
from connector.cli.console import err, out
from connector.errors import IncompleteError
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession

app = new_app()
CHANGES = {"edits": 40, "inserts": 12, "deletes": 0}
START_SECONDS = 60
JOB = "incremental_sync"


@command(app, has_verbose=False)
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
    """A sandbox process; yields the settings it prints."""
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
    """The settings of the sandbox and the demo's files, without any LEARNSYNC_… variable of the caller.

    The demo shows one portal and one org: the LearningRecord API is left out.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEARNSYNC_")}
    settings = {name: value for name, value in settings.items() if "LEARNING_RECORDS" not in name}
    return {
        **inherited,
        **settings,
        "LEARNSYNC_CONFIG": str(folder / "learnsync.toml"),
        "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "100",
        "DAGSTER_HOME": str((folder / "dagster").resolve()),
    }


def _sync(folder: Path, environment: dict[str, str], title: str) -> dict[str, Any]:
    """One Dagster run of the incremental job; returns what it recorded in ops.runs."""
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines.definitions", "-j", JOB]
    log = folder / "dagster.log"
    err.print(f"learnsync: sync {title} (Dagster job {JOB}, log {log})", soft_wrap=True)
    started = time.monotonic()
    before = _newest_run(folder)
    with log.open("a") as stream:
        done = subprocess.run(  # noqa: S603 - our own command line
            command, env=environment, stdout=stream, stderr=stream, check=False
        )
    if done.returncode:
        raise IncompleteError(f"The Dagster run failed (exit code {done.returncode}).", remedy=f"See {log}.")
    return {"title": title, "seconds": time.monotonic() - started, **_figures(folder, before)}


def _newest_run(folder: Path) -> str:
    if not (folder / "warehouse.duckdb").is_file():
        return ""
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT coalesce(max(run_id), '') FROM ops.runs").fetchone()
    return str(found[0]) if found else ""


def _figures(folder: Path, after: str) -> dict[str, Any]:
    """Sums over the stages recorded since run `after`."""
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT command, stats, epoch(finished_at - started_at) FROM ops.runs WHERE run_id > ? ORDER BY run_id",
            [after],
        ).fetchall()
        statuses = connection.execute(
            'SELECT "ProgressStatus", count(*) FROM learning_item_progress GROUP BY ALL ORDER BY 2 DESC'
        ).fetchall()
    figures: dict[str, Any] = {
        "requests": 0, "read": 0, "inserted": 0, "updated": 0, "quarantined": 0, "pushed": 0, "created": 0,
        "rejected": 0, "blocked": {}, "statuses": dict(statuses), "stages": {}, "api_calls": 0,
    }  # fmt: skip
    for stage, stats, seconds in rows:
        figures["stages"][stage] = figures["stages"].get(stage, 0.0) + (seconds or 0.0)
        _add(figures, stage, json.loads(stats))
    return figures


def _add(figures: dict[str, Any], stage: str, stats: dict[str, Any]) -> None:
    if stage == "pull":
        for stream in stats["streams"].values():
            figures["requests"] += stream["requests"]
            if stream["stream"] == "enrollments":
                for key in ("read", "inserted", "updated", "quarantined"):
                    figures[key] += stream["counts"][key]
    if stage in {"match", "push", "readback"}:
        figures["api_calls"] += stats["calls"]
    if stage == "push":
        for target in stats["targets"].values():
            figures["pushed"] += target["accepted"]
            figures["created"] += target["created"]
            figures["rejected"] += target["rejected"] + target["deferred"]
            for reason, rows in target["blocked"].items():
                figures["blocked"][reason] = figures["blocked"].get(reason, 0) + rows


async def _change(base_url: str) -> dict[str, list[str]]:
    """Let time pass in the portal: the sandbox's own control call."""
    async with HttpSession(base_url, Gate(50, 50, 4), setting="the sandbox") as session:
        answer = await session.call("POST", "/_sandbox/change", json=CHANGES)
    changed: dict[str, list[str]] = answer.json()
    return changed


def _show(folder: Path, syncs: list[dict[str, Any]], example: str) -> None:
    out.print(_syncs_table(syncs))
    last = syncs[-1]
    _show_statuses(last["statuses"])
    reasons = {"unmatched": "nobody in Salesforce has their external id or email",
               "ambiguous": "several people in Salesforce match"}  # fmt: skip
    for reason, rows in sorted(last["blocked"].items()):
        out.print(f"Blocked: {rows:,} enrollments, learner {reason}: {reasons.get(reason, '')}", soft_wrap=True)
    prefix = f"LEARNSYNC_CONFIG={folder / 'learnsync.toml'} .venv/bin/learnsync"
    out.print("\n[bold]Try next[/]")
    for line in ("make ui", f"{prefix} status", f"{prefix} explain {example}"):
        out.print(f"  {line}", soft_wrap=True)


def _syncs_table(syncs: list[dict[str, Any]]) -> Table:
    made = Table(title="\nThree syncs, run by Dagster", title_justify="left", title_style="bold", header_style="dim")
    made.add_column("")
    for sync in syncs:
        made.add_column(sync["title"], justify="right")
    for label, key in (
        ("portal requests", "requests"), ("enrollments read", "read"), ("· new", "inserted"),
        ("· changed", "updated"), ("· quarantined", "quarantined"), ("records pushed", "pushed"),
        ("· created", "created"), ("· rejected", "rejected"), ("org API calls", "api_calls"),
    ):  # fmt: skip
        made.add_row(label, *(f"{sync[key]:,}" for sync in syncs))
    made.add_section()
    for stage in ("pull", "match", "build", "push", "readback", "publish"):
        made.add_row(f"{stage}, s", *(f"{sync['stages'].get(stage, 0):.1f}" for sync in syncs))
    made.add_row("in all, s", *(f"{sync['seconds']:.1f}" for sync in syncs))
    return made


def _show_statuses(statuses: dict[str, int]) -> None:
    made = Table(
        title="Where learners stand (ProgressStatus)", title_justify="left", title_style="bold", show_header=False
    )
    largest = max(statuses.values(), default=1)
    for status, rows in statuses.items():
        made.add_row(status, f"{rows:,}", f"[cyan]{'█' * max(1, round(30 * rows / largest))}[/]")
    out.print(made)
