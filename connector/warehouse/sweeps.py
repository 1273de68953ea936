"""ops.sweeps: when each list was last compared whole with the warehouse, and which are due to be again."""

from collections.abc import Collection
from datetime import datetime

from connector.warehouse.database import Connection, Stamp
from connector.warehouse.statements import statements

sql = statements(__package__)

# The lists in which a row that is not served is a row that is gone. Courses are gone by the answer of their own list.
SWEPT = ("departments", "users", "enrollments")


def put_sweeps(connection: Connection, streams: Collection[str], swept_at: datetime, stamp: Stamp) -> None:
    """Write that these lists were read whole from `swept_at` on, and what was missing from them is marked."""
    if streams:
        values = {"streams": list(streams), "swept_at": swept_at, **stamp.names}
        connection.execute(sql("sweeps_put"), values)


def streams_due(connection: Connection, tenant_id: str, before: datetime) -> list[str]:
    """The streams with live rows that were not swept since `before`; none of an empty warehouse."""
    found = connection.execute(sql("sweeps_due"), {"tenant_id": tenant_id, "before": before}).fetchall()
    return [stream for (stream,) in found]
