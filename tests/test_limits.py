"""No answer takes all memory or all time: hostile servers on loopback, and that ordinary ones notice nothing."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from raw_server import CHUNKED, HEAD, Behaviour, Line, body, raw_server

from connector.absorb.client import AbsorbClient
from connector.errors import ApiError, LearnsyncError, LimitError, ProtocolError, UnreachableError
from connector.http.answers import Answer
from connector.http.limits import REFUSAL_BYTES, DefaultLimits
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession
from connector.learning_records.client import LearningRecordsApi
from connector.salesforce.client import SalesforceClient
from connector.settings import LimitSettings, Settings, load_settings

REPO = Path(__file__).resolve().parents[1]
SMALL = DefaultLimits(answer_megabytes=0.5, file_megabytes=1.5)
SHORT = DefaultLimits(call_seconds=0.3, file_seconds=0.3)
BOMB = gzip.compress(bytes(2_000_000))  # a kilobyte for a megabyte
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.http.retry.FIRST_WAIT_SECONDS", 0.001)


def get(url: str, limits: DefaultLimits = SMALL, **request: Any) -> Answer:
    async def call() -> Answer:
        async with HttpSession(url, Gate(1000, 1000, 8), setting="LEARNSYNC_ABSORB__BASE_URL", limits=limits) as http:
            return await http.call("GET", "/things", **request)

    return asyncio.run(call())


def endless(line: Line) -> None:
    line.send(CHUNKED)
    line.endlessly(CHUNK)


def bomb(line: Line) -> None:
    line.send(HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB)


def slow_body(line: Line) -> None:
    line.send(HEAD + b"content-length: 1000\r\n\r\n")
    line.slowly(b"x" * 1000)


def slow_head(line: Line) -> None:
    line.slowly(HEAD)


def slow_refusal(line: Line) -> None:
    line.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 1000\r\n\r\n")
    line.slowly(b"x" * 1000)


def interim(line: Line) -> None:
    line.endlessly(b"HTTP/1.1 102 Processing\r\n\r\n")


ANSWER, CALL = "LEARNSYNC_LIMITS__ANSWER_MEGABYTES", "LEARNSYNC_LIMITS__CALL_SECONDS"


@pytest.mark.parametrize(
    ("behaviour", "setting"),
    [(endless, ANSWER), (bomb, ANSWER), (slow_body, CALL), (slow_head, CALL), (slow_refusal, CALL), (interim, CALL)],
    ids=lambda it: getattr(it, "__name__", it),
)
def test_an_answer_past_a_limit_ends_the_call_and_names_the_setting(behaviour: Behaviour, setting: str) -> None:
    began = time.monotonic()
    with raw_server(behaviour) as server, pytest.raises(LimitError) as found:
        get(server.url, SMALL if setting == ANSWER else SHORT)
    assert found.value.exit_code == 1
    assert f"GET {server.url}/things was" in found.value.message
    assert f"({setting})" in found.value.message
    assert setting in found.value.remedy
    assert "LEARNSYNC_ABSORB__BASE_URL" in found.value.remedy
    assert len(server.requests) == 1, "what is too large or too slow is not asked for again"
    assert time.monotonic() - began < 5


def test_an_endless_answer_takes_no_more_memory_than_the_limit() -> None:
    with raw_server(endless) as server:
        tracemalloc.start()
        try:
            with pytest.raises(LimitError):
                get(server.url, DefaultLimits(answer_megabytes=4))
            assert tracemalloc.get_traced_memory()[1] < 12_000_000
        finally:
            tracemalloc.stop()


def test_an_answer_of_millions_of_values_is_not_unpacked() -> None:
    dense = b"[" + b"[]," * 100_000 + b"[]]"
    with raw_server(body(dense)) as server:
        with pytest.raises(LimitError, match=f"more values than 0.5 MB of rows hold .{ANSWER}."):
            get(server.url)
        assert len(get(server.url, DefaultLimits()).json()) == 100_001


def test_of_a_refusal_only_the_beginning_is_read() -> None:
    def refuse(line: Line) -> None:
        line.send(b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n")
        line.endlessly(CHUNK)

    with raw_server(refuse) as server:
        answer = get(server.url)
    assert (answer.status, len(answer.body) // REFUSAL_BYTES) == (400, 1)


def test_a_file_has_limits_of_its_own(tmp_path: Path) -> None:
    megabyte = b"x" * 1_000_000
    with raw_server(body(megabyte)) as server:
        assert get(server.url, sink=tmp_path / "result.csv").ok
        assert (tmp_path / "result.csv").read_bytes() == megabyte
        with pytest.raises(LimitError, match=ANSWER):
            get(server.url)
    with raw_server(endless) as server, pytest.raises(LimitError, match="LEARNSYNC_LIMITS__FILE_MEGABYTES"):
        get(server.url, sink=tmp_path / "result.csv")
    assert (tmp_path / "result.csv").stat().st_size <= 1_500_000
    with raw_server(slow_body) as server, pytest.raises(LimitError, match="LEARNSYNC_LIMITS__FILE_SECONDS"):
        get(server.url, SHORT, sink=tmp_path / "result.csv")


@pytest.mark.parametrize("encoding", [b"gzip, gzip, gzip", b"br", b"zstd", b"gzip,deflate"])
def test_more_than_one_layer_of_compression_is_not_unpacked(encoding: bytes) -> None:
    content = gzip.compress(gzip.compress(b"{}"))
    with raw_server(body(content, b"content-encoding: " + encoding)) as server:
        with pytest.raises(UnreachableError, match="compressed in a way that was not asked for"):
            get(server.url)
        assert b"accept-encoding: gzip, deflate\r\n" in server.requests[0].lower()


def test_a_large_an_unhurried_and_a_compressed_answer_are_ordinary() -> None:
    def unhurried(line: Line) -> None:
        line.send(HEAD + b"content-length: 6\r\n\r\n")
        line.slowly(b"[1, 2]", pause=0.02)

    for behaviour, wanted in [
        (body(b"[" + b" " * 499_998 + b"]"), []),
        (unhurried, [1, 2]),
        (body(gzip.compress(b'{"a": 1}'), b"content-encoding: gzip"), {"a": 1}),
    ]:
        with raw_server(behaviour) as server:
            assert get(server.url).json() == wanted


@pytest.mark.parametrize(
    "header",
    [
        b"content-length: " + b"9" * 5000,
        b"retry-after: " + b"9" * 5000,
        b"date: " + b"9" * 5000,
        b"sforce-limit-info: api-usage=" + b"9" * 5000 + b"/" + b"9" * 5000,
        b"set-cookie: " + b"a=b; max-age=" + b"9" * 5000,
        b"content-type: \xff\xfe",
        b"x: " + b"y" * 200_000,
        b"\x00: 1",
    ],
    ids=lambda header: header[:20],
)
def test_odd_headers_end_in_an_answer_or_an_error_of_ours(header: bytes) -> None:
    with raw_server(body(b"{}", header)) as server:
        try:
            answer = get(server.url)
        except LearnsyncError:
            return
    assert answer.json() == {}
    assert answer.retry_after is None or answer.retry_after > 0


def test_the_defaults_of_the_settings_are_those_of_calls_without_settings() -> None:
    settings, standard = LimitSettings(), DefaultLimits()
    names = ("answer_megabytes", "call_seconds", "file_megabytes", "file_seconds")
    assert [getattr(settings, name) for name in names] == [getattr(standard, name) for name in names]


# -- the clients -------------------------------------------------------------------------------------------------------


async def use_absorb(settings: Settings) -> None:
    async with AbsorbClient.of(settings) as client:
        await client.login()


async def use_salesforce(settings: Settings) -> None:
    async with SalesforceClient.of(settings) as client:
        await client.grant()


async def use_records(settings: Settings) -> None:
    async with LearningRecordsApi.of(settings) as client:
        await client.get("lrn_1")


@pytest.mark.parametrize("use", [use_absorb, use_salesforce, use_records])
@pytest.mark.parametrize(
    ("behaviour", "setting", "limits"),
    [(endless, ANSWER, {"answer_megabytes": 0.1}), (slow_body, CALL, {"call_seconds": 0.3})],
)
def test_every_client_keeps_the_limits_of_the_settings(
    use: Callable[[Settings], Any], behaviour: Behaviour, setting: str, limits: dict[str, float]
) -> None:
    with raw_server(behaviour) as server, pytest.raises(LimitError, match=setting):
        asyncio.run(
            use(
                load_settings(
                    absorb={"base_url": server.url, "api_key": "key-1", "username": "u", "password": "p"},
                    salesforce={"login_url": server.url, "client_id": "c", "client_secret": "s"},
                    learning_records={"base_url": server.url, "api_key": "key-1"},
                    limits=limits,
                )
            )
        )


# -- nothing is sent elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See Other", b"307 Temporary", b"308 Permanent"])
@pytest.mark.parametrize("where", ["http://localhost:{}/elsewhere", "/elsewhere", "//other.example/", "http://[", ""])
def test_a_redirect_is_never_followed(status: bytes, where: str) -> None:
    with raw_server(body(b"{}")) as other:
        place = where.format(other.url.rsplit(":", 1)[1]).encode()
        with raw_server(body(b"", b"location: " + place, status=status)) as server:
            try:
                assert not get(server.url, headers={"authorization": "Bearer secret"}).ok
            except (UnreachableError, ProtocolError, ApiError):
                assert where == "http://["
            assert all(b" /things " in request for request in server.requests)
        assert other.requests == []


@pytest.mark.parametrize("path", ["https://other.example/x", "//other.example/x", "x", "", "http:/x"])
def test_a_session_calls_paths_of_its_own_host_alone(path: str) -> None:
    async def call() -> None:
        async with HttpSession("http://127.0.0.1:9", Gate(9, 9, 1), setting="X") as http:
            await http.call("GET", path)

    with pytest.raises(ValueError, match="not a path of this host"):
        asyncio.run(call())


def test_a_key_that_no_header_can_carry_is_an_error_and_stays_unsaid() -> None:
    with raw_server(body(b"{}")) as server, pytest.raises(UnreachableError, match="cannot be sent") as found:
        get(server.url, headers={"x-api-key": "clé-sécrète"})
    assert "LEARNSYNC_ABSORB__BASE_URL and the keys beside it" in found.value.remedy
    assert "cl" not in found.value.message.replace("closed", "")


# -- the commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "behaviour", "setting", "value"),
    [
        pytest.param("pull", slow_head, CALL, "0.3", id="a byte at a time"),
        pytest.param("readback", endless, ANSWER, "0.2", id="without end", marks=pytest.mark.soak),
    ],
)
def test_a_command_ends_as_incomplete_with_one_message(
    command: str, behaviour: Behaviour, setting: str, value: str
) -> None:
    with raw_server(behaviour) as server:
        absorb = {"BASE_URL": server.url, "API_KEY": "key-1", "USERNAME": "u", "PASSWORD": "p"}
        salesforce = {"LOGIN_URL": server.url, "CLIENT_ID": "c", "CLIENT_SECRET": "s"}
        variables = {f"LEARNSYNC_ABSORB__{name}": text for name, text in absorb.items()}
        variables |= {f"LEARNSYNC_SALESFORCE__{name}": text for name, text in salesforce.items()}
        done = subprocess.run(
            [sys.executable, "-m", "connector.cli", command], capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | variables | {setting: value, "PYTHONPATH": str(REPO)},
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert setting in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
