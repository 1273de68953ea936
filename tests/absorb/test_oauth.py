"""OAuth of the portal host: one person's yes becomes a login that lasts, is its owner's alone, is refreshed once."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from oauth_browser import EXCHANGES, REFRESHES, calls, decide, follow, query_of
from support import query

from connector import redact
from connector.absorb.client import AbsorbClient
from connector.absorb.login.authorize import Receiver, authorize_url, new_state, read_answer
from connector.absorb.login.oauth import exchange, refresh, stored_login
from connector.absorb.login.token_file import StoredTokens, TokenFile
from connector.errors import AuthenticationError, LearnsyncError, ServerFaultError, SettingsError, WrongPathError
from connector.sandbox.kit.errors import Refusal
from connector.sandbox.portal.gateway import AbsorbOptions
from connector.sandbox.portal.oauth import CODE_SECONDS, OAuthClient, OAuthServer
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import OAuthLogin, PasswordLogin, Settings, load_settings, require_absorb, require_oauth
from connector.sync import run_pull
from connector.times import utc_now
from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[2]
REDIRECT = "http://127.0.0.1:8765/callback"
MINE = 0o600


def serving(**options: Any) -> Sandbox:
    return Sandbox(SandboxOptions(scale=60, courses=3, salesforce=False, rate_limit=0, **options))


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """A portal for tests that look at no counts."""
    with serving() as running:
        yield running


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    with serving() as running:
        yield running


def settings_for(portal: Sandbox, **changes: Any) -> Settings:
    absorb = {
        "base_url": portal.absorb_url,
        "api_key": portal.absorb.api_key,
        "portal_url": portal.absorb_url,
        "oauth_client_id": portal.absorb.oauth.client_id,
        "oauth_client_secret": portal.absorb.oauth.client_secret,
        "requests_per_second": 5000,
        "burst": 5000,
    }
    return load_settings(absorb=absorb | changes)


def login_of(settings: Settings) -> OAuthLogin:
    found = require_absorb(settings)
    assert isinstance(found, OAuthLogin)
    return found


def log_in(settings: Settings) -> StoredTokens:
    """Permit the access and store the login, without the loopback redirect."""
    login = login_of(settings)
    state = new_state()
    code = read_answer(decide(authorize_url(login, REDIRECT, state)).partition("?")[2], state)
    return keep(settings, asyncio.run(exchange(login, code, REDIRECT)))


def keep(settings: Settings, stored: StoredTokens) -> StoredTokens:
    with TokenFile(settings.absorb.token_file).replacing() as save:
        save(stored)
    return stored


def aged(stored: StoredTokens, seconds: float, **changes: Any) -> StoredTokens:
    """The same, issued `seconds` earlier."""
    earlier = timedelta(seconds=seconds)
    moved = {"obtained_at": stored.obtained_at - earlier, "expires_at": stored.expires_at - earlier}
    return stored.model_copy(update=moved | changes)


def run(settings: Settings, act: Callable[[AbsorbClient], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with AbsorbClient.of(settings) as client:
            return await act(client)

    return asyncio.run(whole())


async def call(client: AbsorbClient) -> int:
    return (await client.call("GET", "/departments", params={"_limit": 1, "_offset": 0})).status


async def many(client: AbsorbClient) -> list[int]:
    return list(await asyncio.gather(*(call(client) for _ in range(20))))


def file_of(settings: Settings) -> dict[str, Any]:
    document = json.loads(settings.absorb.token_file.read_bytes())
    assert isinstance(document, dict)
    return document


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# -- the flow ----------------------------------------------------------------------------------------------


def test_a_permitted_access_becomes_a_login_that_the_api_takes(portal: Sandbox) -> None:
    settings = settings_for(portal)
    login, state = login_of(settings), new_state()
    with Receiver.listening(0, state) as receiver, ThreadPoolExecutor(1) as person:
        page = person.submit(follow, authorize_url(login, receiver.redirect_uri, state))
        code = receiver.wait(10)
        assert page.result().status_code == 200
        assert code not in page.result().text
        stored = keep(settings, asyncio.run(exchange(login, code, receiver.redirect_uri)))
    assert timedelta(hours=3.9) < stored.expires_at - utc_now() < timedelta(hours=4.1)
    assert timedelta(days=364) < stored.login_ends - utc_now() < timedelta(days=366)
    assert run(settings, many) == [200] * 20
    assert calls(portal)["POST /authenticate"] == 0
    assert calls(portal)[EXCHANGES] == 1


def test_the_address_asks_for_a_code_and_shows_no_secret(shared: Sandbox) -> None:
    login = login_of(settings_for(shared))
    address = authorize_url(login, REDIRECT, "some-state")
    assert address.startswith(f"{shared.absorb_url}/oauth/authorize?")
    assert query_of(address) == {
        "response_type": "code",
        "client_id": login.client_id,
        "redirect_uri": REDIRECT,
        "scope": "admin.v1",
        "state": "some-state",
    }


def test_states_do_not_repeat() -> None:
    assert len({new_state() for _ in range(100)}) == 100
    assert len(new_state()) >= 32


# -- the way back ------------------------------------------------------------------------------------------


def callback(receiver: Receiver, **query: str) -> httpx.Response:
    return httpx.get(receiver.redirect_uri, params=query)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"code": "stolen-code", "state": "another"}, "state differs"),
        ({"code": "stolen-code"}, "state differs"),
        ({"error": "access_denied", "state": "another"}, "state differs"),
        ({"error": "access_denied", "state": "right"}, "not permitted"),
        (
            {"error": "invalid_scope", "error_description": "no \x1b[31mway", "state": "right"},
            r"invalid_scope no \[31m",
        ),
        ({"state": "right"}, "no code"),
        ({}, "state differs"),
    ],
)
def test_an_answer_that_is_no_permission_ends_the_login(query: dict[str, str], says: str) -> None:
    with Receiver.listening(0, "right") as receiver:
        page = callback(receiver, **query)
        assert page.status_code == 400
        assert "stolen-code" not in page.text
        with pytest.raises(AuthenticationError, match=says) as found:
            receiver.wait(5)
    assert found.value.exit_code == 2
    assert found.value.remedy


def test_a_repeated_parameter_is_not_an_answer() -> None:
    with pytest.raises(AuthenticationError, match="state differs"):
        read_answer("state=right&state=right&code=a", "right")


def test_one_answer_is_taken_and_other_paths_do_not_count() -> None:
    with Receiver.listening(0, "right") as receiver:
        base = receiver.redirect_uri.removesuffix("/callback")
        assert httpx.get(f"{base}/favicon.ico").status_code == 404
        assert httpx.post(receiver.redirect_uri).status_code == 501
        assert callback(receiver, code="first-code", state="right").status_code == 200
        assert callback(receiver, code="second-code", state="right").status_code == 410
        assert receiver.wait(5) == "first-code"


def test_a_connection_that_stays_silent_does_not_hold_up_the_answer() -> None:
    with Receiver.listening(0, "right") as receiver:
        port = int(receiver.redirect_uri.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)):
            assert callback(receiver, code="the-code", state="right").status_code == 200
            assert receiver.wait(5) == "the-code"


def test_no_answer_in_time_is_said() -> None:
    with (
        Receiver.listening(0, "right") as receiver,
        pytest.raises(AuthenticationError, match=r"within 0\.2 s") as found,
    ):
        receiver.wait(0.2)
    assert receiver.redirect_uri in found.value.remedy


def test_it_listens_on_loopback_only_and_names_the_setting_of_a_port_in_use() -> None:
    with Receiver.listening(0, "right") as receiver:
        assert receiver.redirect_uri.startswith("http://127.0.0.1:")
        port = int(receiver.redirect_uri.split(":")[2].split("/")[0])
        with (
            pytest.raises(SettingsError, match=f"LEARNSYNC_ABSORB__REDIRECT_PORT = {port}"),
            Receiver.listening(port, "right"),
        ):
            pass


def test_the_code_shows_in_no_log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver.listening(0, "right") as receiver:
        # Not by httpx, which logs addresses itself.
        port = int(receiver.redirect_uri.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as browser:
            browser.sendall(b"GET /callback?code=very-secret-code&state=right HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200 OK" in browser.recv(4096)
        assert receiver.wait(5) == "very-secret-code"
    printed = capfd.readouterr()
    assert "very-secret-code" not in caplog.text + printed.out + printed.err
    assert "very-secret-code" not in redact.scrub("it was very-secret-code")


# -- the file ----------------------------------------------------------------------------------------------


def tokens(**changes: Any) -> StoredTokens:
    now = utc_now()
    values = {
        "portal": "https://company.myabsorb.com",
        "client_id": "client",
        "access_token": "access-token-value",
        "refresh_token": "refresh-token-value",
        "obtained_at": now,
        "expires_at": now + timedelta(hours=4),
        "refresh_obtained_at": now,
    }
    return StoredTokens(**(values | changes))


def test_the_file_is_for_its_owner_from_the_first_instant(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "new" / "folder" / "token.json")
    before = os.umask(0)
    try:
        with file.replacing() as save:
            assert [mode_of(path) for path in file.path.parent.iterdir()] == [MINE]
            save(tokens())
    finally:
        os.umask(before)
    assert mode_of(file.path) == MINE
    assert [path.name for path in file.path.parent.iterdir()] == ["token.json"]
    assert file.read() == tokens(**json.loads(file.path.read_bytes()))


def test_a_failed_change_leaves_the_file_and_no_draft(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "token.json")
    with file.replacing() as save:
        save(tokens())
    with pytest.raises(RuntimeError), file.replacing():
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["token.json"]
    stored = file.read()
    assert stored is not None
    assert stored.access_token == "access-token-value"


def test_a_link_keeps_pointing_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    file = TokenFile(tmp_path / "link.json")
    with file.replacing() as save:
        save(tokens())
    assert file.path.is_symlink()
    assert mode_of(tmp_path / "real.json") == MINE
    assert file.delete()
    assert file.read() is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    file = TokenFile(tmp_path / "token.json")
    with file.replacing() as save:
        save(tokens())
    file.path.chmod(mode)
    with pytest.raises(SettingsError, match=f"LEARNSYNC_ABSORB__TOKEN_FILE.*mode {mode:04o}") as found:
        file.read()
    assert f"chmod 600 {file.path}" in found.value.remedy


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"access_token": "secret-in-a-broken-file"}'])
def test_a_broken_file_asks_for_a_login_and_shows_nothing_of_itself(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token.json"
    path.touch(MINE)
    path.write_text(content, "utf-8")
    with pytest.raises(AuthenticationError, match="does not hold a login") as found:
        TokenFile(path).read()
    assert found.value.remedy == "Run `learnsync auth login`."
    assert "secret-in-a-broken-file" not in str(found.value)


def test_secrets_show_in_no_text() -> None:
    stored = tokens()
    assert "token-value" not in repr(stored) + str(stored)
    stored.register()
    assert "token-value" not in redact.scrub("access-token-value and refresh-token-value")


@pytest.mark.parametrize(
    ("lifetime", "left", "fresh"), [(14_400, 61, True), (14_400, 59, False), (10, 1.5, True), (10, 0.9, False)]
)
def test_a_token_is_replaced_shortly_before_its_end(lifetime: float, left: float, fresh: bool) -> None:
    now = utc_now()
    ends = now + timedelta(seconds=left)
    assert tokens(obtained_at=ends - timedelta(seconds=lifetime), expires_at=ends).fresh(now) is fresh


def test_no_login_and_another_portals_login_are_told_apart(shared: Sandbox) -> None:
    settings = settings_for(shared)
    with pytest.raises(AuthenticationError, match="no Absorb login") as found:
        run(settings, call)
    assert "learnsync auth login" in found.value.remedy
    log_in(settings)
    for changes in ({"portal_url": "https://other.myabsorb.com"}, {"oauth_client_id": "other"}):
        with pytest.raises(AuthenticationError, match="another portal or client") as other:
            run(settings_for(shared, **changes), call)
        assert "LEARNSYNC_ABSORB__TOKEN_FILE" in other.value.remedy


# -- refreshing --------------------------------------------------------------------------------------------


def test_an_expired_token_is_refreshed_once_and_its_successors_are_kept(portal: Sandbox) -> None:
    settings = settings_for(portal)
    before = keep(settings, aged(log_in(settings), 14_400))
    assert run(settings, many) == [200] * 20
    assert run(settings, many) == [200] * 20
    after = stored_login(login_of(settings))
    assert calls(portal)[REFRESHES] == 1
    assert after.access_token != before.access_token
    assert after.refresh_token != before.refresh_token
    assert mode_of(settings.absorb.token_file) == MINE


def test_a_token_that_died_early_is_replaced(portal: Sandbox) -> None:
    settings = settings_for(portal)
    keep(settings, aged(log_in(settings), 3600, access_token="withdrawn-by-the-portal"))
    assert run(settings, many) == [200] * 20
    assert calls(portal)[REFRESHES] == 1


def test_a_refused_token_is_not_taken_from_the_file_again(portal: Sandbox) -> None:
    settings = settings_for(portal)
    log_in(settings)

    async def act(client: AbsorbClient) -> None:
        assert await call(client) == 200
        await client._auth.renewed(await client._auth.current())
        assert await call(client) == 200

    run(settings, act)
    assert calls(portal)[REFRESHES] == 1


CALL_ONCE = """
import asyncio
from connector.absorb.client import AbsorbClient
from connector.settings import load_settings

