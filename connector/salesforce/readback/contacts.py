"""Which contacts the warehouse keeps: those that a learner can match, by a rule or by a line of learner_crosswalk.csv.

What such a contact must hold is a key: a field and the value that a learner has, or the contact's id. The contacts held
are all that the org has for the keys in salesforce.contact_keys, so matching with them is matching with all contacts. A
key that is new, because a learner is, is asked for when people are read next.
"""

from pathlib import Path

from connector import files
from connector.salesforce.readback.read import Reading
from connector.warehouse import changed
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import literal, statements
from mappings import Mapping
from mappings.learner_crosswalk import manual_sql
from mappings.matching import keys_sql, value_sql

sql = statements(__package__)


def spool_keys(connection: Connection, maps: Mapping, tenant_id: str, folder: Path) -> Path:
    """Write the keys to a file below `folder`, one JSON object a line: field, value, digest, asked."""
    files.make_folder(folder)
    path = folder / "contact-keys.ndjson"
    query = sql("contact_keys", keys=keys_sql(maps.learner_rules), crosswalk=manual_sql(maps.manual))
    connection.execute(query, {"tenant_id": tenant_id})
    connection.execute(f"COPY (FROM contact_keys ORDER BY field, value) TO {literal(path)} (FORMAT json)")
    connection.execute("DROP TABLE contact_keys")
    return path


def narrow(connection: Connection, reading: Reading, tenant_id: str) -> None:
    """Leave in `computed` what is to be stored; take deleted contacts out of what records in the org keep."""
    tenant = {"tenant_id": tenant_id}
    connection.execute(sql("contact_keys_asked"), {"file": str(reading.keys)})
    unlinked = connection.execute(sql("contacts_deleted"), tenant | {"gone": list(reading.gone)}).fetchall()
    changed.note_ids(connection, tenant_id, "salesforce.learner_matches", (user_id for (user_id,) in unlinked))
    connection.execute(sql("contacts_narrow", matchable=_matchable(reading)), tenant)


def forget(connection: Connection, reading: Reading, tenant_id: str) -> None:
    """Drop the contacts that no learner can match, and note the keys that were asked for."""
    tenant = {"tenant_id": tenant_id}
    if count(connection, sql("contacts_forget", matchable=_matchable(reading)), tenant):
        changed.note_everything(connection, tenant_id, "salesforce.contacts")
    connection.execute(sql("contact_keys_drop"), tenant)
    connection.execute(sql("contact_keys_put"), tenant)
    connection.execute("DROP TABLE asked")


def forget_unneeded(connection: Connection, maps: Mapping, tenant_id: str) -> None:
    """Drop all contacts where no rule and no line of the crosswalk looks at contacts any more."""
    rules = any(rule.salesforce_object == "Contact" for rule in maps.learner_rules)
    if not rules and not any(match.salesforce_object == "Contact" for match in maps.manual):
        tenant = {"tenant_id": tenant_id}
        if count(connection, "DELETE FROM salesforce.contacts WHERE tenant_id = $tenant_id", tenant):
            changed.note_everything(connection, tenant_id, "salesforce.contacts")
        connection.execute("DELETE FROM salesforce.contact_keys WHERE tenant_id = $tenant_id", tenant)
        connection.execute(
            "DELETE FROM salesforce.checkpoints WHERE tenant_id = $tenant_id AND object = 'Contact'", tenant
        )


def _matchable(reading: Reading) -> str:
    """Whether a contact `c` holds any key that was asked for, as an SQL condition."""
    fields = {name: value_sql("Contact", name, "c") for name in ("Email", *reading.readable.extra)}
    keys = {**fields, "Id": 'left(c."Id", 15)'}
    tests = (f"md5({literal(f'{name}:')} || {value}) IN (SELECT digest FROM asked)" for name, value in keys.items())
    return "coalesce(" + " OR ".join(tests) + ", false)"
