"""The processes that are measured against: portals made here, and the org of `learnsync sandbox`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_END_SECONDS = 30
# People of the org: none is a learner of the portal, so every record is pushed without a lookup (PUSH_UNMATCHED).
_ORG_SCALE = 100


@dataclass
class Server:
    """A process that printed the settings to use it."""

    process: "subprocess.Popen[str]"
    settings: Mapping[str, str]

    @classmethod
    def start(cls, *command: str) -> "Server":
        """Start it and wait until it serves. Raises RuntimeError when it ends instead."""
        process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True)
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            process.wait()
            raise RuntimeError(f"`python -m {' '.join(command)}` did not start")
        return cls(process, json.loads(line)["settings"])

    @property
    def cpu_seconds(self) -> float:
        """Processor time that it has used so far; 0 where the system has no /proc."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it and wait."""
        self.process.terminate()
        self.process.wait(_END_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()


@dataclass
class Servers:
    """Portals by what they hold, started when first asked for; orgs, started anew for each use."""

    courses: int
    _portals: dict[str, Server] = field(default_factory=dict)
    _orgs: dict[str, Server] = field(default_factory=dict)

    def portal(self, scale: int, every: int = 1) -> Server:
        """A portal of so many enrollments, or of each so-many-th of them."""
        key = f"{scale}/{every}"
        if key not in self._portals:
            command = ["benchmarks.serving", "--scale", str(scale), "--every", str(every)]
            courses = ["--courses", str(self.courses)] if every > 1 else []
            self._portals[key] = Server.start(*command, *courses)
        return self._portals[key]

    def org(self, name: str) -> Server:
        """The org of that name: an empty one, unless `forget` has not been called since."""
        if name not in self._orgs:
            command = ["connector.cli", "sandbox", "--json", "--scale", str(_ORG_SCALE), "--rate-limit", "0"]
            self._orgs[name] = Server.start(*command)
        return self._orgs[name]

    def forget(self, *kept: str) -> None:
        """End all orgs but those named."""
        for name in self._orgs.keys() - set(kept):
            self._orgs.pop(name).stop()

    def stop(self) -> None:
        """End everything."""
        self.forget()
        while self._portals:
            self._portals.popitem()[1].stop()


@contextmanager
def serving(courses: int) -> Iterator[Servers]:
    """Servers that end with the measurement."""
    servers = Servers(courses)
    try:
        yield servers
    finally:
        servers.stop()
