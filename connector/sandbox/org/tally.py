"""What has been written to the org, counted."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Tally:
    """Records created, updated, unchanged, failed and deleted per object, and the collection calls."""

    def __init__(self) -> None:
        self.collection_calls = 0
        self._objects: dict[str, Counter[str]] = {}

    def add(self, object_name: str, what: str, count: int = 1) -> None:
        """Counts records of one object."""
        self._objects.setdefault(object_name, Counter())[what] += count

    def as_dict(self) -> dict[str, Any]:
        """The counts as they stand."""
        counts = {name: dict(counter) for name, counter in self._objects.items()}
        return {"objects": counts, "collection_calls": self.collection_calls}
