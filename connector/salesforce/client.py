"""Typed access to the Salesforce REST API: token, describe, query, collections upsert, and the day's call budget.

Facts: docs/facts/salesforce.md sections 3b (collections), 3f (request-level errors), 4 (tokens), 5 (queries).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from connector import redact
from connector.errors import (
    ApiBudgetError,
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ServerFaultError,
    SettingsError,
    ThrottledError,
)
from connector.http.ratelimit import Gate
from connector.http.session import Answer, HttpSession, QueryParams
from connector.salesforce import login as auth
from connector.settings import KeyLogin, SecretLogin, Settings, require_salesforce
from connector.times import parse_http_date, to_salesforce, utc_now

log = logging.getLogger(__name__)

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
COLLECTION_LIMIT = 200
# Orgs allow 25 long calls at once; we stay far below and leave room for people.
CALLS_PER_SECOND, BURST, CONCURRENCY = 25.0, 25, 4
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
_IDENTITY = re.compile(r"/id/(00D\w{12,15})/(005\w{12,15})?")


@dataclass(slots=True)
class Grant:
    """A session with an org. Nothing in the answer tells its lifetime, so a 401 ends it."""

    access_token: str
    instance_url: str
    org_id: str
    # The run-as user, from the identity URL; empty where the answer has none.
    user_id: str = ""


@dataclass(frozen=True, slots=True)
class RowResult:
    """The org's word on one record of a collection."""

    success: bool
    created: bool
    salesforce_id: str | None
    code: str | None
    text: str | None


