"""The further targets: Learnings Graph and LearningRecord API. Each says so and succeeds where it is off."""

from collections.abc import Iterator, Sequence

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
from pipelines.defs.salesforce import (
    COMPLETE,
    NOT_HELD,
    PushConfig,
    approved,
    fail_if_refused,
    hold_check,
    push_check,
    push_metadata,
    skipped,
)
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
    check_specs=[
        checks.spec("salesforce/learning", "push_complete", COMPLETE),
        checks.spec("salesforce/learning", "not_held", NOT_HELD),
    ],
)
def learning(
    context: dg.AssetExecutionContext, config: PushConfig, learnsync: LearnsyncResource
) -> Iterator[dg.MaterializeResult]:
    """The catalogue in the org's Learnings Graph (Education Cloud): a learning per course, with its prerequisites."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            yield skipped(NO_ORG, held=hold_check(None))
        elif not settings.salesforce.learnings_graph:
            yield skipped(f"{SWITCH} is false", held=hold_check(None))
        else:
            yield from _push(settings, LEARNINGS, approved(context, config))


@dg.asset(
    key=["performance", "learning_records"],
    deps=[canonical.learning_record],
    group_name="performance",
    kinds={"api"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    check_specs=[checks.spec("performance/learning_records", "push_complete", COMPLETE)],
)
def learning_records(learnsync: LearnsyncResource) -> Iterator[dg.MaterializeResult]:
    """Records of results, passed or failed, in the LearningRecord API, each created once; it has no update."""
    with learnsync.session() as settings:
        if not settings.learning_records.base_url:
            yield skipped(NO_API)
        else:
            yield from _push(settings, LEARNING_RECORDS)


def _push(settings: Settings, target: str, approve: Sequence[str] | None = None) -> Iterator[dg.MaterializeResult]:
    """`approve` is None for a target that is never held."""
    options = PushOptions([target], approve=approve or ())
    report, took = timed(lambda: run_push(settings, options))
    outcome = report.targets[target]
    metadata = push_metadata(report, outcome) | took | {"notes": "\n".join(outcome.notes)}
    found = [push_check(outcome), *([] if approve is None else [hold_check(outcome.hold)])]
    yield dg.MaterializeResult(metadata=metadata, check_results=found)
    fail_if_refused(report)
