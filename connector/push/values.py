"""When two values are equal for a target, whose systems keep less of a value than it was sent.

What an org keeps is decided in two places: in Python for the samples of a dry run, in SQL for all records of a
read-back. Both forms stand here, side by side, and tests/push/test_values.py holds them together.
"""

import math
from datetime import UTC, datetime
from typing import Any

from connector.warehouse.statements import literal

# Unicode's space separators: what is trimmed, by both forms alike.
_BLANKS = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


def in_org(value: Any, kind: str) -> Any:
    """A value of a payload or of an answer as an org keeps it (docs/facts/salesforce.md section 3).

    `kind` is that of salesforce_fields.csv. Equal results are equal in the org.
    """
    if kind == "number":
        return _rounded(_float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if kind == "datetime":
        return _second(value)
    if kind == "checkbox":
        return "false" if value is None else str(value).lower()
    if kind == "reference":
        return None if value is None else str(value)[:15]  # the first 15 characters are the id
    return None if value is None else str(value).strip(_BLANKS) or None


def in_org_sql(value: str, kind: str) -> str:
    """The same for an SQL expression that gives the value as text."""
    if kind == "number":
        return f"CAST(round(TRY_CAST({value} AS DOUBLE), 6) + 0.0 AS VARCHAR)"  # + 0.0: minus zero is zero
    if kind == "datetime":
        return f"CAST(date_trunc('second', TRY_CAST({value} AS TIMESTAMPTZ)) AS VARCHAR)"
    if kind == "checkbox":
        return f"coalesce(lower({value}), 'false')"
    if kind == "reference":
        return f"left({value}, 15)"
    return f"nullif(trim({value}, {literal(_BLANKS)}), '')"


def in_api(value: Any, kind: str) -> Any:
    """A value of a payload or of an answer of the LearningRecord API; `kind` is instant, id or anything else."""
    if kind == "instant" and isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return _utc(value).isoformat(timespec="milliseconds")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _float(value)
    return str(value).lower() if kind == "id" and value is not None else value


def in_api_sql(value: str, kind: str) -> str:
    """The same for an SQL expression that gives the value as text; kinds are also number."""
    if kind == "instant":
        return f"strftime(timezone('UTC', TRY_CAST({value} AS TIMESTAMPTZ)), '%Y-%m-%dT%H:%M:%S.%g+00:00')"
    if kind == "number":
        return f"CAST(TRY_CAST({value} AS DOUBLE) AS VARCHAR)"
    return f"lower({value})" if kind == "id" else value


def _float(value: float) -> float:
    """The number as a double; an integer of hundreds of digits is infinite then."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _rounded(value: float) -> float:
    """To six digits, halves away from zero, as DuckDB's round does."""
    scaled = abs(value) * 1e6
    if not math.isfinite(scaled):
        return value
    whole = math.floor(scaled)
    return math.copysign((whole + (scaled - whole >= 0.5)) / 1e6, value) + 0.0


def _second(value: Any) -> datetime | None:
    try:
        return _utc(datetime.fromisoformat(value)).replace(microsecond=0)
    except (TypeError, ValueError):
        return None


def _utc(value: datetime) -> datetime:
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:  # on the first or last day that there is
        return value.replace(tzinfo=UTC)
