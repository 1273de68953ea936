"""One credential for many calls at once: of all calls that find it missing or refused, one obtains the next."""

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCredential(ABC, Generic[T]):
    """Hands out a credential and renews it by compare-and-swap: only while it is still the one that was refused."""

    def __init__(self) -> None:
        self._renewal = asyncio.Lock()

    async def current(self) -> T:
        """The credential to send, obtained if there is none. Raises what `_live` raises."""
        async with self._renewal:
            return await self._live()

    async def renewed(self, refused: T) -> T:
        """What to send after `refused` was refused: what another call obtained meanwhile, or a new one."""
        async with self._renewal:
            self._discard(refused)
            return await self._live()

    @abstractmethod
    async def _live(self) -> T:
        """The credential at hand, or a new one where there is none. Called under the lock."""

    @abstractmethod
    def _discard(self, refused: T) -> None:
        """Keep `refused` no longer, unless it is replaced already. May raise where renewing is no use."""
