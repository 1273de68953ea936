"""The LearningRecord of docs/facts/learning-records.md, the part of it that a caller can give, and what it says.

What two records say is compared in one form: see `canonical`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from connector.push.values import in_api

SourceType = Literal["frontend", "backend", "server", "system", "api"]


class NewLearningRecord(BaseModel):
    """The body of a create. The API stamps everything else by the caller's key (docs/facts/learning-records.md)."""

    model_config = ConfigDict(extra="forbid")

    source: str = "edm"
    source_type: SourceType = "api"
    person_id: UUID | None = None
    title: str | None = None
    provider: str | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    score: float | None = Field(None, ge=0, le=100)
    passed: bool | None = None
    certification_ref: str | None = None
    linked_cohort_id: UUID | None = None
    linked_assessment_id: UUID | None = None


class LearningRecord(BaseModel):
    """A record as the API serves it. Lenient: only what identifies it must be there."""

    model_config = ConfigDict(extra="ignore")

    id: str
    tenant_id: str | None = None
    app_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    # Ids of persons are called uuid by the page, and shown as prefixed ULIDs: kept as text.
    created_by: str | None = None
    updated_by: str | None = None
    source: str | None = None
    source_type: str | None = None
    is_deleted: bool | None = None
    deleted_at: datetime | None = None
    deleted_by: str | None = None
    schema_version: float | None = None
    person_id: str | None = None
    title: str | None = None
    provider: str | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    score: float | None = Field(None, allow_inf_nan=False)
    passed: bool | None = None
    certification_ref: str | None = None
    linked_cohort_id: str | None = None
    linked_assessment_id: str | None = None


# What of canonical content must be the same for a record to be recognised.
Form = Callable[[dict[str, Any]], dict[str, Any]]

# `source_type` says how a record was written, not what it says.
FIELDS = tuple(name for name in NewLearningRecord.model_fields if name != "source_type")
# What a reader of a record would call a change of it.
COMPARED = (
    "person_id", "title", "provider", "completed_at", "expires_at", "score", "passed", "certification_ref",
)  # fmt: skip
LINKS = ("linked_cohort_id", "linked_assessment_id")
_IDS = frozenset({"person_id", "linked_cohort_id", "linked_assessment_id"})


def said(record: LearningRecord) -> dict[str, Any]:
    """The comparable content of a record that the API serves."""
    return canonical({name: getattr(record, name) for name in FIELDS})


def canonical(values: Mapping[str, Any]) -> dict[str, Any]:
    """The comparable content of a payload: instants in UTC, numbers as floats, ids in lower case, absent = null."""
    return {name: in_api(values.get(name), kind(name)) for name in FIELDS}


def kind(name: str) -> str:
    """How a field is compared: see connector/push/values.py."""
    if name.endswith("_at"):
        return "instant"
    return "id" if name in _IDS else "number" if name == "score" else ""


def without_links(content: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical content less the ids that details fill in."""
    return {name: value for name, value in content.items() if name not in LINKS}


def fingerprint(content: Mapping[str, Any]) -> str:
    """A short name of canonical content: equal content, equal name."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def name_of(kept: str, form: Form) -> str:
    """Fingerprint of what the ledger keeps of a record; an earlier version kept that alone."""
    return fingerprint(form(canonical(json.loads(kept)))) if kept.startswith("{") else kept
