"""The analysts' file: a whole copy, put in place atomically, so that readers never meet the writer's lock."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from connector.errors import WarehouseError
from connector.settings import Settings
from connector.warehouse.database import Warehouse


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was published."""

    path: Path
    bytes: int
    seconds: float


def publish(settings: Settings) -> PublishReport:
    """Copy the warehouse, then replace the published file by it: open readers keep their snapshot."""
    target = settings.warehouse.publish_path
    started = time.monotonic()
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_drafts(target)
        draft.unlink(missing_ok=True)
        _copy(settings, draft)
        draft.replace(target)
    except OSError as failure:
        raise WarehouseError(
            f"LEARNSYNC_WAREHOUSE__PUBLISH_PATH = {target}: cannot be written ({failure.strerror or failure}).",
            remedy="Point the variable at a file in a folder that this user may write to.",
        ) from None
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with contextlib.suppress(OSError):  # what stands in the way was reported above
                left.unlink(missing_ok=True)
    return PublishReport(target, target.stat().st_size, time.monotonic() - started)


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
        return True
    return True


def _copy(settings: Settings, draft: Path) -> None:
    with Warehouse.of(settings).connect() as connection:
        name = connection.execute("SELECT current_database()").fetchone()
        assert name is not None
        connection.execute(f"ATTACH '{str(draft).replace(chr(39), chr(39) * 2)}' AS draft")
        connection.execute(f'COPY FROM DATABASE "{name[0]}" TO draft')
        connection.execute("DETACH draft")
