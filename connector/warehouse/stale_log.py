"""The write-ahead log of a published file that is replaced: it must never become part of the file that comes after.

DuckDB applies the log that lies beside a file when it opens the file. Files of its default version have no id: there it
applies that of another file too, without a word (docs/facts/duckdb.md section 1).
"""

import fcntl
import logging
from pathlib import Path

from connector.errors import WarehouseError
from connector.settings import variable

log = logging.getLogger(__name__)

PUBLISH_VARIABLE = variable("warehouse", "publish_path")
# From this version on a file has an id, its log repeats the id, and DuckDB refuses the log of another file.
STORAGE = "v1.4.0"
_STORAGE_NUMBER = 67
_MAGIC, _NUMBER = slice(8, 12), slice(12, 20)  # in the header of a DuckDB file


def keep_out(target: Path) -> None:
    """Call right before `target` is replaced. A log that a session which broke off left there is removed, and said.

    A session that has the file open may leave one later. DuckDB will refuse that one, unless the file is of a learnsync
    that gave it no id: then WarehouseError is raised. Raises OSError.
    """
    if _has_no_id(target) and is_being_written(target):
        raise WarehouseError(
            f"{PUBLISH_VARIABLE} = {target}: another process has the file open for writing, and was written by an older"
            " learnsync: what that process writes could become part of the new file. The file was not replaced.",
            remedy="Close that session, then publish again; open the file read-only.",
        )
    left = log_of(target)
    if left.exists():
        left.unlink()
        log.warning("removed %s: somebody wrote into the published file, which each publish replaces", left)


def log_of(target: Path) -> Path:
    """Where DuckDB keeps the log of the file."""
    return target.with_name(target.name + ".wal")


def _has_no_id(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            header = file.read(_NUMBER.stop)
    except FileNotFoundError:
        return False
    return header[_MAGIC] == b"DUCK" and int.from_bytes(header[_NUMBER], "little") < _STORAGE_NUMBER


def is_being_written(path: Path) -> bool:
    """Whether another process holds DuckDB's lock for writing. Readers hold another one, and are no matter here."""
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
