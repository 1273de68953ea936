"""Locks between processes that fall with the process that holds them."""

from __future__ import annotations

import fcntl
import os
from typing import TextIO

from connector.errors import WarehouseLockedError


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
