"""Refusals of single records that a test asks of the org."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from connector.sandbox.kit.faults import Faults
from connector.sandbox.org.errors import refused

_TEXTS = {
    "UNABLE_TO_LOCK_ROW": "unable to obtain exclusive access to this record",
    "TOO_MANY_APEX_REQUESTS": "too many concurrent Apex requests; wait and resend",
}


class RecordFaults:
    """Codes for whatever record is written next, and for chosen records. The caller holds the org's lock."""

    def __init__(self) -> None:
        # Codes that the next written records meet, or a share of all of them.
        self.codes = Faults()
        # How often each chosen record was refused.
        self.refusals: Counter[str] = Counter()
        # What HTTP status a Learnings Graph call gets that wrote nothing: the documents do not say.
        self.learnings_status = 200
        self._chosen: dict[str, tuple[str, str]] = {}

    def choose(self, external_id: str, code: str, text: str) -> None:
        """Every write of the record that carries this value fails, until ``forgive``."""
        self._chosen[external_id] = (code, text)

    def forgive(self) -> None:
        """Ends what ``choose`` and a share of ``codes`` began, and counts anew."""
        self.codes.share(0.0, (), 0)
        self._chosen.clear()
        self.refusals.clear()

    def check(self, record: Mapping[str, Any]) -> None:
        """Raises Refusal where the record is to be refused."""
        for value in record.values() if self._chosen else ():
            if isinstance(value, str) and value in self._chosen:
                self.refusals[value] += 1
                raise refused(*self._chosen[value])
        code = self.codes.next()
        if code:
            raise refused(code, _TEXTS.get(code, "injected fault"))
