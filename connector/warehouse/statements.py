"""SQL files: each package keeps its statements in its own folder `sql`, one statement a file."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.resources import files


def statements(package: str | None) -> Callable[..., str]:
    """A function that gives the text of `<package>/sql/<name>.sql` with each `{{part}}` filled in.

    Parts are identifiers and lists that the code makes, never values: those are bound. Call it as
    `sql = statements(__package__)`.
    """

    def sql(name: str, **parts: str) -> str:
        return fill(_read(str(package), name), **parts)

    return sql


@lru_cache
def _read(package: str, name: str) -> str:
    return files(package).joinpath("sql", f"{name}.sql").read_text("utf-8")


def fill(text: str, **parts: str) -> str:
    """Replace each `{{name}}`; a placeholder without a part is a programming error."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], text)


def literal(text: object) -> str:
    """A text, or a path, as an SQL literal, its quotes included."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def rows_param(rows: Iterable[object]) -> str:
    """Many rows as one JSON parameter, for `from_json`: binding values one by one costs DuckDB 0.1 ms apiece."""
    return json.dumps([dataclasses.asdict(row) if _is_record(row) else row for row in rows], default=str)  # type: ignore[call-overload]


def _is_record(row: object) -> bool:
    return dataclasses.is_dataclass(row) and not isinstance(row, type)
