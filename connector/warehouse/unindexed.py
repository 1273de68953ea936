"""Migration 0021: tables without the index of a primary key, which DuckDB cannot drop from a table that has it."""

import duckdb

from connector.warehouse.statements import identifier, literal, statements

sql = statements(__package__)

VERSION = 21
# As they were when this migration was written; a table that a later migration makes needs none.
TABLES = frozenset(
    {
        *(f"absorb.{name}" for name in ("departments", "users", "courses", "enrollments", "attempts")),
        *(f"absorb.{name}_enrollments" for name in ("lesson", "chapter", "session")),
        *("main.learning_record", "main.learning_item_progress", "ops.details_due"),
        *(f"salesforce.{name}" for name in ("users", "contacts", "contact_keys", "learner_matches", "item_matches")),
        *(f"salesforce.{name}" for name in ("learning_items", "learning_item_progress", "push_ledger")),
        *("salesforce.lms_courses", "salesforce.lms_enrollments"),
    }
)


def drop_key_indexes(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy each table that has a key index into one without; columns, defaults, NOT NULL, comments and views stay.

    Call inside a transaction: it holds twice the largest table until it ends.
    """
    for schema, name in connection.execute(sql("indexed_tables")).fetchall():
        if f"{schema}.{name}" in TABLES:
            _copy(connection, schema, name)


def _copy(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> None:
    columns = connection.execute(sql("table_columns"), {"schema": schema, "table": name}).fetchall()
    old, new = (f"{identifier(schema)}.{identifier(one)}" for one in (name, f"{name}_unindexed"))
    connection.execute(f"CREATE TABLE {new} ({', '.join(declared for declared, _, _ in columns)})")
    connection.execute(f"INSERT INTO {new} SELECT * FROM {old}")
    comments = "SELECT comment FROM duckdb_tables() WHERE schema_name = ? AND table_name = ? AND comment IS NOT NULL"
    for (comment,) in connection.execute(comments, [schema, name]).fetchall():
        connection.execute(f"COMMENT ON TABLE {new} IS {literal(comment)}")
    for _, column, comment in columns:
        if comment is not None:
            connection.execute(f"COMMENT ON COLUMN {new}.{identifier(column)} IS {literal(comment)}")
    connection.execute(f"DROP TABLE {old}")
    connection.execute(f"ALTER TABLE {new} RENAME TO {identifier(name)}")
