"""The LearningRecord of docs/facts/learning-records.md, and the part of it that a caller can give."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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
    score: float | None = None
    passed: bool | None = None
    certification_ref: str | None = None
    linked_cohort_id: str | None = None
    linked_assessment_id: str | None = None
