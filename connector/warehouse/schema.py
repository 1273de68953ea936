"""From the pydantic models to DuckDB: column types, and the expressions that cast a landed row or find it unfit."""

import json
from dataclasses import dataclass
from typing import cast

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from connector.streams.rows import AbsorbRow, Column
from connector.times import FIRST_YEAR
from connector.warehouse.statements import identifier, literal

# Columns every absorb.* table has besides the source's own; a leading underscore marks what is ours.
OWN_COLUMNS = {"tenant_id": "VARCHAR", "_loaded_at": "TIMESTAMPTZ", "_run_id": "VARCHAR", "_removed_at": "TIMESTAMPTZ"}
# A date whose source text says 00:00:00 is a calendar day (docs/status-map.md); only the text can tell.
DAY_COLUMNS = {("enrollments", "date_due"): "_due_day"}
# What DuckDB can cast but neither Python nor Salesforce can hold.
_LIMITS = {
    "TIMESTAMPTZ": f" AND left({{text}}, 4) >= '{FIRST_YEAR}' AND {{value}} <= '9999-12-31 23:59:59.999999+00'",
    "DOUBLE": " AND isfinite({value})",
}
_MIDNIGHT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T00:00:00(\.0+)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One field of a stream: column name, DuckDB type, the JSON keys it may have, and whether it must be there."""

    name: str
    sql_type: str
    pattern: str | None
    keys: tuple[str, ...]
    required: bool

    @property
    def text(self) -> str:
        """SQL for the source text of the field in the transformed row `r`."""
        parts = [f"r.{identifier(key)}" for key in self.keys]
        return parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"

    @property
    def value(self) -> str:
        """SQL for the typed value, NULL when the text does not fit."""
        if self.pattern is None:
            return self.text
        cast_value = f"TRY_CAST({self.text} AS {self.sql_type})"
        limits = _LIMITS.get(self.sql_type, "").format(value=cast_value, text=self.text)
        return f"CASE WHEN regexp_full_match({self.text}, {literal(self.pattern)}){limits} THEN {cast_value} END"

    @property
    def unfit(self) -> str | None:
        """SQL that is true when this field keeps the row from loading; None when nothing can be wrong with it."""
        if self.required:
            return f"{self.name} IS NULL"
        if self.pattern is None:
            return None
        absent = f"{self.name} IS NULL AND {self.text} IS NOT NULL"
        # CASE, since AND in a select list looks at both sides of every row.
        return f"CASE WHEN {absent} THEN NOT {self._empty_date} ELSE false END" if self._may_be_empty else f"({absent})"

    @property
    def _may_be_empty(self) -> bool:
        return self.sql_type == "TIMESTAMPTZ"

    @property
    def _empty_date(self) -> str:
        """SQL that is true for a date before 1900, which stands for none."""
        return (
            f"(regexp_full_match({self.text}, {literal(self.pattern)})"
            f" AND left({self.text}, 4) BETWEEN '0001' AND '{FIRST_YEAR - 1}'"
            f" AND TRY_CAST(left({self.text}, 10) AS DATE) IS NOT NULL)"
        )


def _keys(name: str, info: FieldInfo) -> tuple[str, ...]:
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (cast(str, alias or info.alias or name),)


def source_columns(model: type[AbsorbRow]) -> list[SourceColumn]:
    """The model's fields as columns, in the model's order."""
    columns = []
    for name, info in model.model_fields.items():
        kind = _column_of(info)
        columns.append(SourceColumn(name, kind.sql_type, kind.pattern, _keys(name, info), info.is_required()))
    return columns


def _column_of(info: FieldInfo) -> Column:
    for candidate in (info, *getattr(info.annotation, "__args__", ())):
        metadata = candidate.metadata if isinstance(candidate, FieldInfo) else getattr(candidate, "__metadata__", ())
        for item in metadata:
            if isinstance(item, Column):
                return item
    raise TypeError(f"field {info} declares no warehouse column")


def table_columns(model: type[AbsorbRow]) -> dict[str, str]:
    """Every column of absorb.<stream>: name → DuckDB type. The migrations must agree; a test compares them."""
    columns = {column.name: column.sql_type for column in source_columns(model)}
    columns |= {day: "DATE" for (stream, _), day in DAY_COLUMNS.items() if stream == model.stream}
    return columns | {"_extra": "JSON"} | OWN_COLUMNS


def json_structure(model: type[AbsorbRow]) -> str:
    """The structure for json_transform: every key as text, nested values as JSON."""
    types = {key: column.sql_type for column in source_columns(model) for key in column.keys}
    return json.dumps({key: kind if kind == "JSON" else "VARCHAR" for key, kind in types.items()})


def typed_select(model: type[AbsorbRow]) -> tuple[str, str]:
    """(select list of typed values, SQL that is true for a row that does not fit)."""
    columns = source_columns(model)
    values = [f"{column.value} AS {column.name}" for column in columns]
    for (stream, name), day in DAY_COLUMNS.items():
        if stream == model.stream:
            text = next(column for column in columns if column.name == name).text
            midnight = f"regexp_full_match({text}, {literal(_MIDNIGHT)})"
            values.append(
                f"CASE WHEN {midnight} AND {name} IS NOT NULL THEN TRY_CAST(left({text}, 10) AS DATE) END AS {day}"
            )
    unfit = [column.unfit for column in columns]
    return ",\n  ".join(values), " OR ".join(condition for condition in unfit if condition)


def data_columns(model: type[AbsorbRow]) -> list[str]:
    """The columns whose change makes a row changed: all but our own bookkeeping."""
    return [name for name in table_columns(model) if name not in OWN_COLUMNS]
