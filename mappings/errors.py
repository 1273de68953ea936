"""What the loaders of the maps raise."""

from __future__ import annotations


class MappingError(ValueError):
    """A map is malformed or leaves a case undecided; the text names file and row."""
