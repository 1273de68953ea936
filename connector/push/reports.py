"""What a push did, or would do: counts per target, and how single records would change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class TargetReport:
    """What a push did, or would do, to one target."""

    target: str
    object: str
    create: int = 0
    update: int = 0
    unchanged: int = 0
    held: int = 0
    blocked: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    accepted: int = 0
    created: int = 0
    rejected: int = 0
    deferred: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    method: str = ""  # collections | bulk | graph | records; empty when nothing is to be sent
    jobs: list[str] = field(default_factory=list)
    # {action, external_id, payload}; a dry run adds in_salesforce and changes: [{field, old, new}].
    samples: list[dict[str, Any]] = field(default_factory=list)
    # What a person should know of the source, such as prerequisites that form a cycle.
    notes: list[str] = field(default_factory=list)

    @property
    def pending(self) -> int:
        """Records the org does not have as they should be, blocked ones apart."""
        return self.rejected + self.deferred + self.held

    def count(self, state: str, code: str | None, *, created: bool) -> None:
        """Add what became of one record: the state that its ledger keeps, and why if it was refused."""
        self.sent += 1
        if state == "accepted":
            self.accepted += 1
            self.created += created
            return
        self.rejected += state == "rejected"
        self.deferred += state == "deferred"
        self.errors = dict(Counter(self.errors) + Counter({code or "UNKNOWN": 1}))


@dataclass(slots=True)
class PushReport:
    """What a push did, or with `dry_run` would do."""

    dry_run: bool
    targets: dict[str, TargetReport] = field(default_factory=dict)
    learners: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0
    # Bulk jobs of an earlier push whose results this one brought in.
    resumed: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when nothing is rejected, deferred, held back by an earlier rejection, or left out by a limit."""
        due = 0 if self.dry_run else sum(t.create + t.update - t.sent for t in self.targets.values())
        return due <= 0 and not any(report.pending for report in self.targets.values())
