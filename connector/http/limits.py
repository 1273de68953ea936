"""The limits of one call: bytes of its answer, and seconds in all for headers and body.

A server that never ends its answer would otherwise take all memory, and one that sends a byte a second all time: the
timeouts of a connection begin anew with every byte.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, Self

from connector.errors import LimitError

MEGABYTE = 1_000_000
# Rows have a value for every 20 to 50 bytes, and texts a comma now and then.
VALUES_PER_MEGABYTE = 100_000
# Nobody needs more than the beginning of a refusal.
REFUSAL_BYTES = 256 * 1024
# One layer of compression makes a thousand bytes of one at most; several would make a terabyte of a kilobyte.
PLAIN = frozenset({"", "identity"})
ENCODINGS = PLAIN | {"gzip", "deflate"}
ACCEPTED_ENCODINGS = "gzip, deflate"


class Limits(Protocol):
    """The settings of the section `limits` that concern one call. Those of files are for calls that carry one."""

    answer_megabytes: float
    call_seconds: float
    file_megabytes: float
    file_seconds: float


@dataclass(slots=True)
class DefaultLimits:
    """The defaults of these settings, for calls that are made without them."""

    answer_megabytes: float = 32
    call_seconds: float = 90
    file_megabytes: float = 1_000
    file_seconds: float = 3_600


@dataclass(frozen=True, slots=True)
class CallLimit:
    """What one call may take, and by which settings. `where` names the call, `setting` what a wrong host points at."""

    where: str
    setting: str
    megabytes: tuple[str, float]
    seconds: tuple[str, float]

    @classmethod
    def of(cls, limits: Limits, where: str, setting: str, *, sends_file: bool, fetches_file: bool) -> Self:
        """The limits of a call."""
        size = ("LEARNSYNC_LIMITS__FILE_MEGABYTES", limits.file_megabytes)
        time = ("LEARNSYNC_LIMITS__FILE_SECONDS", limits.file_seconds)
        if not fetches_file:
            size = ("LEARNSYNC_LIMITS__ANSWER_MEGABYTES", limits.answer_megabytes)
        if not (fetches_file or sends_file):
            time = ("LEARNSYNC_LIMITS__CALL_SECONDS", limits.call_seconds)
        return cls(where, setting, size, time)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Raises LimitError when what is done inside is not done in time."""
        name, seconds = self.seconds
        clock = asyncio.timeout(seconds)
        try:
            async with clock:
                yield
        except TimeoutError:
            if not clock.expired():
                raise
            raise self._passed(name, f"was not answered in full within {seconds:g} s") from None

    async def in_size(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks as they come. Raises LimitError when they are too many."""
        name, megabytes = self.megabytes
        taken = 0
        async for chunk in chunks:
            taken += len(chunk)
            if taken > megabytes * MEGABYTE:
                raise self._passed(name, f"was answered with more than {megabytes:g} MB")
            yield chunk

    def not_too_dense(self, body: bytes) -> bytes:
        """The body. Raises LimitError where it holds more values than rows of such a size do.

        JSON of nothing but `[],[],…` takes fifty times its size once it is read.
        """
        name, megabytes = self.megabytes
        if len(body) <= megabytes * VALUES_PER_MEGABYTE:  # a value takes a byte at least
            return body
        if sum(map(body.count, (b",", b"[", b"{"))) > megabytes * VALUES_PER_MEGABYTE:
            raise self._passed(name, f"was answered with more values than {megabytes:g} MB of rows hold")
        return body

    def _passed(self, name: str, what: str) -> LimitError:
        return LimitError(
            f"{self.where} {what} ({name}).",
            remedy=f"What was not read stays due: run again. Raise {name} where such answers are in order;"
            f" otherwise check {self.setting} and any proxy between.",
        )


async def beginning(chunks: AsyncIterator[bytes]) -> bytes:
    """The first chunks of a refusal, about REFUSAL_BYTES of them."""
    kept = bytearray()
    async for chunk in chunks:
        kept += chunk
        if len(kept) >= REFUSAL_BYTES:
            break
    return bytes(kept)
