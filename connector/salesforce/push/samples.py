"""How the records that a dry run shows would change: the org's own values beside those that would be sent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connector.push.values import in_org
from connector.salesforce.answers import has
from connector.salesforce.client import SalesforceClient
from connector.salesforce.targets import OrgObject, value_of
from mappings import FieldMap

Sample = dict[str, Any]
SHOWN = ("create", "update")
KEYS_PER_QUERY = 100  # the URI of a query ends at 16,384 bytes (docs/facts/salesforce.md section 5)


async def add_changes(
    client: SalesforceClient, spec: OrgObject, fields: Sequence[FieldMap], samples: Sequence[Sample]
) -> None:
    """Add `in_salesforce` and `changes` to the samples that would be sent.

    The old values are read from the org and not from the ledger, so that what somebody changed there shows too.
    """
    sent = {sample["external_id"]: sample for sample in samples if sample["action"] in SHOWN}
    names = ", ".join(sorted({spec.key, *(field.field for field in fields)}))
    found: dict[str, dict[str, Any]] = {}
    keys = [key.replace("\\", "\\\\").replace("'", "\\'") for key in sent]
    for start in range(0, len(keys), KEYS_PER_QUERY):
        some = "', '".join(keys[start : start + KEYS_PER_QUERY])
        query = f"SELECT {names} FROM {spec.object} WHERE {spec.key} IN ('{some}')"
        async for page in client.query(query, check=has(spec.key)):
            found |= {str(record[spec.key]): record for record in page}
    for key, sample in sent.items():
        sample["in_salesforce"] = key in found
        sample["changes"] = list(_changes(fields, found.get(key, {}), sample["payload"]))


def _changes(fields: Iterable[FieldMap], old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """{field, old, new} for each field that the org would call different."""
    for field in fields:
        before, after = value_of(old, field), value_of(new, field)
        if in_org(before, field.kind) != in_org(after, field.kind):
            yield {"field": field.field, "old": before, "new": after}
