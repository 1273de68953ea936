"""The one push engine: lock, interrupted runs, clients, preflight, difference, sending, report.

A destination is an API with the targets that stand or fall together: if one of them cannot be pushed to, none of them
is, while other destinations still are. The warehouse is open only to compute the difference and to write outcomes.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from connector import files
from connector.canonical import load_maps
from connector.errors import LearnsyncError
from connector.locks import claim_beside
from connector.progress import Progress, Silent
from connector.push.guard import Guard
from connector.push.holds import HoldTable
from connector.push.ledger import Ledger
from connector.push.reports import PushOptions, PushReport, TargetReport
from connector.push.standing import Standing
from connector.push.watch import Watch
from connector.settings import Settings
from connector.warehouse import runs
from connector.warehouse.database import Connection, Warehouse, committed
from connector.warehouse.runs import Closing
from mappings import Mapping

log = logging.getLogger(__name__)

STALE_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Run:
    """One push: what every target of it needs to know. `folder` holds records between difference and sending."""

    settings: Settings
    maps: Mapping
    run_id: str
    options: PushOptions
    progress: Progress
    warehouse: Warehouse
    folder: Path

    @classmethod
    def of(cls, settings: Settings, run_id: str, options: PushOptions, progress: Progress | None) -> Self:
        """The push these settings and options mean. Raises MappingError."""
        folder = settings.warehouse.outbox / run_id
        maps = load_maps(settings)
        return cls(settings, maps, run_id, options, progress or Silent(), Warehouse.of(settings), folder)

    def ledger(self, place: str, object_name: str) -> Ledger:
        """The ledger of one object at one place, as this push writes it."""
        return Ledger(self.warehouse, self.settings.tenant_id, place, object_name, self.run_id)


class Target(Protocol):
    """One kind of record that a destination takes."""

    name: str
    object: str
    ledger: Ledger
    # What is watched for large mistakes; None where nothing is.
    watch: Watch | None
    # What `plan` knows of records that it need not look at; None where it looks at all of them.
    standing: Standing | None

    def plan(self, connection: Connection) -> TargetReport:
        """Compute `pushable`, keep what is to be sent, and say what that is."""

    async def send(self, report: TargetReport, /) -> None:
        """Send what `plan` kept, outcomes into the ledger. Raises LearnsyncError for what concerns further records."""


class Destination:
    """An API and its targets, in the order in which they are sent. Subclasses override what applies to them."""

    client: AbstractAsyncContextManager[Any]
    names: Sequence[str] = ()
    targets: Sequence[Target] = ()

    async def preflight(self) -> None:
        """Set `targets`. Raises LearnsyncError where the API cannot take them; nothing has been sent by then."""

    def look_back(self, connection: Connection) -> None:
        """Read what earlier pushes left open, for `resume`; in the opening in which the push writes that it began."""

    async def resume(self) -> list[str]:
        """Learn what became of records that an earlier push left open; returns the bulk jobs taken up."""
        return []

    def unsettled(self) -> LearnsyncError | None:
        """Why a target was left out, what was sent before being still open; raised when the others are done."""
        return None

    async def before_plan(self) -> Callable[[Connection, PushReport], None] | None:
        """Read what the difference depends on; returns what is to be written first in its transaction."""
        return None

    async def preview(self, reports: Sequence[TargetReport]) -> None:
        """Add to the samples of a dry run how the records would change."""

    def add_calls(self, report: PushReport) -> None:
        """Say how much of the API's day this push has used, where the API has such a limit."""