async def main():
    async with AbsorbClient.of(load_settings()) as client:
        print("ready", flush=True)
        input()
        print((await client.call("GET", "/departments", params={"_limit": 1, "_offset": 0})).status)

asyncio.run(main())
"""


def test_processes_that_notice_at_once_refresh_once(tmp_path: Path) -> None:
    with serving(faults="slow") as slow:
        settings = settings_for(slow)
        keep(settings, aged(log_in(settings), 14_400))
        env = {name: value for name, value in os.environ.items() if not name.startswith("LEARNSYNC_")}
        env |= slow.settings() | slow.oauth_settings() | {"PYTHONPATH": str(REPO)}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", CALL_ONCE], env=env, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ends = [process.communicate(timeout=30) for process in processes]
        assert [out for out, _ in ends] == ["200\n"] * 2, ends
        assert calls(slow)[REFRESHES] == 1


def test_a_refused_refresh_says_to_log_in_again(portal: Sandbox) -> None:
    settings = settings_for(portal)
    stored = keep(settings, aged(log_in(settings), 14_400))
    asyncio.run(refresh(login_of(settings), stored))  # somebody else spends the refresh token
    with pytest.raises(AuthenticationError, match="invalid_grant") as found:
        run(settings, call)
    assert found.value.remedy == "Run `learnsync auth login`."
    assert stored.refresh_token is not None
    assert stored.refresh_token not in f"{found.value} {found.value.body}"


def test_a_portal_that_gives_no_refresh_token_says_so_when_the_time_is_up(shared: Sandbox) -> None:
    settings = settings_for(shared)
    keep(settings, aged(log_in(settings), 14_400, refresh_token=None))
    with pytest.raises(AuthenticationError, match="no refresh token"):
        run(settings, call)


def test_a_stopped_run_still_keeps_what_a_refresh_under_way_brings() -> None:
    with serving(faults="slow") as slow:
        settings = settings_for(slow)
        before = keep(settings, aged(log_in(settings), 14_400))

        async def stopped() -> None:
            async with AbsorbClient.of(settings) as client:
                task = asyncio.create_task(call(client))
                await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(stopped())
        assert calls(slow)[REFRESHES] == 1
        assert stored_login(login_of(settings)).refresh_token != before.refresh_token


def test_a_file_that_cannot_be_replaced_is_noticed_before_the_refresh_token_is_spent(
    portal: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(portal)
    keep(settings, aged(log_in(settings), 14_400))
    real = os.open

    def refuse_drafts(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_EXCL:
            raise OSError(28, "No space left on device", str(path))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refuse_drafts)
    with pytest.raises(SettingsError, match=r"LEARNSYNC_ABSORB__TOKEN_FILE.*No space left"):
        run(settings, call)
    assert calls(portal)[REFRESHES] == 0


def test_a_gateway_that_takes_none_of_the_portals_tokens_is_named(
    portal: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.absorb.login.tokens.STRAY_PAUSE_SECONDS", 0.01)
    with serving() as other:
        settings = settings_for(portal, base_url=other.absorb_url, api_key=other.absorb.api_key)
        keep(settings, aged(log_in(settings), 3600))
        with pytest.raises(AuthenticationError, match="just issued") as found:
            run(settings, many)
    assert "LEARNSYNC_ABSORB__BASE_URL" in found.value.remedy
    assert calls(portal)[REFRESHES] == 1


@pytest.mark.parametrize("wrong", ["oauth_client_id", "oauth_client_secret"])
def test_a_wrong_client_names_the_settings(shared: Sandbox, wrong: str) -> None:
    login = login_of(settings_for(shared, **{wrong: "not-the-right-one"}))
    with pytest.raises(AuthenticationError) as found:
        asyncio.run(exchange(login, "code-of-somebody", REDIRECT))
    assert "LEARNSYNC_ABSORB__OAUTH_CLIENT_ID and LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET" in found.value.remedy
    assert "not-the-right-one" not in str(found.value)


# -- a portal that misbehaves ------------------------------------------------------------------------------


@contextmanager
def answering(status: int, body: bytes, headers: dict[str, str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """A host that answers every POST alike; yields its address and what it was sent."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        server.server_close()


