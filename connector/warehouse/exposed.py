"""What other accounts of this machine may do with our files, for `learnsync doctor`. Looks only; runs tighten it."""

import stat
from collections.abc import Iterator
from pathlib import Path

from connector.files import is_open_to_others
from connector.settings import Settings
from connector.warehouse.engine import beside

DOT_ENV = Path(".env")


def exposed(settings: Settings) -> dict[str, str]:
    """What is wrong → the remedy; empty on an ordinary day."""
    found = {
        f"other users of this machine can open {path} (mode {_mode(path):04o})": f"chmod go-rwx {path}"
        for path in (*_private(settings), DOT_ENV)
        if is_open_to_others(path)
    }
    folder = settings.warehouse.path.resolve().parent
    if folder.is_dir() and _mode(folder) & (stat.S_IWGRP | stat.S_IWOTH):
        text = f"other users of this machine can put files into {folder}, which holds the warehouse"
        found[f"{text} (mode {_mode(folder):04o})"] = f"chmod go-w {folder}"
    target, wanted = settings.warehouse.publish_path, settings.warehouse.publish_mode
    if target.is_file() and _mode(target) != wanted:
        found[f"{target} has mode {_mode(target):04o}, not {wanted:04o}"] = "learnsync publish"
    return found


def _private(settings: Settings) -> Iterator[Path]:
    """Files and folders for their owner alone. What is in a closed folder cannot be reached."""
    place, login = settings.warehouse, settings.absorb.token_file
    yield from (*beside(place.path.resolve()), place.landing, place.outbox, login)
    for folder in {place.path.parent, login.parent}:
        yield from sorted(folder.glob("absorb-session-*.json"))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
