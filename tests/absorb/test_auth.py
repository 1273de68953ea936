"""One live token per account: minted once, replaced once, and every refusal names the settings that cure it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector import redact
from connector.absorb.client import AbsorbClient
from connector.absorb.login import password
from connector.absorb.login.session_file import SessionFile
from connector.absorb.pull.pull import pull
from connector.errors import (
    AuthenticationError,
    LearnsyncError,
    PermissionDeniedError,
    UnreachableError,
    WrongPathError,
)
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import PasswordLogin, Settings, load_settings, require_absorb
from connector.settings.model import WarehouseSettings


@pytest.fixture
def portal() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=20, courses=3, salesforce=False, rate_limit=0)) as running:
        yield running


def settings_for(portal: Sandbox, **changes: Any) -> Settings:
    absorb = {
        "base_url": portal.absorb_url,
        "api_key": portal.absorb.api_key,
        "username": portal.absorb.username,
        "password": portal.absorb.password,
        "requests_per_second": 5000,
        "burst": 5000,
        "concurrency": 32,
    }
    return load_settings(absorb=absorb | changes)


def run(settings: Settings, act: Callable[[AbsorbClient], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with AbsorbClient.of(settings) as client:
            return await act(client)

    return asyncio.run(whole())


def minted(portal: Sandbox) -> int:
    return int(httpx.get(f"{portal.absorb_url}/_sandbox/state").json()["tokens_minted"])


def mint_elsewhere(portal: Sandbox) -> None:
    """Another client logs in with the same account, which kills our token."""
    wanted = portal.absorb
    body = {"username": wanted.username, "password": wanted.password, "privateKey": wanted.api_key}
    answer = httpx.post(f"{portal.absorb_url}/authenticate", json=body, headers={"x-api-key": wanted.api_key})
    assert answer.status_code == 200


async def many(client: AbsorbClient, count: int = 20) -> list[int]:
    calls = (client.call("GET", "/departments", params={"_limit": 1, "_offset": 0}) for _ in range(count))
    return [answer.status for answer in await asyncio.gather(*calls)]


def test_many_calls_at_once_log_in_once(portal: Sandbox) -> None:
    assert run(settings_for(portal), many) == [200] * 20
    assert minted(portal) == 1


def test_clients_of_one_process_share_the_token(portal: Sandbox) -> None:
    settings = settings_for(portal)
    for _ in range(3):
        run(settings, many)
    run(settings_for(portal, username=portal.absorb.username.upper()), many)
    assert minted(portal) == 1


def test_a_revoked_token_is_replaced_once_for_all_calls(portal: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    async def act(client: AbsorbClient) -> list[int]:
        await client.login()
        await asyncio.to_thread(mint_elsewhere, portal)
        return await many(client)

    with caplog.at_level(logging.WARNING):
        assert run(settings_for(portal), act) == [200] * 20
    assert minted(portal) == 3  # ours, the other client's, ours again
    assert "logging in again" in caplog.text


def test_an_expired_token_is_replaced(portal: Sandbox) -> None:
    with Sandbox(SandboxOptions(scale=20, courses=3, salesforce=False, rate_limit=0, token_seconds=0.3)) as short:

        async def act(client: AbsorbClient) -> list[int]:
            await client.login()
            await asyncio.sleep(0.35)
            return await many(client, 1)

        assert run(settings_for(short), act) == [200]
        assert minted(short) == 2


def test_stray_refusals_of_a_fresh_token_mint_no_second_one() -> None:
    with Sandbox(SandboxOptions(scale=20, courses=3, salesforce=False, rate_limit=0, faults="stray401")) as stray:
        assert run(settings_for(stray), lambda client: many(client, 1)) == [200]
        assert minted(stray) == 1


def test_two_clients_that_keep_logging_each_other_out_are_told_so(
    portal: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.absorb.login.tokens.STRAY_PAUSE_SECONDS", 0.01)

    async def act(client: AbsorbClient) -> None:
        for _ in range(6):
            await many(client, 1)
            await asyncio.to_thread(mint_elsewhere, portal)
        await many(client, 1)

    with pytest.raises(AuthenticationError, match="LEARNSYNC_ABSORB__USERNAME") as failure:
        run(settings_for(portal), act)
    assert "revoked 6 tokens" in str(failure.value)
    assert "another client" in str(failure.value)
    assert minted(portal) == 12  # six of each client


@pytest.mark.parametrize("calls", [0, 1, 4])
def test_a_pull_survives_three_revocations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, calls: int
) -> None:
    """Whether a token was used or not before the other client logged in, and with stray refusals of fresh ones."""
    monkeypatch.setattr("connector.absorb.login.tokens.STRAY_PAUSE_SECONDS", 0.01)
    with Sandbox(SandboxOptions(scale=60, courses=4, salesforce=False, rate_limit=0, faults="stray401")) as box:
        httpx.post(f"{box.absorb_url}/_sandbox/rival", json={"times": 3, "calls": calls})
        settings = settings_for(box, page_size=10, concurrency=4).model_copy(
            update={"warehouse": WarehouseSettings(path=tmp_path / "warehouse.duckdb")}
        )
        report = pull(settings, "first")
        assert report.complete
        assert report.streams["enrollments"].counts.inserted == 60
        assert minted(box) == 4
    assert caplog.text.count("logging in again") == 3


def another_process() -> None:
    """Forget what this process knows of accounts; files stay."""
    password._accounts.clear()


def session_files() -> list[Path]:
    return sorted(Path("data").glob("absorb-session-*.json"))


@pytest.fixture
def folder() -> None:
    """The warehouse's, as a pull makes it."""
    Path("data").mkdir()


