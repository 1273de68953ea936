"""From where each list is walked. Decisions only: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.absorb.pull.options import ALL, PullOptions
from connector.warehouse.load import ResumePoint


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk begins; `floor` is what the warehouse holds already, `covers` whether its end may be claimed."""

    since: datetime | None
    floor: datetime | None = None
    covers: bool = True


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of one stream's walks: from the watermark less the overlap, or from where a killed walk was."""

    options: PullOptions
    overlap: timedelta
    marks: Mapping[str, datetime | None]
    points: Mapping[str, ResumePoint]

    def of(self, scope: str) -> Start:
        """Where the list of `scope` begins; `--since` and `--full` come first."""
        mark = self.marks.get(scope)
        asked = self.options.since
        # Account-wide lists are small, and a new warehouse needs them whole to know whose and what the enrollments are.
        if asked is not None and (scope != ALL or mark is not None):
            # A walk that begins later than the list's watermark leaves a gap and may not move it.
            return Start(asked, covers=mark is not None and asked <= mark)
        if self.options.full:
            return Start(None)
        since = mark - self.overlap if mark is not None else None
        point = self.points.get(scope)
        if point is not None and point.key is not None:
            # What became visible late while the killed walk ran is read again, like the overlap of any pull.
            key = min(point.key, point.ceiling - self.overlap)
            if since is None or key > since:
                return Start(key, floor=key)
        return Start(since)
