"""The analysts' file: made beside its place and put there atomically, so that readers never meet the writer's lock."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from connector import machine
from connector.errors import WarehouseError
from connector.files import PRIVATE_FOLDER, make_folder, set_mode
from connector.settings import Settings
from connector.warehouse import published, runs
from connector.warehouse.creation import ANOTHER_PLACE
from connector.warehouse.database import Connection, Warehouse, roll_back
from connector.warehouse.drafts import clear_drafts
from connector.warehouse.room import copy_bytes, require_room
from connector.warehouse.runs import Closing
from connector.warehouse.stale_log import PUBLISH_VARIABLE, STORAGE, keep_out
from connector.warehouse.statements import literal
from connector.warehouse.trouble import refusal


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
    target, warehouse = settings.warehouse.publish_path, Warehouse.existing(settings)
    started = time.monotonic()
    with _draft_of(settings) as draft, warehouse.connect() as connection:
        runs.note_begun(connection, run_id)
        _refuse_foreign(connection, target)
        require_room(target, copy_bytes(connection, target), "the copy", PUBLISH_VARIABLE)
        with attached(connection, draft, target):
            published.fill(connection, run_id)
        _set_readers(draft, target, settings.warehouse.publish_mode)
        keep_out(target)
        draft.replace(target)
        report = PublishReport(target, target.stat().st_size, time.monotonic() - started)
        if close:
            close(connection, report)
    return report


def _refuse_foreign(connection: Connection, target: Path) -> None:
    if not published.is_ours(connection, target):
        raise WarehouseError(
            f"{PUBLISH_VARIABLE} = {target}: the file there was not published from this warehouse. It was left alone.",
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
        clear_drafts(target, "draft")
        yield draft
    except OSError as failure:
        raise WarehouseError(
            f"{PUBLISH_VARIABLE} = {target}: cannot be written ({failure.strerror or failure}).",
            remedy=machine.remedy_of(failure, ANOTHER_PLACE),
        ) from None
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with suppress(OSError):  # what stands in the way was reported above
                left.unlink(missing_ok=True)


def _folder_mode(settings: Settings) -> int:
    """Of a folder made for the published file: who may read the file can reach it, but none beside the warehouse."""
    place, mode = settings.warehouse, settings.warehouse.publish_mode & 0o444
    return PRIVATE_FOLDER if place.publish_path.parent == place.path.parent else PRIVATE_FOLDER | mode | mode >> 2


@contextmanager
def attached(connection: Connection, draft: Path, target: Path) -> Iterator[None]:
    """The database `draft`, to be filled; whole in its file when this is left, and detached however it is left."""
    connection.execute(f"ATTACH {literal(draft)} AS draft (STORAGE_VERSION '{STORAGE}')")
    try:
        yield
        connection.execute("CHECKPOINT draft")
    except BaseException as failure:
        roll_back(connection)
        with suppress(duckdb.Error):
            # The engine outlives a failure, and a later publish in this process would meet the name.
            connection.execute("USE warehouse; DETACH draft")
        if told := refusal(failure, f"{PUBLISH_VARIABLE} = {target}"):
            raise told from None
        raise
    connection.execute("DETACH draft")
