"""Everything a push may go to: the org's custom objects, its Learnings Graph, and the LearningRecord API."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from connector.errors import LearnsyncError, SettingsError
from connector.learning_records.push import TARGET as LEARNING_RECORDS
from connector.learning_records.push import push_learning_records
from connector.progress import Progress
from connector.push.reports import PushReport
from connector.salesforce.learnings.plan import SWITCH
from connector.salesforce.learnings.plan import TARGET as LEARNINGS
from connector.salesforce.learnings.push import push_learnings
from connector.salesforce.push.objects import PushOptions, push
from connector.salesforce.targets import ALL_TARGETS, TARGETS
from connector.settings import Settings, require_learning_records, require_salesforce

log = logging.getLogger(__name__)

NAMES = (*ALL_TARGETS, LEARNINGS, LEARNING_RECORDS)
Engine = Callable[[Settings, str, PushOptions, Progress | None], PushReport]


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


def push_all(settings: Settings, run_id: str, options: PushOptions, progress: Progress | None = None) -> PushReport:
    """Push to every chosen target. One that cannot be pushed to does not keep the others; the first failure is raised.

    Raises LearnsyncError; what the other targets took by then is in their ledgers.
    """
    names = chosen(settings, options.targets)
    objects = [name for name in names if name in ALL_TARGETS]
    engines: list[tuple[Sequence[str], Engine]] = [
        (objects, push),
        ([name for name in names if name == LEARNINGS], push_learnings),
        ([name for name in names if name == LEARNING_RECORDS], push_learning_records),
    ]
    whole = PushReport(options.dry_run)
    first: LearnsyncError | None = None
    for wanted, engine in engines:
        if not wanted:
            continue
        try:
            _add(whole, engine(settings, run_id, replace(options, targets=wanted), progress))
        except LearnsyncError as failure:
            if first is None:
                first = failure
            else:  # only one can be raised
                log.warning("the push to %s ended early too: %s", ", ".join(wanted), failure)
    if first is not None:
        raise first
    return whole


def _add(whole: PushReport, part: PushReport) -> None:
    whole.targets |= part.targets
    whole.learners |= part.learners
    # Calls of the org; the LearningRecord API's are its own affair, one per record.
    whole.calls += part.calls if part.api_allowed else 0
    # The latest word of the org; the LearningRecord API has none.
    whole.api_used, whole.api_allowed = (
        (part.api_used, part.api_allowed) if part.api_allowed else (whole.api_used, whole.api_allowed)
    )
    whole.resumed += part.resumed
