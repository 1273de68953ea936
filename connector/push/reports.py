"""How a push is asked to go, and what it did or would do: counts per target, and how single records would change."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.push.holds import Hold
from connector.push.outcomes import WAITING

SAMPLE_ROWS = 3


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds. Each look at a bulk job is one of the org's calls of the day, and a large job takes many minutes."""

    between_tries: float = 1.0  # before the second try; twice as long before each further one
    first_poll: float = 0.5
    longest_poll: float = 30.0

    async def before_try(self, number: int) -> None:
        """Wait before try `number` (the first is 0), with jitter, so that clients do not come back all at once."""
        await asyncio.sleep(self.between_tries * random.uniform(0.5, 1.0) * 2 ** (number - 1))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class PushOptions:
    """`limit` caps the records sent per target; a dry run writes nothing anywhere.

    `full` sends what the target accepted or refused before as well; `samples` is per target and action.

    `targets` are names of what is pushed to; None is all that the settings configure. `match` reads people and matches
    learners first; a sync has done both before its build. `approve` are ids of holds whose plan is to be sent.
    """

    targets: Sequence[str] | None = None
    dry_run: bool = False
    limit: int | None = None
    full: bool = False
    samples: int = SAMPLE_ROWS
    match: bool = True
    approve: Sequence[str] = ()
    pauses: Pauses = Pauses()

    def within_limit(self, records: int) -> int:
        """How many of so many records are sent."""
        return records if self.limit is None else min(records, self.limit)


@dataclass(slots=True)
class Planned:
    """What is to be done to one target, by the difference of warehouse and ledger."""

    target: str
    object: str
    create: int = 0
    update: int = 0
    unchanged: int = 0
    held: int = 0
    compared: int = 0  # how many of them the difference looked at; what it did not is as it was when it last did
    blocked: dict[str, int] = field(default_factory=dict)
    # What differs → records that changed after they were created, where the target cannot update.
    outdated: dict[str, int] = field(default_factory=dict)
    method: str = ""  # collections | bulk | graph | records; empty when nothing is to be sent
    # {action, external_id, payload}; a dry run adds in_salesforce and changes: [{field, old, new}].
    samples: list[dict[str, Any]] = field(default_factory=list)
    # What a person should know of the source, such as prerequisites that form a cycle.
    notes: list[str] = field(default_factory=list)
    # Set where the plan would change too much of what the org has: nothing of it is sent.
    hold: Hold | None = None


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
        return self.rejected + self.deferred + self.held + sum(self.outdated.values())

    @property
    def refused_whole(self) -> bool:
        """True when the target refused every record that it was sent. One that waits for another is not refused."""
        refused = sum(records for code, records in self.errors.items() if code not in WAITING)
        return 0 < self.sent == refused


@dataclass(slots=True)
class PushReport:
    """What a push did, or with `dry_run` would do."""

    dry_run: bool
    targets: dict[str, TargetReport] = field(default_factory=dict)
    learners: dict[str, int] = field(default_factory=dict)
    # What somebody should settle in learner_crosswalk.csv.
    notes: list[str] = field(default_factory=list)
    # Calls of this push to the org, and what the org says of its day.
    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0
    # Bulk jobs of an earlier push whose results this one brought in.
    resumed: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when nothing is rejected, deferred, outdated, held, or left out by a limit."""
        due = 0 if self.dry_run else sum(target.due - target.sent for target in self.targets.values())
        return due <= 0 and not any(report.pending or report.hold for report in self.targets.values())
