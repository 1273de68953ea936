"""A portal that answers out of memory: every row is rendered to bytes beforehand, a page is a slice of them, joined.

What it costs stands for the least that any portal could cost, so that what is measured is the client.
"""

import gc
import json
import random
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from benchmarks import rows
from benchmarks.shape import Shape, digest, row_id

API_KEY, USERNAME, PASSWORD, TOKEN = "8F3B-BENCH", "bench.admin", "made up", "a-token-that-never-ends"
DEFAULT_LIMIT, MOST_ROWS = 20, 1000
# What a portal holds when it starts is older than any overlap that a pull could be set to in a measurement.
_SETTLED = 3 * 3_600_000


@dataclass(slots=True)
class Listed:
    """One list, in the order of dateEdited: of each row its number, when it was edited (ms), and its text."""

    collection: str
    numbers: "array[int]" = field(default_factory=lambda: array("I"))
    edited: "array[int]" = field(default_factory=lambda: array("q"))
    rows: list[bytes] = field(default_factory=list)

    def put(self, number: int, edited: int, row: bytes) -> None:
        """Append a row that is not older than those there."""
        self.numbers.append(number)
        self.edited.append(edited)
        self.rows.append(row)

    def take(self, number: int) -> None:
        """Remove the row of this number."""
        at = self.numbers.index(number)
        del self.numbers[at], self.edited[at], self.rows[at]

    def page(self, limit: int, offset: int, since: int | None) -> bytes:
        """The envelope with page `offset` of the rows edited later than `since`."""
        first = 0 if since is None else bisect_right(self.edited, since)
        begin = first + limit * offset
        found = self.rows[begin : begin + limit]
        head = (
            f'{{"totalItems":{len(self.rows) - first},"returnedItems":{len(found)},"limit":{limit},"offset":{offset},'
            f'"{self.collection}":['
        )
        return b"".join((head.encode(), b",".join(found), b"]}"))


@dataclass(slots=True)
class Answer:
    """What is sent back: a status and a JSON body."""

    status: int
    body: bytes


class Portal:
    """The lists of one portal, and the changes made to them."""

    def __init__(self, shape: Shape, every: int = 1) -> None:
        """With `every` above 1 it holds each so-many-th enrollment only, all edited now, and no learners: what changed
        in a portal of that shape, for a warehouse that was filled some other way.
        """
        self.shape, self.calls = shape, 0
        self._turn, self._every = 0, every
        self._newest = _now() - (_SETTLED if every == 1 else 0)
        self._courses = [Listed("enrollments") for _ in range(shape.courses)]
        self.lists: dict[str, Listed] = {
            "/departments": _filled("departments", 9, rows.department, self._newest),
            "/users": _filled("users", shape.users if every == 1 else 0, rows.user, self._newest),
            "/courses": _filled("courses", shape.courses, rows.course, self._newest),
        }
        for number in range(shape.courses):
            self.lists[f"/courses/{row_id('c', number)}/enrollments"] = self._courses[number]
            self._fill(number)
        gc.freeze()  # a million rows that stay: not to be looked at by each collection

    def _fill(self, course: int) -> None:
        first, size = self.shape.starts[course], self.shape.sizes[course]
        numbers = [number for number in range(first, first + size) if number % self._every == 0]
        version, listed = int(self._every > 1), self._courses[course]
        moments = sorted((self._edited(number), number) for number in numbers)
        for edited, number in moments:
            listed.put(number, edited, rows.enrollment(self.shape, number, course, edited, version))

    def _edited(self, number: int) -> int:
        return rows.edited_of(digest("e", number), self._newest) if self._every == 1 else self._newest

    def change(self, share: float) -> int:
        """Edit that share of the enrollments now; how many these are."""
        self._turn += 1
        amount = max(1, round(self.shape.enrollments * share))
        now = _now()
        for number in sorted(random.Random(self._turn).sample(range(self.shape.enrollments), amount)):
            course = self.shape.course_of(number)
            listed = self._courses[course]
            listed.take(number)
            listed.put(number, now, rows.enrollment(self.shape, number, course, now, self._turn))
        return amount

    def answer(self, method: str, path: str, query: Mapping[str, str], head: bytes) -> Answer:
        """What one call is answered; `head` is its header lines, as received."""
        self.calls += 1
        if method == "POST" and path == "/authenticate":
            return Answer(200, json.dumps(TOKEN).encode())
        if method == "POST" and path == "/_bench/change":
            return Answer(200, json.dumps({"changed": self.change(float(query["share"]))}).encode())
        if TOKEN.encode() not in head:
            return _refused(401, "Authorization has been denied for this request.")
        listed = self.lists.get(path)
        return _refused(404, "Not found.") if listed is None else _page(listed, query)


def _page(listed: Listed, query: Mapping[str, str]) -> Answer:
    if query.get("_filter") == "parentId eq null" and listed.collection == "departments":
        return Answer(
            200, Listed("departments", listed.numbers[:1], listed.edited[:1], listed.rows[:1]).page(1, 0, None)
        )
    if "_filter" in query or query.get("_sort", "dateEdited") != "dateEdited":
        return _refused(422, "This portal filters by modifiedSince and sorts by dateEdited only.")
    try:
        limit, offset = int(query.get("_limit", DEFAULT_LIMIT)), int(query.get("_offset", 0))
        since = _milliseconds(query["modifiedSince"]) if "modifiedSince" in query else None
    except ValueError:
        return _refused(422, "A parameter is not valid.")
    if not 1 <= limit <= MOST_ROWS or offset < 0:
        return _refused(422, f"_limit must be a whole number from 1 to {MOST_ROWS}.")
    return Answer(200, listed.page(limit, offset, since))


def _refused(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"message": message}).encode())


def _filled(collection: str, count: int, render: Callable[[int, int], bytes], newest: int) -> Listed:
    listed = Listed(collection)
    for number in range(count):
        edited = newest - (count - number) * 1000
        listed.put(number, edited, render(number, edited))
    return listed


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _now() -> int:
    return int(time.time() * 1000)
