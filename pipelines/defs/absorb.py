"""Absorb → warehouse: one asset per stream, each the incremental pull of that stream."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from connector.absorb.pull.options import StreamReport
from connector.settings import Settings
from connector.sync import StreamLag, run_pull, watermark_lag
from pipelines import checks
from pipelines.lineage import absorb_notes
from pipelines.resources import RETRY_LATER, LearnsyncResource
from pipelines.tables import Metadata, rows_of, table_metadata, table_value

OWNERS = ["team:learning-data"]
WRITER_POOL = "learnsync_writer"
_MOST_REASONS = 20

_QUARANTINED = """
    SELECT coalesce(field, ''), reason, count(*) AS size, min(source_id)
    FROM ops.quarantine
    WHERE tenant_id = $tenant_id AND stream = $stream AND stage = 'load' AND resolved_at IS NULL
    GROUP BY ALL ORDER BY ALL
"""
_DRIFTED = """
    SELECT field, first_seen FROM ops.drift WHERE tenant_id = $tenant_id AND stream = $stream ORDER BY field
"""
_ORPHANS = """
    SELECT count(*) FILTER (WHERE u.id IS NULL), count(*) FILTER (WHERE c.id IS NULL), count(*)
    FROM absorb.enrollments AS e
    LEFT JOIN absorb.users AS u ON u.tenant_id = e.tenant_id AND u.id = e.user_id
    LEFT JOIN absorb.courses AS c ON c.tenant_id = e.tenant_id AND c.id = e.course_id
    WHERE e.tenant_id = $tenant_id
