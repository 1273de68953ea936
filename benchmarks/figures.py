"""What one process measured of itself, and the folder that it works in."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where a step works: its folder, that of everything that is kept, and how many enrollments are asked for."""

    folder: Path
    kept: Path
    scale: int
    full: int  # enrollments at the scale of the whole measurement
    courses: int
    size: str


@dataclass
class Figures:
    """What was done, the seconds it took and how much processor time of this process."""

    rows: int = 0
    requests: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    # Processor time of the portal or org meanwhile.
    server_seconds: float = 0.0


@contextmanager
def measured() -> Iterator[Figures]:
    """Times the block; what is done in it is for the caller to fill in."""
    figures = Figures()
    began, used = time.perf_counter(), time.process_time()
    yield figures
    figures.seconds, figures.cpu_seconds = time.perf_counter() - began, time.process_time() - used
