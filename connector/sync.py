"""The stages that the CLI and Dagster call, each recorded in ops.runs, and the registry of targets of a push.

A sync: a sweep for deletions where one is due → pull → match (read people and learning items) → build → push →
readback (check our own records) → publish.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from connector.absorb.pull.options import PullOptions, PullReport
from connector.absorb.pull.pull import pull
from connector.absorb.pull.reconcile import DueSweep, ReconcileOptions, ReconcileReport, reconcile, sweep_is_due
from connector.adopt import AdoptReport, adopt, refuse_other_org
from connector.assignments import AssignOptions, AssignReport, assign, require_assignments
from connector.canonical.build import BuildReport
from connector.errors import (
    ApiBudgetError,
    ApiError,
    AuthenticationError,
    DamagedError,
    IdentityError,
    IncompleteError,
    LearnsyncError,
    ResourceError,
    SettingsError,
    ThrottledError,
)
from connector.learning_records.target import TARGET as LEARNING_RECORDS
from connector.learning_records.target import LearningRecords
from connector.local import run_build, run_publish
from connector.progress import Progress
from connector.push.engine import Destination, Run, push
from connector.push.holds import objects_of
from connector.push.reports import PushOptions, PushReport
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings.plan import OBJECT as LEARNINGS_OBJECT
from connector.salesforce.learnings.plan import SWITCH
from connector.salesforce.learnings.plan import TARGET as LEARNINGS
from connector.salesforce.learnings.target import Learnings
from connector.salesforce.push.objects import OrgObjects
from connector.salesforce.readback.readback import READ_CHANGES, ReadbackOptions, ReadbackReport, readback
from connector.salesforce.readback.retrieve import Retrieved, retrieve
from connector.salesforce.targets import ALL_TARGETS, TARGETS
from connector.settings import Settings, require_absorb, require_learning_records, require_salesforce
from connector.stage import Look, Report, stage
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Warehouse
from connector.warehouse.publish import PublishReport
from connector.warehouse.runs import Closing

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

TARGET_NAMES = (*ALL_TARGETS, LEARNINGS, LEARNING_RECORDS)  # in the order they are pushed to


def run_pull(
    settings: Settings, options: PullOptions | None = None, progress: Progress | None = None, look: Look | None = None
) -> PullReport:
    """Absorb → warehouse."""
    require_absorb(settings)
    return stage(settings, "pull", lambda run_id, close: pull(settings, run_id, options, progress, close), look)


def run_reconcile(
    settings: Settings, options: ReconcileOptions | None = None, progress: Progress | None = None
) -> ReconcileReport:
    """Full id sweep: marks what vanished in Absorb, then rebuilds, so that the tables say so."""
    report = _sweep(settings, options, progress)
    report.unmapped = run_build(settings).unmapped
    return report


def _sweep(settings: Settings, options: ReconcileOptions | None, progress: Progress | None) -> ReconcileReport:
    require_absorb(settings)
    return stage(settings, "reconcile", lambda run_id, _: reconcile(settings, run_id, options, progress))


def run_due_sweep(settings: Settings, begun_at: datetime, progress: Progress | None = None) -> DueSweep:
    """Sweep where LEARNSYNC_ABSORB__RECONCILE_DAYS says so, as part of the sync that began at `begun_at`.

    A sweep that breaks off is told in `error`, and the sync goes on: its pull meets what concerns the whole portal.
    """
    try:
        if not sweep_is_due(settings):
            return DueSweep()
        return DueSweep(_sweep(settings, ReconcileOptions(begun_at=begun_at), progress))
    except (ApiError, IncompleteError) as failure:
        if isinstance(failure, AuthenticationError | ThrottledError):
            raise
        log.warning("the sweep for deletions broke off: %s", failure)
        return DueSweep(error=str(failure))


def configured(settings: Settings) -> list[str]:
    """Names of the targets that the settings turn on, in the order they are pushed to."""
    names: list[str] = []
    if settings.salesforce.login_url:
        names += [*TARGETS, LEARNINGS] if settings.salesforce.learnings_graph else [*TARGETS]
    if settings.learning_records.base_url:
        names.append(LEARNING_RECORDS)
    return names


def chosen(settings: Settings, asked: Sequence[str] | None) -> list[str]:
    """The targets of one push. Raises SettingsError for an unknown one, and for one that is not configured."""
    unknown = [name for name in asked or () if name not in TARGET_NAMES]
    if unknown:
        known = ", ".join(TARGET_NAMES)
        raise SettingsError(f"--target {unknown[0]!r} is not a target.", remedy=f"Use any of {known}.")
    names = [name for name in TARGET_NAMES if name in asked] if asked is not None else configured(settings)
    if LEARNING_RECORDS in names:
        require_learning_records(settings)
    if set(names) - {LEARNING_RECORDS} or not names:
        require_salesforce(settings)
    if LEARNINGS in names and not settings.salesforce.learnings_graph:
        raise SettingsError(
            f"{SWITCH} is false: the target {LEARNINGS} is off.",
            remedy=f"Set {SWITCH}=true where the org has Education Cloud (docs/learnings-graph.md).",
        )
    return names


def _approved(settings: Settings, options: PushOptions) -> Sequence[str] | None:
    """The targets that are asked for; those of the approved holds where none is. Raises SettingsError."""
    if not options.approve:
        return options.targets
    with Warehouse.existing(settings).connect() as connection:
        held = objects_of(connection, settings.tenant_id, options.approve)
    objects = {LEARNINGS: LEARNINGS_OBJECT} | {name: target.object for name, target in ALL_TARGETS.items()}
    named = [name for name, object_name in objects.items() if object_name in held]
    return options.targets if options.targets is not None else named


def _destinations(run: Run, names: Sequence[str]) -> Iterator[Destination]:
    if set(names) - {LEARNING_RECORDS}:
        client = SalesforceClient.of(run.settings)  # one session for all targets of the org
        if objects := [name for name in names if name in ALL_TARGETS]:
            yield OrgObjects(run, client, objects)
        if LEARNINGS in names:
            yield Learnings(run, client)
    if LEARNING_RECORDS in names:
        yield LearningRecords(run)


def run_push(
    settings: Settings, options: PushOptions | None = None, progress: Progress | None = None, look: Look | None = None
) -> PushReport:
    """Differences → the targets. A dry run is not recorded: it writes nothing anywhere."""
    options = options or PushOptions()
    names = chosen(settings, _approved(settings, options))  # before a run is recorded: a wrong setting is no run

    def work(run_id: str, close: Closing | None = None) -> PushReport:
        run = Run.of(settings, run_id, options, progress)
        return push(run, list(_destinations(run, names)), close)

    return work(runs.new_run_id()) if options.dry_run else stage(settings, "push", work, look)


def run_match(settings: Settings, options: ReadbackOptions = READ_CHANGES, look: Look | None = None) -> ReadbackReport:
    """Salesforce → warehouse: people and learning items, and who and what they are in Absorb. A build comes next."""
    require_salesforce(settings)
    return stage(settings, "match", partial(readback, settings, options, parts=("match",)), look)


def run_check(settings: Settings, options: ReadbackOptions = READ_CHANGES, look: Look | None = None) -> ReadbackReport:
    """Salesforce → warehouse: what became of our records there, and native progress to compare with."""
    require_salesforce(settings)
    return stage(settings, "readback", partial(readback, settings, options, parts=("check",)), look)


def run_readback(settings: Settings, options: ReadbackOptions = READ_CHANGES) -> ReadbackReport:
    """Both of these, as one run: what `learnsync readback` does."""
    require_salesforce(settings)
    return stage(settings, "readback", partial(readback, settings, options))


def run_retrieve(settings: Settings, record_id: str) -> Retrieved:
    """One native record as the org has it now, and what is ours. Not recorded: it writes nothing anywhere."""
    require_salesforce(settings)
    return retrieve(settings, record_id)


def run_assign(
    settings: Settings, options: AssignOptions | None = None, progress: Progress | None = None
) -> AssignReport:
    """Assignments of Salesforce → enrollments in Absorb. No part of a sync. A dry run is not recorded."""
    options = options or AssignOptions()
    require_assignments(settings, options)
    if not options.apply:
        Warehouse.existing(settings)
        return assign(settings, runs.new_run_id(), options, progress)
    return stage(settings, "assign", lambda run_id, _: assign(settings, run_id, options, progress))


def run_adopt(settings: Settings) -> AdoptReport:
    """The portal and the org that the settings name become those of the warehouse."""
    require_absorb(settings)
    Warehouse.existing(settings)  # before a run is recorded, which would make one
    return stage(settings, "adopt", lambda run_id, _: adopt(settings, run_id))


@dataclass(slots=True)
class SyncReport:
    """All stages of one sync. Without a target `push` is None, without an org `match` and `readback`; the latter also
    where it failed.
    """

    pull: PullReport
    match: ReadbackReport | None
    build: BuildReport
    push: PushReport | None
    publish: PublishReport
    seconds: dict[str, float]
    readback: ReadbackReport | None = None
    readback_error: str = ""  # why it could not be done; the push before it stands
    sweep: DueSweep = field(default_factory=DueSweep)

    @property
    def complete(self) -> bool:
        """True when every stage was."""
        pushed = self.push is None or self.push.complete
        read = self.pull.complete and self.sweep.trusted
        return read and self.build.complete and pushed and not self.readback_error


def run_sync(settings: Settings, *, full: bool = False, progress: Progress | None = None) -> SyncReport:
    """Every stage in its order; a sweep where one is due, match and readback where an org is set, push where any
    target is.

    Where the org or another target cannot be read or pushed to, the other stages are done all the same, and the first
    such failure is raised at the end.
    """
    refuse_other_org(settings)  # before anything is pulled
    sync, read_options = _Sync(), ReadbackOptions(full, progress)
    has_org = bool(settings.salesforce.login_url)
    swept = run_due_sweep(settings, begun_at := utc_now(), progress)
    options = PullOptions(full=full and not swept.whole, begun_at=begun_at)
    pulled = sync.timed("pull", lambda: run_pull(settings, options, progress))
    matched = sync.attempt("match", lambda: run_match(settings, read_options)) if has_org else None
    built = sync.timed("build", lambda: run_build(settings))
    pushed = read = None
    try:
        if targets := _targets(settings, org_failed=bool(sync.failures)):
            what = PushOptions(targets, match=False)
            pushed = sync.attempt("push", lambda: run_push(settings, what, progress))
        # A target that fails is no reason not to look what became of the records of another.
        if has_org and not sync.out_of_calls:
            read = sync.attempt("readback", lambda: run_check(settings, read_options))
    except (ResourceError, DamagedError):
        raise  # a publish would meet the same
    except Exception:
        run_publish(settings)  # analysts get what was pulled and built whatever a target says
        raise
    published = sync.timed("publish", lambda: run_publish(settings))
    # A read-back that failed alone is reported: the push before it stands.
    read_error = str(sync.failures.pop("readback", ""))
    if sync.failures:
        raise next(iter(sync.failures.values()))
    return SyncReport(pulled, matched, built, pushed, published, sync.seconds, read, read_error, swept)


@dataclass(slots=True)
class _Sync:
    """How long each stage of a sync took, and what could not be read of the org or sent to a target."""

    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, LearnsyncError] = field(default_factory=dict)

    @property
    def out_of_calls(self) -> bool:
        """True when the org, or another target, takes no more calls for now."""
        return any(isinstance(failure, ApiBudgetError | ThrottledError) for failure in self.failures.values())

    def timed(self, name: str, work: Callable[[], Report]) -> Report:
        """Do a stage."""
        started = time.monotonic()
        try:
            return work()
        finally:
            self.seconds[name] = time.monotonic() - started

    def attempt(self, name: str, work: Callable[[], Report]) -> Report | None:
        """Do a stage whose failure is kept, not raised."""
        try:
            return self.timed(name, work)
        except (IdentityError, ResourceError, DamagedError):
            raise  # what is built and published after that would be of two systems; or cannot be written
        except LearnsyncError as failure:
            # The first failure of match or push is raised at the end of the sync: a log line would tell it twice.
            if self.failures or name == "readback":
                log.warning("%s failed: %s", name, failure)
            self.failures[name] = failure
            return None


def _targets(settings: Settings, *, org_failed: bool) -> list[str]:
    """What a sync pushes to. An org that could not be read is not pushed to: its matches may be of another day."""
    names = [name for name in configured(settings) if not org_failed or name == LEARNING_RECORDS]
    if not names and not org_failed:
        log.info("no push: no target is set")
    return names
