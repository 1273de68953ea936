"""Runs the steps: each in a process of its own, one after the other, all of them once in each round."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile

from rich.console import Console

from benchmarks.figures import Figures, Place
from benchmarks.results import Results
from benchmarks.servers import Server, Servers
from benchmarks.shape import Shape
from benchmarks.steps import Step, sizes

_LOOK_SECONDS = 0.005
_ROOT = Path(__file__).resolve().parents[1]
_CONFIG = "learnsync.toml"
CONCURRENCY = "8"


class StepFailedError(Exception):
    """A process ended with an error; the text is the end of what it said."""


@dataclass
class Rounds:
    """One measurement: what to do, where, and against which servers."""

    folder: Path
    servers: Servers
    results: Results
    steps: Sequence[Step]
    chosen: Sequence[str]
    say: Console

    def run(self, number: int) -> None:
        """One round. A step that fails is left out from then on, and so is what comes after it."""
        self.servers.forget(*(step.org for step in self.steps if step.kept and step.org))
        rmtree(self.folder / "round", ignore_errors=True)
        for step in self.steps:
            if (step.once and number) or step.name in self.results.left_out:
                continue
            if broken := [name for name in step.after if name in self.results.left_out]:
                self.results.left_out[step.name] = f"{broken[0]} was left out"
                continue
            self._one(step)

    def _one(self, step: Step) -> None:
        if step.missing:
            self.results.left_out[step.name] = f"{step.package} is not installed (`make bench` installs it)"
            return
        began = time.monotonic()
        try:
            with self.say.status(step.title or f"preparing: {step.name}"):
                figures = self._do(step)
        except (StepFailedError, RuntimeError, OSError) as failure:
            self.results.left_out[step.name] = f"it failed: {failure}"
            return
        finally:
            self.say.print(f"{time.monotonic() - began:6.1f} s  {step.name:<20} {step.title}", soft_wrap=True)
        if step.title and step.name in self.chosen:
            self.results.add(step.name, figures)

    def _do(self, step: Step) -> Figures:
        place = self._place(step)
        place.folder.mkdir(parents=True, exist_ok=True)
        (place.folder / _CONFIG).touch()
        servers = self._servers(step, place.scale)
        environment = _environment(place, servers)
        used = sum(server.cpu_seconds for server in servers)
        if isinstance(step.work, str):
            said = _process(["benchmarks.run", step.work, _json(place)], environment, place.folder)[0]
            figures = Figures(**json.loads(said.splitlines()[-1]))
        else:
            figures = _process(list(step.work), environment, place.folder)[1]
        figures.server_seconds = sum(server.cpu_seconds for server in servers) - used
        return figures

    def _place(self, step: Step) -> Place:
        kept, scale = self.folder / "kept", self.results.scale
        above = kept if step.kept or step.once else self.folder / "round"
        size = sizes(scale)[step.size]
        return Place(above / (step.place or step.name), kept, size, scale, Shape.of(scale).courses, step.size)

    def _servers(self, step: Step, scale: int) -> list[Server]:
        found = [self.servers.portal(scale, 1000 if step.portal == "changed" else 1)] if step.portal else []
        return [*found, self.servers.org(step.org)] if step.org else found


def _environment(place: Place, servers: Sequence[Server]) -> dict[str, str]:
    """The variables of a step, without any LEARNSYNC_… variable of the caller."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEARNSYNC_")}
    settings = {name: value for server in servers for name, value in server.settings.items()}
    # Of an org's own settings only the org: its process serves a portal too, which is not the one to read.
    own = [server.settings for server in servers if "LEARNSYNC_SALESFORCE__LOGIN_URL" not in server.settings]
    settings |= own[0] if own else {}
    return inherited | settings | {
        "LEARNSYNC_WAREHOUSE__PATH": str(place.folder / "warehouse.duckdb"),
        "LEARNSYNC_WAREHOUSE__PUBLISH_PATH": str(place.folder / "learning.duckdb"),
        "LEARNSYNC_ABSORB__CONCURRENCY": CONCURRENCY,
        "LEARNSYNC_ABSORB__TOKEN_FILE": str(place.folder / "absorb-token.json"),
        "LEARNSYNC_SALESFORCE__PUSH_UNMATCHED": "true",
        "LEARNSYNC_CONFIG": str(place.folder / _CONFIG),
        "DAGSTER_HOME": str(place.folder / "dagster"),
        "NO_COLOR": "1",
        # They run in a folder of their own, where no .env of the caller lies.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
    }  # fmt: skip


def _json(place: Place) -> str:
    return json.dumps(asdict(place), default=str)


def _process(arguments: Sequence[str], environment: dict[str, str], folder: Path) -> tuple[str, Figures]:
    """What it printed, and what could be seen of it from outside. Raises StepFailedError."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        began = time.perf_counter()
        command = [sys.executable, "-m", *arguments]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=out, stderr=err, text=True)
        peak = 0.0
        while True:
            peak = max(peak, _peak(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(_LOOK_SECONDS)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            err.seek(0)
            said = err.read().strip().splitlines()
            raise StepFailedError(f"exit code {process.returncode}: {said[-1] if said else 'nothing was said'}")
        out.seek(0)
        figures = Figures(seconds=seconds, cpu_seconds=usage.ru_utime + usage.ru_stime, peak_mb=peak)
        return out.read(), figures


def _peak(pid: int) -> float:
    """The most memory that a running process has had, in megabytes; 0 where the system does not say."""
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0.0
    found = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) / 1024 if found else 0.0
