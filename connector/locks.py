"""Locks between processes that fall with the process that holds them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from connector.errors import WarehouseError, WarehouseLockedError


def lock_file(folder: Path, name: str, warehouse: Path) -> TextIO:
    """A lock file to `claim`, in a folder beside the warehouse that is made where it is missing.

    Raises WarehouseError when the folder cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / name).open("a+")
    except OSError as failure:
        raise WarehouseError(
            f"LEARNSYNC_WAREHOUSE__PATH = {warehouse}: the folder cannot be used ({failure.strerror}).",
            remedy="Point the variable at a file in a folder that this user may write to.",
        ) from None


def claim(handle: TextIO, what: str, run_id: str) -> None:
    """Take an open lock file for this process and write into it who we are.

    Raises WarehouseLockedError naming the process that has it, as "Another {what} (process …)".
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        raise WarehouseLockedError(
            f"Another {what} ({handle.read().strip() or 'just started'}).",
            remedy="Wait for it to finish, or stop that process.",
        ) from None
    handle.truncate(0)
    handle.write(f"process {os.getpid()}, run {run_id}")
    handle.flush()