@pytest.mark.usefixtures("folder")
def test_processes_of_one_user_share_the_token_through_a_file_of_their_own(portal: Sandbox) -> None:
    settings = settings_for(portal)
    for _ in range(3):
        another_process()
        assert run(settings, many) == [200] * 20
    assert minted(portal) == 1
    (file,) = session_files()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    elsewhere = require_absorb(settings_for(portal, token_file="/x/token.json"))
    assert isinstance(elsewhere, PasswordLogin)
    assert SessionFile(portal.absorb_url, elsewhere).path == Path("/x") / file.name
    text = file.read_text("utf-8")
    assert portal.absorb.password not in text
    assert portal.absorb.api_key not in text
    assert redact.scrub(json.loads(text)["token"]) == redact.MASK


@pytest.mark.usefixtures("folder")
def test_of_processes_whose_token_died_one_logs_in(portal: Sandbox) -> None:
    async def act() -> list[int]:
        clients = []
        for _ in range(4):
            another_process()
            clients.append(AbsorbClient.of(settings_for(portal)))
            await many(clients[-1], 1)
        assert len({id(client._auth._account) for client in clients}) == 4  # type: ignore[attr-defined]
        await asyncio.to_thread(mint_elsewhere, portal)
        answers = await asyncio.gather(*(many(client, 5) for client in clients))
        for client in clients:
            await client.session.__aexit__()
        return [status for part in answers for status in part]

    assert asyncio.run(act()) == [200] * 20
    assert minted(portal) == 3  # ours, the other client's, ours again


@pytest.mark.usefixtures("folder")
def test_a_spent_a_foreign_and_a_broken_session_are_not_used(portal: Sandbox) -> None:
    settings = settings_for(portal)
    run(settings, many)
    (file,) = session_files()
    good = json.loads(file.read_text("utf-8"))
    old = datetime.now(UTC) - timedelta(hours=4)
    ahead = datetime.now(UTC) + timedelta(hours=4)
    changes: list[dict[str, str]] = [{"obtained_at": when.isoformat()} for when in (old, ahead)]
    for change in (*changes, {"fingerprint": "another"}, {"token": ""}):
        another_process()
        file.write_text(json.dumps(good | change), "utf-8")
        assert not AbsorbClient.of(settings).at_hand
    file.write_text(json.dumps(good), "utf-8")
    assert AbsorbClient.of(settings).at_hand
    assert not AbsorbClient.of(settings_for(portal, password="changed")).at_hand
    file.chmod(0o640)
    assert not AbsorbClient.of(settings).at_hand
    assert run(settings, lambda client: many(client, 1)) == [200]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert minted(portal) == 2


