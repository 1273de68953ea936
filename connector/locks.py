"""Locks between processes. The operating system lifts a lock when the process that holds it ends, however it ends."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock, Timeout

from connector import files
from connector.errors import WarehouseError, WarehouseLockedError


def claim(path: Path, what: str, run_id: str) -> AbstractContextManager[object]:
    """Take the lock file at `path` at once and write into it who we are; leaving the context gives it back.

    Raises WarehouseLockedError naming the process that has it, as "Another {what} (process …)", and OSError when the
    file cannot be opened, or a link is in its place. For its owner alone: who can open a file can hold its lock.
    """
    try:
        # No fall-back to locks by existence of the file: those outlive a killed process.
        lock = FileLock(path, blocking=False, mode=files.PRIVATE_FILE, fallback_to_soft=False).acquire()
    except Timeout:
        raise WarehouseLockedError(
            f"Another {what} ({path.read_text('utf-8').strip() or 'just started'}).",
            remedy="Wait for it to finish, or stop that process.",
        ) from None
    files.write(path, f"process {os.getpid()}, run {run_id}")
    return lock


def claim_beside(warehouse: Path, path: Path, what: str, run_id: str) -> AbstractContextManager[object]:
    """`claim` in a folder beside the warehouse, which is made where it is missing, and closed to other accounts.

    Raises WarehouseError when the folder cannot be used.
    """
    try:
        files.make_folder(path.parent)
        files.tighten_tree(path.parent)
        return claim(path, what, run_id)
    except OSError as failure:
        raise WarehouseError(
            f"LEARNSYNC_WAREHOUSE__PATH = {warehouse}: the folder cannot be used ({path.parent}: {failure.strerror}).",
            remedy="Point the variable at a file in a folder that this user may write to.",
        ) from None
