"""The further targets: Learnings Graph and LearningRecord API. Each says so and succeeds where it is off."""

from __future__ import annotations

from typing import Any

import dagster as dg

from connector.learning_records.push import TARGET as LEARNING_RECORDS
from connector.salesforce.learnings.plan import SWITCH
from connector.salesforce.learnings.plan import TARGET as LEARNINGS
from connector.salesforce.push.objects import PushOptions
from connector.settings import Settings
from connector.sync import run_push
from pipelines import checks
from pipelines.defs import absorb, canonical, salesforce
from pipelines.resources import RETRY_LATER, LearnsyncResource
from pipelines.tables import timed

NO_API = "LEARNSYNC_LEARNING_RECORDS__BASE_URL is not set"


def _shared(key: list[str], kind: str) -> dict[str, Any]:
    complete = "The target has every record that may be sent: none rejected, deferred or held back."
    return {
        "key": key,
        "group_name": key[0],
        "kinds": {kind},
        "owners": absorb.OWNERS,
        "pool": absorb.WRITER_POOL,
        "retry_policy": RETRY_LATER,
        "check_specs": [checks.spec("/".join(key), "push_complete", complete)],
    }


@dg.asset(deps=[absorb.courses], **_shared(["salesforce", "learning"], "salesforce"))
def learning(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """The catalogue in the org's Learnings Graph (Education Cloud): a learning per course, with its prerequisites."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            return salesforce.skipped(salesforce.SKIPPED)
        if not settings.salesforce.learnings_graph:
            return salesforce.skipped(f"{SWITCH} is false")
        return _push(settings, LEARNINGS)


@dg.asset(deps=[canonical.learning_record], **_shared(["performance", "learning_records"], "api"))
def learning_records(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """Completed learning records in the LearningRecord API, each created once; the API has no update."""
    with learnsync.session() as settings:
        if not settings.learning_records.base_url:
            return salesforce.skipped(NO_API)
        return _push(settings, LEARNING_RECORDS)


def _push(settings: Settings, target: str) -> dg.MaterializeResult:
    report, took = timed(lambda: run_push(settings, PushOptions(targets=[target])))
    outcome = report.targets[target]
    metadata = salesforce.push_metadata(report, outcome) | took | {"notes": "\n".join(outcome.notes)}
    return dg.MaterializeResult(metadata=metadata, check_results=[salesforce.push_check(outcome)])
