"""ops.runs: who ran what, when, and how it ended.

A run's row is written in an opening of the file that its stage needs anyway: `note_begun` in the stage's first one,
`finish` in its last one. So a run that is killed before it first wrote anything leaves no row.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is being recorded."""

    run_id: str
    tenant_id: str
    command: str
    started_at: datetime


# Names of folders: a run id, and what some runs put after it.
_OF_A_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}(-\w+)?$")

# What a stage calls in its last opening of the file, with its report: the run is ended there.
Closing = Callable[[Connection, Any], None]

# Runs of this process that have not ended, by id. A dry run is not recorded and is not among them.
_open: dict[str, Run] = {}


def new_run_id() -> str:
    """A run id that sorts by time."""
    return f"{utc_now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def folders(place: Path) -> Iterator[Path]:
    """The folders in `place` that runs made; what else lies there is somebody's own."""
    yield from (path for path in place.iterdir() if _OF_A_RUN.match(path.name) and path.is_dir())


def begin(tenant_id: str, command: str) -> Run:
    """Give a run its id; writes nothing yet."""
    run = Run(new_run_id(), tenant_id, command, utc_now())
    _open[run.run_id] = run
    return run


def is_open(run: Run) -> bool:
    """True until `finish` has written how it ended."""
    return run.run_id in _open


def note_begun(connection: Connection, run_id: str) -> None:
    """Write the row of a run that has begun, unless it stands already or the run is not recorded."""
    if run := _open.get(run_id):
        connection.execute(sql("run_begin"), asdict(run))


def end_killed(connection: Connection, tenant_id: str, command: str, run_id: str) -> None:
    """Write that this run has begun, and end earlier ones of its command that a kill left open.

    Only for a caller whose lock shows that no other run of the command is alive.
    """
    note_begun(connection, run_id)
    values = {"now": utc_now(), "tenant_id": tenant_id, "command": command, "run_id": run_id}
    connection.execute(sql("runs_end_killed"), values)


def finish(
    connection: Connection, run: Run, outcome: str, message: str = "", stats: Mapping[str, Any] | None = None
) -> None:
    """Write how it ended: complete, incomplete, failed or interrupted."""
    note_begun(connection, run.run_id)
    ended = {"run_id": run.run_id, "now": utc_now(), "outcome": outcome, "message": message or None}
    connection.execute(sql("run_finish"), ended | {"stats": json.dumps(stats or {}, default=str)})
    _open.pop(run.run_id, None)
