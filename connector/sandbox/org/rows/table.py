"""Records of one object, held in memory and indexed by id and by every external id."""

from collections.abc import Iterable
from typing import Any

from connector.sandbox.org.rows.ids import record_ids
from connector.sandbox.org.schema.model import ObjectSchema

Row = dict[str, Any]


class Table:
    """All records of one object. Not thread-safe by itself; ``Org`` holds the lock."""

    def __init__(self, schema: ObjectSchema) -> None:
        self.schema = schema
        self.rows: dict[str, Row] = {}
        self.recycled: dict[str, Row] = {}
        # What the recycle bin no longer holds: id → when it was deleted; only getDeleted still names it.
        self.purged: dict[str, str] = {}
        self._ids = record_ids(schema.key_prefix)
        self._numbers = 0
        # External ids are unique without regard to case (the shipped fields say caseSensitive=false).
        self._index: dict[str, dict[str, str]] = {name: {} for name in schema.indexed}

    def find(self, field: str, value: str) -> list[str]:
        """Ids of the records whose field has this value, in any letter case."""
        wanted = value.strip().lower()
        if field in self._index:
            hit = self._index[field].get(wanted)
            return [hit] if hit else []
        return [row["Id"] for row in self.rows.values() if str(row.get(field) or "").lower() == wanted]

    def candidates(self, field: str, values: Iterable[str]) -> list[Row] | None:
        """Records that an index finds for these values, or None where there is no index to use."""
        if field == "Id":
            return [self.rows[value] for value in values if value in self.rows]
        index = self._index.get(field)
        if index is None:
            return None
        ids = (index.get(value.lower()) for value in values)
        return [self.rows[found] for found in ids if found]

    def insert(self, values: Row, *, by: str, at: str) -> Row:
        """Creates a record with defaults, audit fields and name filled in."""
        row: Row = {"Id": next(self._ids), "CreatedById": by, "CreatedDate": at} | _touched(by, at)
        for field in self.schema.fields.values():
            if field.default is not None:
                row[field.name] = field.default
        if self.schema.field("OwnerId"):
            row["OwnerId"] = by
        row |= values
        if "name" in self.schema.fields and not row.get("Name"):
            row["Name"] = self._next_name(row)
        self.rows[row["Id"]] = row
        self._reindex(row, {}, row)
        return row

    def update(self, row: Row, values: Row, *, by: str, at: str) -> bool:
        """Writes into a record; True where a value changed. The modstamp moves either way, as in an org."""
        changed = any(row.get(name) != value for name, value in values.items())
        self._reindex(row, row, values)
        row.update(values)
        row |= _touched(by, at)
        return changed

    def delete(self, record_id: str, *, by: str, at: str) -> bool:
        """Moves a record to the recycle bin, where only queryAll sees it."""
        row = self.rows.pop(record_id, None)
        if row is None:
            return False
        for field, index in self._index.items():
            index.pop(str(row.get(field) or "").lower(), None)
        row |= {"IsDeleted": True} | _touched(by, at)
        self.recycled[record_id] = row
        return True

    def undelete(self, record_id: str, *, by: str, at: str) -> None:
        """Takes a record out of the recycle bin."""
        row = self.recycled.pop(record_id)
        row |= {"IsDeleted": False} | _touched(by, at)
        self.rows[record_id] = row
        self._reindex(row, {}, row)

    def purge(self) -> None:
        """Empties the recycle bin."""
        self.purged |= {record_id: row["SystemModstamp"] for record_id, row in self.recycled.items()}
        self.recycled.clear()

    def deletions(self) -> dict[str, str]:
        """Id → when it was deleted, recycle bin or not."""
        return {record_id: row["SystemModstamp"] for record_id, row in self.recycled.items()} | self.purged

    def delete_all(self, record_ids: Iterable[str]) -> None:
        """Removes records for good, as a cascade inside the org does."""
        for record_id in record_ids:
            self.rows.pop(record_id, None)

    def _next_name(self, row: Row) -> str:
        if self.schema.name_format is None:
            return str(row["Id"])
        self._numbers += 1
        prefix, _, rest = self.schema.name_format.partition("{")
        digits, _, suffix = rest.partition("}")
        return f"{prefix}{self._numbers:0{len(digits)}d}{suffix}"

    def _reindex(self, row: Row, before: Row, after: Row) -> None:
        for field, index in self._index.items():
            if field not in after:
                continue
            if before.get(field):
                index.pop(before[field].lower(), None)
            if after[field]:
                index[after[field].lower()] = row["Id"]


def _touched(by: str, at: str) -> Row:
    return {"LastModifiedById": by, "LastModifiedDate": at, "SystemModstamp": at}


def address(schema: ObjectSchema, record_id: str, version: str) -> str:
    """Where the REST API serves a record."""
    return f"/services/data/v{version}/sobjects/{schema.name}/{record_id}"


def attributes(schema: ObjectSchema, record_id: str, version: str) -> dict[str, str]:
    """Type and address of a record."""
    return {"type": schema.name, "url": address(schema, record_id, version)}
