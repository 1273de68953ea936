"""The analysts' file: a whole copy of the warehouse, replaced at once, so that readers never meet the writer's lock."""

from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from connector.sync import run_publish
from pipelines import checks
from pipelines.defs import absorb, canonical, catalogue, readback, salesforce
from pipelines.resources import RETRY_LATER, LearnsyncResource
from pipelines.tables import Metadata, rows_of, table_value

_COUNT = "SELECT count(*) FROM learning_item_progress"
_TABLES = """
    SELECT schema_name || '.' || table_name, estimated_size
    FROM duckdb_tables() WHERE database_name = current_database()
    ORDER BY ALL
"""


@dg.asset(
    # After the pushes and the read-back, because the ledgers and the tables that they leave are part of the copy.
    deps=[
        canonical.learning_item_progress,
        salesforce.lms_course,
        salesforce.lms_enrollment,
        catalogue.learning,
        catalogue.learning_records,
        readback.read_back,
    ],
    group_name="analysts",
    kinds={"duckdb", "file"},
    owners=absorb.OWNERS,
    pool=absorb.WRITER_POOL,
    retry_policy=RETRY_LATER,
    freshness_policy=canonical.FRESH,
    check_specs=[
        checks.spec("published_warehouse", "opens_and_agrees", "The copy opens and has the warehouse's rows.")
    ],
)
def published_warehouse(learnsync: LearnsyncResource) -> dg.MaterializeResult:
    """The DuckDB file to open for analysis: everything the warehouse holds, never locked by a sync."""
    with learnsync.session() as settings:
        report = run_publish(settings)
        tables, rows = _read_copy(report.path)
        [[(expected,)]] = rows_of(settings, _COUNT)
    metadata: Metadata = {
        "path": dg.MetadataValue.path(report.path.resolve()),
        "bytes": report.bytes,
        "duration_seconds": round(report.seconds, 3),
        "tables": table_value(["table", "rows"], tables),
        "dagster/row_count": rows,
    }
    agrees = checks.hard("opens_and_agrees", passed=rows == expected, published=rows, warehouse=expected)
    return dg.MaterializeResult(metadata=metadata, check_results=[agrees])


def _read_copy(path: Path) -> tuple[list[tuple[Any, ...]], int]:
    """(its tables with their sizes, rows of learning_item_progress), read as an analyst would."""
    with duckdb.connect(str(path), read_only=True) as copy:
        counted = copy.execute(_COUNT).fetchone()
        return copy.execute(_TABLES).fetchall(), counted[0] if counted else 0
