"""A token bucket and a concurrency limit, shared by all calls to one host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class TokenBucket:
    """`rate` calls a second on average, at most `burst` at once. Waiters are served in order."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._level = float(burst)
        self._stamp = clock()
        self._turn = asyncio.Lock()

    def delay(self) -> float:
        """Take one token and return the seconds to wait before using it (pure but for the clock)."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._stamp) * self._rate) - 1.0
        self._stamp = now
        return max(0.0, -self._level / self._rate)

    async def take(self) -> float:
        """Wait for a token; returns the seconds waited."""
        async with self._turn:
            pause = self.delay()
            if pause:
                await asyncio.sleep(pause)
            return pause


class Gate:
    """Lets a call through when both the rate and the concurrency allow it."""

    def __init__(self, rate: float, burst: int, concurrency: int) -> None:
        self._bucket = TokenBucket(rate, burst)
        self._slots = asyncio.Semaphore(concurrency)
        self.waited_seconds = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold one slot for the length of one attempt, so that a waiting retry does not block others."""
        async with self._slots:
            self.waited_seconds += await self._bucket.take()
            yield
