"""The analysts' file: made beside its place and put there atomically, so that readers never meet the writer's lock."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from connector.errors import WarehouseError
from connector.files import PRIVATE_FOLDER, make_folder, set_mode
from connector.settings import Settings, variable
from connector.warehouse import published, runs
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.runs import Closing

PATH_VARIABLE = variable("warehouse", "publish_path")


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was published."""

    path: Path
    bytes: int
    seconds: float


def publish(settings: Settings, run_id: str = "", close: Closing | None = None) -> PublishReport:
    """Write what is published of the warehouse, then replace the file by it: open readers keep their snapshot.

    Raises WarehouseError where there is no warehouse, or the published file cannot be written or is not ours.
    """
    target = settings.warehouse.publish_path
    started = time.monotonic()
    with _draft_of(settings) as draft, Warehouse.existing(settings).connect() as connection:
        runs.note_begun(connection, run_id)
        _refuse_foreign(connection, target)
        published.write(connection, draft, run_id)
        _set_readers(draft, target, settings.warehouse.publish_mode)
        draft.replace(target)
        report = PublishReport(target, target.stat().st_size, time.monotonic() - started)
        if close:
            close(connection, report)
    return report


def _refuse_foreign(connection: Connection, target: Path) -> None:
    if not published.is_ours(connection, target):
        raise WarehouseError(
            f"{PATH_VARIABLE} = {target}: the file there was not published from this warehouse. It was left alone.",
            remedy="Point the variable at another place; or remove the file, if nobody needs it.",
        )


def _set_readers(draft: Path, target: Path, mode: int) -> None:
    """Who could read the file before can read it again: its mode is the setting's, its group stays."""
    if target.exists():
        before, made = target.stat(), draft.stat()
        if before.st_uid == made.st_uid and before.st_gid != made.st_gid:
            with suppress(OSError):  # a group that this user is not in
                os.chown(draft, -1, before.st_gid)
    set_mode(draft, mode)


@contextmanager
def _draft_of(settings: Settings) -> Iterator[Path]:
    """The path of a new file beside the published one. What is left of it is removed. Raises WarehouseError."""
    target = settings.warehouse.publish_path
    # A name that nobody can foresee: a shared folder may be one that others write to, and DuckDB follows links.
    draft = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.draft")
    try:
        make_folder(target.parent, _folder_mode(settings))
        _clear_drafts(target)
        yield draft
    except OSError as failure:
        raise WarehouseError(
            f"{PATH_VARIABLE} = {target}: cannot be written ({failure.strerror or failure}).",
            remedy="Point the variable at a file in a folder that this user may write to.",
        ) from None
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with suppress(OSError):  # what stands in the way was reported above
                left.unlink(missing_ok=True)


def _folder_mode(settings: Settings) -> int:
    """Of a folder made for the published file: who may read the file can reach it, but none beside the warehouse."""
    place, mode = settings.warehouse, settings.warehouse.publish_mode & 0o444
    return PRIVATE_FOLDER if place.publish_path.parent == place.path.parent else PRIVATE_FOLDER | mode | mode >> 2


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
