"""Odd answers of an org: each call reads what the API documents, or says whose answer it was that it could not read."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from odd import odd_csv, odd_json
from odd_org import OddOrg, Said, quiet
from raw_server import body, raw_server
from support import examples

from connector.errors import IdentityError, LearnsyncError, LimitError, ProtocolError
from connector.progress import Silent
from connector.push.reports import Pauses
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.push.bulk_jobs import BulkJobs
from connector.salesforce.readback.objects import USER
from connector.salesforce.readback.read import Reader
from connector.salesforce.session import is_instance
from connector.salesforce.targets import COURSE, ENROLLMENT
from connector.sandbox.server import SandboxOptions
from connector.settings import LimitSettings, SecretLogin
from connector.warehouse.database import Warehouse
from connector.warehouse.identity import Identity, require_same
from mappings import load_mapping

MAPS = load_mapping()
KEY = COURSE.key
DATA = "/services/data/v67.0"
Act = Callable[[SalesforceClient], Awaitable[Any]]


@pytest.fixture(scope="module")
def running() -> Iterator[OddOrg]:
    with OddOrg(SandboxOptions(scale=40, courses=2, rate_limit=0)) as box:
        yield box


@pytest.fixture
def org(running: OddOrg) -> Iterator[OddOrg]:
    """An org whose answers a test may change."""
    running.seen.clear()
    yield running
    running.script = quiet


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.http.retry.FIRST_WAIT_SECONDS", 0.001)


def run(org: OddOrg, act: Act, limits: LimitSettings | None = None) -> Any:
    assert org.org is not None
    login = SecretLogin(org.salesforce_url, org.org.client_id, org.org.client_secret)

    async def whole() -> Any:
        async with SalesforceClient(login, "67.0", 100, limits) as client:
            return await act(client)

    return asyncio.run(whole())


# -- every call that reads an answer of an org -------------------------------------------------------------------------


async def users(client: SalesforceClient) -> list[str]:
    """By a reading, as a read-back and a push make it."""
    folder = Path("spool")
    reading = await Reader(client, {}, folder, Silent()).read(USER)
    return [json.loads(line)["Id"] for file in reading.files for line in file.read_text("utf-8").splitlines()]


async def count(client: SalesforceClient) -> int:
    return await client.count("SELECT COUNT() FROM User")


async def one_user(client: SalesforceClient) -> Any:
    return await client.retrieve("User", str((await client.grant()).user_id), ["Id", "Email"])


async def updated(client: SalesforceClient) -> Any:
    return await client.updated("Contact", client.clock - timedelta(hours=1), client.clock)


async def deleted(client: SalesforceClient) -> Any:
    return await client.deleted("Contact", client.clock - timedelta(hours=1), client.clock)


async def described(client: SalesforceClient) -> Any:
    return await preflight.look(client, ENROLLMENT, MAPS)


async def upserted(client: SalesforceClient) -> Any:
    return await client.upsert(COURSE.object, KEY, [{KEY: f"c{at}", "Name": "First Aid"} for at in range(3)])


async def job(client: SalesforceClient) -> dict[str, Path]:
    """A job from its opening to its results."""
    Path("rows.csv").write_text(f"{KEY},Name\nb1,First Aid\nb2,Fire\n", "utf-8")
    jobs = BulkJobs(client, Pauses(first_poll=0.001))
    made = await jobs.create(COURSE.object, KEY)
    await jobs.upload(made.id, Path("rows.csv"))
    await jobs.set_state(made.id, "UploadComplete")
    info = await jobs.wait(made.id, 2, Silent())
    assert info is not None
    return await jobs.download(info, Path.cwd(), KEY)


ACTS: dict[str, tuple[Act, Callable[[Said], bool]]] = {
    "login": (lambda client: client.grant(), lambda said: said.path.endswith("/token")),
    "versions": (lambda client: client.check_version(), lambda said: said.path == "/services/data"),
    "describe": (described, lambda said: said.path.endswith("/describe")),
    "query": (users, lambda said: "/query" in said.path),
    "count": (count, lambda said: "/query" in said.path),
    "retrieve": (one_user, lambda said: "/sobjects/User/" in said.path),
    "updated": (updated, lambda said: said.path.endswith("/updated/")),
    "deleted": (deleted, lambda said: said.path.endswith("/deleted/")),
    "upsert": (upserted, lambda said: "/composite/" in said.path),
    "job": (job, lambda said: said.path.endswith("/jobs/ingest")),
    "poll": (job, lambda said: said.method == "GET" and said.path.split("/")[-2] == "ingest"),
    "close": (job, lambda said: said.method == "PATCH" and "/jobs/" in said.path),
    "results": (job, lambda said: said.path.endswith("/successfulResults/")),
}


def send(org: OddOrg, name: str, body: bytes | Callable[[bytes], bytes]) -> Act:
    """Let the org answer so where this act is concerned; returns the act."""
    act, concerned = ACTS[name]

    def script(said: Said) -> None:
        if concerned(said):
            said.body = body if isinstance(body, bytes) else body(said.body)

    org.script = script
    return act


def edit(**changes: Any) -> Callable[[bytes], bytes]:
    """Members of the object that came, set or, for `...`, left out."""

    def apply(body: bytes) -> bytes:
        document = json.loads(body) | changes
        return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()

    return apply


def records(*changed: Any) -> Callable[[bytes], bytes]:
    """The records of a page replaced, and announced as so many."""
    return edit(records=list(changed), totalSize=len(changed))


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def apply(body: bytes) -> bytes:
        assert old in body
        return body.replace(old, new, 1)

    return apply


FULL = {"Id": "005000000000001AAA", "SystemModstamp": "2026-01-01T00:00:00.000+0000"}
NO_JSON, HTML, TEXT = "the body is not JSON", b"<html><body>Sorry</body></html>", b'"text"'
# Act, body, what the message says of it.
ROWS: list[tuple[str, bytes | Callable[[bytes], bytes], str]] = [
    *((name, HTML, NO_JSON) for name in ACTS if name != "results"),
    *((name, b"", NO_JSON) for name in ACTS if name not in {"results", "login"}),
    *((name, TEXT, "") for name in ACTS if name != "results"),
    *((name, b'["text"]', "") for name in ACTS if name != "results"),
    *((name, b"[" * 300 + b"]" * 300, NO_JSON) for name in ACTS if name != "results"),
    ("login", edit(access_token=...), "access_token"),
    ("login", edit(access_token="clé"), "access_token is no text of plain ASCII"),
    ("login", edit(access_token="two words"), "access_token is no text of plain ASCII"),
    ("login", edit(access_token="line\nend"), "access_token is no text of plain ASCII"),
    ("login", edit(access_token=["x"]), "access_token is no text of plain ASCII"),
    ("login", edit(id="https://login.salesforce.com/id/x/y"), "id names no organization"),
    ("login", edit(id=["x"]), "id names no organization"),
    ("login", edit(instance_url=...), "instance_url is no https address"),
    ("describe", edit(fields=...), "fields: Field required"),
    ("describe", edit(fields=None), "fields: Input should be a valid array"),
    ("describe", edit(fields=["x"]), "fields.0"),
    ("describe", edit(fields=[{"type": "string"}]), "fields.0.name: Field required"),
    ("describe", edit(fields=[{"name": "Id"}]), "fields.0.type: Field required"),
    ("describe", edit(fields=[{"name": "Id", "type": "id", "picklistValues": [{}]}]), "value: Field required"),
    ("query", edit(records=...), "records: Field required"),
    ("query", records("text"), "records.0"),
    ("query", edit(totalSize=...), "totalSize: Field required"),
    ("query", edit(done=...), "done: Field required"),
    ("query", edit(records=[]), "it ends after 0 of"),
    ("query", edit(done=False), "nextRecordsUrl is no path below /services/data/"),
    ("query", records({}), "a record of User without Id"),
    ("query", records(FULL | {"Id": 5}), "a record of User whose Id is no varchar"),
    ("query", records(FULL | {"Id": "0035g0000000001AAA"}), "a record of User with the id of another object"),
    ("query", records(FULL | {"SystemModstamp": None}), "a record of User without SystemModstamp"),
    ("query", records(FULL | {"SystemModstamp": "soon"}), "SystemModstamp is no timestamptz"),
    ("query", records(FULL | {"IsActive": "maybe"}), "IsActive is no boolean"),
    ("query", records(FULL | {"Email": {"x": 1}}), "Email is no varchar"),
    ("count", edit(totalSize="many"), "totalSize"),
    ("count", edit(totalSize=-1), "totalSize"),
    ("retrieve", edit(Id=...), "a record without Id"),
    ("updated", edit(ids=...), "ids: Field required"),
    ("updated", edit(ids=None), "ids"),
    ("updated", edit(ids=[None]), "ids.0"),
    ("deleted", edit(deletedRecords=...), "deletedRecords: Field required"),
    ("deleted", edit(deletedRecords=["x"]), "deletedRecords.0"),
    ("deleted", edit(deletedRecords=[{"deletedDate": None}]), "deletedRecords.0.id"),
    ("upsert", b"[]", "3 records were written and 0 results came"),
    ("upsert", b'[{"success": true}, {}, {}]', "1.success: Field required"),
    ("upsert", b'[{"success": true}, {"success": true}, {"success": true}]', "a record that was saved has no id"),
    ("upsert", b'[{"success": false, "errors": ["x"]}]', "0.errors.0"),
    ("job", edit(id=...), "id: Field required"),
    ("job", edit(id="../../../x"), "id: String should match pattern"),
    ("job", edit(id="750000000000001/x"), "id: String should match pattern"),
    ("poll", edit(id="750000000000999AAA"), "it is about another job"),
    ("poll", edit(state=None), "state"),
    ("poll", edit(apiVersion="../.."), "apiVersion"),
    ("poll", edit(numberRecordsProcessed="many"), "numberRecordsProcessed"),
    ("close", edit(id="../x"), "id: String should match pattern"),
    ("results", HTML, "it has no column sf__Id"),
    ("results", swap(b'"sf__Id"', b'"sf__Id'), "it is cut or no CSV"),
    ("results", swap(b'"b1"', b'"b1","more"'), " values, the header 4"),
    ("results", swap(b'"b1"', b'"b1'), "it is cut or no CSV"),
    ("results", swap(b"First", b"\xff\xfe"), "it is not UTF-8"),
    ("results", swap(b'"b1"', b'"b\x001"'), "holds a NUL"),
    ("results", lambda body: body[: body.index(b'"b2"') + 2], "it is cut or no CSV"),
]


@pytest.mark.parametrize(("name", "odd", "says"), ROWS, ids=[f"{name}-{says[:30]}" for name, _, says in ROWS])
def test_an_odd_answer_is_an_error_that_names_call_and_remedy(org: OddOrg, name: str, odd: Any, says: str) -> None:
    act = send(org, name, odd)
    with pytest.raises(ProtocolError) as found:
        run(org, act)
    last = next(said for said in reversed(org.seen) if ACTS[name][1](said))
    assert found.value.message.startswith(f"{last.method} {last.path} answered 20")
    assert says in found.value.message
    assert "LEARNSYNC_SALESFORCE__LOGIN_URL" in found.value.remedy or found.value.remedy.startswith("Run again")
    assert sorted(Path().rglob("*.csv")) in ([], [Path("rows.csv")]), "nothing is kept, or put elsewhere"


@pytest.mark.parametrize("name", ACTS)
def test_an_ordinary_answer_is_read(org: OddOrg, name: str) -> None:
    assert org.org is not None
    found = run(org, ACTS[name][0])
    if name == "query":
        assert set(found) == {row["Id"] for row in org.org.records("User")}
    if name == "results":
        rows = [json.loads(line) for line in found["successful"].read_text().splitlines()]
        assert sorted(row["external_id"] for row in rows) == ["b1", "b2"]


@pytest.mark.parametrize("used", ["9" * 5_000, "-1", "x", "٣", ""])
def test_a_limit_header_that_is_no_number_is_left_aside(org: OddOrg, used: str) -> None:
    org.script = lambda said: said.headers.update(
        {"sforce-limit-info": f"api-usage={used}/{used}".encode().decode("latin-1")}
    )

    async def call(client: SalesforceClient) -> tuple[int, int]:
        await client.check_version()
        return client.calls_used, client.calls_allowed

    assert run(org, call) == (0, 0)


# -- queries that do not end -------------------------------------------------------------------------------------------


def following(locator: Callable[[int], str], *, rows: int = 0) -> Callable[[Said], None]:
    """Every page of a query leads to another one; the n-th to `locator(n)`."""
    pages = 0

    def script(said: Said) -> None:
        nonlocal pages
        if "/query" in said.path:
            pages += 1
            page = {"totalSize": 10**6, "done": False, "records": [FULL] * rows, "nextRecordsUrl": locator(pages)}
            said.status, said.body = 200, json.dumps(page).encode()

    return script


@pytest.mark.parametrize(
    ("locator", "calls", "says"),
    [
        (lambda _: f"{DATA}/query/01g-2000", 2, "leads back to a page that was read already"),
        (lambda page: f"{DATA}/query/01g-{page % 3}", 4, "leads back to a page that was read already"),
        (lambda page: f"{DATA}/query/01g-{page}", 5, "more than 5 pages (LEARNSYNC_LIMITS__LIST_PAGES)"),
    ],
)
def test_pages_in_a_circle_or_without_end_end_the_query_as_incomplete(
    org: OddOrg, locator: Callable[[int], str], calls: int, says: str
) -> None:
    org.script = following(locator, rows=1)
    with pytest.raises(LimitError) as found:
        run(org, users, LimitSettings(list_pages=5))
    assert found.value.exit_code == 1
    assert says in found.value.message
    assert len([said for said in org.seen if "/query" in said.path]) == calls


def test_a_query_that_serves_more_than_it_announced_is_left(org: OddOrg) -> None:
    def script(said: Said) -> None:
        following(lambda page: f"{DATA}/query/01g-{page}", rows=2)(said)
        said.body = said.body.replace(b"1000000", b"3")

    org.script = script
    with pytest.raises(ProtocolError, match="it goes on after all 3 records"):
        run(org, users)


# -- the token stays in the house --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "locator",
    [
        "{other}/services/data/v67.0/query/01g-2000", "//{host}/services/data/v67.0/query/01g-2000", "@{host}/",
        "/services/data/../../other", "/services/data/%2e%2e/other", "/services/data\\..\\other", "/other",
        "services/data/x", "/services/data/v67.0/query/x y", "/services/data/v67.0/query/\n",
        "/services/data/v67.0/query/x#y", "", "\x00", "/services/data/", "/services/data/é",
    ],
)  # fmt: skip
def test_a_next_page_elsewhere_is_not_asked_for(org: OddOrg, locator: str) -> None:
    with raw_server(body(b"{}")) as other:
        place = locator.format(other=other.url, host=other.url.removeprefix("http://"))
        org.script = following(lambda _: place)
        with pytest.raises(
            ProtocolError, match="nextRecordsUrl is no path below /services/data/, so it is not followed"
        ):
            run(org, users)
        assert other.requests == []
    assert len([said for said in org.seen if said.path != "/services/oauth2/token"]) == 1


@pytest.mark.parametrize(
    "instance",
    [
        "http://elsewhere.example", "ftp://127.0.0.1", "https://user:word@127.0.0.1", "https://a..b", "https://x/path",
        "https://x?y", "https://x#y", "https://bücher.example", "https://", "javascript:1", "//127.0.0.1", "", None, 5,
        ["https://x"], {"x": 1}, "https://x\\@y", "https://x y", f"https://{'a' * 64}.example", "https://x:99999",
    ],
)  # fmt: skip
def test_no_token_goes_to_an_instance_that_is_no_https_host(org: OddOrg, instance: Any) -> None:
    send(org, "login", edit(instance_url=instance))
    with pytest.raises(ProtocolError, match="instance_url is no https address, so no token is sent there"):
        run(org, count)
    assert [said.path for said in org.seen] == ["/services/oauth2/token"]


@pytest.mark.parametrize(
    ("login", "instance", "fits"),
    [
        ("https://acme.my.salesforce.com", "https://acme.my.salesforce.com", True),
        ("https://login.salesforce.com", "https://na1.salesforce.com/", True),
        ("https://acme.my.salesforce.com", "http://127.0.0.1:8080", False),
        ("https://acme.my.salesforce.com", "https://localhost", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:2", True),
        ("http://localhost:1", "http://[::1]:2", True),
        ("http://127.0.0.1:1", "http://192.168.0.1", False),
    ],
)
def test_an_instance_on_this_machine_needs_a_login_on_this_machine(login: str, instance: str, fits: bool) -> None:
    assert is_instance(instance, login) is fits


def logins(**second: Any) -> Callable[[Said], None]:
    """From the second login of a session on, the token answer has these members."""
    before = 0

    def script(said: Said) -> None:
        nonlocal before
        if said.path.endswith("/token"):
            before += 1
            if before > 1:
                said.body = edit(**second)(said.body)

    return script


async def two_logins(client: SalesforceClient) -> None:
    await client.check_version()
    assert isinstance(client, SalesforceClient)
    client._org._grant = None
    await client.check_version()


def test_an_instance_that_changes_between_two_logins_is_said(
    org: OddOrg, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    moved = org.salesforce_url.replace("127.0.0.1", "localhost")
    org.script = logins(instance_url=moved)
    with caplog.at_level(logging.WARNING):
        run(org, two_logins)
    assert f"was at {org.salesforce_url} at the login before, and is at {moved} now" in caplog.text

    caplog.clear()
    warehouse = Warehouse(tmp_path / "w.duckdb")
    for url, run_id in [("https://a.example", "1"), ("https://a.example", "2"), ("https://b.example", "3")] * 2:
        require_same(warehouse, Identity("org", "00D000000000001", "organization id", url), "default", note_by=run_id)
        with warehouse.connect():
            pass
    told = [re.findall(r"https://([ab])\.example", message) for message in caplog.messages]
    assert told == [["a", "b"], ["b", "a"], ["a", "b"]]


def test_the_same_instance_again_is_not_said(org: OddOrg, caplog: pytest.LogCaptureFixture) -> None:
    org.script = logins()
    with caplog.at_level(logging.WARNING):
        run(org, two_logins)
    assert caplog.text == ""


def test_a_second_login_to_another_org_ends_the_run(org: OddOrg) -> None:
    other = "https://login.salesforce.com/id/00D999999999999AAA/005000000000001AAA"
    org.script = logins(id=other)
    with pytest.raises(IdentityError, match="led to another org"):
        run(org, two_logins)
    assert len([said for said in org.seen if said.path == "/services/data"]) == 1


# -- bodies made from good ones ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(running: OddOrg, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the org answers on an ordinary day."""
    found: dict[str, bytes] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("good"))
        for name, (act, concerned) in ACTS.items():
            running.seen.clear()
            run(running, act)
            found[name] = next(said.body for said in running.seen if concerned(said))
    return found


def ids_in(body: bytes) -> set[str]:
    return {record["Id"] for record in json.loads(body)["records"]}


@pytest.mark.property
@pytest.mark.parametrize("name", ACTS)
@hypothesis_settings(
    max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_answer_is_read_or_an_error_of_ours(org: OddOrg, good: dict[str, bytes], name: str, data: Any) -> None:
    before = good[name]
    odd = data.draw(odd_csv(before) if name == "results" else odd_json(json.loads(before)))
    act = send(org, name, odd)
    try:
        found = run(org, act, LimitSettings(job_hours=0.01 / 3600, list_pages=5))
    except LearnsyncError:
        return
    if name == "query":  # no record is lost in silence: all that the answer holds are read, and all that it announces
        page = json.loads(odd)
        assert set(found) == ids_in(odd)
        assert len(found) >= page["totalSize"]