def login_at(url: str) -> OAuthLogin:
    return OAuthLogin("the-api-key", url, "client", "client-secret", Path("token.json"))


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (503, b"busy", ServerFaultError, "503"),
        (404, b"<html>not here</html>", WrongPathError, "LEARNSYNC_ABSORB__PORTAL_URL"),
        (403, b'{"message":"Missing Authentication Token"}', WrongPathError, "LEARNSYNC_ABSORB__PORTAL_URL"),
        (302, b"", WrongPathError, "LEARNSYNC_ABSORB__PORTAL_URL"),
        (401, b"", AuthenticationError, "OAUTH_CLIENT_SECRET"),
        (400, b'{"error":"unauthorized_client"}', AuthenticationError, "OAUTH_CLIENT_SECRET"),
        (400, b'{"error":"invalid_grant"}', AuthenticationError, "learnsync auth login"),
        (400, b"client-secret was the-code-sent", AuthenticationError, "no reason given"),
        (400, b'{"error_description":"client-secret was the-code-sent"}', AuthenticationError, r"\*\*\* was \*\*\*"),
        (200, b"<html>log in</html>", LearnsyncError, "LEARNSYNC_ABSORB__PORTAL_URL"),
        (200, b'{"access_token": 5}', LearnsyncError, "did not answer with a token"),
    ],
)
def test_a_code_is_sent_once_and_every_refusal_says_what_to_do(
    status: int, body: bytes, kind: type[LearnsyncError], says: str
) -> None:
    redact.register("client-secret")
    with answering(status, body) as (url, heard), pytest.raises(kind, match=says):
        asyncio.run(exchange(login_at(url), "the-code-sent", REDIRECT))
    assert len(heard) == 1
    assert "the-api-key" not in heard[0]


