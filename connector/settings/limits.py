"""How much of a server's answers is taken, and for how long it is waited: no answer may take all memory or all time."""

from pydantic import BaseModel, ConfigDict, Field


class LimitSettings(BaseModel):
    """Limits of one call, of one list and of one bulk job. Past one of them the run ends as incomplete."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    # A page of 1,000 rows is about a megabyte; courses with long descriptions make some twenty of it.
    answer_megabytes: float = Field(32, gt=0, le=1_000)
    # The gateway takes 29 s at most (docs/facts/absorb.md section 3); the first byte is waited for 60 s.
    call_seconds: float = Field(90, gt=0, le=3_600)
    # The files of bulk jobs, sent and received; a job takes 150 MB (docs/facts/salesforce.md section 3a).
    file_megabytes: float = Field(1_000, gt=0, le=100_000)
    file_seconds: float = Field(3_600, gt=0, le=86_400)
    # Of one query to the org (2,000 records a page), or of one list of the LearningRecord API (100).
    list_pages: int = Field(20_000, ge=1, le=10_000_000)
    # An org works off one queue for all its users.
    job_hours: float = Field(4, gt=0, le=168)
