"""Salesforce → warehouse, after the push: what became of our records, and native progress. Skipped without an org."""

from collections.abc import Iterator

import dagster as dg

from connector.salesforce.readback.readback import ReadbackOptions, ReadbackReport
from connector.sync import run_check
from pipelines import checks
from pipelines.conventions import NO_ORG, POOL, RETRY_LATER
from pipelines.defs import salesforce
from pipelines.defs.matches import ReadbackConfig, object_result, object_spec, skipped
from pipelines.resources import LearnsyncResource
from pipelines.tables import Look, Row, counts_table, table_value, timed

# Table of the schema `salesforce` → (object, what it holds).
OBJECTS = {
    "lms_courses": ("LMS_Course__c", "Our course records as the org has them."),
    "lms_enrollments": ("LMS_Enrollment__c", "Our enrollment records as the org has them."),
    "learning_item_progress": ("LearningItemProgress", "Progress as Salesforce counts it; with Enablement only."),
}


@dg.multi_asset(
    name="salesforce__readback",  # a failure here, like one of a push, leaves something to publish
    specs=[object_spec(table, text, [*salesforce.LMS]) for table, (_, text) in OBJECTS.items()],
    check_specs=[
        checks.spec(
            "readback/lms_enrollments",
            "no_drift",
            "Nobody changed or deleted our records, and native progress agrees with ours.",
        )
    ],
    pool=POOL,
    retry_policy=RETRY_LATER,
)
def read_back(
    config: ReadbackConfig, learnsync: LearnsyncResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """What the org holds: our records compared with what was sent, and native progress."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            yield from skipped(*OBJECTS)
            yield checks.soft("no_drift", passed=True, description=f"Nothing to read back: {NO_ORG}.")
            return
        look = Look(settings, "drift", tables=[f"salesforce.{table}" for table in OBJECTS])
        report, took = timed(lambda: run_check(settings, ReadbackOptions(config.full), look))
    for table, (name, _) in OBJECTS.items():
        yield object_result(look, table, name, report, took)
    yield _no_drift(report, look.rows["drift"])


def _no_drift(report: ReadbackReport, found: list[Row]) -> dg.AssetCheckResult:
    due = sum(counts.due for counts in report.own.values())
    return checks.soft(
        "no_drift",
        passed=not report.drift,
        description="See salesforce.drift; what is due again, the next push repairs." if report.drift else "",
        differences=counts_table("kind", report.drift),
        samples=table_value(["kind", "object", "external_id", "field", "ours", "theirs"], found),
        due_again=due,
    )
