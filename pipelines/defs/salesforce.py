"""Differences → Salesforce. Without an org the assets say so and succeed: a portal-only user runs the same job."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from connector.canonical import load_maps
from connector.push.holds import Hold
from connector.push.reports import PushOptions, PushReport, TargetReport
from connector.salesforce.targets import COURSE, ENROLLMENT, OrgObject
from connector.sync import run_push
from mappings import Mapping
from pipelines import checks
from pipelines.conventions import NO_ORG, POOL, RETRY_LATER
from pipelines.defs import absorb, canonical, matches
from pipelines.lineage import pushed_lineage
from pipelines.resources import LearnsyncResource
from pipelines.tables import Metadata, counts_table, object_schema, table_value, timed

COMPLETE = "The target has every record that may be sent: none rejected, deferred or held back."
NOT_HELD = "No push of this object waits for an approval (docs/operators.md)."
APPROVE_TAG = "learnsync/approve"


class PushConfig(dg.Config):
    """`approve`: id of a hold whose plan is to be sent. The run's tag `learnsync/approve` says the same."""

    approve: str = ""


class PreviewConfig(dg.Config):
    """`full` shows what `learnsync push --full` would do; `samples` is per object and action."""

    full: bool = False
    samples: int = 20


def _spec(target: OrgObject, description: str, deps: list[dg.AssetKey]) -> dg.AssetSpec:
    return dg.AssetSpec(
        ["salesforce", target.name],
        deps=deps,
        description=description,
        group_name="salesforce",
        kinds={"salesforce"},
        metadata={"dagster/table_name": target.object, "upsert_key": target.key},
    )


LMS_COURSE, LMS_ENROLLMENT = (dg.AssetKey(["salesforce", target.name]) for target in (COURSE, ENROLLMENT))
LMS = (LMS_COURSE, LMS_ENROLLMENT)


@dg.multi_asset(
    name="salesforce__lms",
    specs=[
        _spec(
            COURSE,
            "LMS_Course__c: a record per course, which enrollments look up.",
            [absorb.courses.key, absorb.enrollments.key],
        ),
        _spec(
            ENROLLMENT,
            "LMS_Enrollment__c: a record per enrollment whose learner is one known person in the org.",
            [
                LMS_COURSE, canonical.learning_item_progress.key, canonical.learning_record.key,
                absorb.enrollments.key, absorb.users.key, matches.LEARNERS,
            ],
        ),
    ],
    check_specs=[
        checks.spec(key.to_user_string(), name, text)
        for key in LMS
        for name, text in (("push_complete", COMPLETE), ("not_held", NOT_HELD))
    ],
    pool=POOL,
    retry_policy=RETRY_LATER,
)  # fmt: skip
def push_lms(
    context: dg.AssetExecutionContext, config: PushConfig, learnsync: LearnsyncResource
) -> Iterator[dg.MaterializeResult]:
    """One push of both objects, courses first: one login, and one check of the org before anything is sent."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            yield from (skipped(NO_ORG, key, held=hold_check(None, key)) for key in LMS)
            return
        maps = load_maps(settings)
        options = PushOptions([COURSE.name, ENROLLMENT.name], match=False, approve=approved(context, config))
        report, took = timed(lambda: run_push(settings, options))
    for target, key in zip((COURSE, ENROLLMENT), LMS, strict=True):
        outcome = report.targets[target.name]
        metadata = _described(maps, target) | push_metadata(report, outcome) | took
        if outcome.notes:
            metadata["notes"] = "\n".join(outcome.notes)
        found = [push_check(outcome, key), hold_check(outcome.hold, key)]
        yield dg.MaterializeResult(asset_key=key, metadata=metadata, check_results=found)
    fail_if_refused(report)


@dg.asset(
    key=["salesforce", "push_preview"],
    deps=[canonical.learning_item_progress, canonical.learning_record, absorb.courses],
    group_name="salesforce",
    kinds={"salesforce"},
    # The difference is computed in the warehouse, and rolled back.
    pool=POOL,
    retry_policy=RETRY_LATER,
)
def push_preview(config: PreviewConfig, learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """What a push would do now, with old and new values of some records. Writes nothing; no job runs it."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            return dg.MaterializeResult(metadata={"skipped": NO_ORG})
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
    metadata["holds"] = "\n\n".join(one.hold.message for one in report.targets.values() if one.hold)
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


