"""ops.changed: which rows changed since a consumer last looked, so that nobody looks at rows that did not.

Whoever writes rows notes their ids here, in the transaction that writes them. A consumer deals with the rows that are
noted for it, and forgets the notes in its own transaction: what another transaction notes meanwhile is not seen by it,
is not forgotten, and is due next time. So no clock decides what is due.

A consumer that never dealt with every row (ops.consumers) is noted no ids, only `ALL`: everything is due for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.warehouse.database import Connection, count
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

BUILD, MATCH, PUSH = "build", "match", "push"
ALL = "*"

# Who reads which table. A table of absorb is named without its schema; what is not named here, nobody reads by change.
# Matching looks at a table as a whole: for it only ALL is ever noted.
READERS: dict[str, tuple[str, ...]] = {
    "enrollments": (BUILD, PUSH),
    "users": (BUILD, MATCH),
    "courses": (BUILD, MATCH),
    "salesforce.users": (MATCH,),
    "salesforce.contacts": (MATCH,),
    "salesforce.learning_items": (MATCH,),
    "salesforce.learner_matches": (BUILD, PUSH),  # ids of learners
    "salesforce.item_matches": (BUILD,),  # ids of courses
    "learning_record": (PUSH,),
    "learning_item_progress": (PUSH,),  # ids of enrollments
}
# What lies inside an enrollment and is read with it: its session, and the attempts of its learner in its course.
DETAILS = ("session_enrollments", "attempts")


@dataclass(frozen=True, slots=True)
class Due:
    """What is due for a consumer: `everything`, or the ids in ops.changed of these streams."""

    everything: bool
    streams: frozenset[str] = frozenset()


def note(
    connection: Connection, tenant_id: str, stream: str, ids: str, values: Mapping[str, Any] | None = None
) -> None:
    """Note rows of a stream for whoever reads it. `ids` is a query of one column `id`, `values` are its parameters.

    Call in the transaction that writes the rows. A stream that nobody reads is not noted.
    """
    readers = READERS.get(stream, ())
    if readers:
        names = {"tenant_id": tenant_id, "stream": stream, "readers": list(readers)}
        connection.execute(sql("changed_note", ids=ids), {**(values or {}), **names})


def note_ids(connection: Connection, tenant_id: str, stream: str, ids: Iterable[object]) -> None:
    """The same for a few ids that Python has."""
    found = rows_param(str(one) for one in ids)
    if found != "[]":
        note(connection, tenant_id, stream, sql("changed_ids"), {"changed_ids": found})


def note_delta(connection: Connection, tenant_id: str, stream: str) -> None:
    """Note what a load has just merged: the temp tables `delta`, `staged` and `stored` say what that is.

    What lies inside an enrollment is read as part of it, so that its enrollment is noted in its place.
    """
    if stream in DETAILS:
        note(connection, tenant_id, "enrollments", sql(f"changed_{stream}"), {"tenant_id": tenant_id})
    elif stream == "enrollments":
        note(connection, tenant_id, stream, sql("changed_enrollments"), {"tenant_id": tenant_id})
        if count(connection, sql("changed_identities")):
            note_everything(connection, tenant_id, stream, (BUILD,))
    else:
        note(connection, tenant_id, stream, "SELECT id FROM delta")


def note_everything(connection: Connection, tenant_id: str, stream: str, consumers: Sequence[str] = ()) -> None:
    """Every row of the stream's readers, or of some of them, is due: what changed cannot be said row by row."""
    names = {"tenant_id": tenant_id, "stream": stream, "readers": list(consumers or READERS.get(stream, ()))}
    connection.execute(sql("changed_everything"), names)


def due(connection: Connection, tenant_id: str, consumer: str, *parts: str) -> Due:
    """What is noted for a consumer. Read it, and what is due, in the transaction that ends with `dealt_with`.

    `parts`: names under which notes were put off by `put_off`.
    """
    names = {"tenant_id": tenant_id, "consumers": [consumer, *parts]}
    found = dict(connection.execute(sql("changed_due"), names).fetchall())
    known = count(connection, sql("consumer_known"), {"tenant_id": tenant_id, "consumer": consumer})
    return Due(everything=not known or any(found.values()), streams=frozenset(found))


def put_off(connection: Connection, tenant_id: str, consumer: str, part: str) -> None:
    """Keep the notes for another part of the consumer's work, under a name of its own. Call before `dealt_with`."""
    names = {"tenant_id": tenant_id, "consumer": consumer, "part": part}
    connection.execute(sql("changed_put_off"), names)


def dealt_with(connection: Connection, tenant_id: str, consumer: str, *, keeps_ids: bool = True) -> None:
    """Forget the notes that this transaction sees. From now on ids are noted for the consumer, if it `keeps_ids`."""
    names = {"tenant_id": tenant_id, "consumer": consumer}
    connection.execute(sql("changed_forget"), names)
    if keeps_ids:
        connection.execute(sql("consumer_put"), names)
