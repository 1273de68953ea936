"""One step in a process of its own: `python -m benchmarks.run module:function PLACE` prints its figures as JSON."""

import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures import Figures, Place
from benchmarks.peak import peak_megabytes


def main() -> None:
    """Do the work that the arguments name."""
    module, _, function = sys.argv[1].partition(":")
    given = json.loads(sys.argv[2])
    place = Place(**given | {name: Path(given[name]) for name in ("folder", "kept")})
    work = getattr(importlib.import_module(f"benchmarks.work.{module}"), function)
    figures = work(place) or Figures()
    figures.peak_mb = peak_megabytes()
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