"""


class PullConfig(dg.Config):
    """`full` reads the stream from its beginning in place of from its watermarks."""

    full: bool = False


def _shared(stream: str, *more_checks: dg.AssetCheckSpec) -> dict[str, Any]:
    """What the four assets have in common."""
    asset = f"absorb/{stream}"
    return {
        "key": ["absorb", stream],
        "group_name": "absorb",
        "kinds": {"duckdb"},
        "owners": OWNERS,
        "pool": WRITER_POOL,
        "retry_policy": RETRY_LATER,
        "metadata": {"dagster/table_name": f"absorb.{stream}"},
        "check_specs": [
            checks.spec(asset, "quarantine_empty", "No row of this stream waits in ops.quarantine."),
            checks.spec(asset, "schema_as_known", "The portal serves no field that learnsync does not know."),
            checks.spec(asset, "every_list_read", "Every list was read to its end, so its watermark moved."),
            *more_checks,
        ],
    }


@dg.asset(**_shared("departments"))
def departments(
    context: dg.AssetExecutionContext, config: PullConfig, learnsync: LearnsyncResource
) -> dg.MaterializeResult:
    """Departments of the portal: the tree that learners belong to."""
    return _pull("departments", context, config, learnsync)


@dg.asset(deps=[departments], **_shared("users"))
def users(context: dg.AssetExecutionContext, config: PullConfig, learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """Users of the portal, learners and staff; matching them to people in Salesforce needs their ids and addresses."""
    return _pull("users", context, config, learnsync)


@dg.asset(**_shared("courses"))
def courses(
    context: dg.AssetExecutionContext, config: PullConfig, learnsync: LearnsyncResource
) -> dg.MaterializeResult:
    """The course catalogue, inactive courses too: each one has a list of enrollments to read."""
    return _pull("courses", context, config, learnsync)


@dg.asset(
    # Parents first: a list is read per course, and a learner should be known before their enrollment.
    deps=[users, courses],
    **_shared(
        "enrollments",
        checks.spec("absorb/enrollments", "learners_known", "Every enrollment's learner is in absorb.users."),
        checks.spec("absorb/enrollments", "courses_known", "Every enrollment's course is in absorb.courses."),
    ),
)
def enrollments(
    context: dg.AssetExecutionContext, config: PullConfig, learnsync: LearnsyncResource
) -> dg.MaterializeResult:
    """Course enrollments: who takes what, how far they are, and until when. One row per enrollment ever seen."""
    return _pull("enrollments", context, config, learnsync)


# Read by the pull of enrollments where LEARNSYNC_ABSORB__DETAIL_STREAMS names them; it reports their materializations.
DETAILS = [
    dg.AssetSpec(
        ["absorb", name],
        deps=[enrollments],
        description=f"{text} Off unless LEARNSYNC_ABSORB__DETAIL_STREAMS names it; read with the enrollments.",
        group_name="absorb",
        kinds={"duckdb"},
        owners=OWNERS,
        metadata={"dagster/table_name": f"absorb.{name}"},
    )
    for name, text in {
        "lesson_enrollments": "Where learners are within their courses, lesson by lesson.",
        "chapter_enrollments": "The same by chapter.",
        "session_enrollments": "Seats in sessions of instructor-led courses.",
        "attempts": "Each attempt at a lesson, with its score.",
    }.items()
]


def _pull(
    stream: str, context: dg.AssetExecutionContext, config: PullConfig, learnsync: LearnsyncResource
) -> dg.MaterializeResult:
    with learnsync.session() as settings:
        reports = run_pull(settings, streams=[stream], full=config.full).streams
        report = reports.pop(stream)
        lag = watermark_lag(settings).get(stream)
        table = table_metadata(settings, f"absorb.{stream}", absorb_notes(stream))
        metadata = table | _pull_metadata(report, lag)
        for detail in reports.values():  # read with the enrollments they lie in
            described = table_metadata(settings, f"absorb.{detail.stream}", absorb_notes(detail.stream))
            shown = described | _pull_metadata(detail, None)
            context.log_event(dg.AssetMaterialization(["absorb", detail.stream], metadata=shown))
        failures = {**report.failures, **{name: why for one in reports.values() for name, why in one.failures.items()}}
        return dg.MaterializeResult(metadata=metadata, check_results=list(_check(settings, stream, failures)))


def _pull_metadata(report: StreamReport, lag: StreamLag | None) -> Metadata:
    counts = report.counts
    metadata: Metadata = {
        "rows_read": counts.read,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "quarantined": counts.quarantined,
        "api_calls": report.requests,
        "retries": report.retries,
        "lists": report.lists,
        "lists_left_out": report.left_out,
        "lists_gone": len(report.tombstones),
        "lists_failed": len(report.failures),
        "duration_seconds": round(report.seconds, 3),
    }
    if lag is not None and lag.lag_seconds is not None:
        metadata["watermark_lag_seconds"] = round(lag.lag_seconds, 3)
    if lag is not None and lag.newest is not None:
        metadata["watermark"] = dg.MetadataValue.timestamp(lag.newest)
    return metadata


def _check(settings: Settings, stream: str, failures: Mapping[str, str]) -> list[dg.AssetCheckResult]:
    found, drifted, orphans = rows_of(settings, _QUARANTINED, _DRIFTED, _ORPHANS, stream=stream)
    waiting = sum(size for _, _, size, _ in found)
    results = [
        checks.soft(
            "quarantine_empty",
            passed=not waiting,
            description=f"Rows that wait in ops.quarantine: {waiting}; see `learnsync rejects`." if waiting else "",
            waiting=waiting,
            reasons=table_value(["field", "reason", "rows", "example_id"], found[:_MOST_REASONS]),
        ),
        checks.soft(
            "schema_as_known",
            passed=not drifted,
            description=f"Unknown fields are kept in absorb.{stream}._extra." if drifted else "",
            fields=table_value(["field", "first_seen"], [(name, str(seen)) for name, seen in drifted]),
        ),
        checks.soft(
            "every_list_read",
            passed=not failures,
            failed=len(failures),
            lists=table_value(["list", "reason"], list(failures.items())[:_MOST_REASONS]),
        ),
    ]
    return [*results, *_check_parents(*orphans[0])] if stream == "enrollments" else results


def _check_parents(no_learner: int, no_course: int, total: int) -> list[dg.AssetCheckResult]:
    # Soft: a role may see fewer users than the enrollment lists name.
    return [
        checks.soft("learners_known", passed=not no_learner, unknown=no_learner, enrollments=total),
        checks.soft("courses_known", passed=not no_course, unknown=no_course, enrollments=total),
    ]
