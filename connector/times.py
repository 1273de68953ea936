"""The one place that reads and writes instants as the two systems spell them."""

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime

_MICROSECOND = timedelta(microseconds=1)
# Naive means UTC; 0 to 9 fractional digits, of which DuckDB and Python keep 6 (docs/facts/absorb.md section 5).
INSTANT_PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])?)?$"
)


# A date of an earlier year stands for none.
FIRST_YEAR = 1900
# A portal's date from this year on is a mistake, or stands for "never": it takes no part in paging and watermarks.
LAST_YEAR = 2200


def is_plausible(moment: datetime) -> bool:
    """True for an instant that paging and watermarks may go by."""
    return FIRST_YEAR <= moment.year < LAST_YEAR


def is_empty_date(text: str) -> bool:
    """True for a well-formed Absorb date-time of a year before 1900, by the year as it is written."""
    if not re.fullmatch(INSTANT_PATTERN, text) or text[:4] >= str(FIRST_YEAR):
        return False
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def parse_instant(text: str) -> datetime:
    """Read an Absorb date-time as an aware UTC datetime; extra fractional digits are cut, not rounded.

    Raises ValueError for anything that is not `yyyy-MM-dd[THH:mm:ss[.f…][Z|±hh:mm]]`.
    """
    if not re.fullmatch(INSTANT_PATTERN, text):
        raise ValueError(f"not a date-time: {text[:40]!r}")
    parsed = datetime.fromisoformat(text)
    try:
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError(f"not an instant of the years 1 to 9999: {text[:40]!r}") from None


def floor_to(moment: datetime, grain: timedelta) -> datetime:
    """Cut to a multiple of `grain`, which is a second or a whole part of one."""
    return moment.replace(microsecond=moment.microsecond - moment.microsecond % (grain // _MICROSECOND))


def to_absorb(moment: datetime) -> str:
    """Write an instant for `modifiedSince`: milliseconds and an explicit Z, since a bare value's zone is unknown."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_odata(moment: datetime) -> str:
    """Write an instant for Absorb's `_filter`, in the documented form: `datetime'2020-01-01T00:00:00Z'`."""
    return f"datetime'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


def to_salesforce(moment: datetime) -> str:
    """Write an instant for SOQL and the replication calls: whole seconds (the org keeps no more), UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_http_date(text: str | None) -> datetime | None:
    """Read a `Date` or `Retry-After` header date; None when absent or malformed."""
    try:
        parsed = parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def utc_now() -> datetime:
    """The current instant, aware, UTC."""
    return datetime.now(UTC)
