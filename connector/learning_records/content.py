"""What a LearningRecord says, in a form in which two records can be compared. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connector.learning_records.models import LearningRecord, NewLearningRecord

# `source_type` says how a record was written, not what it says.
FIELDS = tuple(name for name in NewLearningRecord.model_fields if name != "source_type")
_IDS = frozenset({"person_id", "linked_cohort_id", "linked_assessment_id"})


def said(record: LearningRecord) -> dict[str, Any]:
    """The comparable content of a record that the API serves."""
    return canonical({name: getattr(record, name) for name in FIELDS})


def canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """The comparable content of a payload: instants in UTC, numbers as floats, ids in lower case, absent = null."""
    return {name: _plain(name, values.get(name)) for name in FIELDS}


def _plain(name: str, value: Any) -> Any:
    if name.endswith("_at") and isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if name in _IDS and value is not None:
        return str(value).lower()
    return value


def fingerprint(content: Mapping[str, Any]) -> str:
    """A short name of canonical content: equal content, equal name."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
