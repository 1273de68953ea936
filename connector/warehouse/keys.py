"""The keys of the large tables. No index holds them: whoever writes looks first, and checks count what came twice.

A key index would take more than half of a bulk insert's time and of the file, to refuse what the merges never insert:
each inserts what a join with the table itself did not find, in the transaction that looked.
"""

from collections.abc import Sequence

from connector.streams import MODELS
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import identifier, statements

sql = statements(__package__)

_RECORDS = ("users", "contacts", "learning_items", "learning_item_progress", "lms_courses", "lms_enrollments")
KEYS: dict[str, Sequence[str]] = {
    **{f"absorb.{stream}": ("tenant_id", "id") for stream in MODELS},
    "main.learning_record": ("id",),
    "main.learning_item_progress": ("tenant_id", "enrollment_id"),
    **{f"salesforce.{name}": ("tenant_id", "Id") for name in _RECORDS},
    "salesforce.contact_keys": ("tenant_id", "digest"),
    "salesforce.learner_matches": ("tenant_id", "user_id"),
    "salesforce.item_matches": ("tenant_id", "course_id"),
    "salesforce.push_ledger": ("tenant_id", "org_id", "target_object", "external_id"),
    "ops.details_due": ("tenant_id", "enrollment_id"),
}


def key_of(table: str) -> Sequence[str]:
    """The columns that no two rows of `schema.table` (the schema main may be left out) share; none for other tables."""
    return KEYS.get(table if "." in table else f"main.{table}", ())


def repeated(connection: Connection, table: str) -> int:
    """How many keys of a table stand in more than one row."""
    return count(connection, sql("keys_repeated", table=table, key=_listed(key_of(table))))


def all_repeated(connection: Connection) -> dict[str, int]:
    """Of the tables with repeated keys: how many."""
    found = {table: repeated(connection, table) for table in KEYS}
    return {table: keys for table, keys in found.items() if keys}


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(identifier, columns))
