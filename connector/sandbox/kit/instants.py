"""Reading and writing timestamps, each house in its own way.

The portal mixes naive UTC, ``Z`` and offsets with 0 to 7 fractional digits (docs/facts/absorb.md section 5).
Comparisons happen on one canonical text: naive UTC with exactly seven digits, which sorts as text. The org keeps whole
seconds.
"""

import re
from datetime import UTC, datetime, timedelta

_SHAPE = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7}))?\s*(Z|z|[+-]\d\d:?\d\d)?)?")


def utc_now() -> datetime:
    """The clock of every house unless a test injects another one."""
    return datetime.now(UTC)


def canonical(text: object) -> str | None:
    """Return ``YYYY-MM-DDTHH:MM:SS.fffffff`` in UTC, or None when ``text`` is not a timestamp.

    A value without a zone is UTC; a date alone is its midnight (docs/facts/absorb.md section 4).
    """
    match = _SHAPE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    clock = clock or "00:00:00"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}")
        if zone and zone not in "Zz":
            moment -= _offset(zone)
    except (ValueError, OverflowError):
        return None
    return f"{moment.isoformat()}.{(fraction or ''):0<7}"


def moment_of(value: object) -> datetime | None:
    """An instant of a portal's row, or None; the seventh digit is cut."""
    text = canonical(value)
    return None if text is None else datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)


def _offset(zone: str) -> timedelta:
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


def naive_text(moment: datetime) -> str:
    """Write an instant as .NET does: naive UTC, trailing zeros of the fraction dropped."""
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    text = moment.isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".") if moment.microsecond else text[:19]


def timespan(ticks: int) -> str:
    """Write 100 ns ticks as a .NET TimeSpan, ``[d.]hh:mm:ss[.fffffff]`` (docs/facts/absorb.md section 5)."""
    seconds, fraction = divmod(ticks, 10_000_000)
    days, rest = divmod(seconds, 86_400)
    text = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    text = f"{days}.{text}" if days else text
    return f"{text}.{fraction:07d}" if fraction else text


def org_text(moment: datetime) -> str:
    """UTC text as the org's REST API prints it. Sorts in the order of time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000").rjust(28, "0")


def offset_instant(value: str) -> datetime | None:
    """The instant of an ISO text with a time and an offset, or None."""
    if len(value) < 19 or value[10] not in "Tt":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
