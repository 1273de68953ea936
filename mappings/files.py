"""The files of the maps: packaged, or file by file from an override folder."""

import csv
import json
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from mappings.errors import MappingError

PACKAGED = Path(__file__).parent


def locate(folder: Path | None, name: str) -> Path:
    """The file of this name in `folder`, or the packaged one."""
    own = folder / name if folder else None
    return own if own is not None and own.is_file() else PACKAGED / name


def read_rows(folder: Path | None, name: str, *optional: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file, each with the number of its line. Raises MappingError, which names the line.

    The columns `optional` may be missing, each by itself.
    """
    path = locate(folder, name)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as failure:
        raise MappingError(f"{path} cannot be read: {failure}") from None
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    reader = csv.DictReader((line for _, line in numbered), strict=True)
    expected = _header(name)
    try:
        rows = list(reader)
    except csv.Error as failure:
        line = numbered[min(reader.line_num, len(numbered)) - 1][0] if numbered else 1
        raise MappingError(f"{path} line {line}: is not well-formed CSV ({failure})") from None
    given = list(reader.fieldnames or [])
    if given != [column for column in expected if column in given or column not in optional]:
        line = numbered[0][0] if numbered else 1
        raise MappingError(f"{path} line {line}: the header must be {','.join(expected)}")
    if len(rows) != len(numbered) - 1:
        raise MappingError(f"{path}: a quoted cell goes on over the end of its line; write each row on one line")
    for (number, _), row in zip(numbered[1:], rows, strict=True):
        if None in row or None in row.values():
            raise MappingError(f"{path} line {number}: needs exactly {len(given)} cells")
        yield number, {key: value.strip() for key, value in row.items()}


def _header(name: str) -> list[str]:
    text = (PACKAGED / name).read_text("utf-8")
    return next(line for line in text.splitlines() if line and line[0] != "#").split(",")


def read_parameters(folder: Path | None, name: str) -> dict[str, Any]:
    """The table of a TOML file. Raises MappingError."""
    path = locate(folder, name)
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise MappingError(f"{path} cannot be read: {failure}") from None


def refuse_unknown_files(folder: Path | None) -> None:
    """A misspelt override would silently do nothing."""
    for path in sorted(folder.glob("*")) if folder else ():
        if path.suffix in {".csv", ".toml"} and not (PACKAGED / path.name).is_file():
            known = ", ".join(sorted(entry.name for entry in PACKAGED.glob("*.*") if entry.suffix in {".csv", ".toml"}))
            raise MappingError(f"{path} is not a map of learnsync; maps are {known}")


def fingerprints(folder: Path | None = None) -> dict[str, str]:
    """File of the maps → a hash of what it says, comments and reasons apart; from `folder` where it has the file."""
    names = [
        path.relative_to(PACKAGED).as_posix()
        for kind in ("*.csv", "*.toml", "sql/*.sql")
        for path in PACKAGED.glob(kind)
    ]
    return {name: sha256(_said(folder, name).encode()).hexdigest()[:16] for name in sorted(names)}


def _said(folder: Path | None, name: str) -> str:
    """The content of a file without what decides nothing: comments, blank lines, the column `why`."""
    if name.endswith(".toml"):
        return json.dumps(read_parameters(folder, name), sort_keys=True, default=str)
    if name.endswith(".csv"):
        rows = [row for _, row in read_rows(folder, name, *_header(name))]
        return json.dumps([{key: row[key] for key in sorted(row) if key != "why"} for row in rows])
    lines = map(str.strip, locate(folder, name).read_text("utf-8-sig").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("--"))
