"""Users as a whole, and the contacts that a learner can match, in as few calls as that takes.

A page of a query holds 2,000 records, and a GET ends at 16,384 bytes of URI and headers, which is room for some 200
addresses (docs/facts/salesforce.md sections 4 and 5). So a full read of contacts goes by address where the org has many
more contacts than the portal learners, and through all of them elsewhere.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote

from connector.errors import PreflightError
from connector.salesforce import preflight
from connector.salesforce.answers import has
from connector.salesforce.client import SalesforceClient
from connector.salesforce.preflight import Describe
from connector.salesforce.readback.objects import CONTACT, USER, Readable
from connector.salesforce.readback.read import Reader, Reading
from mappings import Mapping
from mappings.matching import COLUMNS, compared_fields

PAGE = 2_000
# Room for the field list, the host and the headers, an access token of some 2,000 characters among them.
LIST_BYTES = 12_000
# A count is a call itself: below this many it cannot pay.
_WORTH_A_COUNT = 3
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'"})
_TEXTS = {"string", "email", "phone", "url", "picklist", "textarea", "id"}
REMEDY = (
    "Create the field or grant the run-as user read access to it, or correct learner_matching.csv in"
    " LEARNSYNC_MAPPING__DIR."
)


def readables(maps: Mapping) -> list[Readable]:
    """User, Contact or both, as the rules and the crosswalk need them, with the fields that the rules compare."""
    named = [rule.salesforce_object for rule in maps.learner_rules]
    named += [match.salesforce_object for match in maps.manual if match.salesforce_object]
    return [_readable(one, maps) for one in (USER, CONTACT) if one.object in named]


def _readable(one: Readable, maps: Mapping) -> Readable:
    fields = compared_fields(maps.learner_rules, one.object)
    extra = {name.lower(): name for name in fields if name not in COLUMNS[one.object]}
    where = " OR ".join(f"{name} != null" for name in fields) if one is CONTACT else ""
    return dataclasses.replace(one, extra=tuple(extra.values()), where=where)


async def read_people(reader: Reader, maps: Mapping, keys: Path) -> list[Reading]:
    """Spool User or Contact or both. `keys` is the file of connector.salesforce.readback.contacts.

    A record that was edited, deactivated or deleted comes along, so that matching gives what it would give after
    reading everybody anew. Raises PreflightError for a field of a rule that the org lacks.
    """
    readings = []
    for readable in readables(maps):
        entries = await describe_fields(reader.client, readable, readable.extra)
        if readable.object == USER.object:
            readings.append(await reader.read(readable))
            continue
        by_key = ByKey(reader.client, keys, readable.where, all(map(_is_listable, entries)))
        reading = await reader.read(readable, conditions=by_key.conditions)
        reading.keys = keys
        readings.append(reading)
    return readings


async def describe_fields(client: SalesforceClient, readable: Readable, names: Sequence[str]) -> list[Describe]:
    """Describe's entries of these fields; it is not asked where there are none. Raises PreflightError."""
    if not names:
        return []
    describe = await preflight.describe_or_none(client, readable.object)
    known = {str(entry["name"]).lower(): entry for entry in (describe or {"fields": []})["fields"]}
    problems = [_problem(readable, name, known.get(name.lower())) for name in names]
    if any(problems):
        raise PreflightError([problem for problem in problems if problem], remedy=REMEDY)
    return [known[name.lower()] for name in names]


def _problem(readable: Readable, name: str, entry: Describe | None) -> str:
    field = f"field {readable.object}.{name}, which learner_matching.csv compares,"
    if entry is None:
        return f"{field} does not exist, or the run-as user cannot see it"
    # Contacts are asked for by their fields; users are all read.
    cannot = readable.object == CONTACT.object and not entry.get("filterable", True)
    return f"{field} cannot be filtered by in a query (encrypted or long text): compare another one" if cannot else ""