@pytest.mark.parametrize("expires_in", ["", ', "expires_in": "14400"', ', "expires_in": -5', ', "expires_in": "soon"'])
def test_a_missing_or_senseless_lifetime_is_the_documented_one(expires_in: str) -> None:
    body = f'{{"access_token": "access-token"{expires_in}}}'.encode()
    with answering(200, body) as (url, _):
        stored = asyncio.run(exchange(login_at(url), "the-code-sent", REDIRECT))
    assert stored.expires_at - stored.obtained_at == timedelta(hours=4)
    assert stored.login_ends == stored.expires_at


def test_a_refresh_without_a_new_refresh_token_keeps_the_old_one_and_its_age() -> None:
    before = aged(tokens(), 14_400, refresh_obtained_at=utc_now() - timedelta(days=200))
    with answering(200, b'{"access_token": "next-access-token", "expires_in": 60}') as (url, _):
        after = asyncio.run(refresh(login_at(url), before))
    assert (after.access_token, after.refresh_token) == ("next-access-token", before.refresh_token)
    assert after.refresh_obtained_at == before.refresh_obtained_at


# -- settings ----------------------------------------------------------------------------------------------


def test_missing_settings_are_named_by_the_way_of_logging_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__OAUTH_CLIENT_ID", "client")
    with pytest.raises(SettingsError) as found:
        require_absorb(load_settings())
    assert "API_KEY, LEARNSYNC_ABSORB__PORTAL_URL, LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET are not set" in str(
        found.value
    )
    assert "USERNAME" not in str(found.value)
    monkeypatch.delenv("LEARNSYNC_ABSORB__OAUTH_CLIENT_ID")
    with pytest.raises(SettingsError, match="OAUTH_CLIENT_ID"):
        require_oauth(load_settings())


