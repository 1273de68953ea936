"""How a push is asked to go, and how long it waits between calls."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

SAMPLE_ROWS = 3


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds. Each look at a bulk job is one of the org's calls of the day, and a large job takes many minutes."""

    between_tries: float = 1.0  # before the second try; twice as long before each further one
    first_poll: float = 1.0
    longest_poll: float = 30.0
    # An org works off one queue for all its users. Past this the run ends, and the next one takes the job up.
    longest_job: float = 4 * 3600.0

    async def before_try(self, number: int) -> None:
        """Wait before try `number` (the first is 0), with jitter, so that clients do not come back all at once."""
        await asyncio.sleep(self.between_tries * random.uniform(0.5, 1.0) * 2 ** (number - 1))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class PushOptions:
    """`limit` caps the records sent per target; a dry run writes nothing anywhere.

    `full` sends what the target accepted or refused before as well; `samples` is per target and action.

    `targets` are names of what is pushed to; None is all that the settings configure. `match` reads people and matches
    learners first; a sync has done both before its build.
    """

    targets: Sequence[str] | None = None
    dry_run: bool = False
    limit: int | None = None
    full: bool = False
    samples: int = SAMPLE_ROWS
    match: bool = True
    pauses: Pauses = Pauses()

    def within_limit(self, records: int) -> int:
        """How many of so many records are sent."""
        return records if self.limit is None else min(records, self.limit)
