"""Salesforce → Absorb: assignments become enrollments. No job runs it; it writes only where a person asks it to."""

import dagster as dg

from connector.assignments import AssignOptions, AssignReport
from connector.sync import run_assign
from pipelines.conventions import NO_ASSIGNMENTS, NO_ORG, POOL, RETRY_LATER
from pipelines.defs import absorb
from pipelines.resources import LearnsyncResource
from pipelines.tables import Metadata, counts_table, table_value, timed

_COLUMNS = ("outcome", "assignment_id", "learner", "course", "user_id", "course_id", "error_text")


class AssignConfig(dg.Config):
    """Without `apply` nothing is written; `limit` 0 enrolls all who are due; `samples` is per outcome."""

    apply: bool = False
    limit: int = 0
    retry: bool = False
    samples: int = 10


@dg.asset(
    key=["absorb", "assigned_enrollments"],
    deps=[absorb.users, absorb.courses, absorb.enrollments, ["readback", "users"], ["readback", "learning_items"]],
    group_name="absorb",
    kinds={"salesforce", "duckdb"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    metadata={"dagster/table_name": "ops.assignments"},
)
def assigned_enrollments(config: AssignConfig, learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """Who was assigned a course in Salesforce, enrolled in Absorb with `apply: true`. The next pull brings them."""
    with learnsync.session() as settings:
        if not settings.assignments.enabled:
            return dg.MaterializeResult(metadata={"skipped": NO_ASSIGNMENTS})
        if not settings.salesforce.login_url:
            return dg.MaterializeResult(metadata={"skipped": NO_ORG})
        options = AssignOptions(config.apply, config.limit or None, config.retry, config.samples)
        report, took = timed(lambda: run_assign(settings, options))
    return dg.MaterializeResult(metadata=_metadata(report) | took)


def _metadata(report: AssignReport) -> Metadata:
    samples = [tuple(sample[name] or "" for name in _COLUMNS) for sample in report.samples]
    failures = [(one["state"], one["assignment_id"], one["error_text"] or "") for one in report.failures]
    return {
        "dry_run": report.dry_run,
        "outcomes": counts_table("outcome", report.outcomes),
        "samples": table_value(_COLUMNS, samples),
        "failures": table_value(["state", "assignment_id", "error_text"], failures),
        "enrolled": report.enrolled,
        "already_enrolled": report.already,
        "rejected": report.rejected,
        "deferred": report.deferred,
        "left_out": report.left_out,
        "api_calls": report.calls + report.absorb_requests,
    }
