"""getUpdated and getDeleted of the sandbox org (docs/facts/salesforce.md section 5).

Seconds of both ends are ignored. What may be asked for goes back 30 days for updates and 15 for deletions, and an
answer never names more than 600,000 ids. The codes of refusals are those of the API's list; the wordings are ours.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from connector.sandbox.kit.instants import offset_instant, org_text
from connector.sandbox.org.errors import refused

UPDATED_DAYS, DELETED_DAYS = 30, 15
ID_LIMIT = 600_000


class Replication:
    """What is asked of both resources alike. `id_limit` and `held_back` are for tests to set."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.id_limit = ID_LIMIT
        self.log_from: datetime | None = None
        # An open transaction: changes after this may still be missing from the answer.
        self.held_back: datetime | None = None

    def purge_log(self) -> None:
        """Deletions up to now are forgotten, as a large log's are every two hours."""
        self.log_from = self._now()

    def window(self, start: str | None, end: str | None, days: int) -> tuple[str, str]:
        """Both ends as stored stamps."""
        moments = [_minute(start, "start"), _minute(end, "end")]
        if moments[0] >= moments[1]:
            raise refused("INVALID_REPLICATION_DATE", "start date must be before end date by at least one minute")
        if moments[0] < self._now() - timedelta(days=days):
            raise refused("INVALID_REPLICATION_DATE", f"start date is more than {days} days ago")
        return org_text(moments[0]), org_text(min(moments[1], self._now()))

    def capped(self, ids: Iterable[str]) -> list[str]:
        """The ids, if they are not too many."""
        found = sorted(ids)
        if len(found) > self.id_limit:
            raise refused("EXCEEDED_ID_LIMIT", f"more than {self.id_limit} ids; use a smaller window")
        return found

    def covered(self, end: str) -> str:
        """Up to when an answer is whole."""
        return min(end, org_text(self.held_back)) if self.held_back else end

    def earliest(self) -> datetime:
        """The first instant that the log of deletions still covers."""
        oldest = self._now() - timedelta(days=DELETED_DAYS)
        return max(oldest, self.log_from or oldest)


def _minute(text: str | None, name: str) -> datetime:
    moment = offset_instant(text or "")
    if moment is None:
        raise refused("INVALID_FIELD", f"{name} must be a dateTime with an offset")
    return moment.replace(second=0, microsecond=0)
