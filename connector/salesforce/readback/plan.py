"""Whether an object may be read by its changes or must be read in full: decided without I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# getUpdated answers for the last 30 days, getDeleted for the last 15 (docs/facts/salesforce.md section 5). A record
# that left the recycle bin before we looked is named by neither, so the shorter window holds for what can be deleted.
UPDATED_WINDOW, DELETED_WINDOW = timedelta(days=30), timedelta(days=15)
# A row is stamped when it is written and visible when its transaction ends, up to ten minutes later.
OVERLAP = timedelta(minutes=15)
# Increments do not show rows that the run-as user may not see any more; a full read this often does.
FULL_EVERY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an object has been read (salesforce.checkpoints); instants are by the org's clock."""

    object: str
    org_id: str
    covered_until: datetime
    full_at: datetime
    fields: str

    @property
    def since(self) -> datetime:
        """Where the next increment begins."""
        return self.covered_until - OVERLAP


def reason_for_full(
    known: Checkpoint | None, *, org_id: str, fields: str, now: datetime, deletable: bool, asked: bool
) -> str:
    """Why a full read is needed; empty when the changes since the checkpoint are enough."""
    if known is None:
        return "first read"
    window = DELETED_WINDOW if deletable else UPDATED_WINDOW
    reasons = {
        "asked for": asked,
        "another org": known.org_id != org_id,
        "other fields": known.fields != fields,
        f"last read more than {window.days} days ago": now - known.since >= window,
        f"last full read {FULL_EVERY.days} days ago": now - known.full_at >= FULL_EVERY,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
