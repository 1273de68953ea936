"""`make ui`: Dagster's web pages and daemon against a local sandbox, on files below data/demo.

Run `make demo` first to find its runs there. The sandbox is a fresh portal and a fresh org each time.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from pipelines import instance

HOST = "127.0.0.1"


def main() -> int:
    """Start both, wait for Ctrl-C, stop both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/demo"), help="where the files are")
    parser.add_argument("--port", type=int, default=3000, help="of the web pages")
    parser.add_argument("--scale", type=int, default=5000, help="enrollments in the sandbox portal")
    options = parser.parse_args()
    sandbox = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "connector.cli", "sandbox", "--json", "--scale", str(options.scale)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert sandbox.stdout is not None
    line = sandbox.stdout.readline()
    if not line:
        return sandbox.wait()
    environment = {**os.environ, **json.loads(line)["settings"], **_places(options.folder)}
    if (options.folder / "warehouse.duckdb").exists():  # it belongs to the portal and org of the run before
        subprocess.run([sys.executable, "-m", "connector.cli", "adopt"], env=environment, check=False)
    dagster = subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "dagster", "dev", "-m", "pipelines.definitions", "-h", HOST, "-p", str(options.port)],
        env=environment,
    )
    print(f"Dagster: http://{HOST}:{options.port} (Ctrl-C ends it). In Assets, press 'Materialize all'.", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: dagster.terminate())
    with contextlib.suppress(KeyboardInterrupt):
        dagster.wait()
    for process in (dagster, sandbox):
        process.terminate()
        with contextlib.suppress(KeyboardInterrupt):
            process.wait(30)
    return 0


def _places(folder: Path) -> dict[str, str]:
    """DAGSTER_HOME with our dagster.yaml, and the warehouse that the demo fills."""
    home = folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    if Path("dagster.yaml").is_file():
        shutil.copy("dagster.yaml", home / "dagster.yaml")
    instance.make(home.resolve())  # pages and daemon begin at the same moment
    return {
        "DAGSTER_HOME": str(home.resolve()),
        "LEARNSYNC_WAREHOUSE__PATH": str((folder / "warehouse.duckdb").resolve()),
        "LEARNSYNC_WAREHOUSE__PUBLISH_PATH": str((folder / "learning.duckdb").resolve()),
        "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "100",
        "LEARNSYNC_LEARNING_RECORDS__REQUESTS_PER_SECOND": "500",
        "LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH": "true",
    }


if __name__ == "__main__":
    sys.exit(main())
