"""Repeatable choices for the generator, and timestamps in the portal's many styles."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the portal's stamps are naive UTC
DAY = 86_400


class Dice:
    """A seeded source of everything that varies."""

    def __init__(self, source: random.Random) -> None:
        self.random = source

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self.random.random() * len(options))]

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        return self.random.choices(options, weights)[0]

    def days(self, low: float, high: float) -> int:
        """A span in seconds."""
        return int((low + self.random.random() * (high - low)) * DAY)

    def guid(self) -> str:
        """A version 4 guid, canonical and lower-case."""
        digits = f"{self.random.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) % 4]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def instant(self, second: int) -> str:
        """Naive UTC with 0 to 7 fractional digits, one in eight with Z (docs/facts/absorb.md section 5).

        Styles mix within one portal. The seventh digit is 100 ns: finer than a microsecond.
        """
        text = (_EPOCH + timedelta(seconds=second)).isoformat()
        roll = self.random.random()
        if roll < 0.40:
            text += f".{int(self.random.random() * 1000):03d}"
        elif roll < 0.65:
            text += f".{int(self.random.random() * 10_000_000):07d}"
        elif roll < 0.75:
            digits = 1 + int(self.random.random() * 6)
            text += f".{int(self.random.random() * 10**digits):0{digits}d}"
        return text + "Z" if self.random.random() < 0.125 else text

    def midnight(self, second: int) -> str:
        """A calendar day, as the portal writes it: midnight without a zone."""
        return f"{(_EPOCH + timedelta(seconds=second)).date().isoformat()}T00:00:00"
