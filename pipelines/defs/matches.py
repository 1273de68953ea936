"""Salesforce → warehouse, before the build: people and learning items, and who and what they are in Absorb."""

from collections.abc import Iterator

import dagster as dg

from connector.canonical import load_maps
from connector.salesforce.readback.readback import ReadbackOptions, ReadbackReport
from connector.sync import run_match
from pipelines.conventions import NO_ORG, POOL, RETRY_LATER
from pipelines.defs import absorb
from pipelines.lineage import column_lineage, matched_sources
from pipelines.resources import LearnsyncResource
from pipelines.tables import Look, Metadata, counts_table, timed

# Table of the schema `salesforce` → (object, what it holds).
OBJECTS = {
    "users": ("User", "Users of the org, kept up to date by their changes; matching looks at them."),
    "contacts": ("Contact", "Contacts that a learner can match, kept up to date by their changes."),
    "learning_items": ("LearningItem", "Native learning items, which courses are matched to; with Enablement only."),
}
LEARNERS, ITEMS = dg.AssetKey(["salesforce", "learner_matches"]), dg.AssetKey(["salesforce", "item_matches"])
MATCHES = (LEARNERS, ITEMS)


class ReadbackConfig(dg.Config):
    """`full` reads every object anew instead of its changes."""

    full: bool = False


def object_spec(table: str, description: str, deps: list[dg.AssetKey]) -> dg.AssetSpec:
    """The asset of a table of the schema `salesforce` that holds an object of the org."""
    return dg.AssetSpec(
        ["readback", table],
        deps=deps,
        description=description,
        group_name="readback",
        kinds={"salesforce", "duckdb"},
        metadata={"dagster/table_name": f"salesforce.{table}"},
    )


def _match_spec(key: dg.AssetKey, description: str, deps: list[dg.AssetKey]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=deps,
        description=description,
        group_name="canonical",
        kinds={"duckdb", "sql"},
        metadata={"dagster/table_name": key.to_user_string().replace("/", ".")},
    )


@dg.multi_asset(
    name="salesforce__matches",
    specs=[
        *(object_spec(table, text, []) for table, (_, text) in OBJECTS.items()),
        _match_spec(
            LEARNERS,
            "Which Salesforce person each learner is (mappings/learner_crosswalk.csv, then learner_matching.csv).",
            [absorb.users.key, dg.AssetKey(["readback", "users"]), dg.AssetKey(["readback", "contacts"])],
        ),
        _match_spec(
            ITEMS,
            "Which LearningItem each course is (mappings/learning_items.csv).",
            [absorb.courses.key, dg.AssetKey(["readback", "learning_items"])],
        ),
    ],
    pool=POOL,
    retry_policy=RETRY_LATER,
)
def match_org(config: ReadbackConfig, learnsync: LearnsyncResource) -> Iterator[dg.MaterializeResult]:
    """The org's people and learning items by their changes, and the matches that the build looks up."""
    with learnsync.session() as settings:
        if not settings.salesforce.login_url:
            yield from skipped(*OBJECTS)
            yield from (dg.MaterializeResult(asset_key=key, metadata={"skipped": NO_ORG}) for key in MATCHES)
            return
        tables = [f"salesforce.{name}" for name in (*OBJECTS, "learner_matches", "item_matches")]
        look, maps = Look(settings, tables=tables), load_maps(settings)
        report, took = timed(lambda: run_match(settings, ReadbackOptions(config.full), look))
    for table, (name, _) in OBJECTS.items():
        yield object_result(look, table, name, report, took)
    learners = {"dagster/column_lineage": column_lineage(matched_sources(maps))}
    notes: Metadata = {"notes": "\n".join(report.notes)} if report.notes else {}
    yield _match_result(look, LEARNERS, report.learners, learners | took | notes)
    yield _match_result(look, ITEMS, report.items, took)


def _match_result(look: Look, key: dg.AssetKey, counts: dict[str, int], more: Metadata) -> dg.MaterializeResult:
    metadata = look.table(key.to_user_string().replace("/", "."), {}) | more
    return dg.MaterializeResult(asset_key=key, metadata=metadata | {"outcomes": counts_table("outcome", counts)})


def skipped(*tables: str) -> Iterator[dg.MaterializeResult]:
    """The results where no org is set."""
    for table in tables:
        yield dg.MaterializeResult(asset_key=["readback", table], metadata={"skipped": NO_ORG})


def object_result(look: Look, table: str, name: str, report: ReadbackReport, took: Metadata) -> dg.MaterializeResult:
    """What was read of one object, and its table afterwards."""
    metadata = look.table(f"salesforce.{table}", {}) | took | {"api_calls": report.calls}
    if read := report.objects.get(name):
        metadata |= {
            "rows_read": read.rows,
            "inserted": read.inserted,
            "updated": read.updated,
            "removed": read.removed,
            "read_in_full": read.full or "no: changes only",
        }
    else:
        metadata["not_read"] = report.absent.get(name, "no rule of learner_matching.csv looks at it")
    return dg.MaterializeResult(asset_key=["readback", table], metadata=metadata)
