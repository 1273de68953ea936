"""What a page of a list says: what the walk needs of it, what the loader may read, and rows that nobody can read.

A page whose JSON can be read is kept as received. In one that cannot, the rows are told apart (connector/absorb/scan)
and read one by one: those that cannot be read are set aside for quarantine as they came, and the rest goes on.
"""

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from connector.absorb.scan import Part, parts, parts_of_whole
from connector.absorb.walk.pages import Page
from connector.errors import ProtocolError, UnreadablePageError
from connector.http.answers import Answer, Reader
from connector.times import FIRST_YEAR, LAST_YEAR, is_plausible, parse_instant
from connector.warehouse.quarantine import Reject, unreadable

_NUMBERS = ("totalItems", "limit")
_SIGNS = ("+", "-")
MOST_ROWS = 10**12  # a count above this is none
_PAGES = Reader(
    "answered {status} with something that is not a page: {why} ({start!r})",
    "Check LEARNSYNC_ABSORB__BASE_URL and any proxy between; then run again.",
)
_CUT = Reader(
    "answered {status} with a page that is not JSON: {why} ({start!r})",
    "Find the row in the portal and correct it, or ask the vendor; then run again.",
)
_GUID = re.compile(rb'"id"\s*:\s*"([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"')
_TOTAL = re.compile(rb'"totalItems"\s*:\s*([0-9]{1,12})\b')


@dataclass(frozen=True, slots=True)
class Body:
    """One page. `landed` is the JSON that the loader reads, `rows` how many rows it has, `rejects` those set aside.

    `whole` is false where a row of `rejects` may have been received in part only.
    """

    page: Page
    landed: bytes
    rows: int
    rejects: Sequence[Reject] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a page that cannot be read at once: its text, what can be known of it, and why it cannot be read."""

    text: bytes
    document: Any
    why: str = ""


def read_body(answer: Answer, collection: str) -> Body:
    """A page of the list `collection`. Raises ProtocolError when the answer is not the documented envelope.

    That is an UnreadablePageError where it begins like a page, but cannot be told where its rows begin and end.
    """
    try:
        document = _slim(collection).validate_json(answer.body, strict=True)
    except ValidationError:
        return _odd_page(answer, collection)
    rows = document[collection]
    _refuse_twins(answer, collection)
    page = _page(document, [row["id"].lower() for row in rows], [_moment(row["dateEdited"]) for row in rows])
    return Body(page, answer.body, len(rows))


def _odd_page(answer: Answer, collection: str) -> Body:
    """A page with rows or envelope out of the ordinary."""
    try:
        document = answer.json()
    except ValueError:
        return _row_by_row(answer, collection)
    rows = document.get(collection) if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise _PAGES.error(answer, f"there is no list {collection!r}")
    _refuse_twins(answer, collection)
    return Body(_page(document, *_keys(rows)), answer.body, len(rows))


def _refuse_twins(answer: Answer, collection: str) -> None:
    if answer.body.count(b'"%s"' % collection.encode()) > 1:
        _list_of(parts_of_whole(answer.body), answer, collection)


def lost_row(failure: UnreadablePageError, collection: str, place: str) -> Body:
    """The answer to a page of one row that is still no JSON: that row, as much of it as came."""
    begin = _list_start(failure.received, collection)
    text = failure.received[begin.end() if begin else 0 :]
    found, total = _GUID.search(text), _TOTAL.search(failure.received)
    row_id = found[1].decode().lower() if found else None
    page = Page([row_id], [None], int(total[1]) if total else None, None)
    why = "the answer that holds it is not JSON, and may hold it in part only"
    return Body(page, b"", 0, [unreadable(text, row_id, why, place)], whole=False)


def partial_rows(answer: Answer, collection: str) -> list[Any]:
    """The rows of a page that cannot be read at once: of each what can be. Raises ProtocolError."""
    return [row.document for row in _split(answer, collection)[1]]


def rows_apart(data: bytes) -> tuple[list[bytes], list[Reject]]:
    """The rows of a plain array, as text, and those that cannot be read. Raises ValueError for what is no array."""
    if data[:1] != b"[":
        raise ValueError("a JSON array was due")
    rows = [_row(data[part.start : part.end]) for part in parts_of_whole(data)]
    return [row.text for row in rows if not row.why], [_reject(row) for row in rows if row.why]


@cache
def _slim(collection: str) -> TypeAdapter[Any]:
    """A parser that keeps of a page only what the walk needs: twice as fast as building every row in Python."""
    row: Any = TypedDict("row", {"id": str, "dateEdited": str})
    page: Any = TypedDict("page", {"totalItems": int, "limit": int, collection: list[row]})  # type: ignore[misc]
    return TypeAdapter(page)


def _page(envelope: Mapping[str, Any], ids: Sequence[str | None], edited: Sequence[datetime | None]) -> Page:
    return Page(ids, edited, _count(envelope.get("totalItems")), _count(envelope.get("limit")))


def _keys(rows: Sequence[Any]) -> tuple[list[str | None], list[datetime | None]]:
    """Id and dateEdited of each row, None where it has none that can be used."""
    known = [row if isinstance(row, dict) else {} for row in rows]
    ids = [row["id"].lower() if isinstance(row.get("id"), str) else None for row in known]
    return ids, [_moment(row.get("dateEdited")) for row in known]


# -- pages that cannot be read at once ---------------------------------------------------------------------------------


def _row_by_row(answer: Answer, collection: str) -> Body:
    numbers, rows = _split(answer, collection)
    read = [row.text for row in rows if not row.why]
    rejects = [_reject(row) for row in rows if row.why]
    landed = b'{"%s":[%s]}' % (collection.encode(), b",".join(read))
    return Body(_page(numbers, *_keys([row.document for row in rows])), landed, len(read), rejects)


def _split(answer: Answer, collection: str) -> tuple[dict[str, Any], list[_Row]]:
    """The envelope's numbers, and each row. Raises ProtocolError."""
    data = answer.body.removeprefix(codecs.BOM_UTF8)
    try:
        envelope = parts_of_whole(data)
        place = _list_of(envelope, answer, collection)
        rows = [_row(data[part.start : part.end]) for part in parts(data, place.start)]
        if data[place.start : place.start + 1] != b"[":
            raise _PAGES.error(answer, f"{collection!r} is no list")
    except ValueError as failure:
        raise _cut(answer, collection, str(failure)) from None
    return _known(data, [part for part in envelope if part.name in _NUMBERS]), rows


