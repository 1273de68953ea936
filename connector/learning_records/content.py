"""What a LearningRecord says, in a form in which two records can be compared. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from connector.learning_records.models import LearningRecord, NewLearningRecord
from connector.push.values import in_api

# `source_type` says how a record was written, not what it says.
FIELDS = tuple(name for name in NewLearningRecord.model_fields if name != "source_type")
_IDS = frozenset({"person_id", "linked_cohort_id", "linked_assessment_id"})


def said(record: LearningRecord) -> dict[str, Any]:
    """The comparable content of a record that the API serves."""
    return canonical({name: getattr(record, name) for name in FIELDS})


def canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """The comparable content of a payload: instants in UTC, numbers as floats, ids in lower case, absent = null."""
    return {name: in_api(values.get(name), _kind(name)) for name in FIELDS}


def _kind(name: str) -> str:
    return "instant" if name.endswith("_at") else "id" if name in _IDS else ""


def fingerprint(content: Mapping[str, Any]) -> str:
    """A short name of canonical content: equal content, equal name."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
