"""Typed access to the Absorb Integration API v2: the calls that the pull makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from connector.absorb.faults import explain
from connector.absorb.login.oauth import OAuthAuthenticator
from connector.absorb.login.password import PasswordAuthenticator
from connector.absorb.login.tokens import Authenticator
from connector.absorb.walk.pages import Ask, Page
from connector.errors import ProtocolError
from connector.http.answers import Answer, Reader
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession, QueryParams
from connector.settings import OAuthLogin, Settings, require_absorb
from connector.times import parse_http_date, parse_instant, to_absorb

# Where each list lives; {scope} is a course id (docs/facts/absorb.md section 1, operation 2, and section 6).
LIST_PATHS = {
    "departments": "/departments",
    "users": "/users",
    "courses": "/courses",
    "enrollments": "/courses/{scope}/enrollments",
}
GARBLED_TRIES = 3
_PAGES = Reader(
    "answered {status} with something that is not a page: {why} ({start!r})",
    "Check LEARNSYNC_ABSORB__BASE_URL and any proxy between; then run again.",
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Served:
    """One page: the body as received, what the walk needs of it, and the portal's clock when it answered."""

    body: bytes
    page: Page
    clock: datetime | None


class AbsorbClient(AbstractAsyncContextManager["AbsorbClient"]):
    """One portal. Use as an async context manager."""

    def __init__(self, session: HttpSession, authenticator: Authenticator) -> None:
        self.session = session
        self._auth = authenticator

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The client these settings describe. Raises SettingsError when credentials are missing."""
        login = require_absorb(settings)
        limits = settings.absorb
        gate = Gate(limits.requests_per_second, limits.burst, limits.concurrency)
        session = HttpSession(limits.url, gate, setting="LEARNSYNC_ABSORB__BASE_URL (or __REGION)")
        if isinstance(login, OAuthLogin):
            return cls(session, OAuthAuthenticator(login))
        return cls(session, PasswordAuthenticator(session, *login))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.__aexit__(kind, error, trace)

    async def login(self) -> None:
        """Make sure that there is a token. Raises AuthenticationError, UnreachableError."""
        await self._auth.current()

    async def call(
        self, method: str, path: str, *, params: QueryParams | None = None, json: Any = None, repeatable: bool = True
    ) -> Answer:
        """One authenticated call; raises the ApiError that `faults.explain` finds for anything but a success.

        A write that may have an effect twice is not `repeatable`: see `HttpSession.call`.
        """
        token = await self._auth.current()
        tries = 0
        while True:
            headers = {**self._auth.headers, "authorization": f"Bearer {token.value}"}
            answer = await self.session.call(
                method, path, params=params, json=json, headers=headers, repeatable=repeatable
            )
            if answer.status != 401:
                token.accepted = token.accepted or answer.ok
                break
            tries += 1
            token = await self._auth.after_refusal(token, tries)
        if not answer.ok:
            raise explain(answer)
        return answer

    async def page(self, stream: str, scope: str, collection: str, ask: Ask) -> Served:
        """One page of a list. Raises NotFoundError for a deleted course, ProtocolError for a body that is no page."""

        def read(answer: Answer) -> Served:
            return Served(answer.body, read_page(answer, collection), parse_http_date(answer.headers.get("date")))

        return await self.read(LIST_PATHS[stream].format(scope=scope), read, page_params(ask))

    async def read(self, path: str, parse: Callable[[Answer], T], params: QueryParams | None = None) -> T:
        """What `parse` makes of an answer; a body it cannot use (ProtocolError) is asked for again before that counts.

        Such a body is a gateway's HTML page under status 200, or one cut short.
        """
        for attempt in range(1, GARBLED_TRIES):
            answer = await self.call("GET", path, params=params)
            try:
                return parse(answer)
            except ProtocolError:
                await asyncio.sleep(0.5 * attempt)
        return parse(await self.call("GET", path, params=params))


def page_params(ask: Ask) -> Mapping[str, str | int]:
    """Query parameters for a page. `_offset` counts pages, and both `_limit` and `_offset` must be given."""
    params: dict[str, str | int] = {"_limit": ask.limit, "_offset": ask.offset}
    if ask.sort:
        params["_sort"] = "dateEdited"
    if ask.modified_since is not None:
        params["modifiedSince"] = to_absorb(ask.modified_since)
    return params


class _SlimRow(TypedDict):
    id: str
    dateEdited: str


class _SlimPage(TypedDict):
    totalItems: int
    limit: int


@cache
def _slim(collection: str) -> TypeAdapter[Any]:
    """A parser that keeps of a page only what the walk needs: twice as fast as building every row in Python."""
    page: Any = TypedDict(f"_Slim_{collection}", {**_SlimPage.__annotations__, collection: list[_SlimRow]})  # type: ignore[misc]
    return TypeAdapter(page)


def read_page(answer: Answer, collection: str) -> Page:
    """What the walk needs of a page body. Raises ProtocolError when it is not the documented envelope."""
    try:
        slim = _slim(collection).validate_json(answer.body, strict=True)
    except ValidationError:
        return _read_odd_page(answer, collection)
    rows = slim[collection]
    return Page([row["id"].lower() for row in rows], [_moment(row["dateEdited"]) for row in rows],
                _count(slim["totalItems"]), _count(slim["limit"]))  # fmt: skip


def _read_odd_page(answer: Answer, collection: str) -> Page:
    """The same for a page with rows or envelope out of the ordinary, or no page at all."""
    document = _PAGES.document(answer)
    rows = document.get(collection) if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise _PAGES.error(answer, f"there is no list {collection!r}")
    known = [row if isinstance(row, dict) else {} for row in rows]
    ids = [row["id"].lower() if isinstance(row.get("id"), str) else None for row in known]
    return Page(ids, [_moment(row.get("dateEdited")) for row in known], _count(document.get("totalItems")),
                _count(document.get("limit")))  # fmt: skip


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _moment(value: object) -> datetime | None:
    """dateEdited for paging decisions: fast, lenient; loading judges the value strictly later."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        try:
            return parse_instant(value)
        except ValueError:
            return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
