"""What a read-back is asked for, and what it reports."""

from dataclasses import dataclass, field

from connector.progress import Progress
from connector.salesforce.readback.own import OwnCounts


@dataclass(slots=True)
class ObjectReport:
    """What was read of one object. `full` says why all of it was read; empty for its changes alone."""

    object: str
    full: str
    rows: int
    inserted: int
    updated: int
    removed: int


@dataclass(slots=True)
class ReadbackReport:
    """What was read of the org, and what it means: matches from the first part, `own` and `drift` from the second."""

    objects: dict[str, ObjectReport] = field(default_factory=dict)
    # Object → why it was not read: it is not in this org, or not as the field map needs it.
    absent: dict[str, str] = field(default_factory=dict)
    # Learners, and courses by LearningItem, per outcome of matching.
    learners: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    own: dict[str, OwnCounts] = field(default_factory=dict)
    # Rows of salesforce.drift by kind.
    drift: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0


@dataclass(frozen=True, slots=True)
class ReadbackOptions:
    """`full` reads every object anew instead of its changes."""

    full: bool = False
    progress: Progress | None = None


READ_CHANGES = ReadbackOptions()
