"""The JWT bearer flow against an org that verifies signature, issuer, audience, expiry and subject."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from connector.absorb.pull.options import PullOptions
from connector.cli.commands.doctor import examine
from connector.errors import AuthenticationError, SettingsError
from connector.push.reports import PushOptions
from connector.salesforce import login as auth
from connector.salesforce.client import SalesforceClient
from connector.sandbox.org import Org
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import KeyLogin, Settings, load_settings, require_salesforce
from connector.sync import run_pull, run_push

REPO = Path(__file__).resolve().parents[2]
PREFIX = "LEARNSYNC_SALESFORCE__"
COURSES_ONLY = PushOptions(targets=("lms_course",))
OTHER_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def pem(key: Any, password: bytes | None = None) -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=40, courses=4, rate_limit=0)) as running:
        yield running


@pytest.fixture
def org(sandbox: Sandbox) -> Org:
    assert sandbox.org is not None
    return sandbox.org


@pytest.fixture
def by_key(sandbox: Sandbox, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that log in with the app's private key and know no secret."""
    monkeypatch.delenv(f"{PREFIX}CLIENT_SECRET")
    for name, value in sandbox.jwt_settings(tmp_path / "org.key").items():
        monkeypatch.setenv(name, value)
    return load_settings()


def tokens_asked(org: Org) -> int:
    return org.calls["POST /services/oauth2/token"]


def login(**changes: Any) -> KeyLogin:
    known: dict[str, Any] = {
        "login_url": "https://acme.my.salesforce.com", "client_id": "3MVG9", "username": "bot@acme.example",
        "key_file": Path("org.key"), "audience": None,
    }  # fmt: skip
    return KeyLogin(**known | changes)


# -- the way through --------------------------------------------------------------------------------------------------


def test_a_push_logs_in_with_a_signed_assertion_alone(org: Org, by_key: Settings) -> None:
    run_pull(by_key, PullOptions(("courses",)))
    report = run_push(by_key, COURSES_ONLY)
    assert report.complete
    assert report.targets["lms_course"].created == 4
    assert tokens_asked(org) == 1


def test_a_session_that_ends_is_renewed_once_for_all_calls(org: Org, by_key: Settings) -> None:
    run_push(by_key, COURSES_ONLY)
    org.expire_sessions()
    before = tokens_asked(org)
    assert run_push(by_key, COURSES_ONLY).complete
    org.sessions.refuse_next([(401, "INVALID_SESSION_ID")])
    assert run_push(by_key, COURSES_ONLY).complete
    assert tokens_asked(org) == before + 3  # one each, and one more for the session that was refused


def test_of_many_calls_that_one_ended_session_fails_one_logs_in(org: Org, by_key: Settings) -> None:
    async def ask() -> None:
        async with SalesforceClient.of(by_key) as client:
            await client.grant()
            org.expire_sessions()
            await asyncio.gather(*(client.describe("LMS_Course__c") for _ in range(6)))

    asyncio.run(ask())
    assert tokens_asked(org) == 2


def test_the_assertion_says_who_for_whom_and_for_three_minutes(tmp_path: Path) -> None:
    path = tmp_path / "org.key"
    path.write_bytes(pem(OTHER_KEY))
    path.chmod(0o600)
    now = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    signed = auth.assertion(login(key_file=path), now)
    claims = jwt.decode(signed, OTHER_KEY.public_key(), algorithms=["RS256"], options={"verify_signature": False})
    assert jwt.get_unverified_header(signed) == {"alg": "RS256", "typ": "JWT"}
    assert claims == {
        "iss": "3MVG9", "sub": "bot@acme.example", "aud": "https://login.salesforce.com",
        "exp": int(now.timestamp()) + 180,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "setting", "audience"),
    [
        ("https://acme.my.salesforce.com", None, "https://login.salesforce.com"),
        ("https://login.salesforce.com", None, "https://login.salesforce.com"),
        ("https://acme--dev.sandbox.my.salesforce.com", None, "https://test.salesforce.com"),
        ("https://test.salesforce.com", None, "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "https://acme.my.salesforce.com", "https://acme.my.salesforce.com"),
    ],
)
def test_the_audience_follows_the_login_url_unless_it_is_set(url: str, setting: str | None, audience: str) -> None:
    assert auth.audience(login(login_url=url, audience=setting)) == audience