def test_oauth_wins_where_both_are_set(shared: Sandbox) -> None:
    both = {"username": "somebody", "password": "some-password"}
    assert isinstance(require_absorb(settings_for(shared, **both)), OAuthLogin)
    assert isinstance(require_absorb(settings_for(shared, oauth_client_id=None, **both)), PasswordLogin)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORTAL_URL", "http://company.myabsorb.com", "plain http"),
        ("PORTAL_URL", "https://company.myabsorb.com/admin", "without a path"),
        ("PORTAL_URL", "company.myabsorb.com", "absolute URL"),
        ("REDIRECT_PORT", "70000", "REDIRECT_PORT"),
    ],
)
def test_malformed_settings_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(f"LEARNSYNC_ABSORB__{name}", value)
    with pytest.raises(SettingsError, match=says) as found:
        load_settings()
    assert f"LEARNSYNC_ABSORB__{name}" in str(found.value)


def test_the_client_secret_is_kept_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET", "the-client-secret")
    settings = load_settings()
    assert "the-client-secret" not in f"{settings!r} {settings.model_dump_json()}"
    assert "the-client-secret" not in redact.scrub("it is the-client-secret")
    monkeypatch.delenv("LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET")
    Path("learnsync.toml").write_text(
        'tenant_id = "acme"\n[tenants.acme.absorb]\noauth_client_secret = "the-client-secret"\n', "utf-8"
    )
    with pytest.raises(SettingsError, match="plain text") as found:
        load_settings()
    assert "the-client-secret" not in str(found.value)


