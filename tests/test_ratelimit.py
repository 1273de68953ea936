"""The client's own limits, against a clock that a test moves."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.http.ratelimit import Gate, TokenBucket


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_free_and_then_calls_are_spaced_by_the_rate() -> None:
    bucket = TokenBucket(4, 3, Clock())
    assert [bucket.delay() for _ in range(6)] == [0, 0, 0, 0.25, 0.5, 0.75]


def test_rest_refills_the_bucket_but_never_beyond_the_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(4, 3, clock)
    for _ in range(3):
        bucket.delay()
    clock.now += 0.25
    assert [bucket.delay(), bucket.delay()] == [0, 0.25]
    clock.now += 3600
    assert [bucket.delay() for _ in range(4)] == [0, 0, 0, 0.25]


def test_a_rate_below_one_call_a_second_is_kept() -> None:
    bucket = TokenBucket(0.1, 1, Clock())
    assert [bucket.delay() for _ in range(3)] == [0, 10, 20]


@given(
    rate=st.floats(0.1, 500),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=80),
)
def test_no_window_ever_holds_more_than_burst_plus_rate(rate: float, burst: int, gaps: list[float]) -> None:
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    granted = []
    for gap in gaps:
        clock.now += gap
        granted.append(clock.now + bucket.delay())
    assert granted == sorted(granted)
    for first in range(len(granted)):
        for last in range(first, len(granted)):
            assert last - first + 1 <= burst + rate * (granted[last] - granted[first]) + 1e-6


def test_the_gate_lets_no_more_than_its_slots_in_at_once() -> None:
    inside = most = 0

    async def call(gate: Gate) -> None:
        nonlocal inside, most
        async with gate.turn():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def calls() -> None:
        gate = Gate(1e6, 10_000, 3)
        await asyncio.gather(*(call(gate) for _ in range(30)))

    asyncio.run(calls())
    assert most == 3
    assert inside == 0


def test_a_failing_call_gives_its_slot_back() -> None:
    async def calls() -> int:
        gate = Gate(1e6, 10_000, 1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with gate.turn():
                    raise ZeroDivisionError
        async with gate.turn():
            return 1

    assert asyncio.run(asyncio.wait_for(calls(), 5)) == 1


def test_a_call_beyond_the_burst_waits_once_for_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def calls() -> None:
        gate = Gate(0.001, 2, 5)
        for _ in range(3):
            async with gate.turn():
                pass

    asyncio.run(calls())
    assert slept == [pytest.approx(1000, rel=0.01)]
