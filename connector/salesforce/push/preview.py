"""How sampled records would change: what the org holds now beside what the payload says, field by field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from connector.salesforce.client import SalesforceClient
from connector.salesforce.targets import Target

Sample = dict[str, Any]
SHOWN = ("create", "update")
KEYS_PER_QUERY = 100  # the URI of a query ends at 16,384 bytes (docs/facts/salesforce.md section 5)


async def add_changes(client: SalesforceClient, target: Target, samples: list[Sample]) -> None:
    """Add `in_salesforce` and `changes` to the samples that would be sent, from one query of the org.

    The old values are the org's own and not a memory of what was sent, so that somebody's edit over there shows too.
    """
    sent = [sample for sample in samples if sample["action"] in SHOWN]
    if not sent:
        return
    fields = sorted({target.key, *(path for sample in sent for path in _flat(sample["payload"]))})
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(sent), KEYS_PER_QUERY):
        keys = ", ".join(f"'{_escaped(one['external_id'])}'" for one in sent[start : start + KEYS_PER_QUERY])
        async for page in client.query(
            f"SELECT {', '.join(fields)} FROM {target.object} WHERE {target.key} IN ({keys})"
        ):
            for record in page:
                flat = _flat(record)
                found[str(flat[target.key])] = flat
    for sample in sent:
        old = found.get(sample["external_id"])
        sample["in_salesforce"] = old is not None
        sample["changes"] = list(changes(old or {}, _flat(sample["payload"])))


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """{field, old, new} for each field of `new` that differs, in its order. Both maps are flat."""
    for field, value in new.items():
        before = old.get(field)
        if not same(before, value):
            yield {"field": field, "old": before, "new": value}


def same(old: Any, new: Any) -> bool:
    """True when the org would call the two values the same: instants by their second, numbers by value, '' as null."""
    if isinstance(old, int | float) and isinstance(new, int | float):
        return math.isclose(old, new, abs_tol=1e-9)
    one, other = _instant(old), _instant(new)
    if one and other:
        return one == other
    return (old if old != "" else None) == (new if new != "" else None)


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str) or len(value) < 19 or value[10] != "T":
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return None


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted paths for what lies inside a parent, as SOQL names it."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if name == "attributes":
            continue
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