def _is_listable(entry: Describe) -> bool:
    """Whether IN finds what matching would: texts in any letter case."""
    return str(entry["type"]) in _TEXTS and not entry.get("caseSensitive")


async def check(client: SalesforceClient, maps: Mapping) -> list[str]:
    """The fields of User and Contact that the rules compare. Raises PreflightError with all that the org lacks."""
    problems: list[str] = []
    compared: list[str] = []
    for readable in readables(maps):
        names = compared_fields(maps.learner_rules, readable.object)
        compared += [f"{readable.object}.{name}" for name in names]
        try:
            await describe_fields(client, readable, names)
        except PreflightError as failure:
            problems += failure.problems
    if problems:
        raise PreflightError(problems, remedy=REMEDY)
    return compared


async def unknown_lines(client: SalesforceClient, maps: Mapping, tenant_id: str) -> list[int]:
    """The lines of learner_crosswalk.csv for this tenant whose person the org does not have."""
    lines: list[int] = []
    for name in ("User", "Contact"):
        ours = [one for one in maps.manual if one.salesforce_object == name and one.tenant_id in {"", tenant_id}]
        found: set[str] = set()
        for condition in in_lists("Id", sorted({one.salesforce_id[:15] for one in ours})):
            async for page in client.query(f"SELECT Id FROM {name} WHERE {condition}", check=has("Id")):
                found |= {str(record["Id"])[:15] for record in page}
        lines += [one.line for one in ours if one.salesforce_id[:15] not in found]
    return sorted(lines)


@dataclass(frozen=True, slots=True)
class ByKey:
    """How contacts are asked for: by their changes, by key, or all of them, whichever costs fewer calls.

    `everything` is the condition that finds all; `listable` says that the compared fields take part in IN lists.
    """

    client: SalesforceClient
    keys: Path
    everything: str
    listable: bool

    async def conditions(self, reading: Reading) -> list[str]:
        """The conditions beside the changes; `reading.full` is set where an increment would cost more."""
        every, new = self._lists(), self._lists(new=True)
        by_key = self._cost(every)
        by_changes = math.inf if reading.full else max(1, math.ceil(reading.changed / PAGE)) + self._cost(new)
        if self.everything and min(by_key, by_changes) >= _WORTH_A_COUNT:
            ids = [condition for condition in every if condition.startswith("Id IN")]
            if await self._pages(reading) + len(ids) < min(by_key, by_changes):
                reading.full = reading.full or "fewer calls than for its changes"
                return [self.everything, *ids]
        if by_changes <= by_key:
            return new
        reading.full = reading.full or "fewer calls than for its changes"
        return every

    def _cost(self, lists: Sequence[str]) -> float:
        by_value = any(not condition.startswith("Id IN") for condition in lists)
        return math.inf if by_value and not self.listable else len(lists)

    async def _pages(self, reading: Reading) -> int:
        soql = f"SELECT COUNT() FROM {reading.readable.object} WHERE {self.everything}"
        return math.ceil(await self.client.count(soql, deleted=reading.readable.deletable) / PAGE)

    def _lists(self, *, new: bool = False) -> list[str]:
        """The keys as conditions; with `new`, only those not asked for before."""
        with self.keys.open(encoding="utf-8") as lines:
            keys = [key for key in map(json.loads, lines) if not (new and key["asked"])]
        found: list[str] = []
        for field, group in groupby(keys, key=itemgetter("field")):
            found += in_lists(field, (key["value"] for key in group))
        return found


def in_lists(field: str, values: Iterable[str]) -> Iterator[str]:
    """`field IN (…)` for all the values, each as long as a GET allows."""
    some: list[str] = []
    size = 0
    for value in values:
        text = "'" + value.translate(_ESCAPES) + "'"
        length = len(quote(f"{text},", safe=""))
        if some and size + length > LIST_BYTES:
            yield f"{field} IN ({','.join(some)})"
            some, size = [], 0
        some.append(text)
        size += length
    if some:
        yield f"{field} IN ({','.join(some)})"
