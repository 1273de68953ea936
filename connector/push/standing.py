"""Which records of a target a difference has to look at, and what is known of the others.

What was compared once, and neither changed (ops.changed) nor left the state `accepted` in the ledger since, is as the
org has it. A note is forgotten only in the transaction that keeps what the difference found, and what it found to be
due is no longer due only once the org accepted just that payload, or a later difference found it unchanged. So a push
that is killed, held, limited or refused loses nothing.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from connector import __version__
from connector.push import difference
from connector.push.difference import Source
from connector.push.ledger import Ledger
from connector.warehouse import changed
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import statements

sql = statements(__package__)

LOOKED_AT = "external_id IN (SELECT external_id FROM looked_at)"


@dataclass(slots=True)
class Standing:
    """What is known of the records of one object of one org. Each method is part of the transaction of the difference.

    `whole`: the difference looks at all records, and not at those in the temp table looked_at alone. `looked_at` is
    then how many of these may have changed.
    """

    ledger: Ledger
    source: Source
    whole: bool = field(default=True, init=False)
    looked_at: int = field(default=0, init=False)

    def begin(self, connection: Connection, *, full: bool, samples: int = 0) -> None:
        """Decide what is looked at, and take over what is noted as changed; `full` asks for all.

        Of what is blocked `samples` of each reason are looked at in any case, to be shown.

        All is looked at also where the query is not ours, for nobody knows what it depends on.
        """
        tenant, key, by_change = self.ledger.key["tenant_id"], self.ledger.key, self.source.by_change
        everything = changed.due(connection, tenant, changed.PUSH).everything
        self.whole = full or everything or not by_change or not self._is_known(connection)
        if by_change and not self.whole:
            connection.execute(sql("standing_settle"), key)
            connection.execute(sql("standing_note", changed=by_change.changed), key)
            self.looked_at = count(connection, sql("looked_at"), key)
            if samples:
                connection.execute(sql("looked_at_samples"), {**key, "most": min(samples, difference.MOST_SAMPLES)})
        changed.dealt_with(connection, tenant, changed.PUSH, keeps_ids=bool(by_change))
        connection.execute(sql("compared_elsewhere"), key)  # their share of the notes is gone

    def _is_known(self, connection: Connection) -> bool:
        """Whether all was compared on this basis, with a ledger that has lost nothing since."""
        found = connection.execute(sql("compared"), self.ledger.key).fetchone()
        return found is not None and found[0] == self.basis and self.ledger.size(connection) >= found[1]

    @property
    def basis(self) -> str:
        """A hash of everything but rows that payloads and their blocking depend on."""
        said: list[Any] = [difference.statement(self.source), dict(self.source.values), __version__]
        return sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

    def rest(self, connection: Connection) -> Counter[str]:
        """Records that were not looked at, by what `pushable` would call them: unchanged, or why they are blocked."""
        if self.whole:
            return Counter()
        return Counter(dict(connection.execute(sql("standing_rest"), self.ledger.key).fetchall()))

    def keep(self, connection: Connection, *, held: bool) -> None:
        """Keep what the difference found. Of a plan that is held everything stays due."""
        key, looked_at = self.ledger.key, "true" if self.whole else LOOKED_AT
        connection.execute(sql("standing_clear", looked_at=looked_at), key)
        connection.execute(sql("compared_forget"), key)
        if self.whole and (held or not self.source.by_change):
            return
        connection.execute(sql("standing_held" if held else "standing_put", looked_at=looked_at), key)
        values = {"basis": self.basis, "ledger_rows": self.ledger.size(connection)}
        connection.execute(sql("compared_put"), {**key, **values})