def test_neither_assertion_nor_key_is_logged(
    org: Org, by_key: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    signed: list[str] = []
    real = auth.assertion
    monkeypatch.setattr(auth, "assertion", lambda *args: signed.append(real(*args)) or signed[-1])
    monkeypatch.setattr(org.jwt, "approved", set())
    with pytest.raises(AuthenticationError) as caught:
        run_push(by_key, COURSES_ONLY)
    text = caplog.text + str(caught.value) + caught.value.body
    assert signed
    assert signed[0] not in text
    assert org.jwt.private_key.splitlines()[3] not in text


# -- what an org refuses ----------------------------------------------------------------------------------------------


def another_key(org: Org, patch: pytest.MonkeyPatch) -> None:
    Path(load_settings().salesforce.private_key_file or "").write_bytes(pem(OTHER_KEY))


def clock_behind(org: Org, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("connector.salesforce.session.utc_now", lambda: datetime.now(UTC) - timedelta(minutes=3, seconds=1))


def clock_ahead(org: Org, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("connector.salesforce.session.utc_now", lambda: datetime.now(UTC) + timedelta(minutes=2, seconds=30))


# what is wrong → what the org answers, and words that the remedy must have
REFUSALS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "another key": (another_key, "invalid assertion", ("PRIVATE_KEY_FILE", "certificate")),
    "user not approved": (
        lambda org, patch: patch.setattr(org.jwt, "approved", set()),
        "user hasn't approved this consumer", ("USERNAME", "admin-approved", "permission set"),
    ),
    "unknown user": (
        lambda org, patch: patch.setenv(f"{PREFIX}USERNAME", "nobody@acme.example"),
        "user hasn't approved this consumer", ("USERNAME", "of this org"),
    ),
    "inactive user": (
        lambda org, patch: org.set_values("User", org.user_id, IsActive=False), "inactive user", ("USERNAME",),
    ),
    "audience of a sandbox": (
        lambda org, patch: patch.setenv(f"{PREFIX}AUDIENCE", "https://test.salesforce.com"),
        "audience is invalid", ("AUDIENCE", "login.salesforce.com", "My Domain"),
    ),
    "unknown app": (
        lambda org, patch: patch.setenv(f"{PREFIX}CLIENT_ID", "3MVG9other"), "invalid_client_id", ("CLIENT_ID",),
    ),
    "clock behind": (clock_behind, "expired", ("clock",)),
    "clock ahead": (clock_ahead, "invalid assertion", ()),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_what_the_org_said_and_what_to_do(
    org: Org, by_key: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    spoil, said, words = REFUSALS[name]
    spoil(org, monkeypatch)
    with pytest.raises(AuthenticationError) as caught:
        run_push(load_settings(), COURSES_ONLY)
    assert caught.value.exit_code == 2
    assert said in caught.value.message
    for word in words:
        assert word in caught.value.remedy
    assert org.write_counts == {"objects": {}, "collection_calls": 0}


def test_the_orgs_own_address_is_an_audience_too(
    sandbox: Sandbox, by_key: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}AUDIENCE", sandbox.salesforce_url)
    assert run_push(load_settings(), COURSES_ONLY).complete


@pytest.mark.parametrize(
    "changes", [{"exp": None}, {"exp": "soon"}, {"aud": ["https://login.salesforce.com"]}, {"alg": "HS256"}]
)
def test_the_org_takes_no_assertion_of_another_shape(
    sandbox: Sandbox, org: Org, by_key: Settings, changes: dict[str, Any]
) -> None:
    good = {
        "iss": org.client_id, "sub": by_key.salesforce.username, "aud": "https://login.salesforce.com",
        "exp": int(datetime.now(UTC).timestamp()) + 60,
    }  # fmt: skip
    algorithm = changes.pop("alg", "RS256")
    claims = {name: value for name, value in (good | changes).items() if value is not None}
    key = org.jwt.private_key if algorithm == "RS256" else "a secret of thirty-two characters"
    form = {"grant_type": auth.JWT_GRANT, "assertion": jwt.encode(claims, key, algorithm=algorithm)}
    session = requests.Session()
    session.trust_env = False
    answer = session.post(f"{sandbox.salesforce_url}/services/oauth2/token", data=form, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


# -- the key file -----------------------------------------------------------------------------------------------------

KEY_FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "there is no such file"),
    "empty": (b"", "no PEM private key"),
    "no key at all": (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no PEM private key"),
    "public key": (
        OTHER_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "a public key",
    ),
    "certificate": (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "a certificate"),
    "encrypted": (pem(OTHER_KEY, b"pass phrase"), "encrypted with a passphrase"),
    "elliptic curve": (pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
    "too short": (pem(rsa.generate_private_key(public_exponent=65_537, key_size=1024)), "1024 bits"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEY_FILES)
def test_a_key_file_that_will_not_do_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    content, reason = KEY_FILES[name]
    path = tmp_path / "org.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        auth.load_key(path)
    assert f"{PREFIX}PRIVATE_KEY_FILE = {path}" in caught.value.message
    assert reason in caught.value.message
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PRIVATE_KEY_FILE = .* cannot be read: Is a directory"):
        auth.load_key(tmp_path)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o644, True)])
def test_a_key_that_others_can_read_is_warned_of(
    org: Org, by_key: Settings, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    path = by_key.salesforce.private_key_file
    assert path is not None
    path.chmod(mode)
    assert run_push(by_key, COURSES_ONLY).complete
    assert ("other users of this machine can read the private key" in caplog.text) is warned
    found = [finding for finding in examine() if finding.check == "salesforce private key"]
    assert [finding.verdict for finding in found] == (["warn"] if warned else [])


# -- settings ---------------------------------------------------------------------------------------------------------


def test_two_ways_to_log_in_are_one_too_many(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}PRIVATE_KEY_FILE", "org.key")
    with pytest.raises(SettingsError, match="CLIENT_SECRET and LEARNSYNC_SALESFORCE__PRIVATE_KEY_FILE are both set"):
        require_salesforce(load_settings())


@pytest.mark.parametrize("missing", ["LOGIN_URL", "CLIENT_ID", "USERNAME", "PRIVATE_KEY_FILE"])
def test_a_missing_part_is_named(by_key: Settings, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(PREFIX + missing)
    with pytest.raises(SettingsError, match=f"^{PREFIX}{missing} is not set"):
        require_salesforce(load_settings())


def test_an_audience_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}AUDIENCE", "login.salesforce.com")
    with pytest.raises(SettingsError, match=f"{PREFIX}AUDIENCE needs an absolute URL"):
        load_settings()


def test_the_sandboxs_key_is_its_own_and_for_its_owners_eyes(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "org.key"
    told = sandbox.jwt_settings(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text("utf-8") not in json.dumps(told)
    assert Org().jwt.private_key != path.read_text("utf-8")


def test_the_sandbox_writes_a_key_and_prints_its_settings_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "made.key"
    command = [sys.executable, "-m", "connector.cli", "sandbox", "--scale", "20", "--courses", "2", "--json"]
    process = subprocess.Popen(
        [*command, "--jwt-key", str(path)],
        env=os.environ | {"PYTHONPATH": str(REPO)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())["settings"]
        told = (printed[PREFIX + name] for name in ("LOGIN_URL", "CLIENT_ID", "USERNAME"))
        again = subprocess.run(
            [*command, "--jwt-key", str(path)], env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True,
            text=True, check=False, timeout=60,
        )  # fmt: skip
        assert asyncio.run(org_of(KeyLogin(*told, path, None))).startswith("00D")
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert f"{PREFIX}CLIENT_SECRET" not in printed
    assert (again.returncode, "--jwt-key" in again.stdout) == (2, True)


async def org_of(login: KeyLogin) -> str:
    async with SalesforceClient(login, "67.0", 80) as client:
        return (await client.grant()).org_id
