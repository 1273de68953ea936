"""How far behind a stream's watermarks are."""

from dataclasses import dataclass
from datetime import datetime

from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import statements

sql = statements(__package__)


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


def watermark_lag(connection: Connection, tenant_id: str) -> dict[str, StreamLag]:
    """Stream → watermark figures of this tenant."""
    rows = connection.execute(sql("watermark_lag"), {"tenant_id": tenant_id}).fetchall()
    return {row[0]: StreamLag(*row) for row in rows}
