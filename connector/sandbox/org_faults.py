"""Refusals of single records that a test asks of the sandbox org."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from .org_errors import RecordError

_TEXTS = {
    "UNABLE_TO_LOCK_ROW": "unable to obtain exclusive access to this record",
    "TOO_MANY_APEX_REQUESTS": "too many concurrent Apex requests; wait and resend",
}


class RecordFaults:
    """Codes for whatever record is written next, and for chosen records. The caller holds the org's lock."""

    def __init__(self) -> None:
        self._next: deque[str] = deque()
        self._chosen: dict[str, tuple[str, str]] = {}
        # How often each chosen record was refused.
        self.refusals: Counter[str] = Counter()

    def queue(self, codes: Iterable[str]) -> None:
        """The next written records fail with these codes, one record each."""
        self._next.extend(codes)

    def choose(self, external_id: str, code: str, text: str) -> None:
        """Every write of the record that carries this value fails, until ``forgive``."""
        self._chosen[external_id] = (code, text)

    def forgive(self) -> None:
        """Ends what ``choose`` began, and counts anew."""
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
