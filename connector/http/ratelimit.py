"""A token bucket and a concurrency limit, shared by all calls to one host; slower when the host says so."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

THROTTLED = 429
HTTP_ERRORS = 400
LEAST_RATE = 0.05
RECOVERY = 0.02


class TokenBucket:
    """`rate` calls a second on average, at most `burst` at once. Waiters are served in order."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._configured = rate
        self.rate = rate  # at the moment: lower than configured after the host has throttled us
        self._slowed_at = float("-inf")
        self._burst = float(burst)
        self._clock = clock
        self._level = float(burst)
        self._stamp = clock()
        self._turn = asyncio.Lock()

    def delay(self) -> float:
        """Take one token and return the seconds to wait before using it (pure but for the clock)."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._stamp) * self.rate) - 1.0
        self._stamp = now
        return max(0.0, -self._level / self.rate)

    def slow_down(self) -> None:
        """Throttled: half the rate, once a second at the most, for one burst of refusals is one refusal."""
        now = self._clock()
        if now - self._slowed_at >= 1.0:
            self._slowed_at = now
            self.rate = max(self._configured * LEAST_RATE, self.rate / 2)
            self._level = min(self._level, 1.0)

    def speed_up(self) -> None:
        """A success: back towards the configured rate, step by step."""
        self.rate = min(self._configured, self.rate + self._configured * RECOVERY)

    async def take(self) -> None:
        """Wait for a token."""
        async with self._turn:
            if pause := self.delay():
                await asyncio.sleep(pause)


class Gate:
    """Lets a call through when both the rate and the concurrency allow it."""

    def __init__(self, rate: float, burst: int, concurrency: int) -> None:
        self._bucket = TokenBucket(rate, burst)
        self._slots = asyncio.Semaphore(concurrency)
        self._closed_until = 0.0

    def note(self, status: int, retry_after: float | None) -> None:
        """Learn from an answer: a throttled call slows all down, and nobody calls before the server allows it."""
        if status == THROTTLED:
            self._bucket.slow_down()
            self._closed_until = max(self._closed_until, time.monotonic() + (retry_after or 0.0))
        elif status < HTTP_ERRORS:
            self._bucket.speed_up()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold one slot for the length of one attempt, so that a waiting retry does not block others."""
        async with self._slots:
            closed = self._closed_until - time.monotonic()
            if closed > 0:
                await asyncio.sleep(closed)
            await self._bucket.take()
            yield