def _list_of(envelope: Sequence[Part], answer: Answer, collection: str) -> Part:
    """Where the one list of that name is. Readers differ in which of two they take: two are refused."""
    found = [part for part in envelope if part.name == collection]
    if not found:
        raise _PAGES.error(answer, f"there is no list {collection!r}")
    if len(found) > 1:
        raise _PAGES.error(answer, f"there are two lists {collection!r}")
    return found[0]


def _cut(answer: Answer, collection: str, why: str) -> ProtocolError:
    if _list_start(answer.body, collection) is None:
        return _PAGES.error(answer, "the body is not JSON")
    return UnreadablePageError(answer.body, str(_CUT.error(answer, why)), status=answer.status)


def _list_start(data: bytes, collection: str) -> re.Match[bytes] | None:
    return re.search(rb'"%s"\s*:\s*\[' % collection.encode(), data)


def _row(text: bytes) -> _Row:
    try:
        return _Row(text, from_json(text))
    except ValueError as failure:
        known = _known(text, parts(text)) if text[:1] == b"{" else {}
        return _Row(text, known, str(failure))


def _reject(row: _Row) -> Reject:
    return unreadable(row.text, row.document.get("id"), row.why)


def _known(data: bytes, members: Iterable[Part]) -> dict[str, Any]:
    """The members that can be read."""
    values: dict[str, Any] = {}
    for part in members:
        with suppress(ValueError):
            values[part.name or ""] = from_json(data[part.start : part.end])
    return values


# -- values ------------------------------------------------------------------------------------------------------------


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_ROWS
    return cast(int, value) if is_count else None


def _moment(value: object) -> datetime | None:
    """dateEdited for paging decisions: fast, lenient; loading judges the value strictly later.

    None for a date that is none, such as `0001-01-01T00:00:00`: it takes no part in paging and watermarks.
    """
    if not isinstance(value, str):
        return None
    try:
        # Of a time without a zone, as most are, it is much faster to read a zone than to add one.
        found = datetime.fromisoformat(value if value[-1:] == "Z" or value[-6:-5] in _SIGNS else value + "Z")
    except ValueError:
        return _odd_moment(value)
    # As is_plausible, without the call: there are a thousand rows on a page.
    if not FIRST_YEAR <= found.year < LAST_YEAR:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _odd_moment(value: str) -> datetime | None:
    with suppress(ValueError):
        found = datetime.fromisoformat(value)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found if FIRST_YEAR <= found.year < LAST_YEAR else None
    with suppress(ValueError):
        found = parse_instant(value)
        return found if is_plausible(found) else None
    return None