# -- a pull ------------------------------------------------------------------------------------------------


def test_a_pull_outlives_its_access_tokens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(faults="slow", token_seconds=0.9) as slow:
        settings = settings_for(slow)
        first = log_in(settings)
        assert run_pull(settings).complete
        last = stored_login(login_of(settings))
        seen = calls(slow)
        assert seen[REFRESHES] >= 1
        assert seen["POST /authenticate"] == 0
        held = slow.portal.count("enrollments")
    assert query(Warehouse.of(settings), "SELECT count(*) FROM absorb.enrollments") == [(held,)]
    for stored in (first, last):
        assert stored.refresh_token is not None
        assert stored.access_token not in caplog.text
        assert stored.refresh_token not in caplog.text


# -- the sandbox keeps to the protocol ---------------------------------------------------------------------


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def server(clock: list[float]) -> OAuthServer:
    return OAuthServer(OAuthClient("id", "secret"), 14_400, lambda: clock[0])


def form(**fields: str) -> dict[str, str]:
    return {"client_id": "id", "client_secret": "secret", "redirect_uri": REDIRECT, **fields}


def test_a_code_works_once_for_a_minute_and_for_its_redirect_uri(server: OAuthServer, clock: list[float]) -> None:
    code = server.permit(REDIRECT)
    assert server.grant(form(grant_type="authorization_code", code=code))["token_type"] == "Bearer"
    late, elsewhere = server.permit(REDIRECT), server.permit("http://127.0.0.1:1/callback")
    for spent in (code, elsewhere, "made-up"):
        with pytest.raises(Refusal, match="invalid_grant"):
            server.grant(form(grant_type="authorization_code", code=spent))
    clock[0] += CODE_SECONDS
    with pytest.raises(Refusal, match="invalid_grant"):
        server.grant(form(grant_type="authorization_code", code=late))


