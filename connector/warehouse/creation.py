"""A new warehouse is made beside its place and put there whole: what breaks off leaves no half-made file."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import duckdb

from connector import files, machine
from connector.errors import WarehouseError
from connector.warehouse.drafts import clear_drafts
from connector.warehouse.memory import Means
from connector.warehouse.statements import literal
from connector.warehouse.trouble import PATH_VARIABLE

ENDING = "new"
ANOTHER_PLACE = "Point the variable at a file in a folder that this user may write to."


def require_place(path: Path) -> None:
    """Raise WarehouseError where a file at `path`, and the folders that lead to it, could not be made; makes none."""
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with TemporaryFile(dir=folder):  # has no name
            return
    except OSError as failure:
        raise no_folder(path, failure) from None


def no_folder(path: Path, failure: OSError) -> WarehouseError:
    """What to say where the folder of the warehouse refused to take a file."""
    return WarehouseError(
        f"{PATH_VARIABLE} = {path}: the folder cannot be used ({failure.strerror or failure}).",
        remedy=machine.remedy_of(failure, ANOTHER_PLACE),
    )


def create(path: Path, fill: Callable[[duckdb.DuckDBPyConnection], object], means: Means | None = None) -> bool:
    """Make the DuckDB file and have `fill` write into it; False where another process put one there meanwhile.

    `fill` gets a connection in which the file is the database `warehouse`. Raises OSError and duckdb.Error, after which
    nothing of the file is left, and WarehouseError where the log of a file that is gone lies there.
    """
    path = path.resolve()
    files.deny_others_by_default()
    _refuse_lone_log(path)
    clear_drafts(path, ENDING)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.{ENDING}")
    try:
        with duckdb.connect(":memory:", config=(means or Means.usual()).config(path)) as base:
            base.execute(f"ATTACH {literal(draft)} AS warehouse (TYPE duckdb)")
            fill(base)
            base.execute("CHECKPOINT warehouse")
            base.execute("USE memory; DETACH warehouse")
        return _put(draft, path)
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def _put(draft: Path, path: Path) -> bool:
    """Give the draft its name, unless a file has it."""
    try:
        os.link(draft, path)  # a rename would replace the file that another process has just made
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if path.exists():
            return False
        draft.rename(path)
    return True


def _refuse_lone_log(path: Path) -> None:
    log = path.with_name(path.name + ".wal")
    if log.exists():
        raise WarehouseError(
            f"{PATH_VARIABLE} = {path}: the file is not there, but its log is. It holds what was last committed to a"
            " file that was moved or removed, and would become part of a new one.",
            remedy=f"Put the file back beside it, or move the log away too: mv {log} {log}.old",
        )
