"""Free room on the disk, looked at before what needs much of it begins."""

import shutil
from pathlib import Path

from connector.errors import ResourceError
from connector.machine import NO_ROOM
from connector.settings import Settings, variable
from connector.warehouse.database import Connection

MIN_FREE = variable("warehouse", "min_free_mb")
MEGABYTE = 1_000_000


def free_bytes(path: Path) -> int | None:
    """Bytes that this user may still write where `path` is or would be made; None where nobody can say."""
    try:
        folder = next(folder for folder in path.absolute().parents if folder.exists())
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def require_room(path: Path, needed: int, what: str, where: str) -> None:
    """Raise ResourceError, which begins with the variable `where`, unless `needed` bytes are free for `what`."""
    free = free_bytes(path)
    if free is not None and free < needed:
        raise ResourceError(
            f"{where} = {path}: {megabytes(free)} free, {what} needs {megabytes(needed)}. Nothing was begun.",
            remedy=NO_ROOM,
        )


def require_room_to_pull(settings: Settings) -> None:
    """Raise ResourceError where less than LEARNSYNC_WAREHOUSE__MIN_FREE_MB is left for pages and rows."""
    needed = settings.warehouse.min_free_mb * MEGABYTE
    require_room(settings.warehouse.path, needed, f"a pull by {MIN_FREE}", variable("warehouse", "path"))


def room(settings: Settings) -> tuple[str, str]:
    """(what is free for a pull and a publish, a remedy where the publish may not fit). Raises ResourceError."""
    require_room_to_pull(settings)
    path, target = settings.warehouse.path, settings.warehouse.publish_path
    needed = next((file.stat().st_size for file in (target, path) if file.is_file()), 0)
    beside, there = free_bytes(path), free_bytes(target)
    text = f"{megabytes(beside)} free beside the warehouse, {megabytes(there)} for a publish of {megabytes(needed)}"
    return text, NO_ROOM if there is not None and there < needed else ""


def copy_bytes(connection: Connection, target: Path) -> int:
    """About how large the next published file will be: as the one before, or else as what the warehouse uses."""
    if target.is_file():
        return target.stat().st_size
    used = (
        "SELECT (total_blocks - free_blocks) * block_size FROM pragma_database_size() WHERE database_name = 'warehouse'"
    )
    found = connection.execute(used).fetchone()
    return int(found[0]) if found else 0


def megabytes(size: int | None) -> str:
    """A size for a person."""
    return "an unknown number of MB" if size is None else f"{size / MEGABYTE:,.1f} MB"
