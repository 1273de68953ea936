"""The analysts' file: made beside its place and put there atomically, so that readers never meet the writer's lock."""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from connector import machine
from connector.errors import WarehouseError
from connector.files import PRIVATE_FOLDER, make_folder, set_mode
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse import published, runs
from connector.warehouse.creation import ANOTHER_PLACE
from connector.warehouse.database import Connection, Warehouse, committed, count, roll_back
from connector.warehouse.difference import Difference, apply, compare
from connector.warehouse.drafts import clear_drafts
from connector.warehouse.last_published import Note
from connector.warehouse.memory import Means
from connector.warehouse.room import copy_bytes, require_room
from connector.warehouse.runs import Closing
from connector.warehouse.stale_log import PUBLISH_VARIABLE, STORAGE, keep_out, log_of
from connector.warehouse.statements import literal
from connector.warehouse.trouble import first_line, refusal

log = logging.getLogger(__name__)

WHOLE, DIFFERENCE, UNCHANGED = "whole", "difference", "unchanged"
DETACH = "DETACH DATABASE IF EXISTS last; DETACH DATABASE IF EXISTS draft"


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was published. `how`: whole, difference (`rows` were replaced in a copy of the file before) or unchanged."""

    path: Path
    bytes: int
    seconds: float
    how: str
    rows: int


def publish(settings: Settings, run_id: str = "", close: Closing | None = None) -> PublishReport:
    """Bring the analysts' file up to date: a new file is put in its place at once, and open readers keep theirs.

    Where nothing changed but rows about publishing itself, the file stays as it is. Raises WarehouseError where there
    is no warehouse, or the published file cannot be written or is not ours.
    """
    target, warehouse = settings.warehouse.publish_path, Warehouse.existing(settings)
    started = time.monotonic()
    with _draft_of(settings) as draft, warehouse.connect() as connection, _sparing(connection, settings):
        runs.note_begun(connection, run_id)
        _refuse_foreign(connection, target)
        require_room(target, copy_bytes(connection, target), "the copy", PUBLISH_VARIABLE)
        work = _Work(connection, run_id, draft, target)
        how, found = work.do(Note.take(connection, target))
        if how == UNCHANGED:
            set_mode(target, settings.warehouse.publish_mode)
        else:
            _set_readers(draft, target, settings.warehouse.publish_mode)
            keep_out(target)
            draft.replace(target)
        with committed(connection):
            work.note.keep(connection, target)
        rows = found.new if how == DIFFERENCE else sum(each.rows for each in found.prints.values()) * (how == WHOLE)
        report = PublishReport(target, target.stat().st_size, time.monotonic() - started, how, rows)
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
        _remove(draft)


def _remove(draft: Path) -> None:
    for left in (draft, log_of(draft)):
        with suppress(OSError):  # what stands in the way is told by what failed
            left.unlink(missing_ok=True)


def _folder_mode(settings: Settings) -> int:
    """Of a folder made for the published file: who may read the file can reach it, but none beside the warehouse."""
    place, mode = settings.warehouse, settings.warehouse.publish_mode & 0o444
    return PRIVATE_FOLDER if place.publish_path.parent == place.path.parent else PRIVATE_FOLDER | mode | mode >> 2


@contextmanager
def _sparing(connection: Connection, settings: Settings) -> Iterator[None]:
    """Let DuckDB keep fewer blocks of the tables in memory than its limit allows: each is read once or twice."""
    means = Means.of(settings)
    limit = means.sparing(count(connection, "SELECT current_setting('threads')"))
    connection.execute(f"SET memory_limit = '{limit}'")
    try:
        yield
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"SET memory_limit = '{means.limit}'")


@dataclass(slots=True)
class _Work:
    """One publish. `note` is, once `do` has ended, what to keep of the file that then is to lie at `target`."""

    connection: Connection
    run_id: str
    draft: Path
    target: Path
    note: Note = field(init=False)

    def do(self, known: Note | None) -> tuple[str, Difference]:
        """Make the draft, unless nothing changed: as a copy of the file that `known` is of, or whole."""
        try:
            with attached(self.connection, self.draft, self.target), committed(self.connection):
                return self._make(known)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as failure:
            if known is None:
                raise
            log.warning("%s is written whole: its last version cannot be used (%s)", self.target, first_line(failure))
            return self.do(None)

    def _make(self, known: Note | None) -> tuple[str, Difference]:
        if known:
            self.connection.execute(f"ATTACH {literal(self.target)} AS last (TYPE duckdb, READ_ONLY)")
        found = compare(self.connection, known.prints if known else None, known.replaced if known else 0)
        if known is None or found.why_whole:
            log.info("%s is written whole: %s", self.target, found.why_whole)
            self.connection.execute(f"ATTACH {literal(self.draft)} AS draft (STORAGE_VERSION '{STORAGE}')")
            published.fill(self.connection, self.run_id)
            self.note = Note(utc_now(), 0, found.prints)
            return WHOLE, found
        self.note = Note(known.whole_at, known.replaced + found.gone, found.prints)
        if not found.changed:
            return UNCHANGED, found
        shutil.copyfile(self.target, self.draft)
        self.connection.execute(f"ATTACH {literal(self.draft)} AS draft (TYPE duckdb)")
        apply(self.connection, found.changed)
        published.note(self.connection, self.run_id)
        return DIFFERENCE, found


@contextmanager
def attached(connection: Connection, draft: Path, target: Path) -> Iterator[None]:
    """Detach what is attached inside as `last` and `draft`, however this is left; a draft is whole in its file then."""
    try:
        yield
        if draft.exists():
            connection.execute("CHECKPOINT draft")
    except BaseException as failure:
        roll_back(connection)
        with suppress(duckdb.Error):
            # The engine outlives a failure, and a later publish in this process would meet the names.
            connection.execute(f"USE warehouse; {DETACH}")
        _remove(draft)
        if told := refusal(failure, f"{PUBLISH_VARIABLE} = {target}"):
            raise told from None
        raise
    connection.execute(DETACH)
