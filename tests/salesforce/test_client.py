"""The org's HTTP side: logins that fail, the day's calls, faults that pass, long queries, collections of 200."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from support import query

from connector.errors import (
    ApiBudgetError,
    AuthenticationError,
    LearnsyncError,
    PermissionDeniedError,
    ServerFaultError,
    ThrottledError,
    UnreachableError,
)
from connector.push.reports import PushOptions
from connector.salesforce.client import SalesforceClient
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_pull, run_push
from connector.warehouse.database import Warehouse

PREFIX = "LEARNSYNC_SALESFORCE__"
NOTHING_WRITTEN = {"objects": {}, "collection_calls": 0}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Enough enrollments for two collections."""
    with Sandbox(SandboxOptions(scale=270, courses=4, rate_limit=0)) as running:
        yield running


@pytest.fixture
def ready(settings: Settings) -> Settings:
    run_pull(settings)
    run_build(settings)
    return settings


@contextmanager
def web_server(status: int, body: str) -> Iterator[str]:
    """A host that is no Salesforce org: everything gets the same page."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_PATCH = do_POST  # noqa: N815 - names that http.server asks for

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def refused_push(sandbox: Sandbox, kind: type[LearnsyncError]) -> LearnsyncError:
    """The push must fail with this error, write nothing, and tell no secret."""
    with Warehouse.of(load_settings()).connect():  # a failure makes no warehouse, and so has nowhere to be told
        pass
    with pytest.raises(kind) as caught:
        run_push(load_settings())
    assert sandbox.org.write_counts == NOTHING_WRITTEN
    text = str(caught.value)
    body = getattr(caught.value, "body", "")
    ((message,),) = query(Warehouse.of(load_settings()), "SELECT message FROM ops.runs WHERE command = 'push'")
    for secret in (sandbox.org.client_secret, load_settings().salesforce.client_secret.get_secret_value()):
        assert secret not in text + body + message
    return caught.value


@pytest.mark.parametrize(
    ("name", "value"), [("CLIENT_ID", "3MVG9not.this.one"), ("CLIENT_SECRET", "not-the-secret-9d1f")]
)
def test_a_refused_login_names_its_settings(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    failure = refused_push(sandbox, AuthenticationError)
    assert failure.exit_code == 2
    assert f"{PREFIX}LOGIN_URL" in str(failure)
    assert f"__{name}" in str(failure)
    assert "invalid_client" in str(failure)


def test_an_unreachable_org_names_its_setting(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}LOGIN_URL", f"http://127.0.0.1:{free_port()}")
    failure = refused_push(sandbox, UnreachableError)
    assert failure.exit_code == 2
    assert f"{PREFIX}LOGIN_URL" in str(failure)


@pytest.mark.parametrize("status", [200, 404])
def test_a_host_that_answers_with_a_web_page_names_the_setting(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with web_server(status, "<html><body>Welcome to nginx!</body></html>") as url:
        monkeypatch.setenv(f"{PREFIX}LOGIN_URL", url)
        failure = refused_push(sandbox, LearnsyncError)
    assert failure.exit_code == 2
    assert f"{PREFIX}LOGIN_URL" in str(failure)


def test_the_portals_address_in_place_of_the_orgs_names_the_setting(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}LOGIN_URL", sandbox.absorb_url)
    assert f"{PREFIX}LOGIN_URL" in str(refused_push(sandbox, LearnsyncError))


def test_a_retired_api_version_names_the_setting(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}API_VERSION", "20.0")
    assert f"{PREFIX}API_VERSION" in str(refused_push(sandbox, LearnsyncError))


# -- the day's calls --------------------------------------------------------------------------------------------------


def test_the_push_stops_before_the_budget_is_passed(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.set_api_usage(93, 100)
    failure = refused_push(sandbox, ApiBudgetError)
    assert failure.exit_code == 1
    assert "94 of its 100" in failure.message
    assert f"{PREFIX}API_BUDGET_PERCENT" in failure.remedy
    assert query(Warehouse.of(ready), "FROM salesforce.push_ledger") == []


@pytest.mark.parametrize(("used", "percent", "fits"), [(50, "80", True), (50, "50", False)])
def test_the_budget_is_the_share_that_the_setting_says(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch, used: int, percent: str, fits: bool
) -> None:
    # A whole push of this portal takes nine calls at most one after the other, within 200.
    sandbox.org.set_api_usage(used * 2, 200)
    monkeypatch.setenv(f"{PREFIX}API_BUDGET_PERCENT", percent)
    if fits:
        report = run_push(load_settings())
        assert report.complete
        assert report.api_used == used * 2 + report.calls - 1  # the login is no API call
        assert report.api_allowed == 200
    else:
        refused_push(sandbox, ApiBudgetError)


def test_an_org_without_calls_left_says_so(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.set_api_usage(100, 100)
    failure = refused_push(sandbox, ThrottledError)
    assert failure.exit_code == 1
    assert "no API calls left" in failure.message


def test_a_right_that_the_user_lacks_names_the_permission_set(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.refuse_next((403, "INSUFFICIENT_ACCESS"))
    failure = refused_push(sandbox, PermissionDeniedError)
    assert "LearnSync_Integration" in str(failure)


# -- faults that pass -------------------------------------------------------------------------------------------------


def test_a_burst_of_503_is_waited_out(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.refuse_next((503, "SERVER_UNAVAILABLE"), (500, "UNKNOWN_EXCEPTION"), (502, "BAD_GATEWAY"))
    report = run_push(ready)
    assert report.complete
    assert report.targets["lms_enrollment"].created == sandbox.org.record_counts()["LMS_Enrollment__c"]


def test_an_org_that_keeps_failing_ends_the_run(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.http.retry.FIRST_WAIT_SECONDS", 0.01)
    sandbox.org.refuse_next(*[(503, "SERVER_UNAVAILABLE")] * 6)
    failure = refused_push(sandbox, ServerFaultError)
    assert "503" in str(failure)
    assert run_push(ready).complete


def test_sessions_refused_at_once_end_the_run_instead_of_logging_in_for_ever(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.refuse_next((401, "INVALID_SESSION_ID"), (401, "INVALID_SESSION_ID"))
    refused_push(sandbox, AuthenticationError)
    assert sandbox.org.calls["POST /services/oauth2/token"] == 2


# -- long answers, full collections -----------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [1999, 2000, 4500])
def test_a_query_of_several_pages_is_complete(sandbox: Sandbox, settings: Settings, extra: int) -> None:
    before = len(sandbox.org.records("Contact"))
    for at in range(extra - before):
        sandbox.org.add("Contact", LastName="Park", Name="Park", Email=f"p{at}@example.org")

    async def read() -> list[list[str]]:
        async with SalesforceClient.of(settings) as client:
            return [[row["Id"] for row in page] async for page in client.query("SELECT Id FROM Contact")]

    pages = asyncio.run(read())
    ids = [key for page in pages for key in page]
    assert len(pages) == -(-extra // 2000)
    assert len(ids) == len(set(ids)) == extra
    assert set(ids) == {row["Id"] for row in sandbox.org.records("Contact")}


@pytest.mark.parametrize(("limit", "calls"), [(199, 1), (200, 1), (201, 2)])
def test_collections_hold_two_hundred_records(sandbox: Sandbox, ready: Settings, limit: int, calls: int) -> None:
    run_push(ready, PushOptions(targets=("lms_course",)))
    before = sandbox.org.write_counts["collection_calls"]
    report = run_push(ready, PushOptions(targets=("lms_enrollment",), limit=limit))
    assert report.targets["lms_enrollment"].accepted == limit
    assert sandbox.org.write_counts["collection_calls"] - before == calls
    assert sandbox.org.record_counts()["LMS_Enrollment__c"] == limit
