"""What nobody can beat with these tools: bare httpx with the same concurrency, and one DuckDB `read_json` with types.

No walk, no proof that a list was read whole, no landing order, no merge, no watermark.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import httpx

from benchmarks.figures import Figures, Place, measured
from connector.streams.rows import Enrollment
from connector.warehouse.schema import source_columns

CONCURRENCY = 8
LIMIT = 1000
# From where an incremental pull asks each list: its watermark less the overlap, as Absorb takes an instant.
_MARKS = """
    SELECT stream, scope_id, strftime(timezone('UTC', watermark - INTERVAL 30 MINUTE), '%Y-%m-%dT%H:%M:%S.%gZ')
    FROM ops.watermarks ORDER BY rows DESC
"""
# A list's path, and what it is asked besides a page.
Question = tuple[str, dict[str, Any]]
Keep = Callable[[bytes], object]


def enrollments(place: Place) -> Figures:
    """Every page of every course to disk, then into one table."""
    pages, target = place.folder / "pages", place.folder / "floor.duckdb"
    pages.mkdir()
    with measured() as figures:
        figures.requests = asyncio.run(_whole(pages))
        figures.rows = _read(pages, target)
    shutil.rmtree(pages)
    target.unlink()
    return figures


def changes(place: Place) -> Figures:
    """The requests of an incremental pull of every list, each from its watermark less the overlap; rows dropped."""
    questions = _since(place.folder / "warehouse.duckdb")
    rows = 0

    def look(page: bytes) -> None:
        nonlocal rows
        rows += page.count(b'"dateEdited":')

    with measured() as figures:
        figures.requests = asyncio.run(_ask(questions, look))
    figures.rows = rows
    return figures


async def _whole(pages: Path) -> int:
    numbers = count()

    def keep(page: bytes) -> None:
        (pages / f"{next(numbers):08d}.json").write_bytes(page)

    async with _client() as client:
        listed = [page async for page in _pages(client, ("/courses", {}))]
    ids = [row["id"] for page in listed for row in httpx.Response(200, content=page).json()["courses"]]
    questions = [(f"/courses/{course}/enrollments", {"_sort": "dateEdited"}) for course in ids]
    asked = await _ask(questions, keep)
    return asked + len(listed)


async def _ask(questions: Sequence[Question], keep: Keep) -> int:
    """Read these lists, as many at once as the pull does; how many requests that took."""
    waiting, asked = iter(questions), 0
    async with _client() as client:

        async def work() -> None:
            nonlocal asked
            for question in waiting:
                async for page in _pages(client, question):
                    asked += 1
                    keep(page)

        await _together([work for _ in range(CONCURRENCY)])
    return asked


async def _together(works: Sequence[Callable[[], Awaitable[None]]]) -> None:
    await asyncio.gather(*(work() for work in works))


async def _pages(client: httpx.AsyncClient, question: Question) -> AsyncIterator[bytes]:
    path, more = question
    offset, full = 0, b'"returnedItems":%d,' % LIMIT
    while True:
        answer = await client.get(path, params={"_limit": LIMIT, "_offset": offset, **more})
        answer.raise_for_status()
        yield answer.content
        # The envelope comes first: enough of it tells whether a full page came back.
        if full not in answer.content[:200].replace(b" ", b""):
            return
        offset += 1


@asynccontextmanager
async def _client() -> AsyncIterator[httpx.AsyncClient]:
    base, key = os.environ["LEARNSYNC_ABSORB__BASE_URL"], os.environ["LEARNSYNC_ABSORB__API_KEY"]
    login = {
        "username": os.environ["LEARNSYNC_ABSORB__USERNAME"],
        "password": os.environ["LEARNSYNC_ABSORB__PASSWORD"],
        "privateKey": key,
    }
    async with httpx.AsyncClient(base_url=base, headers={"x-api-key": key}, timeout=60) as client:
        client.headers["authorization"] = "Bearer " + (await client.post("/authenticate", json=login)).json()
        yield client


def _read(pages: Path, target: Path) -> int:
    struct = ", ".join(f'"{column.keys[0]}" {column.sql_type}' for column in source_columns(Enrollment))
    with duckdb.connect(str(target)) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        connection.execute(
            "CREATE TABLE enrollments AS SELECT unnest(enrollments, max_depth := 2)"
            f" FROM read_json('{pages}/*.json', columns = {{'enrollments': 'STRUCT({struct})[]'}})"
        )
        [(rows,)] = connection.execute("SELECT count(*) FROM enrollments").fetchall()
        return int(rows)


def _since(warehouse: Path) -> list[Question]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        marks = connection.execute(_MARKS).fetchall()
    asked = []
    for stream, scope, since in marks:
        path = f"/courses/{scope}/enrollments" if stream == "enrollments" else f"/{stream}"
        asked.append((path, {"_sort": "dateEdited"} | ({"modifiedSince": since} if since else {})))
    return asked
