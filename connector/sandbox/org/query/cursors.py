"""Pages of a query result, by locator (docs/facts/salesforce.md section 5)."""

from dataclasses import dataclass
from typing import Any

from connector.sandbox.org.errors import refused
from connector.sandbox.org.query.run import Result
from connector.sandbox.org.rows.ids import record_ids
from connector.sandbox.org.rows.table import Row

_MAX_CURSORS = 10


@dataclass(slots=True)
class Page:
    """One batch of a result."""

    total: int
    records: list[Row]
    locator: str | None

    def as_dict(self, version: str) -> dict[str, Any]:
        """The QueryResult as the REST API prints it."""
        out: dict[str, Any] = {"totalSize": self.total, "done": self.locator is None}
        if self.locator:
            out["nextRecordsUrl"] = f"/services/data/v{version}/query/{self.locator}"
        return out | {"records": self.records}


class Cursors:
    """Open results by locator; an org keeps ten per user and drops the oldest."""

    def __init__(self) -> None:
        self._ids = record_ids("01g")
        self._open: dict[str, Result] = {}

    def first(self, result: Result, version: str, batch: int) -> Page:
        """The first batch, keeping the rest for ``more``."""
        if result.count_only:
            return Page(len(result.rows), [], None)
        cursor = next(self._ids)
        if len(result.rows) > batch:
            self._open[cursor] = result
            while len(self._open) > _MAX_CURSORS:
                del self._open[next(iter(self._open))]
        return _page(cursor, result, version, 0, batch)

    def more(self, locator: str, version: str, batch: int) -> Page:
        """The batch at a locator of the form ``01g…-2000``."""
        cursor, _, start = locator.partition("-")
        result = self._open.get(cursor)
        if result is None or not start.isdigit() or int(start) > len(result.rows):
            raise refused("INVALID_QUERY_LOCATOR", "invalid query locator")
        return _page(cursor, result, version, int(start), batch)


def _page(cursor: str, result: Result, version: str, start: int, batch: int) -> Page:
    end = start + batch
    records = [result.project(row, version) for row in result.rows[start:end]]
    return Page(len(result.rows), records, f"{cursor}-{end}" if end < len(result.rows) else None)
