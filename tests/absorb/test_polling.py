"""Adaptive polling, by simulation: no course is unread for longer than the bound, and quiet courses cost little."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.absorb.pull.plan import Polled, cadence_of, due, is_due, wait_of

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def minutes(value: float) -> timedelta:
    return timedelta(minutes=value)


class Simulation:
    """A portal of courses with lives of their own, pulled again and again."""

    def __init__(self, seed: int, courses: int, bound: timedelta) -> None:
        self.random = random.Random(seed)
        self.bound = bound
        self.now = START
        self.starts: list[datetime] = []
        self.read: dict[str, datetime | None] = {f"course-{n}": None for n in range(courses)}
        self.change: dict[str, datetime | None] = dict.fromkeys(self.read)
        self.seen: dict[str, datetime | None] = dict.fromkeys(self.read)
        # From one change a quarter of an hour to one in a hundred days.
        self.pace = {name: self.random.choice((15, 60, 600, 6_000, 144_000)) for name in self.read}
        self.longest = timedelta(0)
        self.asked = 0

    def pull(self, gap: timedelta) -> None:
        self.now += gap
        for name, pace in self.pace.items():
            if self.random.random() < gap / MINUTE / pace:
                self.change[name] = self.now - gap * self.random.random()
        courses = [Polled(name, self.read[name], self.seen[name]) for name in self.read]
        chosen = due(courses, self.now, cadence_of(self.starts[-6:], self.now), self.bound)
        for last in self.read.values():
            if last is not None:
                self.longest = max(self.longest, self.now - last)
        for name in chosen:
            self.read[name], self.seen[name] = self.now, self.change[name]
            self.asked += 1
        self.starts.append(self.now)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    cadence=st.sampled_from([5, 15, 30]),
    bound=st.sampled_from([30, 60, 240, 1440]),
    courses=st.integers(1, 30),
)
def test_no_course_is_unread_for_longer_than_the_bound(seed, cadence, bound, courses):
    simulation = Simulation(seed, courses, minutes(bound))
    for _ in range(150):
        simulation.pull(minutes(cadence))
    assert simulation.longest <= minutes(bound)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), bound=st.sampled_from([120, 480]), courses=st.integers(1, 20))
def test_the_bound_holds_when_pulls_come_irregularly_but_no_later_than_they_lately_did(seed, bound, courses):
    simulation = Simulation(seed, courses, minutes(bound))
    gaps = random.Random(seed)
    for number in range(150):
        # Every fifth gap is the longest there is, so that the latest six always show it.
        simulation.pull(minutes(30 if number % 5 == 0 else gaps.uniform(1, 30)))
    assert simulation.longest <= minutes(bound)


def test_quiet_courses_are_asked_seldom():
    simulation = Simulation(1, 200, minutes(240))
    simulation.pace = dict.fromkeys(simulation.pace, 144_000)
    for _ in range(96):
        simulation.pull(minutes(15))
    every_time = 96 * 200
    assert simulation.asked < every_time / 6


def test_without_a_bound_every_course_is_asked_every_time():
    courses = [Polled("a", START, START), Polled("b", START, None)]
    assert due(courses, START + MINUTE, MINUTE, timedelta(0)) == ["a", "b"]


def test_without_a_known_cadence_every_course_is_asked():
    assert due([Polled("a", START, None)], START + MINUTE, None, minutes(60)) == ["a"]


def test_a_course_never_read_is_due():
    assert is_due(Polled("new", None, None), START, MINUTE, minutes(60))


@pytest.mark.parametrize(
    ("quiet_minutes", "at_most"),
    [(0, 0), (8, 1), (80, 10), (4_800, 60)],
)
def test_the_wait_grows_with_quiet_up_to_the_bound(quiet_minutes, at_most):
    course = Polled("a", START, START - minutes(quiet_minutes))
    assert wait_of(course, minutes(60)) <= minutes(at_most)


def test_cadence_is_the_longest_recent_gap_this_one_included():
    starts = [START, START + minutes(10), START + minutes(15)]
    assert cadence_of(starts, START + minutes(45)) == minutes(30)
    assert cadence_of([], START) is None