def skipped(
    reason: str, key: dg.AssetKey | None = None, held: dg.AssetCheckResult | None = None
) -> dg.MaterializeResult:
    """The result of an asset whose target is not configured."""
    nothing = checks.soft(
        "push_complete", passed=True, description=f"Nothing to push: {reason}.", asset=key, skipped=reason
    )
    return dg.MaterializeResult(
        asset_key=key, metadata={"skipped": reason}, check_results=[nothing, *([held] if held else [])]
    )


def _described(maps: Mapping, target: OrgObject) -> Metadata:
    return {
        "dagster/table_name": target.object,
        "dagster/column_schema": object_schema(maps.object_fields(target.object)),
        "dagster/column_lineage": pushed_lineage(maps, target.object),
    }


def push_metadata(report: PushReport, outcome: TargetReport) -> Metadata:
    """Counts, reasons and samples of a push to one target."""
    samples = [(s["action"], s["external_id"], json.dumps(s["payload"], ensure_ascii=False)) for s in outcome.samples]
    return {
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
        "hold": outcome.hold.id if outcome.hold else "",
        "outdated": sum(outcome.outdated.values()),
        "blocked": sum(outcome.blocked.values()),
        "blocked_reasons": counts_table("reason", outcome.blocked),
        "samples": table_value(["action", "external_id", "payload"], samples),
        "api_calls": report.calls,
        "org_calls_used_today": report.api_used,
        "org_calls_allowed_today": report.api_allowed,
    }


def push_check(outcome: TargetReport, key: dg.AssetKey | None = None) -> dg.AssetCheckResult:
    """Whether the target has every record that may be sent."""
    return checks.soft(
        "push_complete",
        passed=not outcome.pending,
        asset=key,
        description=f"Records that the target lacks or has outdated: {outcome.pending}; see `learnsync rejects`."
        if outcome.pending
        else "",
        rejected=outcome.rejected,
        deferred=outcome.deferred,
        held=outcome.held,
        outdated=counts_table("what differs", outcome.outdated),
        errors=counts_table("code", outcome.errors),
        # Not a fault of the push: who these learners are is for a person to decide.
        blocked=counts_table("reason", outcome.blocked),
    )


def approved(context: dg.AssetExecutionContext, config: PushConfig) -> Sequence[str]:
    """The hold that the run's config or its tag names."""
    named = config.approve or context.run.tags.get(APPROVE_TAG)
    return [named] if named else []


def hold_check(hold: Hold | None, key: dg.AssetKey | None = None) -> dg.AssetCheckResult:
    """Whether the push was sent, or waits because it would change too much of what the org has."""
    if hold is None:
        return checks.hard("not_held", passed=True, asset=key)
    how = f"In Dagster: launch this asset with the tag {APPROVE_TAG} = {hold.id}, or approve: {hold.id} in its config."
    counts = counts_table("counted", {name: rows for name, rows in hold.counts.items() if isinstance(rows, int)})
    text = f"{hold.message} {how}"
    return checks.hard("not_held", passed=False, description=text, asset=key, hold=hold.id, counts=counts)


def fail_if_refused(report: PushReport) -> None:
    """Raise a Failure where an object had every record refused; what each of them met is in the ledger."""
    refused = [target for target in report.targets.values() if target.refused_whole]
    if refused:
        told = "; ".join(f"{one.object}: {one.sent:,} of {one.sent:,} ({', '.join(one.errors)})" for one in refused)
        raise dg.Failure(
            description=f"Every record that was sent was refused. {told}.",
            metadata={"remedy": "See `learnsync rejects list`: it shows what the target says of each record."},
            allow_retries=False,
        )
