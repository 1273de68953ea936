"""The result files of bulk jobs: what they say of each row, taken out of the CSV line by line.

A file that was cut, has rows of other lengths than its header, or is no UTF-8, is no result: what it says of some rows
could be said of others.
"""

import csv
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from connector import files

log = logging.getLogger(__name__)

# Column of the table of results → column of the file, beside the key.
_SAID = {"salesforce_id": "sf__id", "created": "sf__created", "error": "sf__error"}


def extract(file: Path, key: str) -> Path:
    """Write external_id, salesforce_id, created and error of each row beside the file, one JSON object a line.

    An empty file (204, or no body) has no rows. Raises ValueError, which says why, for one that cannot be trusted.
    """
    rows = file.with_suffix(".ndjson")
    with file.open(encoding="utf-8-sig", newline="") as lines, files.open_text(rows) as out:
        try:
            out.writelines(json.dumps(row) + "\n" for row in _rows(csv.reader(lines, strict=True), key))
        except UnicodeDecodeError:
            raise ValueError("it is not UTF-8") from None
        except csv.Error as failure:
            raise ValueError(f"it is cut or no CSV ({failure})") from None
    return rows


def _rows(lines: Iterator[list[str]], key: str) -> Iterator[dict[str, str | None]]:
    header = next(lines, [])
    columns = _columns(header, key)
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise ValueError(f"line {number} has {len(line)} values, the header {len(header)}")
        row = {name: line[at] if at is not None else None for name, at in columns.items()}
        if any("\0" in value for value in row.values() if value):
            raise ValueError(f"line {number} holds a NUL")
        if columns:
            yield row


def _columns(header: list[str], key: str) -> Mapping[str, int | None]:
    """Where what is said stands; empty for a file that says nothing of rows."""
    # Letter case of a header may differ from what was sent; duplicates cannot occur.
    named = {name.lower(): number for number, name in enumerate(header)}
    if header and "sf__id" not in named:
        raise ValueError("it has no column sf__Id")
    if key.lower() not in named:
        if header:
            # A job that could not read its file repeats no columns. Rows without a result are due again: no harm.
            log.warning("a result file without the column %s is left aside: %s", key, ",".join(header)[:200])
        return {}
    return {"external_id": named[key.lower()]} | {column: named.get(name) for column, name in _SAID.items()}
