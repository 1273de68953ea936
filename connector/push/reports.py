"""What a push did, or would do: counts per target, and how single records would change."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Planned:
    """What is to be done to one target, by the difference of warehouse and ledger."""

    target: str
    object: str
    create: int = 0
    update: int = 0
    unchanged: int = 0
    held: int = 0
    blocked: dict[str, int] = field(default_factory=dict)
    method: str = ""  # collections | bulk | graph | records; empty when nothing is to be sent
    # {action, external_id, payload}; a dry run adds in_salesforce and changes: [{field, old, new}].
    samples: list[dict[str, Any]] = field(default_factory=list)
    # What a person should know of the source, such as prerequisites that form a cycle.
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TargetReport(Planned):
    """What a push did, or would do, to one target. What became of the records sent is counted by Ledger.count."""

    sent: int = 0
    accepted: int = 0
    created: int = 0
    rejected: int = 0
    deferred: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)

    @property
    def due(self) -> int:
        """Records that would be sent if there were no limit."""
        return self.create + self.update

    @property
    def pending(self) -> int:
        """Records the target does not have as they should be, blocked ones apart."""
        return self.rejected + self.deferred + self.held


@dataclass(slots=True)
class PushReport:
    """What a push did, or with `dry_run` would do."""

    dry_run: bool
    targets: dict[str, TargetReport] = field(default_factory=dict)
    learners: dict[str, int] = field(default_factory=dict)
    # Calls of this push to the org, and what the org says of its day.
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0
    # Bulk jobs of an earlier push whose results this one brought in.
    resumed: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when nothing is rejected, deferred, held back by an earlier rejection, or left out by a limit."""
        due = 0 if self.dry_run else sum(target.due - target.sent for target in self.targets.values())
        return due <= 0 and not any(report.pending for report in self.targets.values())
