"""Absorb → warehouse: one asset per stream, each the incremental pull of that stream."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from connector.absorb.pull.options import PullOptions, PullReport, StreamReport
from connector.absorb.pull.reconcile import DueSweep
from connector.settings import Settings
from connector.sync import run_due_sweep, run_pull
from connector.times import utc_now
from connector.warehouse.watermarks import StreamLag
from pipelines import checks
from pipelines.conventions import POOL, RETRY_LATER
from pipelines.lineage import absorb_notes
from pipelines.resources import LearnsyncResource
from pipelines.tables import Look, Metadata, table_value

_MOST_REASONS = 20


class PullConfig(dg.Config):
    """`full` reads the stream from its beginning in place of from its watermarks."""

    full: bool = False


def _stream_asset(
    stream: str,
    description: str,
    deps: Sequence[dg.AssetsDefinition] = (),
    more_checks: Sequence[dg.AssetCheckSpec] = (),
) -> dg.AssetsDefinition:
    """The asset of one stream: its incremental pull, what the pull did, and what a person should look at."""
    asset = f"absorb/{stream}"

    @dg.asset(
        key=["absorb", stream],
        deps=deps,
        description=description,
        group_name="absorb",
        kinds={"duckdb"},
        pool=POOL,
        retry_policy=RETRY_LATER,
        metadata={"dagster/table_name": f"absorb.{stream}"},
        check_specs=[
            checks.spec(asset, "quarantine_empty", "No row of this stream waits in ops.quarantine."),
            checks.spec(asset, "schema_as_known", "The portal serves no field that learnsync does not know."),
            checks.spec(asset, "no_field_vanished", "The portal still serves every field that it served before."),
            checks.spec(asset, "values_as_before", "No field has far more nulls than before, in rows known before."),
            checks.spec(asset, "every_list_read", "Every list was read to its end, so its watermark moved."),
            checks.spec(asset, "keys_unique", "No two rows have the same tenant and id."),
            *more_checks,
        ],
    )
    def pulled(
        context: dg.AssetExecutionContext, config: PullConfig, learnsync: LearnsyncResource
    ) -> dg.MaterializeResult:
        with learnsync.session() as settings:
            return _pull(settings, stream, context, config)

    return pulled


departments = _stream_asset("departments", "Departments of the portal: the tree that learners belong to.")

users = _stream_asset(
    "users",
    "Users of the portal, learners and staff; matching them to people in Salesforce needs their ids and addresses.",
    [departments],
)

courses = _stream_asset(
    "courses", "The course catalogue, inactive courses too: each one has a list of enrollments to read."
)

enrollments = _stream_asset(
    "enrollments",
    "Course enrollments: who takes what, how far they are, and until when. One row per enrollment ever seen.",
    # Parents first: a list is read per course, and a learner should be known before their enrollment.
    [users, courses],
    [
        checks.spec("absorb/enrollments", "learners_known", "Every enrollment's learner is in absorb.users."),
        checks.spec("absorb/enrollments", "courses_known", "Every enrollment's course is in absorb.courses."),
        checks.spec("absorb/enrollments", "sweep_trusted", "A sweep for deletions that was due was plausible."),
    ],
)

# Read by the pull of enrollments where LEARNSYNC_ABSORB__DETAIL_STREAMS names them; it reports their materializations.
DETAILS = [
    dg.AssetSpec(
        ["absorb", name],
        deps=[enrollments],
        description=f"{text} Off unless LEARNSYNC_ABSORB__DETAIL_STREAMS names it; read with the enrollments.",
        group_name="absorb",
        kinds={"duckdb"},
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
    settings: Settings, stream: str, context: dg.AssetExecutionContext, config: PullConfig
) -> dg.MaterializeResult:
    shown = [stream, *settings.absorb.detail_streams] if stream == "enrollments" else [stream]
    tables = [f"absorb.{name}" for name in shown]
    look = Look(
        settings, "quarantined", "unknown_fields", "parents", tables=tables, unique=f"absorb.{stream}", stream=stream
    )
    swept, begun_at = DueSweep(), _begun_at(context)
    if stream == "enrollments":  # the last of the lists, and what the canonical tables wait for
        swept = run_due_sweep(settings, begun_at)
    options = PullOptions([stream], config.full and not swept.whole, begun_at=begun_at)
    pulled = run_pull(settings, options, look=look)
    reports = pulled.streams
    metadata = {
        name: look.table(f"absorb.{name}", absorb_notes(name))
        | _pull_metadata(report, look.lag.get(name) if name == stream else None)
        for name, report in reports.items()
    }
    for name in reports.keys() - {stream}:  # details are read with the enrollments they lie in
        context.log_event(dg.AssetMaterialization(["absorb", name], metadata=metadata[name]))
    if pulled.new_warehouse:
        context.log.warning(f"A new warehouse was made at {pulled.new_warehouse}.")
    failures = {name: why for report in reports.values() for name, why in report.failures.items()}
    results = [*_check(look, stream, failures), *_check_fields(pulled, shown)]
    if stream == "enrollments":
        results.append(sweep_trusted(swept))
    return dg.MaterializeResult(metadata=metadata[stream], check_results=results)


def _begun_at(context: dg.AssetExecutionContext) -> datetime:
    """When the run began that all these pulls are part of."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    started = record.start_time if record else None
    return datetime.fromtimestamp(started, UTC) if started else utc_now()


def sweep_trusted(swept: DueSweep) -> dg.AssetCheckResult:
    """The check on a sweep for deletions: it fails where one was due and what vanished was not marked."""
    reasons = [swept.error] if swept.error else swept.report.refused if swept.report else []
    removed = {name: lost.removed for name, lost in swept.report.losses.items()} if swept.report else {}
    said = " ".join(f"{text}." for text in reasons)
    return checks.soft("sweep_trusted", passed=swept.trusted, description=said, due=swept.report is not None, **removed)


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


def _check(look: Look, stream: str, failures: Mapping[str, str]) -> list[dg.AssetCheckResult]:
    found, drifted, parents = (look.rows[name] for name in ("quarantined", "unknown_fields", "parents"))
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
        checks.hard(
            "every_list_read",
            passed=not failures,
            description="What was not read stays due: the next pull asks for it again." if failures else "",
            failed=len(failures),
            lists=table_value(["list", "reason"], list(failures.items())[:_MOST_REASONS]),
        ),
        checks.keys_unique(look.repeated, f"absorb.{stream}"),
    ]
    return [*results, *_check_parents(*parents[0])] if stream == "enrollments" else results


def _check_fields(pulled: PullReport, streams: Sequence[str]) -> list[dg.AssetCheckResult]:
    vanished = [one for one in pulled.vanished if one.stream in streams]
    emptied = [one for one in pulled.emptied if one.stream in streams]
    return [
        checks.hard(
            "no_field_vanished",
            passed=not vanished,
            description="Stored values stay; docs/operators.md, A field vanished." if vanished else "",
            fields=table_value(["field", "since"], [(str(one), str(one.since)) for one in vanished]),
        ),
        checks.soft(
            "values_as_before",
            passed=not emptied,
            description="; ".join(map(str, emptied)),
            fields=len(emptied),
        ),
    ]


def _check_parents(no_learner: int, no_course: int, total: int) -> list[dg.AssetCheckResult]:
    # Soft: a role may see fewer users than the enrollment lists name.
    return [
        checks.soft("learners_known", passed=not no_learner, unknown=no_learner, enrollments=total),
        checks.soft("courses_known", passed=not no_course, unknown=no_course, enrollments=total),
    ]
