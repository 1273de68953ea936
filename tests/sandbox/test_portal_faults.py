"""Fault profiles: each one shows, and none keeps a client with sane retries from finishing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from test_portal_http import biggest, credentials, sign_in

from connector.sandbox.kit.faults import PROFILES
from connector.sandbox.server import Sandbox, SandboxOptions


def sandbox(faults: str, scale: int = 300, **options: float) -> Sandbox:
    return Sandbox(SandboxOptions(salesforce=False, scale=scale, faults=faults, **{"rate_limit": 0, **options}))  # type: ignore[arg-type]


def patiently(call: Callable[[], httpx.Response], met: Counter[str]) -> httpx.Response:
    """Three attempts, as the bound on faults promises."""
    for _ in range(3):
        try:
            answer = call()
        except httpx.TransportError as error:
            met[type(error).__name__] += 1
            continue
        if answer.status_code == 200:
            return answer
        met[f"{answer.status_code} {answer.headers.get('Retry-After', '')[:4]}".strip()] += 1
    raise AssertionError(f"three faults in a row: {met}")


def test_flaky_shows_every_fault_and_always_lets_a_third_attempt_pass() -> None:
    met: Counter[str] = Counter()
    with sandbox("flaky") as running, httpx.Client(base_url=running.absorb_url) as client:
        client.headers["x-api-key"] = running.absorb.api_key
        token = patiently(lambda: client.post("/authenticate", json=credentials(running)), met).json()
        client.headers["Authorization"] = f"Bearer {token}"
        for page in range(150):
            body = patiently(lambda page=page: client.get(f"/users?_limit=3&_offset={page}"), met).json()
            assert body["limit"] == 3
    assert {"429", "429 1", "500", "502", "503"} <= set(met)
    assert any(name.startswith("429 ") and name[4:].isalpha() is False and name != "429 1" for name in met)
    assert {"RemoteProtocolError", "ReadError"} <= set(met)  # a cut body, a reset


def test_flaky_is_repeatable() -> None:
    seen = []
    for _ in range(2):
        met: Counter[str] = Counter()
        with sandbox("flaky") as running, httpx.Client(base_url=running.absorb_url) as client:
            for page in range(40):
                try:
                    met[f"{page} {client.get(f'/users?_offset={page}').status_code}"] += 1
                except httpx.TransportError:
                    met[f"{page} broken"] += 1
        seen.append(met)
    assert seen[0] == seen[1]


def test_stray_401_ends_after_a_few_calls() -> None:
    with sandbox("stray401") as running, sign_in(running) as api:
        assert [api.get("/users").status_code for _ in range(5)] == [401, 401, 200, 200, 200]


def test_tokens_expire() -> None:
    with sandbox("none", token_seconds=0.3) as running, sign_in(running) as api:
        assert api.get("/users").status_code == 200
        time.sleep(0.35)
        assert api.get("/users").status_code == 401


def test_rate_limit_answers_429_without_a_hint() -> None:
    with sandbox("none", rate_limit=1) as running, sign_in(running) as api:
        answers = [api.get("/departments") for _ in range(130)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json() == {"message": "Too Many Requests"}
    assert "Retry-After" not in refused[0].headers


def test_unsorted_and_nosort() -> None:
    with sandbox("unsorted") as running, sign_in(running) as api:
        path = f"/courses/{biggest(running)}/enrollments"
        assert api.get(path).json() == api.get(path, params={"_sort": "-dateEdited"}).json()
    with sandbox("nosort") as running, sign_in(running) as api:
        path = f"/courses/{biggest(running)}/enrollments"
        assert api.get(path, params={"_sort": "dateEdited"}).status_code == 422
        assert api.get(path).status_code == 200


@pytest.mark.parametrize(
    ("faults", "by_parameter", "by_filter"), [("nosince", 422, 200), ("nodatefilter", 200, 422), ("nodates", 422, 422)]
)
def test_a_portal_may_refuse_to_be_asked_by_date(faults: str, by_parameter: int, by_filter: int) -> None:
    with sandbox(faults) as running, sign_in(running) as api:
        assert api.get("/users", params={"modifiedSince": "2026-01-01"}).status_code == by_parameter
        by_date = {"_filter": "dateEdited ge datetime'2026-01-01T00:00:00Z'"}
        assert api.get("/users", params=by_date).status_code == by_filter
        assert api.get("/users", params={"_filter": "lastName ne 'X'"}).status_code == 200


def test_another_client_takes_the_session_away_as_often_as_told() -> None:
    with sandbox("none") as running, sign_in(running) as api:
        httpx.post(f"{running.absorb_url}/_sandbox/rival", json={"times": 2, "calls": 1})
        assert [api.get("/users").status_code for _ in range(3)] == [200, 401, 401]
        with sign_in(running) as again:
            assert [again.get("/users").status_code for _ in range(2)] == [200, 401]
        with sign_in(running) as last:
            assert [last.get("/users").status_code for _ in range(3)] == [200] * 3
        assert httpx.post(f"{running.absorb_url}/_sandbox/rival", json={"times": "x"}).status_code == 400


def test_shuffled_ties_change_places() -> None:
    with sandbox("shuffled") as running, sign_in(running) as api:
        running.portal.edit(50, same_instant=True)
        path = f"/courses/{biggest(running)}/enrollments?_sort=-dateEdited"
        orders = {tuple(row["id"] for row in api.get(path).json()["enrollments"]) for _ in range(5)}
    assert len(orders) > 1


def test_slow_answers_late() -> None:
    with sandbox("slow") as running:
        began = time.monotonic()
        httpx.get(f"{running.absorb_url}/users")
        assert time.monotonic() - began >= PROFILES["slow"].delay_seconds


def test_malformed_rows_are_served() -> None:
    with sandbox("malformed") as running:
        rows = running.portal.rows("enrollments")
    assert any(row.get("userId") == "not-a-guid" for row in rows)
    assert any(row.get("status") == 42 for row in rows)
    assert any("dateAdded" not in row for row in rows)
    assert len(rows) == 300


def test_unknown_profile_and_foreign_host_are_refused() -> None:
    with pytest.raises(ValueError, match="choose from none, flaky"):
        sandbox("chaos")
    with pytest.raises(ValueError, match="loopback"):
        SandboxOptions(host="0.0.0.0")


def test_run_forever_ends_on_a_signal() -> None:
    before = signal.getsignal(signal.SIGTERM)
    running = sandbox("none", scale=20)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    running.run_forever()
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{running.absorb_url}/users")


def test_both_halves_start_together() -> None:
    with Sandbox(SandboxOptions(scale=60)) as running:
        settings = running.settings()
        assert httpx.get(f"{running.salesforce_url}/nothing").status_code >= 400
    assert set(settings) == {
        "LEARNSYNC_ABSORB__BASE_URL",
        "LEARNSYNC_ABSORB__API_KEY",
        "LEARNSYNC_ABSORB__USERNAME",
        "LEARNSYNC_ABSORB__PASSWORD",
        "LEARNSYNC_SALESFORCE__LOGIN_URL",
        "LEARNSYNC_SALESFORCE__CLIENT_ID",
        "LEARNSYNC_SALESFORCE__CLIENT_SECRET",
    }
    assert all(settings.values())
