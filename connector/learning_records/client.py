"""The LearningRecord API: list, get and create (docs/facts/learning-records.md).

The page names the resource, its three operations and its fields. It says nothing of authentication beyond "JWT" and
"integration API keys", nothing of query parameters, paging or error bodies. So: the key goes as a bearer token, every
plausible list and error body is read, filters are asked for and never relied upon (docs/learning-records.md).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Self, Unpack
from urllib.parse import quote

from connector import redact
from connector.errors import ApiError, BadRequestError, LimitError, NotFoundError
from connector.http.answers import Answer, Reader, json_or_none
from connector.http.ratelimit import Gate
from connector.http.refusals import explained, login_reason, read_refusals
from connector.http.session import HttpSession, Request
from connector.learning_records.models import LearningRecord
from connector.settings import LimitSettings, Settings, require_learning_records, variable

PATH = "/api/v1/performance/learning-records"
PAGE_ROWS = 100
CONCURRENCY = 4
_ROWS = ("items", "data", "results", "records")
_CURSORS = ("next_cursor", "nextCursor", "cursor")
URL_SETTING = variable("learning_records", "base_url")
REFUSALS = read_refusals(__package__)
READER = Reader(
    "answered with something that is no LearningRecord answer", f"Check {URL_SETTING} and any proxy between."
)


class LearningRecordsApi(AbstractAsyncContextManager["LearningRecordsApi"]):
    """One API, one key. Use as an async context manager."""

    def __init__(
        self, base_url: str, api_key: str, calls_per_second: float = 20.0, limits: LimitSettings | None = None
    ) -> None:
        redact.register(api_key)
        headers = {"authorization": f"Bearer {api_key}", "accept": "application/json"}
        gate = Gate(calls_per_second, max(1, round(calls_per_second)), CONCURRENCY)
        self._session = HttpSession(base_url, gate, setting=URL_SETTING, headers=headers, limits=limits)
        self._most_pages = (limits or LimitSettings()).list_pages
        self._filters = True

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The API these settings name. Raises SettingsError when address or key is missing."""
        rate = settings.learning_records.requests_per_second
        return cls(*require_learning_records(settings), rate, settings.limits)

    async def __aexit__(self, *_: object) -> None:
        await self._session.__aexit__()

    async def create(self, record: Mapping[str, Any]) -> LearningRecord:
        """Create a record; the API gives it its id. Not repeated by itself: a second call makes a second record.

        Raises BadRequestError (nothing was made), or UnreachableError, ServerFaultError and ProtocolError, after which
        it is not known whether the record was made.
        """
        body = {name: value for name, value in record.items() if value is not None}
        return _record(await self._call("POST", PATH, json=body, repeatable=False))

    async def get(self, record_id: str) -> LearningRecord | None:
        """The record with this id, None where there is none."""
        try:
            return _record(await self._call("GET", f"{PATH}/{quote(record_id, safe='')}"))
        except NotFoundError:
            return None

    async def list(self, **filters: str) -> AsyncIterator[LearningRecord]:
        """Every record that is visible to the key, without those that are deleted, each once.

        `filters` are equalities that the API is asked to apply; what it serves all the same is left out here. Raises
        LimitError where the list does not end.
        """
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(self._most_pages):
            answer = await self._page(filters, cursor, len(seen))
            rows, cursor, by_cursor = _page(answer)
            fresh = [row for row in rows if row.id not in seen]
            seen.update(row.id for row in fresh)
            for row in fresh:
                if all(str(getattr(row, name)).lower() == value.lower() for name, value in filters.items()):
                    yield row
            if not fresh or (cursor is None and (by_cursor or len(rows) < PAGE_ROWS)):
                return
        raise LimitError(
            f"GET {PATH}: the list has more than {self._most_pages:,} pages (LEARNSYNC_LIMITS__LIST_PAGES).",
            remedy=f"Nothing was sent. Raise the limit where so many are in order; otherwise check {URL_SETTING}.",
        )

    async def _page(self, filters: Mapping[str, str], cursor: str | None, offset: int) -> Answer:
        place: dict[str, str | int] = {"limit": PAGE_ROWS}
        if cursor is not None:
            place["cursor"] = cursor
        elif offset:
            place["offset"] = offset
        if filters and self._filters:
            try:
                return await self._call("GET", PATH, params={**place, **filters})
            except BadRequestError:
                self._filters = False  # an API that refuses filters is read whole
        return await self._call("GET", PATH, params=place)

    async def _call(self, method: str, path: str, **request: Unpack[Request]) -> Answer:
        answer = await self._session.call(method, path, **request)
        if not answer.ok:
            raise explain(answer)
        return answer


def _page(answer: Answer) -> tuple[list[LearningRecord], str | None, bool]:
    """The rows of a list answer, the cursor of the next page, and whether the API speaks of cursors at all.

    Read from a bare array, or from an object around one.
    """
    document = READER.document(answer)
    rows, cursor, by_cursor = document, None, False
    if isinstance(document, dict):
        rows = next((document[name] for name in _ROWS if isinstance(document.get(name), list)), None)
        around = [document, document.get("meta"), document.get("pagination")]
        parts = [part for part in around if isinstance(part, dict)]
        cursor = next((str(part[name]) for part in parts for name in _CURSORS if part.get(name)), None)
        by_cursor = any(name in part for part in parts for name in _CURSORS)
    if not isinstance(rows, list):
        raise READER.error(answer)
    return [READER.model(answer, LearningRecord, row) for row in rows], cursor, by_cursor


def _record(answer: Answer) -> LearningRecord:
    document = READER.document(answer)
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        document = document["data"]
    return READER.model(answer, LearningRecord, document)


def explain(answer: Answer) -> ApiError:
    """The error for an unsuccessful answer."""
    code, said = _first_error(answer)
    if answer.status in {401, 403}:
        said = login_reason(answer)
    return explained(REFUSALS, answer, code, said=said)


def _first_error(answer: Answer) -> tuple[str, str]:
    """(code, text) of an error body: {error: {code, message}}, {code, message}, {detail}, {errors: [...]} or text."""
    document = json_or_none(answer)
    if isinstance(document, dict):
        inner = document.get("error") if isinstance(document.get("error"), dict) else document
        if isinstance(document.get("errors"), list) and document["errors"]:
            inner = document["errors"][0]
        if isinstance(inner, dict):
            said = next((inner[name] for name in ("message", "detail", "error") if inner.get(name)), answer.text)
            fields = inner.get("details")
            shown = f"{said} {fields}" if fields else str(said)
            return str(inner.get("code") or f"HTTP_{answer.status}"), redact.scrub(shown)[:500]
    return f"HTTP_{answer.status}", answer.text[:200]
