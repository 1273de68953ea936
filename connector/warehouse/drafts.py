"""Half-made copies beside a file, named `.<file>.<process>.….<ending>`; those of killed processes are removed."""

import os
from pathlib import Path


def clear_drafts(target: Path, ending: str) -> None:
    """Remove what killed processes left: copies are as large as the file, and hold people's data. Raises OSError."""
    for left in target.parent.glob(f".{target.name}.*.{ending}*"):
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
