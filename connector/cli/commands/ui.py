"""`learnsync ui`: Dagster's web pages and daemon, against the portal of the settings or against a sandbox."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.cli import demo_folder
from connector.cli.command import Run, command
from connector.cli.commands import demo
from connector.cli.console import err, out, print_json
from connector.cli.dagster_home import make_instance, prepare
from connector.errors import LearnsyncError, SettingsError
from connector.settings import Settings, load_settings, require_absorb

HOST = "127.0.0.1"  # the pages ask nobody who they are, so no other machine may reach them
STOP_SECONDS = 40
LOGIN = ("api_key", "username", "password", "oauth_client_id")


@command(has_verbose=False)
def ui(
    run: Run,
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the web pages.")] = 3000,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Use a sandbox although the settings name a portal.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files; with a sandbox only.")] = demo.FOLDER,
    scale: Annotated[int, typer.Option(min=100, help="How many enrollments the sandbox portal has, about.")] = 5000,
) -> None:
    """Serve Dagster's web pages and run its daemon until interrupted, against your portal or a sandbox."""
    _refuse_taken(port)
    _stop_on_hangup()
    with _against(folder, scale, None if sandbox else _configured()) as (what, environment):
        facts = {"url": f"http://{HOST}:{port}", "against": what, "dagster_home": environment["DAGSTER_HOME"]}
        with suppress(KeyboardInterrupt), _dagster(port, environment) as process:
            if _answers(process, port):
                _announce(facts, as_json=run.as_json)
            process.wait()
            raise LearnsyncError("Dagster ended by itself.", remedy="See what it wrote above.")


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as failure:
            raise SettingsError(
                f"--port {port} cannot be used: {failure.strerror or failure}.", remedy="Name another --port."
            ) from None


def _stop_on_hangup() -> None:
    """A terminal that is closed stops us as Ctrl-C does; with nohup we go on."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup and signal.getsignal(hangup) is signal.SIG_DFL:
        signal.signal(hangup, stop)


def _configured() -> Settings | None:
    """The settings, where they name a login to a portal; it must be whole."""
    settings = load_settings()
    if not any(getattr(settings.absorb, name) for name in LOGIN):
        return None
    require_absorb(settings)
    return settings


def _against(
    folder: Path, scale: int, settings: Settings | None
) -> AbstractContextManager[tuple[str, Mapping[str, str]]]:
    """(what it runs against, environment of Dagster)."""
    return _against_sandbox(folder, scale) if settings is None else _against_portal(settings)


@contextmanager
def _against_portal(settings: Settings) -> Iterator[tuple[str, Mapping[str, str]]]:
    named = os.environ.get("DAGSTER_HOME")
    home = prepare(Path(named) if named else settings.warehouse.path.parent / "dagster")
    yield settings.absorb.portal_url or settings.absorb.url, {**os.environ, "DAGSTER_HOME": str(home)}


@contextmanager
def _against_sandbox(folder: Path, scale: int) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The files of the demo, which a demo may have filled, and a portal and an org that are new each time."""
    demo_folder.claim(folder)
    if not (folder / demo.CONFIG).is_file():
        demo.fresh(folder)
    prepare(folder / "dagster", renew=True)
    with demo.sandbox(folder, scale) as settings:
        environment = {**demo.environment(folder, settings), "LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH": "true"}
        if (folder / "warehouse.duckdb").exists():  # it belongs to the portal and org of the run before
            adopt = [sys.executable, "-m", "connector.cli", "adopt", "--json"]
            subprocess.run(adopt, env=environment, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - our own
        yield "sandbox", environment


@contextmanager
def _dagster(port: int, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Web pages and daemon; what they write goes to stderr. Both have ended when the context is left."""
    make_instance(environment)  # pages and daemon begin at the same moment
    command = [sys.executable, "-m", "dagster", "dev", "-m", "pipelines.definitions", "-h", HOST, "-p", str(port)]
    # A group of its own: Ctrl-C reaches us alone, and Dagster is told once. Told twice it leaves its processes behind.
    process = subprocess.Popen(  # noqa: S603 - our own command line
        command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr, process_group=0
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End Dagster, which ends its own processes; a second Ctrl-C does not cut that short."""
    ends = time.monotonic() + STOP_SECONDS
    process.terminate()
    while process.poll() is None and time.monotonic() < ends:
        with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            process.wait(1)
    process.kill()
    process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the pages can be asked for; False when Dagster ends before."""
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return True
        time.sleep(0.2)
    return False


def _announce(facts: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    out.print(f"Dagster: {facts['url']} (Ctrl-C ends it), against {facts['against']}", soft_wrap=True)
    err.print(f"  Runs and settings of Dagster: {facts['dagster_home']}", soft_wrap=True)
    err.print("  In Assets, press 'Materialize all'; in Automation, turn schedules on.", soft_wrap=True)
