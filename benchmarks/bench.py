"""`make bench`: pull and build over 200,000 enrollments in 400 courses, beside the floor of the same pages.

The floor is what nobody can beat with these tools: bare httpx fetching the same pages with the same concurrency, then
one DuckDB `read_json` of them with explicit types. Floor and connector run in processes of their own against one
sandbox process, floor first and last, so that a drifting machine shows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.peak import peak_megabytes

out = Console(highlight=False)
CONCURRENCY = 8


def main() -> None:
    """Run all parts and print the table."""
    options = _options()
    if options.part:
        PARTS[options.part](Path(options.folder))
        return
    folder = Path(tempfile.mkdtemp(prefix="learnsync-bench-"))
    sandbox = _start_sandbox(options.scale, options.courses, folder)
    try:
        results = [(name, _run(part, folder, options)) for name, part in (
            ("floor: httpx + read_json", "floor"), ("pull, full", "pull"), ("pull, nothing changed", "again"),
            ("build, first", "build"), ("build, nothing changed", "rebuild"), ("floor again", "floor"),
        )]  # fmt: skip
    finally:
        sandbox.terminate()
        sandbox.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
    _print(results, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=200_000, help="enrollments")
    parser.add_argument("--courses", type=int, default=400)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def _start_sandbox(scale: int, courses: int, folder: Path) -> subprocess.Popen[str]:
    out.print(f"Generating a portal with {scale:,} enrollments in {courses} courses …")
    command = [sys.executable, "-m", "connector.cli", "sandbox", "--json", "--scale", str(scale),
               "--courses", str(courses), "--rate-limit", "0"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    settings = json.loads(process.stdout.readline())["settings"]
    os.environ.update(settings)
    os.environ.update(
        LEARNSYNC_WAREHOUSE__PATH=str(folder / "warehouse.duckdb"),
        LEARNSYNC_WAREHOUSE__PUBLISH_PATH=str(folder / "learning.duckdb"),
        LEARNSYNC_ABSORB__REQUESTS_PER_SECOND="10000",
        LEARNSYNC_ABSORB__BURST="10000",
        LEARNSYNC_ABSORB__CONCURRENCY=str(CONCURRENCY),
    )
    return process


def _run(part: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.bench", "--part", part, "--folder", str(folder)]
    command += ["--scale", str(options.scale), "--courses", str(options.courses)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _report(rows: int, requests: int, seconds: float) -> None:
    print(json.dumps({"rows": rows, "requests": requests, "seconds": seconds, "peak_mb": peak_megabytes()}))


def floor(folder: Path) -> None:
    """Bare httpx and one typed read_json: no walk, no landing order, no merge, no watermark."""
    import asyncio  # noqa: PLC0415 - each part pays for its own imports only

    import duckdb  # noqa: PLC0415
    import httpx  # noqa: PLC0415

    from connector.streams.rows import Enrollment  # noqa: PLC0415
    from connector.warehouse.schema import source_columns  # noqa: PLC0415

    base, key = os.environ["LEARNSYNC_ABSORB__BASE_URL"], os.environ["LEARNSYNC_ABSORB__API_KEY"]
    pages = folder / "floor"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir()
    counted = 0

    async def fetch() -> None:
        nonlocal counted
        async with httpx.AsyncClient(base_url=base, headers={"x-api-key": key}, timeout=60) as client:
            login = {"username": os.environ["LEARNSYNC_ABSORB__USERNAME"],
                     "password": os.environ["LEARNSYNC_ABSORB__PASSWORD"], "privateKey": key}  # fmt: skip
            client.headers["authorization"] = "Bearer " + (await client.post("/authenticate", json=login)).json()
            courses = (await client.get("/courses", params={"_limit": 1000, "_offset": 0})).json()["courses"]
            waiting = iter(courses)

            async def work() -> None:
                nonlocal counted
                for course in waiting:
                    offset, more = 0, True
                    while more:
                        params = {"_limit": 1000, "_offset": offset, "_sort": "dateEdited"}
                        answer = await client.get(f"/courses/{course['id']}/enrollments", params=params)
                        counted += 1
                        (pages / f"{counted:08d}.json").write_bytes(answer.content)
                        # The envelope comes first: enough of it tells whether a full page came back.
                        more = b'"returnedItems":1000,' in answer.content[:200].replace(b" ", b"")
                        offset += 1

            await asyncio.gather(*(work() for _ in range(CONCURRENCY)))

    started = time.perf_counter()
    asyncio.run(fetch())
    struct = ", ".join(f'"{column.keys[0]}" {column.sql_type}' for column in source_columns(Enrollment))
    with duckdb.connect(str(folder / "floor.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        connection.execute(
            f"CREATE OR REPLACE TABLE enrollments AS SELECT unnest(enrollments, max_depth := 2)"
            f" FROM read_json('{pages}/*.json', columns = {{'enrollments': 'STRUCT({struct})[]'}})"
        )
        rows = connection.execute("SELECT count(*) FROM enrollments").fetchone()
    shutil.rmtree(pages)
    (folder / "floor.duckdb").unlink()
    _report(rows[0] if rows else 0, counted, time.perf_counter() - started)


def pull(folder: Path) -> None:
    """The connector's pull of the enrollments, courses beforehand and not counted."""
    from connector.absorb.pull.options import PullOptions  # noqa: PLC0415
    from connector.settings import load_settings  # noqa: PLC0415
    from connector.sync import run_pull  # noqa: PLC0415

    del folder
    settings = load_settings()
    run_pull(settings, PullOptions(["courses"]))
    started = time.perf_counter()
    report = run_pull(settings, PullOptions(["enrollments"])).streams["enrollments"]
    _report(report.counts.read, report.requests, time.perf_counter() - started)


def build(folder: Path) -> None:
    """The connector's build of both canonical tables."""
    from connector.settings import load_settings  # noqa: PLC0415
    from connector.sync import run_build  # noqa: PLC0415

    del folder
    settings = load_settings()
    started = time.perf_counter()
    report = run_build(settings)
    _report(report.tables["learning_item_progress"].rows, 0, time.perf_counter() - started)


PARTS = {"floor": floor, "pull": pull, "again": pull, "build": build, "rebuild": build}


def _print(results: list[tuple[str, dict[str, float]]], options: argparse.Namespace) -> None:
    made = Table(
        title=f"{options.scale:,} enrollments, {options.courses} courses, {os.cpu_count()} cores", title_justify="left"
    )
    made.add_column("")
    for column in ("rows", "seconds", "rows/s", "requests", "peak RSS, MB"):
        made.add_column(column, justify="right")
    for name, figures in results:
        speed = f"{options.scale / figures['seconds']:,.0f}" if figures["rows"] >= options.scale else "–"
        requests = f"{figures['requests']:,}" if figures["requests"] else "–"
        made.add_row(
            name, f"{figures['rows']:,}", f"{figures['seconds']:.2f}", speed, requests, f"{figures['peak_mb']:.0f}"
        )
    out.print(made)
    named = dict(results)
    base = (named["floor: httpx + read_json"]["seconds"] + named["floor again"]["seconds"]) / 2
    out.print(f"A full pull takes {named['pull, full']['seconds'] / base:.1f} × its floor.")


if __name__ == "__main__":
    main()
