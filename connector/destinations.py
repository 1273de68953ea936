"""The registry of targets: which there are, which settings turn them on, and what carries them out."""

from collections.abc import Sequence

from connector.errors import SettingsError
from connector.learning_records.target import TARGET as LEARNING_RECORDS
from connector.learning_records.target import LearningRecords
from connector.progress import Progress
from connector.push.engine import Destination, Run, push
from connector.push.options import PushOptions
from connector.push.reports import PushReport
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings.plan import SWITCH
from connector.salesforce.learnings.plan import TARGET as LEARNINGS
from connector.salesforce.learnings.target import Learnings
from connector.salesforce.push.objects import OrgObjects
from connector.salesforce.targets import ALL_TARGETS, TARGETS
from connector.settings import Settings, require_learning_records, require_salesforce
from connector.warehouse.runs import Closing

NAMES = (*ALL_TARGETS, LEARNINGS, LEARNING_RECORDS)


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
    unknown = [name for name in asked or () if name not in NAMES]
    if unknown:
        raise SettingsError(f"--target {unknown[0]!r} is not a target.", remedy=f"Use any of {', '.join(NAMES)}.")
    names = [name for name in NAMES if name in asked] if asked is not None else configured(settings)
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


def push_all(
    settings: Settings,
    run_id: str,
    options: PushOptions,
    progress: Progress | None = None,
    close: Closing | None = None,
) -> PushReport:
    """Push to every chosen target. Raises LearnsyncError; what was sent by then is in the ledger."""
    names = chosen(settings, options.targets)
    run = Run.of(settings, run_id, options, progress)
    return push(run, _destinations(run, names), close)


def _destinations(run: Run, names: Sequence[str]) -> list[Destination]:
    found: list[Destination] = []
    if set(names) - {LEARNING_RECORDS}:
        client = SalesforceClient.of(run.settings)  # one session for all targets of the org
        if objects := [name for name in names if name in ALL_TARGETS]:
            found.append(OrgObjects(run, client, objects))
        if LEARNINGS in names:
            found.append(Learnings(run, client))
    if LEARNING_RECORDS in names:
        found.append(LearningRecords(run))
    return found
