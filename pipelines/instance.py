"""Make Dagster's instance in the folder that DAGSTER_HOME names: `python -m pipelines.instance`.

Dagster makes the tables of its SQLite files when a process first needs them. Two that begin at the same moment in a new
folder get in each other's way, and one ends with "table secondary_indexes already exists": make them once, before.
"""

import os
import sys
from pathlib import Path

import dagster as dg
from filelock import FileLock

WAIT_SECONDS = 120
LOCK = ".instance.lock"


def make(home: Path) -> None:
    """Make the tables that are not there; processes that do so at once take turns. Raises OSError, filelock.Timeout."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(home / LOCK, timeout=WAIT_SECONDS), dg.DagsterInstance.from_config(str(home)) as instance:
        # Looking at each is what makes it.
        assert instance.run_storage
        assert instance.event_log_storage
        assert instance.schedule_storage


def main() -> int:
    """Make the instance of DAGSTER_HOME; 2 where none is named."""
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        print("DAGSTER_HOME is not set: name the folder that holds dagster.yaml.", file=sys.stderr)
        return 2
    make(Path(home))
    return 0


if __name__ == "__main__":
    sys.exit(main())
