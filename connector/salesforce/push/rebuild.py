"""An empty ledger beside an org that has our records: it is filled from them, so that none is created or sent again.

A warehouse that was lost and made anew looks so, and an org that is a copy of another. What the org holds is compared
field by field with what would be sent: an equal record counts as accepted, any other as accepted with other content.
"""

from pathlib import Path

from connector.push import difference
from connector.push.difference import Source
from connector.push.ledger import Ledger
from connector.salesforce.readback.objects import OWN
from connector.salesforce.readback.own import sides
from connector.salesforce.readback.read import Reading
from connector.salesforce.readback.store import store
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import statements

sql = statements(__package__)

READABLE = {readable.object: readable for readable in OWN}


def is_lost(connection: Connection, ledger: Ledger) -> bool:
    """Whether the ledger knows no record of an object of ours in this org: nothing was pushed, or it was lost."""
    return ledger.key["object"] in READABLE and not ledger.size(connection)


def is_unseen(connection: Connection, ledger: Ledger) -> bool:
    """Whether the ledger knows records of which it is not known what the org has of them.

    A version that kept no states made the ledger (migration 12 brought them), and never read its records back.
    """
    if ledger.key["object"] not in READABLE or not ledger.size(connection):
        return False
    copies = f"salesforce.{READABLE[ledger.key['object']].table}"
    return not count(connection, sql("records_seen", copies=copies), ledger.key)


def take_over(connection: Connection, ledger: Ledger, reading: Reading, source: Source, file: Path) -> int:
    """Store what was read of our records, and fill the ledger from it; returns how many records it knows now.

    Call in the transaction of the difference, after learners were matched; `file` is for `pushable`.
    """
    if not reading.rows:
        return 0
    store(connection, reading, ledger.key["tenant_id"], ledger.run_id)
    difference.compute(connection, source, ledger.key, file=file)
    equal = " AND ".join("{} IS NOT DISTINCT FROM {}".format(*sides(field)) for field in reading.mapped)
    query = sql("ledger_taken_over", table=f"salesforce.{reading.readable.table}", equal=equal)
    ledger.write(connection, "ledger_found", query)
    return ledger.size(connection)
