"""Small things that several tests need: rows as Absorb serves them, landing and loading pages, reading tables."""

from __future__ import annotations

import json
import os
import re
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet
from starlette.types import ASGIApp, Message, Receive, Scope

from connector.streams import MODELS
from connector.times import utc_now
from connector.warehouse.database import Connection, Stamp, Warehouse
from connector.warehouse.load import Batch, LoadCounts, load_batch
from connector.warehouse.watermarks import Watermark

Row = dict[str, Any]

COURSE = "c0000000-0000-4000-8000-000000000001"
USER = "a0000000-0000-4000-8000-000000000001"


def examples(count: int) -> int:
    """How many examples a property test draws: `count`, or a multiple of it where EXAMPLES says so (`make soak`)."""
    return count * int(os.environ.get("EXAMPLES", "1"))


def first(count: int, table: Mapping[str, Any]) -> list[ParameterSet]:
    """The rows of a decision table as cases of a test: `count` of them in `make test`, the others in `make soak`."""
    cells = [(key, value if isinstance(value, tuple) else (value,)) for key, value in table.items()]
    return [
        pytest.param(*values, id=key, marks=[] if place < count else [pytest.mark.soak])
        for place, (key, values) in enumerate(cells)
    ]


async def answered(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """What an application answers to a call: the message that starts the answer, and the body."""
    head: Message = {}
    body = b""

    async def keep(message: Message) -> None:
        nonlocal head, body
        if message["type"] == "http.response.start":
            head = message
        else:
            body += message.get("body", b"")

    await app(scope, receive, keep)
    return head, body


def new_id() -> str:
    return str(uuid.uuid4())


def enrollment(**changes: Any) -> Row:
    """A course enrollment with every field of the source; keyword arguments replace fields."""
    row: Row = {
        "id": new_id(),
        "courseId": COURSE,
        "courseName": "First Aid",
        "progress": 0.0,
        "score": None,
        "status": 1,
        "dateCompleted": None,
        "dateExpires": None,
        "dateEdited": "2026-01-05T10:00:00.1234567",
        "dateAdded": "2026-01-01T10:00:00",
        "fullName": "Ada Park",
        "courseVersionId": None,
        "userId": USER,
        "acceptedTermsAndConditions": False,
        "timeSpentTicks": 0,
        "timeSpent": "00:00:00",
        "dateStarted": None,
        "enrollmentKeyId": None,
        "certificateId": None,
        "credits": None,
        "isActive": True,
        "dateDue": None,
        "accessDate": None,
        "jobTitle": None,
        "courseCollectionId": None,
        "avatar": None,
    }
    assert set(changes) <= set(row) | {"name"}, "a field that Absorb does not serve"
    return row | changes


def land(folder: Path, stream: str, pages: Sequence[Sequence[Any] | str]) -> list[Path]:
    """Write pages as the pull does; a page is its rows, or the text of its list."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, rows in enumerate(pages, 1):
        text = rows if isinstance(rows, str) else json.dumps(list(rows))
        path = folder / f"{number:010d}.json"
        path.write_text(f'{{"totalItems": 1, "{MODELS[stream].collection}": {text}}}', "utf-8")
        found.append(path)
    return found


def load(
    warehouse: Warehouse,
    *pages: Sequence[Any] | str,
    stream: str = "enrollments",
    tenant_id: str = "default",
    run_id: str = "run",
    watermarks: Sequence[Watermark] = (),
) -> LoadCounts:
    """Land the pages and load them as one batch."""
    folder = Path(tempfile.mkdtemp(dir=warehouse.path.parent))
    files = land(folder, stream, pages)
    batch = Batch(stream, files=files, watermarks=list(watermarks))
    return load_batch(warehouse, batch, Stamp(tenant_id, run_id, utc_now()))


def query(warehouse: Warehouse, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    """All rows of one statement; after one that writes, everything is due for those who look at changes alone."""
    with warehouse.connect() as connection:
        found = connection.execute(statement, values).fetchall()
        if re.match(r"\s*(INSERT|UPDATE|DELETE)", statement):
            forget_what_is_known(connection)
        return found


def forget_what_is_known(connection: Connection) -> None:
    """As in a warehouse of an earlier version: everything is due. For tests that write tables by themselves."""
    connection.execute("DELETE FROM ops.consumers; DELETE FROM ops.built")


def records(warehouse: Warehouse, statement: str, values: Any = None) -> list[Row]:
    """All rows of one statement, each by column name."""
    with warehouse.connect() as connection:
        found = connection.execute(statement, values)
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
