"""The words of ``vocabulary.toml``, which the generator makes people, courses and departments of."""

from __future__ import annotations

import tomllib
from importlib import resources

_WORDS = tomllib.loads(resources.files("connector.sandbox.portal").joinpath("vocabulary.toml").read_text("utf-8"))
FIRST_NAMES: list[str] = _WORDS["first_names"]
LAST_NAMES: list[str] = _WORDS["last_names"]
JOB_TITLES: list[str] = _WORDS["job_titles"]
CITIES: list[str] = _WORDS["cities"]
TOPICS: list[str] = _WORDS["topics"]
LEVELS: list[str] = _WORDS["levels"]
VENDORS: list[str] = _WORDS["vendors"]
# Department → the one above it; the root comes first, above none.
DEPARTMENTS: dict[str, str] = _WORDS["departments"]
