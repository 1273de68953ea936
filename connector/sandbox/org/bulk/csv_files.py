"""The CSV files of ingest jobs: what is uploaded, and what each row means (docs/facts/salesforce.md section 3a)."""

import csv
import io
import zlib
from collections.abc import Iterable
from typing import Any

from connector.sandbox.org.schema.model import FieldSchema, ObjectSchema

Cells = list[str]
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class BatchError(ValueError):
    """A file that no row can be read from; the job fails with this message."""


def read_csv(content: bytes, schema: ObjectSchema, key: str, line_ending: str) -> tuple[Cells, list[Cells]]:
    """Header and rows. Raises BatchError; of several unknown columns only the first is named."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise BatchError("InvalidBatch : The file is not UTF-8") from fault
    first = text.partition("\n")[0]
    if text and first.endswith("\r") != (line_ending == "CRLF"):
        raise BatchError(
            f"ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is {line_ending}"
        )
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as fault:
        raise BatchError(f"InvalidBatch : The file is not valid CSV: {fault}") from fault
    if not lines:
        return [], []
    header, *rows = lines
    for name in header:
        if not _known(schema, name):
            raise BatchError(f"InvalidBatch : Field name not found : {name}")
    if key.lower() not in {name.lower() for name in header}:
        raise BatchError(f"InvalidBatch : The external id {key} is not among the columns")
    if any(len(row) != len(header) for row in rows):
        raise BatchError("InvalidBatch : The number of values in a row is not that of the header")
    return header, rows


def _known(schema: ObjectSchema, name: str) -> bool:
    relation, dot, _ = name.partition(".")
    return relation.lower() in (schema.relationships if dot else schema.fields)


def record(cells: Cells, header: Cells, schema: ObjectSchema) -> dict[str, Any]:
    """A row as the record it means: an empty cell is left out, `#N/A` is null, text becomes the field's type."""
    found: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if cell == "":
            continue
        value = None if cell == "#N/A" else cell
        relation, dot, parent_key = name.partition(".")
        if dot:
            found[relation] = None if value is None else {parent_key: value}
        else:
            found[name] = _typed(schema.fields[name.lower()], value)
    return found


def _typed(schema: FieldSchema, value: str | None) -> Any:
    if value is None:
        return None
    if schema.type == "boolean":
        return _TRUTH.get(value.lower(), value)
    if schema.type in {"double", "percent"}:
        try:
            return float(value)
        except ValueError:
            return value
    return value


def write_csv(columns: Cells, rows: Iterable[Cells]) -> str:
    """A result as CSV, in an order that is not that of the upload."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(sorted(rows, key=lambda cells: zlib.crc32("".join(cells).encode())))
    return text.getvalue()


def count_rows(content: bytes) -> int:
    """Rows of an upload without its header, well-formed or not."""
    return max(0, sum(1 for _ in csv.reader(io.StringIO(content.decode("utf-8", "replace")))) - 1)
