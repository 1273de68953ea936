"""Typed access to the Salesforce REST API: describe, query, collections upsert, and the day's call budget.

Facts: docs/facts/salesforce.md sections 3b (collections) and 5 (queries).
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Self, Unpack

from connector.errors import ApiBudgetError, ProtocolError, SettingsError
from connector.http.answers import Answer, json_or_none
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession, Request
from connector.push.outcomes import RowResult
from connector.salesforce.session import LOGIN_SETTING, READER, Grant, OrgSession, explain
from connector.settings import KeyLogin, SecretLogin, Settings, require_salesforce
from connector.times import to_salesforce

COLLECTION_LIMIT = 200
# Orgs allow 25 long calls at once; we stay far below and leave room for people.
CALLS_PER_SECOND, BURST, CONCURRENCY = 25.0, 25, 4
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


class SalesforceClient(AbstractAsyncContextManager["SalesforceClient"]):
    """One org. Use as an async context manager."""

    def __init__(self, login: SecretLogin | KeyLogin, version: str, budget_percent: float) -> None:
        self.version = version
        self._gate = Gate(CALLS_PER_SECOND, BURST, CONCURRENCY)
        self._org = OrgSession(login, self._gate)
        self._session: HttpSession | None = None
        self._budget = budget_percent
        self.calls_used = 0
        self.calls_allowed = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The client these settings describe. Raises SettingsError when credentials are missing."""
        org = settings.salesforce
        return cls(require_salesforce(settings), org.api_version, org.api_budget_percent)

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
        answer = await self.call("GET", "/services/data")
        document = READER.document(answer)
        offered = [str(entry.get("version")) for entry in document] if isinstance(document, list) else []
        if offered and self.version not in offered:
            raise SettingsError(
                f"LEARNSYNC_SALESFORCE__API_VERSION = {self.version}: the org does not serve this version.",
                remedy=f"Use one from {offered[0]} to {offered[-1]}.",
            )

    async def replication(self, name: str, resource: str, start: datetime, end: datetime) -> dict[str, Any]:
        """What getUpdated or getDeleted (`resource`: updated | deleted) answers (docs/facts/salesforce.md section 5).

        Raises BadRequestError with the org's code: INVALID_REPLICATION_DATE, EXCEEDED_ID_LIMIT.
        """
        window = {"start": to_salesforce(start), "end": to_salesforce(end)}
        return READER.object(await self.call("GET", f"{self._data}/sobjects/{name}/{resource}/", params=window))

    async def describe(self, name: str) -> dict[str, Any]:
        """An object's describe. Raises NotFoundError when it is missing or invisible."""
        return READER.object(await self.call("GET", f"{self._data}/sobjects/{name}/describe"))

    async def retrieve(self, name: str, record_id: str, fields: Sequence[str]) -> dict[str, Any]:
        """One record by its id. Raises NotFoundError where there is none, or none that the run-as user may see."""
        params = {"fields": ",".join(fields)}
        return READER.object(await self.call("GET", f"{self._data}/sobjects/{name}/{record_id}", params=params))

    async def query(self, soql: str, *, deleted: bool = False) -> AsyncIterator[list[dict[str, Any]]]:
        """Records of a query, page by page; with `deleted`, those in the recycle bin too (queryAll)."""
        answer = await self.call("GET", f"{self._data}/{'queryAll' if deleted else 'query'}", params={"q": soql})
        while True:
            page = READER.object(answer)
            yield list(page["records"])
            if page.get("done", True):
                return
            answer = await self.call("GET", str(page["nextRecordsUrl"]))

    async def count(self, soql: str, *, deleted: bool = False) -> int:
        """How many records a `SELECT COUNT()` finds; with `deleted`, those in the recycle bin too. One call."""
        path = f"{self._data}/{'queryAll' if deleted else 'query'}"
        return int(READER.object(await self.call("GET", path, params={"q": soql}))["totalSize"])

    async def upsert(self, name: str, key: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        """Upsert up to 200 records by external id; one result per record, in order. Safe to repeat."""
        return await self._collection(f"/{name}/{key}", name, records)

    async def update(self, name: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        """Update up to 200 records by their `id`; one result per record, in order. Safe to repeat."""
        return await self._collection("", name, records)

    async def _collection(self, path: str, name: str, records: Sequence[Mapping[str, Any]]) -> list[RowResult]:
        body = {"allOrNone": False, "records": [{"attributes": {"type": name}, **record} for record in records]}
        answer = await self.call("PATCH", f"{self._data}/composite/sobjects{path}", json=body)
        results = json_or_none(answer)
        if not isinstance(results, list) or len(results) != len(records):
            raise ProtocolError(
                f"The org answered a write of {len(records)} records with something else.", body=answer.text
            )
        return [_row_result(result) for result in results]

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
            self._session = HttpSession(grant.instance_url, self._gate, setting=LOGIN_SETTING)
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


def _row_result(result: Mapping[str, Any]) -> RowResult:
    errors = result.get("errors") or [{}]
    first = errors[0] if not result.get("success") else {}
    return RowResult(
        success=bool(result.get("success")),
        created=bool(result.get("created")),
        remote_id=result.get("id"),
        code=first.get("statusCode"),
        text=first.get("message"),
    )
