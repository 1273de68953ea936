"""The analysts' file, replaced at once, so that readers never meet the writer's lock."""

from pathlib import Path

import dagster as dg
import duckdb

from connector.sync import run_publish
from connector.warehouse.memory import Means
from pipelines import checks
from pipelines.conventions import FRESH, POOL, RETRY_LATER
from pipelines.defs import canonical, catalogue, matches, readback, salesforce
from pipelines.resources import LearnsyncResource
from pipelines.tables import Look, Metadata, Row, sql, table_value


@dg.asset(
    # After the pushes and the read-back, because the ledgers and the tables that they leave are part of it.
    deps=[
        canonical.learning_item_progress,
        salesforce.push_lms,
        catalogue.learning,
        catalogue.learning_records,
        matches.match_org,
        readback.read_back,
    ],
    group_name="analysts",
    kinds={"duckdb", "file"},
    pool=POOL,
    retry_policy=RETRY_LATER,
    freshness_policy=FRESH,
    check_specs=[
        checks.spec("published_warehouse", "opens_and_agrees", "The copy opens and has the warehouse's rows.")
    ],
)
def published_warehouse(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """The DuckDB file to open for analysis: what published.csv lists of the warehouse, never locked by a sync."""
    with learnsync.session() as settings:
        look = Look(settings, "progress_rows")
        report = run_publish(settings, look)
        tables, rows = _read_copy(report.path, Means.of(settings))
    [(expected,)] = look.rows["progress_rows"]
    metadata: Metadata = {
        "path": dg.MetadataValue.path(report.path.resolve()),
        "bytes": report.bytes,
        "how": report.how,
        "rows_replaced": report.rows,
        "duration_seconds": round(report.seconds, 3),
        "tables": table_value(["table", "rows"], tables),
        "dagster/row_count": rows,
    }
    agrees = checks.hard("opens_and_agrees", passed=rows == expected, published=rows, warehouse=expected)
    return dg.MaterializeResult(metadata=metadata, check_results=[agrees])


def _read_copy(path: Path, means: Means) -> tuple[list[Row], int]:
    """(its tables with their sizes, rows of learning_item_progress), read as an analyst would."""
    with duckdb.connect(str(path), read_only=True, config={"memory_limit": means.limit}) as copy:
        [(rows,)] = copy.execute(sql("progress_rows")).fetchall()
        return copy.execute(sql("published_tables")).fetchall(), rows
