"""Warehouse → the two canonical tables: what changed since the last run, and what today's date changes."""

import dagster as dg

from connector.canonical import load_maps
from connector.canonical.build import BuildReport
from connector.settings import Settings
from connector.sync import run_build
from pipelines import checks, lineage
from pipelines.conventions import FRESH, POOL, RETRY_LATER
from pipelines.defs import absorb, matches
from pipelines.resources import LearnsyncResource
from pipelines.tables import Look, Metadata, counts_table, timed


@dg.asset(
    deps=[absorb.enrollments, absorb.courses, *absorb.DETAILS],
    group_name="canonical",
    kinds={"duckdb", "sql"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    metadata={"dagster/table_name": "learning_record"},
    check_specs=[
        checks.spec("learning_record", "one_per_enrollment", "One record for each row of absorb.enrollments."),
        checks.spec("learning_record", "scores_in_range", "Every score that Absorb serves is from 0 to 100."),
    ],
)
def learning_record(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """The LearningRecord of each enrollment: what was learned, from whom, with what result."""
    with learnsync.session() as settings:
        look = Look(settings, "sizes", tables=["learning_record"])
        report, took = timed(lambda: run_build(settings, "learning_record", look))
    [(enrolled, records, _)] = look.rows["sizes"]
    metadata = _describe(settings, look, report, "learning_record") | took
    complete = checks.hard("one_per_enrollment", passed=records == enrolled, records=records, enrollments=enrolled)
    odd = report.scores_out_of_range
    in_range = checks.soft(
        "scores_in_range",
        passed=not odd,
        description=f"Scores outside 0-100: {odd}; null here, as served in absorb.enrollments." if odd else "",
        out_of_range=odd,
    )
    return dg.MaterializeResult(metadata=metadata, check_results=[complete, in_range])


@dg.asset(
    deps=[learning_record, absorb.enrollments, absorb.users, *matches.MATCHES],
    group_name="canonical",
    kinds={"duckdb", "sql"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    freshness_policy=FRESH,
    metadata={"dagster/table_name": "learning_item_progress"},
    check_specs=[
        checks.spec(
            "learning_item_progress", "every_status_mapped", "A rule of the status map decides every enrollment."
        ),
        checks.spec("learning_item_progress", "rows_add_up", "Rows here + unmapped rows = rows of absorb.enrollments."),
    ],
)
def learning_item_progress(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """Where each learner stands today, in the words of Salesforce's LearningItemProgress."""
    with learnsync.session() as settings:
        look = Look(settings, "sizes", "unmapped", tables=["learning_item_progress"])
        report, took = timed(lambda: run_build(settings, "learning_item_progress", look))
    metadata = _describe(settings, look, report, "learning_item_progress") | took
    metadata["statuses"] = counts_table("ProgressStatus", report.statuses)
    metadata["status_changes"] = counts_table("from → to", report.moves)
    lag = look.lag.get("enrollments")
    if lag is not None and lag.lag_seconds is not None:
        metadata["watermark_lag_seconds"] = round(lag.lag_seconds, 3)
    [(enrolled, _, rows)] = look.rows["sizes"]
    results = _check(report, enrolled, rows, dict(look.rows["unmapped"]))
    return dg.MaterializeResult(metadata=metadata, check_results=results)


def _describe(settings: Settings, look: Look, report: BuildReport, table: str) -> Metadata:
    sources = lineage.sources_of(load_maps(settings), table)
    counts = report.tables[table]
    metadata = look.table(table, lineage.notes(sources)) | {
        "dagster/column_lineage": lineage.column_lineage(sources),
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "deleted": counts.deleted,
        "unmapped": report.unmapped,
    }
    if report.as_of is not None:
        metadata["as_of"] = dg.MetadataValue.timestamp(report.as_of)
    return metadata


def _check(report: BuildReport, enrolled: int, rows: int, unmapped: dict[str, int]) -> list[dg.AssetCheckResult]:
    return [
        checks.soft(
            "every_status_mapped",
            passed=report.complete,
            description="" if report.complete else "Add the status to the map; these rows are in no target until then.",
            unmapped=report.unmapped,
            reasons=counts_table("reason", unmapped),
        ),
        checks.hard(
            "rows_add_up",
            passed=rows + report.unmapped == enrolled,
            rows=rows,
            unmapped=report.unmapped,
            enrollments=enrolled,
        ),
    ]