def test_a_refresh_spends_its_token_and_leaves_access_tokens_alone(server: OAuthServer, clock: list[float]) -> None:
    first = server.grant(form(grant_type="authorization_code", code=server.permit(REDIRECT)))
    again = form(grant_type="refresh_token", refresh_token=str(first["refresh_token"]))
    second = server.grant(again)
    with pytest.raises(Refusal, match="invalid_grant"):
        server.grant(again)
    assert server.accepts(str(first["access_token"]))
    assert server.accepts(str(second["access_token"]))
    clock[0] += 14_400
    assert not server.accepts(str(second["access_token"]))


def test_wrong_clients_and_grants_are_refused(server: OAuthServer) -> None:
    for wrong in ({"client_id": "x"}, {"client_secret": "x"}):
        with pytest.raises(Refusal, match="invalid_client"):
            server.grant(form(grant_type="authorization_code", code=server.permit(REDIRECT), **wrong))
    with pytest.raises(Refusal, match="unsupported_grant_type"):
        server.grant(form(grant_type="client_credentials"))


def test_the_page_sends_nobody_to_an_address_it_does_not_know(shared: Sandbox) -> None:
    login = login_of(settings_for(shared))
    assert httpx.get(authorize_url(login, "https://elsewhere.example/callback", "s")).status_code == 400
    refused = httpx.get(authorize_url(login, REDIRECT, "s").replace("admin.v1", "everything"))
    assert query_of(refused.headers["location"]) == {"error": "invalid_scope", "state": "s"}


def test_tokens_of_both_logins_live_side_by_side(portal: Sandbox) -> None:
    settings = settings_for(portal)
    first, second = log_in(settings), log_in(settings)
    wanted: AbsorbOptions = portal.absorb
    key = {"x-api-key": wanted.api_key}
    body = {"username": wanted.username, "password": wanted.password, "privateKey": wanted.api_key}
    minted = httpx.post(f"{portal.absorb_url}/authenticate", json=body, headers=key).json()
    for token in (first.access_token, second.access_token, minted):
        answer = httpx.get(f"{portal.absorb_url}/users", headers={**key, "authorization": f"Bearer {token}"})
        assert answer.status_code == 200
    assert httpx.get(f"{portal.absorb_url}/users", headers={"authorization": f"Bearer {minted}"}).status_code == 403
