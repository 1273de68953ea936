"""The folder of a demo: an empty one, or one that a file in it calls a demo's. Nothing of a person's is removed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connector import files
from connector.errors import SettingsError

MARK = ".learnsync-demo"
_MARK_TEXT = "A folder of `learnsync demo`, which removes what it made here when it runs again.\n"
CONFIG = "learnsync.toml"
CONFIG_TITLE = "# Points learnsync at the demo's files.\n"
# What a demo makes, Dagster and the commands that it names included. Whatever else lies there stays.
_MADE = (
    CONFIG, "dagster", "dagster.log", "sandbox.log", "warehouse.duckdb*", "learning.duckdb*", ".learning.duckdb.*",
    "landing", "outbox", "absorb-session-*", "absorb-token.json*", ".absorb-*",
)  # fmt: skip


def claim(folder: Path) -> None:
    """Make the folder, or take one that is empty or a demo's, for its owner alone. Raises SettingsError."""
    with _usable(folder):
        files.make_folder(folder)
        if any(folder.iterdir()) and not _is_a_demos(folder):
            raise SettingsError(
                f"--folder {folder}: it is not empty and no demo made it. Nothing in it was touched.",
                remedy="Name a new folder, or an empty one.",
            )
        files.write(folder / MARK, _MARK_TEXT)


def clear(folder: Path) -> None:
    """Remove from a claimed folder what an earlier demo made; what links point at stays. Raises SettingsError."""
    with _usable(folder):
        for path in {path for pattern in _MADE for path in folder.glob(pattern)}:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _is_a_demos(folder: Path) -> bool:
    """By the mark, or by the settings that a demo of an earlier version wrote."""
    config = folder / CONFIG
    return (folder / MARK).is_file() or (config.is_file() and config.read_text("utf-8").startswith(CONFIG_TITLE))


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise SettingsError(
            f"--folder {folder}: it cannot be used ({reason}).",
            remedy="Name a folder that this user may write to.",
        ) from None
