"""What learners do next: the realistic transitions behind an edit."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connector.sandbox.kit.instants import naive_text, timespan

_OPEN = {0, 1, 4, 5, 7, 9, 11, 12}


def advance(row: Mapping[str, Any], moment: datetime, rng: random.Random) -> dict[str, Any]:
    """Return the fields that change when this learner moves on by one step."""
    status = row.get("status")
    if status == 2:
        return {"status": 0}
    if status not in _OPEN:
        # Closed enrollments still get edited: credits, terms, a corrected score.
        return {"acceptedTermsAndConditions": True, "score": round(rng.uniform(60, 100), 1)}
    progress = min(100.0, float(row.get("progress") or 0) + rng.choice((5.0, 12.5, 33.33, 60.0)))
    ticks = int(row.get("timeSpentTicks") or 0) + rng.randrange(10_000_000, 36_000_000_000)
    changed: dict[str, Any] = {
        "progress": round(progress, 2),
        "timeSpentTicks": ticks,
        "timeSpent": timespan(ticks),
        "dateStarted": row.get("dateStarted") or naive_text(moment - timedelta(minutes=5)),
        "status": 1,
    }
    if progress >= 100:
        changed |= {"status": 3, "dateCompleted": naive_text(moment), "score": round(rng.uniform(60, 100), 1)}
    return changed