def push(run: Run, destinations: Sequence[Destination], close: Closing | None = None) -> PushReport:
    """Push to every destination. One that fails does not keep the others; the first failure is raised at the end.

    Raises LearnsyncError; outcomes known by then are in the ledger. `close` is called in the last opening of the
    warehouse, not by a dry run.
    """
    if run.options.dry_run:
        return asyncio.run(_push(run, destinations))
    with push_lock(run.settings, run.run_id):
        report = asyncio.run(_push(run, destinations))
        with run.warehouse.connect() as connection:
            for target in (target for destination in destinations for target in destination.targets):
                outcome = report.targets[target.name]
                target.ledger.count(connection, outcome)
                if outcome.sent >= outcome.due and not outcome.hold:
                    HoldTable(connection, target.ledger.key).resolve(approved=True)
            if close:
                close(connection, report)
        return report


@contextmanager
def push_lock(settings: Settings, run_id: str) -> Iterator[None]:
    """One push per warehouse: of two, the slower could leave an older payload behind the newer one's entry.

    Folders that killed pushes left behind hold people's data: they are cleared once they are a day old. Raises
    WarehouseLockedError, and WarehouseError when the folder cannot be used.
    """
    outbox = settings.warehouse.outbox
    with claim_beside(settings.warehouse.path, outbox / ".push.lock", "push is running on this warehouse", run_id):
        for left in runs.folders(outbox):
            if time.time() - left.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        yield


async def _push(run: Run, destinations: Sequence[Destination]) -> PushReport:
    report = PushReport(run.options.dry_run)
    failures: list[LearnsyncError] = []
    try:
        async with AsyncExitStack() as clients:
            for client in dict.fromkeys(destination.client for destination in destinations):
                await clients.enter_async_context(client)
            run.progress.stage("preflight", sum(len(destination.names) for destination in destinations))
            ready = []
            for destination in destinations:
                with _kept(failures, destination):
                    await destination.preflight()
                    ready.append(destination)
            for destination in ready:
                with _kept(failures, destination):
                    await _carry_out(run, destination, report)
                    if left := destination.unsettled():
                        raise left
                destination.add_calls(report)
    finally:
        shutil.rmtree(run.folder, ignore_errors=True)
    if failures:
        raise failures[0]
    return report


@contextmanager
def _kept(failures: list[LearnsyncError], destination: Destination) -> Iterator[None]:
    """Keep what ends one destination, so that the others have their turn."""
    try:
        yield
    except LearnsyncError as failure:
        if failures:  # only one can be raised
            log.warning("the push to %s ended early too: %s", ", ".join(destination.names), failure)
        failures.append(failure)


async def _carry_out(run: Run, destination: Destination, report: PushReport) -> None:
    if run.options.dry_run:
        Warehouse.existing(run.settings)  # looking makes none
    files.make_folder(run.folder)
    if not run.options.dry_run:
        with run.warehouse.transaction() as connection:
            runs.end_killed(connection, run.settings.tenant_id, "push", run.run_id)
            destination.look_back(connection)
        report.resumed += await destination.resume()  # may wait for long: before people are read
    before_plan = await destination.before_plan()
    with run.warehouse.connect() as connection, committed(connection, keep=not run.options.dry_run):
        if before_plan:
            before_plan(connection, report)
        planned = [_plan(run, target, connection) for target in destination.targets]
    report.targets |= {outcome.target: outcome for outcome in planned}
    if run.options.dry_run:
        await destination.preview(planned)
        return
    for target, outcome in zip(destination.targets, planned, strict=True):
        if outcome.hold:
            log.info("%s", outcome.hold.message)
        elif records := run.options.within_limit(outcome.due):
            run.progress.stage(target.object, records)
            await target.send(outcome)


def _plan(run: Run, target: Target, connection: Connection) -> TargetReport:
    """What is due of a target, and whether so much of what the org has would change that somebody has to look first."""
    outcome = target.plan(connection)
    whole = not target.standing or target.standing.whole
    if target.watch:
        guard = Guard(run.settings, run.maps, run.options, run.run_id)
        guard.look(connection, target.watch, target.ledger.key, outcome, whole=whole)
    if target.standing:
        target.standing.keep(connection, held=outcome.hold is not None)
    return outcome
