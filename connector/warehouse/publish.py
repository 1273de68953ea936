"""The analysts' file: a whole copy, put in place atomically, so that readers never meet the writer's lock."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from connector.errors import WarehouseError
from connector.settings import Settings, variable
from connector.warehouse import runs
from connector.warehouse.database import Warehouse
from connector.warehouse.runs import Closing
from connector.warehouse.statements import literal


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was published."""

    path: Path
    bytes: int
    seconds: float


def publish(settings: Settings, run_id: str = "", close: Closing | None = None) -> PublishReport:
    """Copy the warehouse, then replace the published file by it: open readers keep their snapshot.

    Raises WarehouseError where there is no warehouse, or the published file cannot be written.
    """
    target, warehouse = settings.warehouse.publish_path, Warehouse.existing(settings)
    started = time.monotonic()
    with _draft_of(target) as draft, warehouse.connect() as connection:
        runs.note_begun(connection, run_id)
        connection.execute(f"ATTACH {literal(draft)} AS draft")
        connection.execute("COPY FROM DATABASE warehouse TO draft")
        connection.execute("DETACH draft")
        draft.replace(target)
        report = PublishReport(target, target.stat().st_size, time.monotonic() - started)
        if close:
            close(connection, report)
    return report


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """The path of a copy beside the published file. What is left of it is removed. Raises WarehouseError."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_drafts(target)
        draft.unlink(missing_ok=True)
        yield draft
    except OSError as failure:
        raise WarehouseError(
            f"{variable('warehouse', 'publish_path')} = {target}: cannot be written ({failure.strerror or failure}).",
            remedy="Point the variable at a file in a folder that this user may write to.",
        ) from None
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with suppress(OSError):  # what stands in the way was reported above
                left.unlink(missing_ok=True)


def _clear_drafts(target: Path) -> None:
    """Remove copies that killed processes left half-made: they are as large as the file, and hold people's data."""
    for left in target.parent.glob(f".{target.name}.*.draft*"):
        pid = left.name.removeprefix(f".{target.name}.").partition(".")[0]
        if pid.isdecimal() and not _is_alive(int(pid)):
            left.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but alive
        pass
    return True
