"""How far each list has been read: watermarks of lists read to their end, resume points of walks under way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.times import utc_now
from connector.warehouse.database import Connection, Stamp
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class Watermark:
    """A list that was read to its end: `watermark` covers it, None when nothing may be claimed."""

    stream: str
    scope_id: str
    watermark: datetime | None
    rows: int
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """An unfinished walk: every row edited up to `key` is loaded (None: nothing may be claimed any more)."""

    scope_id: str
    key: datetime | None
    ceiling: datetime


@dataclass(frozen=True, slots=True)
class StreamLag:
    """The lists of one stream: how many, the newest watermark, and when the least recently read one was read whole."""

    stream: str
    lists: int
    newest: datetime | None
    oldest_completed_at: datetime | None

    @property
    def lag_seconds(self) -> float | None:
        """Seconds since the least recently read list was read to its end."""
        return None if self.oldest_completed_at is None else (utc_now() - self.oldest_completed_at).total_seconds()


def put_watermarks(connection: Connection, marks: Sequence[Watermark], stamp: Stamp) -> None:
    """Write watermarks. Call inside the transaction that writes the rows they cover."""
    if marks:
        connection.execute(sql("watermark_put"), {"marks": rows_param(marks), **stamp.names})


def put_resume_points(
    connection: Connection, stream: str, points: Mapping[str, ResumePoint], finished: Sequence[str], stamp: Stamp
) -> None:
    """Write where walks are, by scope id, and drop the points of finished lists. Call inside the same transaction."""
    under_way = [point for scope, point in points.items() if scope not in finished]
    names = {"tenant_id": stamp.tenant_id, "stream": stream}
    if under_way:
        connection.execute(sql("resume_put"), {"marks": rows_param(under_way), "run_id": stamp.run_id, **names})
    dropped = [*finished, *(point.scope_id for point in under_way if point.key is None)]
    if dropped:
        connection.execute(sql("resume_drop"), {"scopes": rows_param(dropped), **names})


def read_resume_points(connection: Connection, tenant_id: str, stream: str) -> dict[str, ResumePoint]:
    """Scope id → where an unfinished walk can go on."""
    query = 'SELECT scope_id, "key", ceiling FROM ops.resume WHERE tenant_id = $tenant_id AND stream = $stream'
    rows = connection.execute(query, {"tenant_id": tenant_id, "stream": stream}).fetchall()
    return {row[0]: ResumePoint(*row) for row in rows}


def read_watermarks(connection: Connection, tenant_id: str, stream: str) -> dict[str, datetime | None]:
    """Scope id → watermark for one stream."""
    query = "SELECT scope_id, watermark FROM ops.watermarks WHERE tenant_id = $tenant_id AND stream = $stream"
    return dict(connection.execute(query, {"tenant_id": tenant_id, "stream": stream}).fetchall())


def watermark_lag(connection: Connection, tenant_id: str) -> dict[str, StreamLag]:
    """Stream → watermark figures of this tenant."""
    rows = connection.execute(sql("watermark_lag"), {"tenant_id": tenant_id}).fetchall()
    return {row[0]: StreamLag(*row) for row in rows}
