"""Which columns each column comes from, read out of the SQL that fills it."""

from collections.abc import Mapping

import dagster as dg
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

import mappings
from connector.streams import MODELS
from connector.warehouse.schema import source_columns, table_columns
from mappings.matching import COLUMNS

# Column → what it comes from, each as `asset/key.column`.
Sources = Mapping[str, tuple[str, ...]]
# The same while it is traced: a dict keeps the order and each source once.
Traced = dict[str, dict[str, None]]

# Salesforce's fields are spelled as Salesforce spells them: sqlglot is not to lower their case.
_DIALECT = "duckdb, normalization_strategy=case_sensitive"
# The tables of the schema `salesforce` that are assets of that name.
_MATCHES = ("salesforce/learner_matches", "salesforce/item_matches")
# A column of the SQL that is no column of the table: a build keeps it in ops.next_changes.
_NEXT_CHANGE = "next_change_at"
_OUR_NOTES = {
    "tenant_id": "LEARNSYNC_TENANT_ID",
    "_due_day": "the day of dateDue where it names a calendar day",
    "_loaded_at": "when learnsync wrote this version of the row",
    "_run_id": "the run that wrote it, in ops.runs",
    "_removed_at": "when the row was found to be gone from Absorb",
}


def sources_of(maps: mappings.Mapping, statement: str) -> Sources:
    """The sources of each column of `sql/<statement>.sql`; none where a custom file is more than sqlglot can read."""
    try:
        query = sqlglot.parse(maps.sql(statement), dialect=_DIALECT)[0]
        found = _trace(query.expression if isinstance(query, exp.Create) else query)
    except SqlglotError:
        return {}
    found.pop(_NEXT_CHANGE, None)
    return {column: tuple(filter(_is_asset, sources)) for column, sources in found.items()}


def matched_sources(maps: mappings.Mapping) -> Sources:
    """The sources of salesforce.learner_matches: what the learner rules compare, on both sides."""
    compared = [f"absorb/users.{rule.absorb_field}" for rule in maps.learner_rules]
    compared += [
        f"readback/{'users' if rule.salesforce_object == 'User' else 'contacts'}."
        + (rule.salesforce_field if rule.salesforce_field in COLUMNS[rule.salesforce_object] else "fields")
        for rule in maps.learner_rules
    ]
    columns = (
        "outcome",
        "rule",
        "hits",
        "salesforce_user_id",
        "salesforce_contact_id",
        "last_user_id",
        "last_contact_id",
        "shared_id",
        "reason",
    )
    return {"user_id": ("absorb/users.id",), **dict.fromkeys(columns, tuple(dict.fromkeys(compared)))}


def column_lineage(sources: Sources) -> dg.TableColumnLineage:
    """Lineage in Dagster's form."""
    known = {column: [_dep(source) for source in found] for column, found in sources.items() if found}
    return dg.TableColumnLineage(known)


def notes(sources: Sources) -> dict[str, str]:
    """The same in words, for the description of each column."""
    return {column: f"from {', '.join(found)}" for column, found in sources.items() if found}


def absorb_notes(stream: str) -> dict[str, str]:
    """Which field of Absorb's answer fills each column of absorb.<stream>."""
    return {column.name: f"from {' or '.join(column.keys)}" for column in source_columns(MODELS[stream])} | _OUR_NOTES


def pushed_lineage(maps: mappings.Mapping, object_name: str) -> dg.TableColumnLineage:
    """Lineage of a Salesforce object: its field map names the columns of the SQL that makes its records."""
    known = sources_of(maps, "push_courses" if object_name == "LMS_Course__c" else "push_enrollments")
    return column_lineage({field.field: known.get(field.source, ()) for field in maps.object_fields(object_name)})


def _trace(query: exp.Expression) -> Traced:
    """Column → the table columns that its expression reads, through all subqueries, in the order met."""
    # The columns are needed only where the SQL says `*`.
    schema = {"absorb": {name: dict.fromkeys(table_columns(model), "text") for name, model in MODELS.items()}}
    query = qualify(query, schema=schema, dialect=_DIALECT, validate_qualify_columns=False, quote_identifiers=False)
    traced: dict[Scope, Traced] = {}
    for scope in traverse_scope(query):  # innermost first, the query itself last
        traced[scope] = {one.alias_or_name: _read(one, scope, traced) for one in scope.expression.selects}
    return traced[scope]


def _read(selected: exp.Expression, scope: Scope, traced: Mapping[Scope, Traced]) -> dict[str, None]:
    found: dict[str, None] = {}
    for column in selected.find_all(exp.Column):
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table):
            found["/".join(filter(None, (source.db, source.name))) + f".{column.name}"] = None
        elif source is not None:
            found |= traced[source].get(column.name, {})
    return found


def _is_asset(source: str) -> bool:
    table = source.rpartition(".")[0]
    return table in _MATCHES or not table.startswith("salesforce/")


def _dep(source: str) -> dg.TableColumnDep:
    asset, _, column = source.rpartition(".")
    return dg.TableColumnDep(asset_key=dg.AssetKey(asset.split("/")), column_name=column)
