"""Made-up course enrollments (field list: docs/facts/absorb.md section 5) with dates that agree."""

from collections.abc import Iterator
from dataclasses import dataclass

from connector.sandbox.kit.instants import timespan
from connector.sandbox.kit.randomness import DAY, Dice
from connector.sandbox.portal.schema import enrollment_row
from connector.sandbox.portal.state import Row

# Share of each status among current enrollments, in percent.
STATUS_SHARES = {
    3: 50.0, 0: 17.0, 1: 15.0, 5: 3.5, 6: 2.6, 4: 2.6, 9: 1.6, 2: 1.6, 8: 1.3, 7: 1.4, 11: 1.0, 12: 1.2, 10: 1.2
}  # fmt: skip
_STATUSES = tuple(STATUS_SHARES)
_WEIGHTS = tuple(STATUS_SHARES.values())
_STARTED = {1, 3, 4, 5, 7, 11, 12}
_SCORED = {3, 5, 7, 12}
_NEWEST = 120  # seconds before now: nothing generated lies in the future
_LONGEST_AGO = 1000 * DAY


@dataclass
class EnrollmentMaker:
    """Makes the enrollments of one portal, one chain of re-enrollments at a time."""

    _dice: Dice
    _now: int  # seconds since 1970
    _bundles: list[str]
    _made: int = 0

    def chain(self, user: Row, course: Row, earlier: int) -> Iterator[Row]:
        """``earlier`` closed historical enrollments, then the current one."""
        dice = self._dice
        oldest = self._now - _LONGEST_AGO
        for _ in range(earlier):
            added = oldest + int((self._now - oldest - 40 * DAY) * dice.random.random() * 0.5)
            row, last = self._enrollment(user, course, added, dice.weighted((3, 5, 4), (80, 12, 8)), current=False)
            yield row
            oldest = min(last + DAY, self._now - 2 * DAY)
        # The first thirteen show every status, whatever the scale.
        status = self._made if self._made < 13 else dice.weighted(_STATUSES, _WEIGHTS)
        self._made += 1
        # Squaring favours recent enrollments: portals grow.
        age = (self._now - _NEWEST - oldest) * dice.random.random() ** 2
        yield self._enrollment(user, course, self._now - _NEWEST - int(age), status, current=True)[0]

    def _enrollment(self, user: Row, course: Row, added: int, status: int, *, current: bool) -> tuple[Row, int]:
        """One row, and the second of its last event."""
        dice = self._dice
        started = self._after(added, 0, 20) if status in _STARTED else None
        completed = None
        if status == 3 and started is not None and dice.chance(0.995):
            completed = self._after(started, 0.01, 60)
        last = completed or (added if started is None else self._after(started, 0.01, 30))
        spent = dice.random.randrange(600_000_000, 72_000_000_000) if started else 0
        if started and dice.chance(0.02):
            spent += 864_000_000_000  # left open overnight: a TimeSpan with days
        added_text = dice.instant(added)
        # The stamp of the last event is the event's own, digit for digit, as one transaction writes both.
        last_text = added_text if last == added else dice.instant(last)
        due = self._due(added)
        row = enrollment_row(
            dice.guid(),
            user,
            course,
            progress=self._progress(status),
            score=self._score(status),
            status=status,
            dateCompleted=last_text if completed else None,
            dateExpires=dice.instant(completed + 365 * DAY) if completed and dice.chance(0.15) else None,
            dateEdited=last_text,
            dateAdded=added_text,
            courseVersionId=dice.guid() if dice.chance(0.05) else None,
            acceptedTermsAndConditions=dice.chance(0.2),
            timeSpentTicks=spent,
            timeSpent=timespan(spent),
            dateStarted=dice.instant(started) if started else None,
            enrollmentKeyId=dice.guid() if dice.chance(0.02) else None,
            certificateId=dice.guid() if completed and dice.chance(0.4) else None,
            credits=dice.choice((0.5, 1.0, 2.0)) if completed and dice.chance(0.3) else None,
            isActive=current,
            dateDue=due,
            accessDate=dice.midnight(added + dice.days(1, 21)) if dice.chance(0.06) else None,
            courseCollectionId=dice.choice(self._bundles) if self._bundles and dice.chance(0.08) else None,
        )
        return row, last

    def _after(self, moment: int, low: float, high: float) -> int:
        """A later moment, some days on, but never in the future."""
        latest = self._now - _NEWEST // 2
        later = moment + self._dice.days(low, high) + 1
        if later <= latest:
            return later
        return moment + 1 + int((latest - moment - 1) * self._dice.random.random())

    def _due(self, added: int) -> str | None:
        """None, a calendar day, or an instant: ahead for recent enrollments, long past for old ones."""
        dice = self._dice
        if dice.chance(0.45):
            return None
        due = added + dice.choice((14, 30, 60, 90, 180)) * DAY
        return dice.midnight(due) if dice.chance(0.6) else dice.instant(due)

    def _progress(self, status: int) -> float | None:
        if status == 3:
            return 100.0
        if status not in _STARTED:
            return None if self._dice.chance(0.02) else 0.0
        return round(self._dice.random.random() * 99, self._dice.choice((0, 1, 2)))

    def _score(self, status: int) -> float | None:
        if status not in _SCORED or self._dice.chance(0.3):
            return None
        low, high = (60, 100) if status != 5 else (5, 59)
        return round(low + self._dice.random.random() * (high - low), 1)
