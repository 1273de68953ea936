"""What a pull is asked for, what it reports, and what its parts share while it runs."""

import csv
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from connector import files
from connector.absorb.client import AbsorbClient
from connector.absorb.walk.pages import MAX_LIMIT
from connector.progress import Progress, Silent
from connector.settings import Settings
from connector.streams import STREAMS
from connector.streams.rows import GUID_PATTERN
from connector.times import utc_now
from connector.warehouse.database import Warehouse
from connector.warehouse.fields import Emptied, Vanished
from connector.warehouse.load import LoadCounts

ALL = "*"  # the scope of a list that is not one course's
ORDER = tuple(STREAMS)  # departments, users, courses, enrollments: courses must be known before their enrollments
_GUID = re.compile(GUID_PATTERN)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read between two commits (so much is asked for again after a kill), and when a pull gives up.

    A group of pages is loaded when it is `group_seconds` old, or older where loading takes long: then as old as four
    loads take, `longest_seconds` at the most. Or sooner, when it is as large as one of the three that follow.
    """

    group_seconds: float = 2.0
    longest_seconds: float = 8.0
    group_rows: int = 125_000
    group_bytes: int = 12_000_000  # a pull of 100,000 rows takes some 360 MB so, and 450 with four times as many
    group_lists: int = 10_000  # pages, and ends of lists
    detail_pairs: int = 200  # learners and courses whose details are loaded together
    detail_seconds: float = 3600.0  # after so long the details that are left wait for the next pull
    largest_page: int = MAX_LIMIT  # rows that one answer may hold
    failures_in_a_row: int = 20  # lists failing one after the other: an outage then, not a bad list

    def patience(self, load_seconds: float) -> float:
        """How old a group may become after a load that took so long: then loading is a small part of the time."""
        return max(self.group_seconds, min(4 * load_seconds, self.longest_seconds))


class Sweep(ExitStack):
    """What a full sweep meets, as CSV files in a folder: the ids, and the lists read to their end.

    On disk, because memory must not grow with the portal. Leaving the context closes them.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        files.make_folder(folder)
        self.ids = folder / "ids.csv"
        self.lists = folder / "lists.csv"
        self.doubtful: set[tuple[str, str]] = set()
        self._seen: dict[tuple[str, str], int] = {}
        self._id_rows, self._list_rows = (
            csv.writer(self.enter_context(files.open_text(path, newline=""))) for path in (self.ids, self.lists)
        )

    def page(self, stream: str, scope: str, ids: Sequence[str | None]) -> None:
        """Note the ids of one page."""
        known = [row_id for row_id in ids if row_id is not None and _GUID.match(row_id)]
        if len(known) < len(ids):
            self.doubt(stream, scope)
        self._id_rows.writerows((stream, scope, row_id) for row_id in known)
        self._seen[stream, scope] = self._seen.get((stream, scope), 0) + len(known)

    def doubt(self, stream: str, scope: str) -> None:
        """A row without a usable id could be any of ours, and a count above what was served may be too: no proof."""
        self.doubtful.add((stream, scope))

    def finished(self, stream: str, scope: str, *, gone: bool = False) -> None:
        """The list was read to its end, or its course answered that it is gone (404)."""
        self._list_rows.writerow((stream, scope, self._seen.pop((stream, scope), 0), gone))


@dataclass(frozen=True, slots=True)
class PullOptions:
    """`full` reads from the beginning; `since` from an instant; else each list from its watermark minus the overlap.

    `begun_at`: when the sync began that the pull is part of. A 404 that was met since then is not met a second time.
    """

    streams: Sequence[str] = ORDER
    full: bool = False
    since: datetime | None = None
    sweep: Sweep | None = None
    limits: Limits = field(default_factory=Limits)
    begun_at: datetime | None = None


@dataclass(slots=True)
class StreamReport:
    """What a pull did for one stream."""

    stream: str
    counts: LoadCounts = field(default_factory=LoadCounts)
    lists: int = 0
    left_out: int = 0
    requests: int = 0
    retries: int = 0
    seconds: float = 0.0
    tombstones: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    repeated_walks: int = 0


@dataclass(slots=True)
class PullReport:
    """What a pull did. Of all streams, pulled or not: `pending` counts rows in quarantine that wait for a fix;
    `vanished` are fields that the portal stopped serving, `emptied` those whose share of nulls jumped, a warning.

    `new_warehouse` is the path of the warehouse where this pull made it.
    """

    streams: dict[str, StreamReport] = field(default_factory=dict)
    pending: int = 0
    new_warehouse: str | None = None
    vanished: list[Vanished] = field(default_factory=list)
    emptied: list[Emptied] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when every list was read to its end, no field vanished and nothing waits in quarantine."""
        unread = any(report.failures for report in self.streams.values())
        return not self.pending and not self.vanished and not unread


@dataclass(frozen=True, slots=True)
class Context:
    """What every part of one pull works with."""

    settings: Settings
    client: AbsorbClient
    warehouse: Warehouse
    run_id: str
    command: str
    options: PullOptions
    progress: Progress
    begun_at: datetime

    @classmethod
    def of(cls, settings: Settings, run_id: str, command: str, options: PullOptions, progress: Progress | None) -> Self:
        """With the portal and the warehouse that these settings name. Raises SettingsError."""
        client, warehouse = AbsorbClient.of(settings), Warehouse.of(settings)
        begun_at = options.begun_at or utc_now()
        return cls(settings, client, warehouse, run_id, command, options, progress or Silent(), begun_at)

    @property
    def folder(self) -> Path:
        """Where the answers of this run are landed."""
        return self.settings.warehouse.landing / self.run_id