@pytest.mark.usefixtures("folder")
def test_a_changed_password_is_tried_and_not_hidden_by_a_live_session(portal: Sandbox) -> None:
    run(settings_for(portal), many)
    refusal(settings_for(portal, password="wrong-password"), AuthenticationError)
    assert run(settings_for(portal), many) == [200] * 20
    assert minted(portal) == 1


def test_where_no_file_can_be_kept_the_process_logs_in_by_itself(
    portal: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(settings_for(portal), many) == [200] * 20
    assert list(Path().iterdir()) == []  # no folder is made for it
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    def refuse(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    another_process()
    monkeypatch.setattr(os, "open", refuse)
    assert run(settings_for(portal, token_file=Path("token.json")), many) == [200] * 20
    assert minted(portal) == 2
    assert "LEARNSYNC_ABSORB__TOKEN_FILE" in caplog.text


def refusal(settings: Settings, kind: type[LearnsyncError]) -> str:
    with pytest.raises(kind) as failure:
        run(settings, lambda client: client.login())
    assert failure.value.exit_code == 2
    message = str(failure.value)
    absorb = settings.absorb
    for secret in (absorb.api_key, absorb.password):
        assert secret is not None
        assert secret.get_secret_value() not in message
    return message


def test_a_wrong_key_names_its_setting(portal: Sandbox) -> None:
    # Keys are compared with case.
    message = refusal(settings_for(portal, api_key=portal.absorb.api_key.lower()), PermissionDeniedError)
    assert "LEARNSYNC_ABSORB__API_KEY" in message
    assert "LEARNSYNC_ABSORB__PASSWORD" not in message


@pytest.mark.parametrize("changes", [{"password": "wrong-password"}, {"username": "nobody.here"}])
def test_a_wrong_login_names_its_settings(portal: Sandbox, changes: dict[str, str]) -> None:
    message = refusal(settings_for(portal, **changes), AuthenticationError)
    assert "LEARNSYNC_ABSORB__USERNAME" in message
    assert "LEARNSYNC_ABSORB__PASSWORD" in message


def test_a_wrong_login_is_tried_once(portal: Sandbox) -> None:
    refusal(settings_for(portal, password="wrong-password"), AuthenticationError)
    assert minted(portal) == 0
    assert httpx.get(f"{portal.absorb_url}/_sandbox/state").json()["requests"] == {"POST /authenticate": 1}


def test_a_wrong_path_names_its_setting(portal: Sandbox) -> None:
    message = refusal(settings_for(portal, base_url=f"{portal.absorb_url}/api/rest/v2"), WrongPathError)
    assert "LEARNSYNC_ABSORB__BASE_URL" in message


def test_a_host_that_nobody_answers_at_names_its_setting(portal: Sandbox) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        message = refusal(settings_for(portal, base_url=f"http://127.0.0.1:{port}"), UnreachableError)
    assert "LEARNSYNC_ABSORB__BASE_URL" in message
    assert str(port) in message


def test_the_token_is_a_secret_too(portal: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    async def act(client: AbsorbClient) -> str:
        return (await client._auth.current()).value

    with caplog.at_level(logging.DEBUG):
        value = run(settings_for(portal), act)
    assert redact.scrub(f"Bearer {value}") == f"Bearer {redact.MASK}"
    assert value not in caplog.text
    assert portal.absorb.password not in caplog.text
