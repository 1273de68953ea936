"""What a full sweep meets, spooled to disk: course by course, in no memory to speak of."""

import csv
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from connector.streams.rows import GUID_PATTERN

_GUID = re.compile(GUID_PATTERN)


class Sweep(ExitStack):
    """The ids met, and the courses read to their end, as CSV files in a folder; leaving the context closes them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        self.ids = folder / "ids.csv"
        self.courses = folder / "courses.csv"
        self.doubtful: set[str] = set()
        self._seen: dict[str, int] = {}
        self._id_rows, self._course_rows = (
            csv.writer(self.enter_context(path.open("w", encoding="utf-8", newline="")))
            for path in (self.ids, self.courses)
        )

    def page(self, course_id: str, ids: Sequence[str | None]) -> None:
        """Note the ids of one page."""
        known = [row_id for row_id in ids if row_id is not None and _GUID.match(row_id)]
        if len(known) < len(ids):
            self.doubt(course_id)
        self._id_rows.writerows((course_id, row_id) for row_id in known)
        self._seen[course_id] = self._seen.get(course_id, 0) + len(known)

    def doubt(self, course_id: str) -> None:
        """A row without a usable id could be any of ours, and a count above what was served may be too: no proof."""
        self.doubtful.add(course_id)

    def finished(self, course_id: str, *, gone: bool = False) -> None:
        """The course was read to its end, or answered that it is gone (404)."""
        self._course_rows.writerow((course_id, self._seen.pop(course_id, 0), gone))
