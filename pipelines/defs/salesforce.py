"""Differences → Salesforce. Without an org both assets say so and succeed: a portal-only user runs the same job."""

import json
from typing import Any

import dagster as dg

from connector.canonical.build import load_maps
from connector.push.reports import PushReport, TargetReport
from connector.salesforce.push.objects import PushOptions
from connector.salesforce.targets import COURSE, ENROLLMENT, Target
from connector.settings import Settings
from connector.sync import run_push
from pipelines import checks
from pipelines.defs import absorb, canonical
from pipelines.lineage import pushed_lineage
from pipelines.resources import RETRY_LATER, LearnsyncResource
from pipelines.tables import Metadata, counts_table, object_schema, table_value, timed

SKIPPED = "LEARNSYNC_SALESFORCE__LOGIN_URL is not set"


class PreviewConfig(dg.Config):
    """`full` shows what `learnsync push --full` would do; `samples` is per object and action."""

    full: bool = False
    samples: int = 20


def _shared(target: Target) -> dict[str, Any]:
    """What the two assets have in common."""
    complete = "The org has every record that may be sent: none rejected, deferred or held back."
    return {
        "key": ["salesforce", target.name],
        "group_name": "salesforce",
        "kinds": {"salesforce"},
        "owners": absorb.OWNERS,
        "pool": absorb.WRITER_POOL,
        "retry_policy": RETRY_LATER,
        "metadata": {"dagster/table_name": target.object, "upsert_key": target.key},
        "check_specs": [checks.spec(f"salesforce/{target.name}", "push_complete", complete)],
    }


@dg.asset(deps=[absorb.courses, absorb.enrollments], **_shared(COURSE))
def lms_course(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """LMS_Course__c: a record per course, which enrollments look up."""
    return _push(COURSE, learnsync)


@dg.asset(
    deps=[lms_course, canonical.learning_item_progress, canonical.learning_record, absorb.enrollments, absorb.users],
    **_shared(ENROLLMENT),
)
def lms_enrollment(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """LMS_Enrollment__c: a record per enrollment whose learner is one known person in the org."""
    return _push(ENROLLMENT, learnsync)


@dg.asset(
    key=["salesforce", "push_preview"],
    deps=[canonical.learning_item_progress, canonical.learning_record, absorb.courses],
    group_name="salesforce",
    kinds={"salesforce"},
    owners=absorb.OWNERS,
    # The difference is computed in the warehouse, and rolled back.
    pool=absorb.WRITER_POOL,
    retry_policy=RETRY_LATER,
)
def push_preview(config: PreviewConfig, learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """What a push would do now, with old and new values of some records. Writes nothing; no job runs it."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            return dg.MaterializeResult(metadata={"skipped": SKIPPED})
        options = PushOptions(dry_run=True, full=config.full, samples=config.samples)
        report, took = timed(lambda: run_push(settings, options))
    rows = [
        (one.object, one.create, one.update, one.unchanged, one.held, sum(one.blocked.values()), one.method)
        for one in report.targets.values()
    ]
    metadata: Metadata = {
        "actions": table_value(["object", "create", "update", "unchanged", "held", "blocked", "method"], rows),
        "api_calls": report.calls,
    }
    changes = {f"changes_{one.object}": _changes_table(one) for one in report.targets.values()}
    return dg.MaterializeResult(metadata=metadata | changes | took)


def _changes_table(outcome: TargetReport) -> dg.TableMetadataValue:
    """Field by field, for the sampled records."""
    rows = [
        (sample["action"], sample["external_id"], change["field"], _text(change["old"]), _text(change["new"]))
        for sample in outcome.samples
        for change in sample.get("changes", ())
    ]
    return table_value(["action", "external_id", "field", "in_salesforce", "would_be"], rows)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _push(target: Target, learnsync: LearnsyncResource) -> dg.MaterializeResult:
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            return skipped(SKIPPED)
        report, took = timed(lambda: run_push(settings, PushOptions(targets=[target.name])))
        outcome = report.targets[target.name]
        metadata = _described(settings, target) | push_metadata(report, outcome) | took
    return dg.MaterializeResult(metadata=metadata, check_results=[push_check(outcome)])


def skipped(reason: str) -> dg.MaterializeResult:
    """The result of an asset whose target is not configured."""
    nothing = checks.soft("push_complete", passed=True, description=f"Nothing to push: {reason}.", skipped=reason)
    return dg.MaterializeResult(metadata={"skipped": reason}, check_results=[nothing])


def _described(settings: Settings, target: Target) -> Metadata:
    maps = load_maps(settings)
    return {
        "dagster/table_name": target.object,
        "dagster/column_schema": object_schema(maps.object_fields(target.object)),
        "dagster/column_lineage": pushed_lineage(maps, target.object),
    }


def push_metadata(report: PushReport, outcome: TargetReport) -> Metadata:
    """Counts, reasons and samples of a push to one target."""
    samples = [(s["action"], s["external_id"], json.dumps(s["payload"], ensure_ascii=False)) for s in outcome.samples]
    metadata: Metadata = {
        # What should be in the org, and is or will be.
        "dagster/row_count": outcome.unchanged + outcome.accepted,
        "create": outcome.create,
        "update": outcome.update,
        "unchanged": outcome.unchanged,
        "sent": outcome.sent,
        "accepted": outcome.accepted,
        "rejected": outcome.rejected,
        "deferred": outcome.deferred,
        "held": outcome.held,
        "blocked": sum(outcome.blocked.values()),
        "blocked_reasons": counts_table("reason", outcome.blocked),
        "samples": table_value(["action", "external_id", "payload"], samples),
        "api_calls": report.calls,
        "org_calls_used_today": report.api_used,
        "org_calls_allowed_today": report.api_allowed,
    }
    return metadata | {f"learners_{state}": count for state, count in report.learners.items()}


def push_check(outcome: TargetReport) -> dg.AssetCheckResult:
    """Whether the target has every record that may be sent."""
    return checks.soft(
        "push_complete",
        passed=not outcome.pending,
        description=f"Records that the target lacks: {outcome.pending}; see `learnsync rejects`."
        if outcome.pending
        else "",
        rejected=outcome.rejected,
        deferred=outcome.deferred,
        held=outcome.held,
        errors=counts_table("code", outcome.errors),
        # Not a fault of the push: who these learners are is for a person to decide.
        blocked=counts_table("reason", outcome.blocked),
    )
