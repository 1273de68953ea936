"""Medians and spread of what was measured, as a table for people and as JSON for machines."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figures
from benchmarks.steps import CONTENDERS


@dataclass
class Results:
    """Of each contender the figures of its rounds; and why any was left out or failed."""

    scale: int
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, figures: Figures) -> None:
        """Take what one round measured."""
        self.rounds.setdefault(name, []).append(figures)

    def seconds(self, name: str) -> float | None:
        """The median of a contender's rounds; None where it was not measured."""
        found = self.rounds.get(name)
        return median(one.seconds for one in found) if found else None

    def ratio(self, name: str) -> float | None:
        """How many times as long as the contender that it is compared with."""
        own, other = self.seconds(name), self.seconds(CONTENDERS[name].beside) if CONTENDERS[name].beside else None
        return own / other if own is not None and other else None

    def document(self) -> dict[str, Any]:
        """Everything, for JSON: `machine`, `scale`, and of each contender its medians, spread and rounds."""
        return {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "enrollments": self.scale,
            "contenders": [self._entry(name, found) for name, found in self.rounds.items()],
            "left_out": self.left_out,
        }

    def _entry(self, name: str, found: Sequence[Figures]) -> dict[str, Any]:
        seconds = [one.seconds for one in found]
        medians = {key: median(asdict(one)[key] for one in found) for key in asdict(found[0])}
        step = CONTENDERS[name]
        return {
            "name": name,
            "title": step.title,
            "beside": step.beside,
            "times_as_long": self.ratio(name),
            "median": medians,
            "seconds_min": min(seconds),
            "seconds_max": max(seconds),
            "rounds": [asdict(one) for one in found],
        }


def machine() -> Mapping[str, Any]:
    """What it was measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "duckdb": version("duckdb"),
        "learnsync": version("learnsync"),
    }


def show(results: Results, console: Console) -> None:
    """Print the table, and below it what it was measured on and what is missing."""
    title = f"{results.scale:,} enrollments; median seconds of each contender, in the order of a round"
    made = Table(title=title, title_justify="left")
    made.add_column("")
    for column in ("rows", "seconds", "min–max", "CPU s", "server s", "rows/s", "× as long", "as", "peak MB"):
        made.add_column(column, justify="left" if column == "as" else "right")
    for name, found in results.rounds.items():
        made.add_row(CONTENDERS[name].title, *_cells(results, name, found))
    console.print(made)
    told = machine()
    stamp = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    console.print(
        f"{stamp}, {told['cores']} cores, {told['memory_gb']} GB, {told['system']}, Python {told['python']},"
        f" DuckDB {told['duckdb']}. CPU s: of the contender; server s: of the portal or org meanwhile.",
        soft_wrap=True,
    )
    for name, why in results.left_out.items():
        if name not in CONTENDERS and "failed" not in why:
            continue
        console.print(f"Left out: {name}: {why}", soft_wrap=True)


def _cells(results: Results, name: str, found: Sequence[Figures]) -> list[str]:
    seconds, ratio = [one.seconds for one in found], results.ratio(name)
    rows, middle = median(one.rows for one in found), median(seconds)
    used, served = median(one.cpu_seconds for one in found), median(one.server_seconds for one in found)
    return [
        f"{rows:,.0f}" if rows else "–",
        f"{middle:.2f}",
        f"{min(seconds):.2f}–{max(seconds):.2f}",
        f"{used:.2f}",
        f"{served:.2f}" if served else "–",
        f"{rows / middle:,.0f}" if rows else "–",
        f"{ratio:.2f}" if ratio is not None else "–",
        CONTENDERS[name].beside if ratio is not None else "",
        f"{median(one.peak_mb for one in found):.0f}",
    ]