class SalesforceClient(AbstractAsyncContextManager["SalesforceClient"]):
    """One org. Use as an async context manager."""

    def __init__(self, login: SecretLogin | KeyLogin, version: str, budget_percent: float) -> None:
        self._gate = Gate(CALLS_PER_SECOND, BURST, CONCURRENCY)
        self._login = HttpSession(login.login_url, self._gate, setting="LEARNSYNC_SALESFORCE__LOGIN_URL")
        self._session: HttpSession | None = None
        self._credentials = login
        self._version = version
        self._budget = budget_percent
        self._grant: Grant | None = None
        self._flight = asyncio.Lock()
        self._clock: datetime | None = None
        self.calls_used = 0
        self.calls_allowed = 0
        if isinstance(login, SecretLogin):
            redact.register(login.client_secret)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The client these settings describe. Raises SettingsError when credentials are missing."""
        org = settings.salesforce
        return cls(require_salesforce(settings), org.api_version, org.api_budget_percent)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._login, self._session):
            if session is not None:
                await session.__aexit__(kind, error, trace)

    @property
    def calls_made(self) -> int:
        """Requests sent so far, the login included."""
        return self._login.stats.requests + (self._session.stats.requests if self._session else 0)

    async def grant(self) -> Grant:
        """The org session, opened on first use. Raises AuthenticationError."""
        async with self._flight:
            if self._grant is None:
                self._grant = await self._open()
            return self._grant

    async def check_version(self) -> None:
        """Raise SettingsError when the org does not serve the configured API version: it answers that like a 404."""
        answer = await self.call("GET", "/services/data")
        document = answer.json()
        offered = [str(entry.get("version")) for entry in document] if isinstance(document, list) else []
        if offered and self._version not in offered:
            raise SettingsError(
                f"LEARNSYNC_SALESFORCE__API_VERSION = {self._version}: the org does not serve this version.",
                remedy=f"Use one from {offered[0]} to {offered[-1]}.",
            )

    async def replication(self, name: str, resource: str, start: datetime, end: datetime) -> dict[str, Any]:
        """What getUpdated or getDeleted (`resource`: updated | deleted) answers (docs/facts/salesforce.md section 5).

        Raises BadRequestError with the org's code: INVALID_REPLICATION_DATE, EXCEEDED_ID_LIMIT.
        """
        window = {"start": to_salesforce(start), "end": to_salesforce(end)}
        return _document(await self.call("GET", f"{self._data}/sobjects/{name}/{resource}/", params=window))

    async def describe(self, name: str) -> dict[str, Any]:
        """An object's describe. Raises NotFoundError when it is missing or invisible."""
        return _document(await self.call("GET", f"{self._data}/sobjects/{name}/describe"))

    async def query(self, soql: str, *, deleted: bool = False) -> AsyncIterator[list[dict[str, Any]]]:
        """Records of a query, page by page; with `deleted`, those in the recycle bin too (queryAll)."""
        answer = await self.call("GET", f"{self._data}/{'queryAll' if deleted else 'query'}", params={"q": soql})
        while True:
            page = _document(answer)
            yield list(page["records"])
            if page.get("done", True):
                return
            answer = await self.call("GET", str(page["nextRecordsUrl"]))

    async def upsert(self, name: str, key: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        """Upsert up to 200 records by external id; one result per record, in order. Safe to repeat."""
        return await self._collection(f"/{name}/{key}", name, records)

    async def update(self, name: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        """Update up to 200 records by their `id`; one result per record, in order. Safe to repeat."""
        return await self._collection("", name, records)

    async def _collection(self, path: str, name: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        body = {
            "allOrNone": False,
            "records": [{"attributes": {"type": name}, **record} for record in records],
        }
        answer = await self.call("PATCH", f"{self._data}/composite/sobjects{path}", json=body)
        results = answer.json()
        if not isinstance(results, list) or len(results) != len(records):
            raise ProtocolError(
                f"The org answered a write of {len(records)} records with something else.", body=answer.text
            )
        return [_row_result(result) for result in results]

    @property
    def _data(self) -> str:
        return f"/services/data/v{self._version}"

    @property
    def version(self) -> str:
        """The API version of the settings."""
        return self._version

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: QueryParams | None = None,
        json: Any = None,
        upload: Path | None = None,
        sink: Path | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """One authenticated call within the day's budget. Raises ApiBudgetError before it would be passed.

        `upload` and `sink` are CSV files: the body to send, and where to put the body of the answer.
        """
        grant = await self.grant()
        self._check_budget()
        request: dict[str, Any] = {
            "params": params, "json": json, "upload": upload, "sink": sink, "repeatable": repeatable,
        }  # fmt: skip
        answer = await self._send(grant, method, path, request)
        if answer.status == 401:
            answer = await self._send(await self._renew(grant), method, path, request)
        self._note_usage(answer)
        if not answer.ok:
            raise explain(answer, auth.login_remedy(self._credentials))
        return answer

    async def _send(self, grant: Grant, method: str, path: str, request: dict[str, Any]) -> Answer:
        if self._session is None or self._session.base_url != grant.instance_url.rstrip("/"):
            self._session = HttpSession(grant.instance_url, self._gate, setting="LEARNSYNC_SALESFORCE__LOGIN_URL")
        headers = {
            "authorization": f"Bearer {grant.access_token}",
            "accept": "text/csv" if request["sink"] else "application/json",
        }
        if request["upload"]:
            headers["content-type"] = "text/csv"
        return await self._session.call(method, path, headers=headers, **request)

    async def _renew(self, refused: Grant) -> Grant:
        """Replace a session that ended; of all calls it failed, one logs in."""
        async with self._flight:
            if self._grant is refused or self._grant is None:
                log.info("the org session ended; opening a new one")
                self._grant = await self._open()
            return self._grant

    async def _open(self) -> Grant:
        form = auth.token_form(self._credentials, utc_now())
        answer = await self._login.call("POST", TOKEN_PATH, form=form, headers={"accept": "application/json"})
        if not answer.ok:
            passing = answer.status >= 500 or answer.status == 429
            raise explain(answer) if passing else auth.refusal(self._credentials, answer)
        document = _document(answer)
        token, instance = str(document.get("access_token", "")), str(document.get("instance_url", ""))
        if not token or not instance:
            raise ProtocolError(
                "The org's token answer has no access_token or instance_url.",
                remedy=auth.login_remedy(self._credentials),
            )
        redact.register(token)
        self._clock = parse_http_date(answer.headers.get("date")) or self._clock
        found = _IDENTITY.search(str(document.get("id", "")))
        return Grant(token, instance, found[1] if found else instance, (found[2] or "") if found else "")

    @property
    def clock(self) -> datetime:
        """The org's clock, by the Date header of its last answer; ours before there is one."""
        return self._clock or utc_now()

    def _note_usage(self, answer: Answer) -> None:
        self._clock = parse_http_date(answer.headers.get("date")) or self._clock
        found = _USAGE.search(answer.headers.get("sforce-limit-info", ""))
        if found:
            self.calls_used, self.calls_allowed = int(found[1]), int(found[2])

    def _check_budget(self) -> None:
        if self.calls_allowed and self.calls_used >= self.calls_allowed * self._budget / 100:
            raise ApiBudgetError(
                f"The org has used {self.calls_used:,} of its {self.calls_allowed:,} API calls of the last 24 hours;"
                f" learnsync stops at {self._budget:g} %.",
                remedy="What is not pushed stays due: run again later (the window rolls), or raise"
                " LEARNSYNC_SALESFORCE__API_BUDGET_PERCENT.",
            )


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ProtocolError(
            f"{answer.method} {answer.path} answered with something that is not a JSON object.",
            remedy="Check LEARNSYNC_SALESFORCE__LOGIN_URL and any proxy between.",
            status=answer.status,
            body=answer.text,
        )
    return document


def _row_result(result: Mapping[str, Any]) -> RowResult:
    errors = result.get("errors") or [{}]
    first = errors[0] if not result.get("success") else {}
    return RowResult(
        success=bool(result.get("success")),
        created=bool(result.get("created")),
        salesforce_id=result.get("id"),
        code=first.get("statusCode"),
        text=first.get("message"),
    )


def explain(answer: Answer, login_remedy: str = "") -> ApiError:
    """The error for an unsuccessful answer: Salesforce sends a list of {errorCode, message} (section 3f)."""
    code, said = _first_error(answer)
    where = f"{answer.method} {answer.path}"
    facts: dict[str, Any] = {"status": answer.status, "body": answer.text, "code": code}
    if code == "REQUEST_LIMIT_EXCEEDED":
        return ThrottledError(
            f"The org has no API calls left ({said}).",
            remedy="Run again later: the limit rolls over 24 hours.",
            **facts,
        )
    if answer.status == 401:
        return AuthenticationError(f"The org ends our sessions at once ({code}: {said}).", remedy=login_remedy, **facts)
    if answer.status == 403:
        return PermissionDeniedError(
            f"The run-as user may not do {where} ({code}: {said}).",
            remedy="Assign it the permission set LearnSync_Integration (docs/salesforce-setup.md).",
            **facts,
        )
    if answer.status in {404, 410}:
        return NotFoundError(
            f"{where}: {code or 'not found'} ({said}).",
            remedy="Check LEARNSYNC_SALESFORCE__API_VERSION.",
            **facts,
        )
    if answer.status >= 500 or answer.status == 429:
        return ServerFaultError(
            f"The org kept failing on {where} ({answer.status} {code}).", remedy="Run again later.", **facts
        )
    return BadRequestError(f"The org refused {where} ({answer.status} {code}: {said}).", **facts)


def _first_error(answer: Answer) -> tuple[str, str]:
    try:
        document = answer.json()
        first = document[0] if isinstance(document, list) else document
        return str(first.get("errorCode", first.get("error", ""))), redact.scrub(str(first.get("message", "")))
    except (ValueError, AttributeError, IndexError):
        return "", answer.text[:200]
