"""Refusals of single records that a test asks of the sandbox org."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from connector.sandbox.org.errors import RecordError

_TEXTS = {
    "UNABLE_TO_LOCK_ROW": "unable to obtain exclusive access to this record",
    "TOO_MANY_APEX_REQUESTS": "too many concurrent Apex requests; wait and resend",
}


class RecordFaults:
    """Codes for whatever record is written next, and for chosen records. The caller holds the org's lock."""

    def __init__(self) -> None:
        self._next: deque[str] = deque()
        self._chosen: dict[str, tuple[str, str]] = {}
        self._share = 0.0
        self._shared_code = ""
        self._random = random.Random(0)  # noqa: S311 - a fault, not a secret
        # How often each chosen record was refused.
        self.refusals: Counter[str] = Counter()

    def queue(self, codes: Iterable[str]) -> None:
        """The next written records fail with these codes, one record each."""
        self._next.extend(codes)

    def share(self, share: float, code: str, seed: int) -> None:
        """Of all writes from now on this share fails, each by chance, until ``forgive``."""
        self._share, self._shared_code, self._random = share, code, random.Random(seed)  # noqa: S311

    def choose(self, external_id: str, code: str, text: str) -> None:
        """Every write of the record that carries this value fails, until ``forgive``."""
        self._chosen[external_id] = (code, text)

    def forgive(self) -> None:
        """Ends what ``choose`` and ``share`` began, and counts anew."""
        self._share = 0.0
        self._chosen.clear()
        self.refusals.clear()

    def check(self, record: Mapping[str, Any]) -> None:
        """Raises RecordError where the record is to be refused."""
        for value in record.values() if self._chosen else ():
            if isinstance(value, str) and value in self._chosen:
                self.refusals[value] += 1
                raise RecordError(*self._chosen[value])
        if self._next:
            code = self._next.popleft()
            raise RecordError(code, _TEXTS.get(code, "injected fault"))
        if self._share and self._random.random() < self._share:
            raise RecordError(self._shared_code, _TEXTS.get(self._shared_code, "injected fault"))
