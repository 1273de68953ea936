"""What the machine refuses: room on a disk, memory, open files, the right to write. One message, with what is needed.

Each refusal is told apart by its number (OSError) or by the text in which DuckDB repeats what the system said.
"""

import errno
import os
from collections.abc import Container
from pathlib import Path

from connector.errors import LearnsyncError, ResourceError

NO_ROOM = "Make room there, then run it again: what was committed stays, and the rest is still due."
NO_MEMORY = (
    "Give the process more memory (`ulimit -v`, the limit of its container), or end others; where DuckDB's own limit"
    " was reached, raise LEARNSYNC_WAREHOUSE__MEMORY_LIMIT_MB. Then run it again."
)
NO_FILES = "Raise how many files a process may open (`ulimit -n 1024`), then run it again."
NO_RIGHT = "Let this user write there, or let the setting name another place."
BROKEN = "Look at the disk and at the system's log: it refuses to read or write."

# In the order they are looked for in a text.
REMEDIES = {
    errno.ENOSPC: NO_ROOM,
    errno.EDQUOT: "Make room in this user's quota, then run it again: what was committed stays.",
    errno.EFBIG: "Raise how large a file of this user may be (`ulimit -f`), then run it again.",
    errno.EMFILE: NO_FILES,
    errno.ENFILE: "Too many files are open on this machine: end what holds them, then run it again.",
    errno.ENOMEM: NO_MEMORY,
    errno.EROFS: NO_RIGHT,
    errno.EACCES: NO_RIGHT,
    errno.EPERM: NO_RIGHT,
    errno.ENOTDIR: "Put a folder there, or let the setting name another place.",
    errno.EISDIR: "Take the folder away, or let the setting name another place.",
    errno.EEXIST: "Take away what stands there, or let the setting name another place.",
    errno.ENOENT: "See that it is there, or let the setting name another place.",
    errno.EIO: BROKEN,
}
# Those that need no path to be understood.
WITHOUT_PATH = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What is scarce, or broken, whichever path a setting names.
SCARCE = (*WITHOUT_PATH, errno.EROFS, errno.EIO)
# How a limit on memory shows where something is started: threads are refused (EAGAIN), not memory.
THREADS = ("can't start new thread", "thread constructor failed", "Resource temporarily unavailable")
MEMORY = (
    "Out of Memory",
    "ailed to allocate",
    "std::bad_alloc",
    "annot allocate memory",
    "failed to map segment",
    *THREADS,
)

# DuckDB calls a disk too full to spill a query to a lack of memory, and names this setting.
TEMPORARY = "max_temp_directory_size"


def explain(failure: BaseException, beside: Path | None = None) -> LearnsyncError | None:
    """The failure in a person's words, or None where it is none of the machine's.

    A write that began well and found no more room does not say where: it was `beside` this file.
    """
    if isinstance(failure, MemoryError) or (not isinstance(failure, LearnsyncError) and _is_memory(str(failure))):
        return ResourceError("There is not enough memory.", remedy=NO_MEMORY)
    if not isinstance(failure, OSError) or failure.errno not in REMEDIES:
        return None
    named = failure.filename2 or failure.filename
    if named is not None:
        where = f"{os.fsdecode(named)}: "
    elif failure.errno in WITHOUT_PATH:
        where = f"Beside {beside}: " if beside and failure.errno in OF_A_DISK else ""
    else:
        return None
    return ResourceError(f"{where}{failure.strerror}.", remedy=REMEDIES[failure.errno])


def remedy_of(failure: OSError, otherwise: str) -> str:
    """What helps where a path that a setting names could not be used; `otherwise` where the path is wrong."""
    return REMEDIES[failure.errno] if failure.errno in WITHOUT_PATH else otherwise


def remedy_in(text: str, numbers: Container[int] = SCARCE) -> str:
    """What helps against the refusal that a text of DuckDB names, one of these `numbers`; empty where it names none."""
    if TEMPORARY in text:
        return NO_ROOM
    named = (remedy for number, remedy in REMEDIES.items() if number in numbers and os.strerror(number) in text)
    return next(named, "") or (NO_MEMORY if _is_memory(text) else "")


def _is_memory(text: str) -> bool:
    return any(sign in text for sign in MEMORY)
