"""Typed access to the Salesforce REST API: describe, query, collections upsert, and the day's call budget.

Facts: docs/facts/salesforce.md sections 3b (collections) and 5 (queries).
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Self, Unpack

from connector.errors import ApiBudgetError, SettingsError
from connector.http.answers import Answer
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession, Request
from connector.push.outcomes import RowResult
from connector.salesforce.answers import (
    COUNTED,
    DELETED,
    DESCRIBED,
    QUERY_PAGE,
    READER,
    UPDATED,
    VERSIONS,
    Check,
    Deleted,
    Pages,
    Updated,
    has,
    saved,
)
from connector.salesforce.session import LOGIN_SETTING, Grant, OrgSession, explain
from connector.settings import KeyLogin, LimitSettings, SecretLogin, Settings, require_salesforce
from connector.times import to_salesforce

COLLECTION_LIMIT = 200
# Orgs allow 25 long calls at once; we stay far below and leave room for people.
CALLS_PER_SECOND, BURST, CONCURRENCY = 25.0, 25, 4
_USAGE = re.compile(r"api-usage=([0-9]{1,12})/([0-9]{1,12})(?![0-9])")


class SalesforceClient(AbstractAsyncContextManager["SalesforceClient"]):
    """One org. Use as an async context manager."""

    def __init__(
        self,
        login: SecretLogin | KeyLogin,
        version: str,
        budget_percent: float,
        limits: LimitSettings | None = None,
    ) -> None:
        self.version = version
        self.limits = limits or LimitSettings()
        self._gate = Gate(CALLS_PER_SECOND, BURST, CONCURRENCY)
        self._org = OrgSession(login, self._gate, self.limits)
        self._session: HttpSession | None = None
        self._budget = budget_percent
        self.calls_used = 0
        self.calls_allowed = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The client these settings describe. Raises SettingsError when credentials are missing."""
        org = settings.salesforce
        return cls(require_salesforce(settings), org.api_version, org.api_budget_percent, settings.limits)

    async def __aexit__(self, *_: object) -> None:
        for session in (self._org.http, self._session):
            if session is not None:
                await session.__aexit__()

    @property
    def calls_made(self) -> int:
        """Requests sent so far, the login included."""
        return self._org.http.stats.requests + (self._session.stats.requests if self._session else 0)

    async def grant(self) -> Grant:
        """The org session, opened on first use. Raises AuthenticationError."""
        return await self._org.current()

    async def check_version(self) -> None:
        """Raise SettingsError when the org does not serve the configured API version: it answers that like a 404."""
        found = READER.fit(await self.call("GET", "/services/data"), VERSIONS)
        offered = [entry.version for entry in found]
        if offered and self.version not in offered:
            raise SettingsError(
                f"LEARNSYNC_SALESFORCE__API_VERSION = {self.version}: the org does not serve this version.",
                remedy=f"Use one from {offered[0]} to {offered[-1]}.",
            )

    async def updated(self, name: str, start: datetime, end: datetime) -> Updated:
        """What getUpdated answers (docs/facts/salesforce.md section 5).

        Raises BadRequestError with the org's code: INVALID_REPLICATION_DATE, EXCEEDED_ID_LIMIT.
        """
        return READER.fit(await self._log(name, "updated", start, end), UPDATED)

    async def deleted(self, name: str, start: datetime, end: datetime) -> Deleted:
        """What getDeleted answers. Raises as `updated` does."""
        return READER.fit(await self._log(name, "deleted", start, end), DELETED)

    async def _log(self, name: str, resource: str, start: datetime, end: datetime) -> Answer:
        window = {"start": to_salesforce(start), "end": to_salesforce(end)}
        return await self.call("GET", f"{self._data}/sobjects/{name}/{resource}/", params=window)

    async def describe(self, name: str) -> Mapping[str, Any]:
        """An object's describe. Raises NotFoundError when it is missing or invisible."""
        return READER.fit(await self.call("GET", f"{self._data}/sobjects/{name}/describe"), DESCRIBED)

    async def retrieve(self, name: str, record_id: str, fields: Sequence[str]) -> dict[str, Any]:
        """One record by its id. Raises NotFoundError where there is none, or none that the run-as user may see."""
        params = {"fields": ",".join(fields)}
        answer = await self.call("GET", f"{self._data}/sobjects/{name}/{record_id}", params=params)
        record = READER.object(answer)
        if why := has("Id")(record):
            raise READER.error(answer, why)
        return record

    async def query(
        self, soql: str, *, deleted: bool = False, check: Check | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Records of a query, page by page; with `deleted`, those in the recycle bin too (queryAll).

        Raises ProtocolError where they are not all that the org announced or one does not stand the `check`, LimitError
        where they do not end.
        """
        answer = await self.call("GET", f"{self._data}/{'queryAll' if deleted else 'query'}", params={"q": soql})
        pages = Pages(self.limits.list_pages)
        while True:
            page = READER.fit(answer, QUERY_PAGE)
            following = pages.checked(answer, page, check)
            yield page.records
            if following is None:
                return
            answer = await self.call("GET", following)

    async def count(self, soql: str, *, deleted: bool = False) -> int:
        """How many records a `SELECT COUNT()` finds; with `deleted`, those in the recycle bin too. One call."""
        path = f"{self._data}/{'queryAll' if deleted else 'query'}"
        return READER.fit(await self.call("GET", path, params={"q": soql}), COUNTED).totalSize

    async def upsert(self, name: str, key: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        """Upsert up to 200 records by external id; one result per record, in order. Safe to repeat."""
        return await self._collection(f"/{name}/{key}", name, records)

    async def update(self, name: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        """Update up to 200 records by their `id`; one result per record, in order. Safe to repeat."""
        return await self._collection("", name, records)

    async def _collection(self, path: str, name: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        body = {"allOrNone": False, "records": [{"attributes": {"type": name}, **record} for record in records]}
        answer = await self.call("PATCH", f"{self._data}/composite/sobjects{path}", json=body)
        return saved(answer, len(records))

    @property
    def _data(self) -> str:
        return f"/services/data/v{self.version}"

    async def call(self, method: str, path: str, **request: Unpack[Request]) -> Answer:
        """One authenticated call within the day's budget. Raises ApiBudgetError before it would be passed.

        `upload` and `sink` are CSV files: the body to send, and where to put the body of the answer.
        """
        grant = await self.grant()
        self._check_budget()
        answer = await self._send(grant, method, path, request)
        if answer.status == 401:
            answer = await self._send(await self._org.renewed(grant), method, path, request)
        self._note_usage(answer)
        if not answer.ok:
            raise explain(answer, self._org.remedy)
        return answer

    async def _send(self, grant: Grant, method: str, path: str, request: Request) -> Answer:
        if self._session is None or self._session.base_url != grant.instance_url.rstrip("/"):
            self._session = HttpSession(grant.instance_url, self._gate, setting=LOGIN_SETTING, limits=self.limits)
        accepted = "text/csv" if request.get("sink") else "application/json"
        headers = {"authorization": f"Bearer {grant.access_token}", "accept": accepted}
        if request.get("upload"):
            headers["content-type"] = "text/csv"
        request["headers"] = headers
        return await self._session.call(method, path, **request)

    @property
    def clock(self) -> datetime:
        """The org's clock, by the Date header of its last answer; ours before there is one."""
        return self._org.clock

    def _note_usage(self, answer: Answer) -> None:
        self._org.note_clock(answer)
        if found := _USAGE.search(answer.headers.get("sforce-limit-info", "")):
            self.calls_used, self.calls_allowed = int(found[1]), int(found[2])

    def _check_budget(self) -> None:
        if self.calls_allowed and self.calls_used >= self.calls_allowed * self._budget / 100:
            raise ApiBudgetError(
                f"The org has used {self.calls_used:,} of its {self.calls_allowed:,} API calls of the last 24 hours;"
                f" learnsync stops at {self._budget:g} %.",
                remedy="What is not pushed stays due: run again later (the window rolls), or raise"
                " LEARNSYNC_SALESFORCE__API_BUDGET_PERCENT.",
            )
