"""How much memory DuckDB may take, and where it puts what does not fit: two settings, for every connection we open.

Without a limit of ours DuckDB takes up to 80 % of the machine, also where a container may have far less.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from connector import machine
from connector.errors import WarehouseError
from connector.files import make_folder
from connector.settings import Settings, variable

Config = dict[str, str | bool | int | float | list[str]]  # as duckdb.connect takes it

MEMORY_VARIABLE = variable("warehouse", "memory_limit_mb")
TEMP_VARIABLE = variable("warehouse", "temp_folder")
MEGABYTE = 1_000_000
SHARE, MOST_MB, LEAST_MB = 4, 2_000, 100


@lru_cache
def machine_bytes(root: Path = Path("/")) -> int:
    """Memory of this machine, or of the container that this process is in where that has less."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        physical = SHARE * MOST_MB * MEGABYTE
    return min([physical, *_container_limits(root)])


def _container_limits(root: Path) -> Iterator[int]:
    """Limits of the control groups (cgroup v2, v1) that this process is in, as far as they can be read."""
    for folder, name in _groups(root):
        with suppress(OSError, ValueError):  # "max" is no number: no limit
            yield int((folder / name).read_text("ascii"))


def _groups(root: Path) -> Iterator[tuple[Path, str]]:
    """(folder, name of the file with its limit) of each control group, of the inner ones and of those around them."""
    base = root / "sys/fs/cgroup"
    lines: list[str] = []
    with suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    for line in (*lines, "0::/", "1:memory:/"):
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if number == "0" or "memory" in kinds.split(","):
            top, name = (base, "memory.max") if number == "0" else (base / "memory", "memory.limit_in_bytes")
            own = Path(path.lstrip("/"))
            yield from ((top / folder, name) for folder in (own, *own.parents) if ".." not in folder.parts)


def default_mb() -> int:
    """A quarter of the machine or of the container, from 100 MB to 2 GB."""
    return max(LEAST_MB, min(MOST_MB, machine_bytes() // SHARE // MEGABYTE))


@dataclass(frozen=True, slots=True)
class Means:
    """What an engine of DuckDB may use. `folder` is None where spill files go beside the warehouse."""

    memory_mb: int
    folder: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the settings say, and the default for what they do not."""
        return cls(settings.warehouse.memory_limit_mb or default_mb(), settings.warehouse.temp_folder)

    @classmethod
    def usual(cls) -> Self:
        """The defaults, for who has no settings."""
        return cls(default_mb())

    @property
    def limit(self) -> str:
        """As DuckDB's `memory_limit` takes it."""
        return f"{self.memory_mb}MB"

    def sparing(self, threads: int) -> str:
        """Enough to copy tables of any size, a row group of columns for each thread; never more than `limit`."""
        return f"{min(self.memory_mb, 200 + 100 * threads)}MB"

    def spill(self, path: Path) -> Path:
        """Where queries on the file at `path` spill to: a place of this file's own, in a folder that others may share.

        DuckDB gives its spill files the same names in every process; the lock on the warehouse keeps a second one out.
        """
        path = path.resolve()
        if self.folder is None:
            return path.with_name(path.name + ".tmp")
        return self.folder.resolve() / f"{path.name}.{zlib.crc32(os.fsencode(path)):08x}.tmp"

    def config(self, path: Path) -> Config:
        """Options of `duckdb.connect` for work on the file at `path`. Raises WarehouseError for an unusable folder."""
        if self.folder is not None:
            _make(self.folder)
        return {"memory_limit": self.limit, "temp_directory": str(self.spill(path))}


def _make(folder: Path) -> None:
    try:
        make_folder(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, os.strerror(13), str(folder))
    except OSError as failure:
        raise WarehouseError(
            f"{TEMP_VARIABLE} = {folder}: the folder cannot be used ({failure.strerror or failure}).",
            remedy=machine.remedy_of(failure, "Name a folder that this user may write to, or unset the variable."),
        ) from None


def memory(settings: Settings) -> str:
    """What `doctor` shows. Raises WarehouseError for a folder that cannot be used."""
    means = Means.of(settings)
    spill = str(means.config(settings.warehouse.path)["temp_directory"])
    given = settings.warehouse.memory_limit_mb is not None
    why = MEMORY_VARIABLE if given else f"of {machine_bytes() / MEGABYTE:,.0f} MB"
    return f"DuckDB takes at most {means.memory_mb:,} MB ({why}), and puts what does not fit into {spill}"
