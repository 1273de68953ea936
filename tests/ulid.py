"""LearningRecord ids: `lrn_` + a ULID that is a pure function of tenant, source, enrollment id and dateAdded."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PREFIX = "lrn_"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_LIMIT = 1 << 48


def _base32(number: int, width: int) -> str:
    return "".join(CROCKFORD[(number >> (5 * place)) & 31] for place in reversed(range(width)))


def learning_record_id(tenant_id: str, source: str, enrollment_id: str, date_added: datetime) -> str:
    """The id that `mappings/sql/learning_record.sql` makes, in Python: 10 time characters, 16 of a SHA-256.

    `enrollment_id` is a lower-case canonical GUID. Times before 1970 count as 1970.
    """
    milliseconds = min(max(0, (date_added - _EPOCH) // timedelta(milliseconds=1)), _TIME_LIMIT - 1)
    digest = hashlib.sha256(f"{tenant_id}\x1f{source}\x1f{enrollment_id}".encode()).hexdigest()
    return PREFIX + _base32(milliseconds, 10) + _base32(int(digest[:10], 16), 8) + _base32(int(digest[10:20], 16), 8)
