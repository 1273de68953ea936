"""Copies of warehouses that were filled once, for each round to change."""

import shutil
from pathlib import Path

from benchmarks.figures import Place


def filled(place: Place) -> None:
    """A copy of the warehouse that `fill.warehouse` made of this size."""
    _copy(place.kept / f"fill_{place.size}", place.folder)


def built(place: Place) -> None:
    """A copy of the one that `fill.built` made."""
    _copy(place.kept / f"built_{place.size}", place.folder)


def _copy(source: Path, target: Path) -> None:
    for path in source.glob("warehouse.duckdb*"):
        shutil.copyfile(path, target / path.name)
