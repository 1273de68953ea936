"""The stages that need neither portal nor org: the command line starts them without the HTTP client."""

from connector.canonical.build import TABLES, BuildReport, build
from connector.settings import Settings
from connector.stage import Look, stage
from connector.warehouse.publish import PublishReport, publish


def run_build(settings: Settings, table: str | None = None, look: Look | None = None) -> BuildReport:
    """Warehouse → canonical tables; `table` restricts it to learning_record or learning_item_progress."""
    tables = TABLES if table is None else (table,)
    return stage(settings, "build", lambda run_id, close: build(settings, run_id, tables, close), look)


def run_publish(settings: Settings, look: Look | None = None) -> PublishReport:
    """Replace the analysts' file."""
    return stage(settings, "publish", lambda run_id, close: publish(settings, run_id, close), look)
