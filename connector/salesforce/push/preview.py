"""How sampled records would change: what the org holds now beside what the payload says, field by field."""

from collections.abc import Iterable, Mapping
from typing import Any

from connector.push.values import in_org
from connector.salesforce.client import SalesforceClient
from connector.salesforce.targets import OrgObject
from mappings import FieldMap

Sample = dict[str, Any]
SHOWN = ("create", "update")
KEYS_PER_QUERY = 100  # the URI of a query ends at 16,384 bytes (docs/facts/salesforce.md section 5)


async def add_changes(
    client: SalesforceClient, target: OrgObject, fields: tuple[FieldMap, ...], samples: list[Sample]
) -> None:
    """Add `in_salesforce` and `changes` to the samples that would be sent.

    The old values are read from the org and not from the ledger, so that what somebody changed there shows too.
    """
    sent = {sample["external_id"]: sample for sample in samples if sample["action"] in SHOWN}
    names = ", ".join(sorted({target.key, *(field.field for field in fields)}))
    found: dict[str, dict[str, Any]] = {}
    keys = [f"'{_escaped(key)}'" for key in sent]
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = ", ".join(keys[start : start + KEYS_PER_QUERY])
        async for page in client.query(f"SELECT {names} FROM {target.object} WHERE {target.key} IN ({some})"):
            found |= {str(record[target.key]): record for record in page}
    for key, sample in sent.items():
        sample["in_salesforce"] = key in found
        sample["changes"] = list(changes(fields, found.get(key, {}), sample["payload"]))


def changes(fields: Iterable[FieldMap], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """{field, old, new} for each field that the org would call different."""
    for field in fields:
        before, after = _value(old, field), _value(new, field)
        if in_org(before, field.kind) != in_org(after, field.kind):
            yield {"field": field.field, "old": before, "new": after}


def _value(record: Mapping[str, Any], field: FieldMap) -> Any:
    """A field of a record or payload; that of a parent lies inside its relationship."""
    relation, dot, key = field.field.partition(".")
    value = record.get(relation)
    return (value or {}).get(key) if dot else value


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
