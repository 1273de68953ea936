"""The further targets: Learnings Graph and LearningRecord API. Each says so and succeeds where it is off."""

import dagster as dg

from connector.learning_records.target import TARGET as LEARNING_RECORDS
from connector.push.reports import PushOptions
from connector.salesforce.learnings.plan import SWITCH
from connector.salesforce.learnings.plan import TARGET as LEARNINGS
from connector.settings import Settings
from connector.sync import run_push
from pipelines import checks
from pipelines.conventions import NO_API, NO_ORG, POOL, RETRY_LATER
from pipelines.defs import absorb, canonical, matches
from pipelines.defs.salesforce import COMPLETE, push_check, push_metadata, skipped
from pipelines.resources import LearnsyncResource
from pipelines.tables import timed


@dg.asset(
    key=["salesforce", "learning"],
    # No match is needed for it, but an org that could not be read is not pushed to.
    deps=[absorb.courses, matches.ITEMS],
    group_name="salesforce",
    kinds={"salesforce"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    check_specs=[checks.spec("salesforce/learning", "push_complete", COMPLETE)],
)
def learning(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """The catalogue in the org's Learnings Graph (Education Cloud): a learning per course, with its prerequisites."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            return skipped(NO_ORG)
        if not settings.salesforce.learnings_graph:
            return skipped(f"{SWITCH} is false")
        return _push(settings, LEARNINGS)


@dg.asset(
    key=["performance", "learning_records"],
    deps=[canonical.learning_record],
    group_name="performance",
    kinds={"api"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    check_specs=[checks.spec("performance/learning_records", "push_complete", COMPLETE)],
)
def learning_records(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """Records of results, passed or failed, in the LearningRecord API, each created once; it has no update."""
    with learnsync.session() as settings:
        if not settings.learning_records.base_url:
            return skipped(NO_API)
        return _push(settings, LEARNING_RECORDS)


def _push(settings: Settings, target: str) -> dg.MaterializeResult:
    report, took = timed(lambda: run_push(settings, PushOptions(targets=[target])))
    outcome = report.targets[target]
    metadata = push_metadata(report, outcome) | took | {"notes": "\n".join(outcome.notes)}
    return dg.MaterializeResult(metadata=metadata, check_results=[push_check(outcome)])
