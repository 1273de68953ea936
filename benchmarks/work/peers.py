"""dlt reading the same portal into DuckDB, with a merge by id: as its manual shows it, and as fast as it goes."""

import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from benchmarks.figures import Figures, Place, measured

_LIMIT = 1000
_TOGETHER = 8
_GROUP_ROWS = 50_000


def dicts(place: Place) -> Figures:
    """Its normal way: a resource that yields lists of dicts, one page after the other."""

    def rows() -> Iterator[list[dict[str, Any]]]:
        for course in _courses():
            yield from _pages(f"/courses/{course}/enrollments", "enrollments")

    return _run(place, rows)


def arrow(place: Place) -> Figures:
    """Hand-tuned: pages fetched side by side, parsed by orjson, yielded as Arrow tables of many rows."""
    import orjson  # noqa: PLC0415 - it may be missing
    import pyarrow as pa  # noqa: PLC0415

    def tables() -> Iterator[Any]:
        held: list[dict[str, Any]] = []
        for page in _side_by_side(_courses()):
            held += orjson.loads(page)["enrollments"]
            if len(held) >= _GROUP_ROWS:
                yield pa.Table.from_pylist(held, schema=_schema(pa))
                held = []
        yield pa.Table.from_pylist(held, schema=_schema(pa))

    return _run(place, tables)


def _run(place: Place, rows: Any) -> Figures:
    import dlt  # noqa: PLC0415 - it may be missing, and its import is its own cost

    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    target = dlt.destinations.duckdb(str(place.folder / "dlt.duckdb"))
    pipeline = dlt.pipeline("bench", pipelines_dir=str(place.folder / "dlt"), destination=target, dataset_name="absorb")
    with measured() as figures:
        pipeline.run(dlt.resource(rows, name="enrollments", primary_key="id", write_disposition="merge"))
    with pipeline.sql_client() as client:
        [[figures.rows]] = client.execute_sql("SELECT count(*) FROM enrollments")
    if figures.rows != place.scale:
        raise RuntimeError(f"dlt has {figures.rows} rows of {place.scale}")
    return figures


def _schema(pa: Any) -> Any:
    """Instants stay text, as in the dicts before dlt looks at them: a cast would only add to what is measured."""
    numbers = {"progress", "score", "credits"}
    wholes, flags = {"status", "timeSpentTicks"}, {"acceptedTermsAndConditions", "isActive"}
    names = [
        "id", "courseId", "courseName", "progress", "score", "status", "dateCompleted", "dateExpires", "dateEdited",
        "dateAdded", "fullName", "courseVersionId", "userId", "acceptedTermsAndConditions", "timeSpentTicks",
        "timeSpent", "dateStarted", "enrollmentKeyId", "certificateId", "credits", "isActive", "dateDue", "accessDate",
        "jobTitle", "courseCollectionId", "avatar",
    ]  # fmt: skip
    kinds = {name: pa.float64() for name in numbers} | {name: pa.int64() for name in wholes}
    kinds |= {name: pa.bool_() for name in flags}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])


def _courses() -> list[str]:
    return [row["id"] for page in _pages("/courses", "courses") for row in page]


def _pages(path: str, collection: str) -> Iterator[list[dict[str, Any]]]:
    offset, size = 0, _LIMIT
    while size == _LIMIT:
        query = urlencode({"_limit": _LIMIT, "_offset": offset, "_sort": "dateEdited"})
        with urlopen(Request(f"{_base()}{path}?{query}", headers=_headers())) as answer:
            rows = json.load(answer)[collection]
        yield rows
        offset, size = offset + 1, len(rows)


def _base() -> str:
    return os.environ["LEARNSYNC_ABSORB__BASE_URL"]


def _headers() -> dict[str, str]:
    from benchmarks.portal import TOKEN  # noqa: PLC0415 - logging in is no part of the comparison

    return {"authorization": f"Bearer {TOKEN}", "x-api-key": os.environ["LEARNSYNC_ABSORB__API_KEY"]}


def _side_by_side(courses: list[str]) -> Iterator[bytes]:
    """Every page of every course, several courses at once, a hundred courses at a time."""
    import httpx  # noqa: PLC0415 - only this way needs it

    async def pages(client: httpx.AsyncClient, course: str) -> list[bytes]:
        found, size = list[bytes](), _LIMIT
        while size == _LIMIT:
            params: dict[str, str | int] = {"_limit": _LIMIT, "_offset": len(found), "_sort": "dateEdited"}
            found.append((await client.get(f"/courses/{course}/enrollments", params=params)).content)
            size = int(found[-1][:200].partition(b'"returnedItems":')[2].partition(b",")[0])
        return found

    async def some(names: list[str]) -> list[list[bytes]]:
        limits = httpx.Limits(max_connections=_TOGETHER)
        async with httpx.AsyncClient(base_url=_base(), headers=_headers(), limits=limits, timeout=60) as client:
            return await asyncio.gather(*(pages(client, name) for name in names))

    for begin in range(0, len(courses), 100):
        for found in asyncio.run(some(courses[begin : begin + 100])):
            yield from found
