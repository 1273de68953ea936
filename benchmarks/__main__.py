"""`make bench`: what learnsync costs at a real portal's size, beside the least that it could cost and beside peers.

Every contender runs in a process of its own, all of them once in each round; what is shown are medians and spread.
Nothing is judged: a figure says something only beside another one of the same run on the same machine.
"""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.results import Results, show
from benchmarks.rounds import Rounds
from benchmarks.servers import serving
from benchmarks.shape import COURSES, ENROLLMENTS, Shape
from benchmarks.steps import CONTENDERS, OTHER_SIZES, needed

QUICK_SCALE = 5_000
_WIDTH = 150  # of the table where it goes to a file


def main() -> int:
    """Measure and print; 1 where a contender failed, 2 for wrong options."""
    options = _options()
    if options.list:
        print("\n".join(f"{step.name:<20} {step.title}" for step in CONTENDERS.values()))
        return 0
    chosen = options.only or [name for name in CONTENDERS if not (options.quick and name in OTHER_SIZES)]
    if unknown := [name for name in chosen if name not in CONTENDERS]:
        print(f"--only {unknown[0]}: no such contender. --list names them.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers end with the measurement
    results = Results(options.scale)
    _measure(results, options, chosen)
    terminal = Console(highlight=False)
    show(results, terminal if terminal.is_terminal else Console(highlight=False, width=_WIDTH))
    if options.json:
        options.json.write_text(json.dumps(results.document(), indent=2) + "\n", "utf-8")
    return int(any(why.startswith("it failed") for why in results.left_out.values()))


def _measure(results: Results, options: argparse.Namespace, chosen: list[str]) -> None:
    steps, say = needed(chosen), Console(stderr=True, highlight=False)
    with (
        tempfile.TemporaryDirectory(prefix="learnsync-bench-", dir=options.folder) as folder,
        serving(Shape.of(options.scale).courses) as servers,
    ):
        for number in range(options.rounds):
            say.print(f"Round {number + 1} of {options.rounds}: {len(steps)} steps")
            Rounds(Path(folder), servers, results, steps, chosen, say).run(number)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--scale", type=int, metavar="N",
        help=f"enrollments of the portal; default {ENROLLMENTS:,} in {COURSES:,} courses, other scales in proportion."
        " Builds are measured at a tenth and at five times of it too, bulk pushes and dlt at no more than 100,000",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each contender runs; default 3")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=None,
        help="measure this contender, after whatever it needs; may be given more than once",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="name the contenders and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures of all rounds to this file")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR",
        help="where the files lie meanwhile; default the system's folder for such. At the full scale they take 15 GB",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help=f"one round at {QUICK_SCALE:,} enrollments, one size of each: shows that everything runs, in two minutes",
    )  # fmt: skip
    options = parser.parse_args()
    options.scale = options.scale or (QUICK_SCALE if options.quick else ENROLLMENTS)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


if __name__ == "__main__":
    sys.exit(main())
