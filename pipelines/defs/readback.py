"""Salesforce → warehouse: who is there, what became of our records, native progress. Skipped without an org."""

from collections.abc import Iterator

import dagster as dg

from connector.salesforce.readback.readback import ObjectReport, ReadbackOptions, ReadbackReport
from connector.settings import Settings
from connector.sync import run_readback
from pipelines import checks
from pipelines.defs import absorb, salesforce
from pipelines.resources import RETRY_LATER, LearnsyncResource
from pipelines.tables import Metadata, counts_table, rows_of, table_metadata, table_value, timed

_PUSHED = [salesforce.lms_course.key, salesforce.lms_enrollment.key]
# Table of the schema `salesforce` → (object, what it holds).
TABLES = {
    "users": ("User", "Users of the org, kept up to date by their changes; matching looks at them."),
    "contacts": ("Contact", "Contacts with an email address, kept up to date by their changes."),
    "lms_courses": ("LMS_Course__c", "Our course records as the org has them."),
    "lms_enrollments": ("LMS_Enrollment__c", "Our enrollment records as the org has them."),
    "learning_items": ("LearningItem", "Native learning items, which courses are matched to; with Enablement only."),
    "learning_item_progress": ("LearningItemProgress", "Salesforce's own word on progress; with Enablement only."),
}
_DRIFT = """
    SELECT kind, object, external_id, coalesce(field, ''), coalesce(ours, ''), coalesce(theirs, '')
    FROM salesforce.drift WHERE tenant_id = $tenant_id
    ORDER BY ALL LIMIT 20
"""
_CHECK = checks.spec(
    "readback/lms_enrollments",
    "no_drift",
    "Nobody changed or deleted our records, and native progress agrees with ours.",
)


class ReadbackConfig(dg.Config):
    """`full` reads every object anew instead of its changes."""

    full: bool = False


def _spec(table: str) -> dg.AssetSpec:
    _, description = TABLES[table]
    return dg.AssetSpec(
        dg.AssetKey(["readback", table]),
        deps=_PUSHED,
        description=description,
        group_name="readback",
        kinds={"salesforce", "duckdb"},
        owners=absorb.OWNERS,
        metadata={"dagster/table_name": f"salesforce.{table}"},
    )


@dg.multi_asset(
    name="salesforce__readback",  # a failure here, like one of a push, leaves something to publish
    specs=[_spec(table) for table in TABLES],
    check_specs=[_CHECK],
    pool=absorb.WRITER_POOL,
    retry_policy=RETRY_LATER,
)
def read_back(
    config: ReadbackConfig, learnsync: LearnsyncResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """What the org holds: our records compared with what was sent, people, and native progress."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            yield from _skipped()
            return
        # The pushes have just read the people; a full read is asked for to put everything right.
        options = ReadbackOptions(full=config.full, people=config.full)
        report, took = timed(lambda: run_readback(settings, options))
        results = [_result(settings, table, report, took) for table in TABLES]
        [found] = rows_of(settings, _DRIFT)
    yield from results
    yield _no_drift(report, found)


def _skipped() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    for table in TABLES:
        yield dg.MaterializeResult(asset_key=["readback", table], metadata={"skipped": salesforce.SKIPPED})
    yield checks.soft("no_drift", passed=True, description=f"Nothing to read back: {salesforce.SKIPPED}.")


def _result(settings: Settings, table: str, report: ReadbackReport, took: Metadata) -> dg.MaterializeResult:
    name, _ = TABLES[table]
    read = report.objects.get(name)
    metadata = table_metadata(settings, f"salesforce.{table}", {}) | took | {"api_calls": report.calls}
    metadata |= _figures(read) if read else {"not_read": report.absent.get(name, "read by the push")}
    return dg.MaterializeResult(asset_key=["readback", table], metadata=metadata)


def _figures(read: ObjectReport) -> Metadata:
    return {
        "rows_read": read.rows,
        "inserted": read.inserted,
        "updated": read.updated,
        "removed": read.removed,
        "read_in_full": read.full or "no: changes only",
    }


def _no_drift(report: ReadbackReport, found: list[tuple[str, ...]]) -> dg.AssetCheckResult:
    due = sum(counts.due for counts in report.own.values())
    return checks.soft(
        "no_drift",
        passed=not report.drift,
        description="See salesforce.drift; what is due again, the next push repairs." if report.drift else "",
        differences=counts_table("kind", report.drift),
        samples=table_value(["kind", "object", "external_id", "field", "ours", "theirs"], found),
        due_again=due,
        courses_by_learning_item=counts_table("outcome", report.items),
    )
