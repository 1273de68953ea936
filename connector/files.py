"""Files that hold personal data or secrets: mode 0600, in folders of mode 0700 where we make them, whatever the umask.

A folder that somebody else made keeps its mode. What an earlier version left open to others is tightened where it is
met.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TextIO, cast

OTHERS = stat.S_IRWXG | stat.S_IRWXO
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


def deny_others_by_default() -> None:
    """Let what libraries make in this process be for this user alone: DuckDB's log, drafts, spill files and exports.

    DuckDB has no setting for their mode. Never loosens anything; calling it again is cheap.
    """
    before = os.umask(OTHERS)
    if before & ~OTHERS:
        os.umask(before | OTHERS)


def make_folder(path: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Make a folder, and those missing above it, with `mode`; one that is there keeps its own. Raises OSError."""
    for folder in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
        if mode != PRIVATE_FOLDER:
            set_mode(folder, mode)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def set_mode(path: Path, mode: int) -> None:
    """Set a mode where the file system has modes."""
    with suppress(OSError):
        path.chmod(mode)


def make_own_folder(path: Path) -> None:
    """Make a folder in a place where others write too, such as /tmp, and see that it is this user's, mode 0700.

    Raises OSError, where somebody else has put a folder, a file or a link there too.
    """
    with suppress(FileExistsError):
        path.mkdir(PRIVATE_FOLDER)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it is there already, and is no folder of this user", str(path))
    set_mode(path, PRIVATE_FOLDER)


def open_text(path: Path, mode: str = "w", *, newline: str | None = None) -> TextIO:
    """Open a text file for writing ("w", "a"). A link in its place is refused. Raises OSError."""
    return cast(TextIO, open(path, mode, encoding="utf-8", newline=newline, opener=_opener))


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for writing bytes. A link in its place is refused. Raises OSError."""
    return cast(BinaryIO, open(path, "wb", opener=_opener))


def write(path: Path, content: bytes | str) -> None:
    """Write a file whole. A link in its place is refused. Raises OSError."""
    with open_bytes(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def _opener(name: str, flags: int) -> int:
    handle = os.open(name, flags & ~os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        _take(handle, name)
        if flags & os.O_TRUNC:
            os.ftruncate(handle, 0)
    except OSError:
        os.close(handle)
        raise
    return handle


def _take(handle: int, name: str) -> None:
    """Close a file to others that was there before; one that somebody else put there is refused."""
    found = os.fstat(handle)
    if found.st_mode & OTHERS:
        try:
            os.fchmod(handle, PRIVATE_FILE)
        except OSError:
            if found.st_uid != os.geteuid():  # else the file system has no modes
                raise PermissionError(errno.EPERM, "it belongs to another account", name) from None


def is_open_to_others(path: Path) -> bool:
    """Whether another account may do anything with a file or folder; false where there is none, and for a link."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return not stat.S_ISLNK(found.st_mode) and bool(found.st_mode & OTHERS)


def tighten(path: Path) -> None:
    """Take away what others may do with a file or folder. One of another account stays as it is."""
    if is_open_to_others(path):
        set_mode(path, stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)


def tighten_tree(folder: Path) -> None:
    """The same for a folder and all in it. One that is closed already is not looked into: nobody gets in."""
    if not is_open_to_others(folder):
        return
    tighten(folder)
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            tighten(Path(place, name))
