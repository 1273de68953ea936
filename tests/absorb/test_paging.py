"""The walk against a list that moves: whatever happens between pages, the copy converges to the truth."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import examples

from connector.absorb.dialects import Dialect
from connector.absorb.walk.overlap import page_reaching
from connector.absorb.walk.pages import MAX_LIMIT, Ask, Done, Incomplete, Page
from connector.absorb.walk.walk import Walk
from connector.times import floor_to

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE_BLOCK = EPOCH - timedelta(milliseconds=1)  # where the key stops before rows of the first millisecond


@dataclass
class Portal:
    """A list of rows as a portal would serve it, with the freedoms a portal may take."""

    seed: int
    rows: dict[str, datetime] = field(default_factory=dict)
    order: str = "sorted"  # sorted | ties (equal dates in a new order each time) | by-id | newest-first | shuffled
    honours_since: bool = True
    inclusive: bool = False
    gives_total: bool = True
    short_counts: tuple[int, ...] = (0,)  # by how much each answer's total is too small, in turn
    total_ignores_filter: bool = False
    hidden: int = 0  # every so many rows one is counted and not served
    cap: int | None = None
    admits_cap: bool = True
    dialect: Dialect = Dialect.MODIFIED_SINCE  # the way that it can be asked by date
    counts_as_asked: bool = False  # offsets count pages of the size asked for, whatever is served
    now: datetime = EPOCH
    born: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.shortfalls = itertools.cycle(self.short_counts)

    def tick(self) -> datetime:
        self.now += timedelta(microseconds=self.random.choice((1, 700, 1_500, 40_000_000)))
        return self.now

    def insert(self) -> None:
        self.born += 1
        self.rows[f"r{self.random.randrange(10**9):09d}-{self.born}"] = self.tick()

    def insert_block(self, size: int) -> None:
        moment = self.tick()
        for _ in range(size):
            self.born += 1
            self.rows[f"r{self.random.randrange(10**9):09d}-{self.born}"] = moment

    def edit(self) -> None:
        if self.rows:
            self.rows[self.random.choice(sorted(self.rows))] = self.tick()

    def edit_many(self, size: int) -> None:
        moment = self.tick()
        for row_id in self.random.sample(sorted(self.rows), min(size, len(self.rows))):
            self.rows[row_id] = moment

    def delete(self) -> None:
        if self.rows:
            del self.rows[self.random.choice(sorted(self.rows))]

    def page(self, ask: Ask) -> Page:
        grain = self.dialect.grain
        assert ask.modified_since is None or (grain and floor_to(ask.modified_since, grain) == ask.modified_since)

        def wanted(moment: datetime) -> bool:
            if ask.modified_since is None or not self.honours_since:
                return True
            return moment >= ask.modified_since if self.inclusive else moment > ask.modified_since

        found = [(row_id, moment) for row_id, moment in self.rows.items() if wanted(moment)]
        found.sort(key=self._key(ask))
        limit = min(ask.limit, self.cap or ask.limit)
        start = ask.offset * (ask.limit if self.counts_as_asked else limit)
        part = found[start : start + limit]
        if self.hidden:
            part = [row for row in part if not self.is_hidden(row[0])]
        total = len(self.rows) if self.total_ignores_filter else max(0, len(found) - next(self.shortfalls))
        return Page(
            [row_id for row_id, _ in part],
            [moment for _, moment in part],
            total if self.gives_total else None,
            limit if self.admits_cap else None,
        )

    def is_hidden(self, row_id: str) -> bool:
        return bool(self.hidden) and int(row_id.rpartition("-")[2]) % self.hidden == 0

    def _key(self, ask: Ask):
        if self.order == "sorted" and ask.sort:
            return lambda item: (item[1], item[0])
        if self.order == "ties" and ask.sort:
            return lambda item: (item[1], self.random.random())
        if self.order == "newest-first":
            return lambda item: (-item[1].timestamp(), item[0])
        if self.order == "shuffled":
            return lambda _: self.random.random()
        return lambda item: item[0]


def walk(
    portal: Portal, since, limit, between=lambda: None, largest=MAX_LIMIT
) -> tuple[dict, Done | Incomplete, datetime]:
    """Drive a walk to its end as the pull does; returns what was copied, the outcome and the moment it began."""
    started = portal.tick()
    steps = Walk(since, limit, largest)
    copied: dict[str, datetime] = {}
    step: Ask | Done | Incomplete = steps.restart(portal.dialect.grain)
    while isinstance(step, Ask):
        page = portal.page(step)
        copied |= dict(zip(page.ids, page.edited, strict=True))
        between()
        step = steps.feed(page)
    return copied, step, started


def two_pulls(portal: Portal, limit: int, between, largest: int) -> None:
    """A pull over a moving list, then one over a quiet list from its watermark: the copy must equal the truth."""
    copy, outcome, started = walk(portal, None, limit, between, largest)
    # A list that keeps moving may prove nothing, where there is no count, or where every pass reads all of it because
    # the portal ignores modifiedSince; then no watermark moves.
    assert isinstance(outcome, Done) or not (portal.gives_total and portal.honours_since), outcome
    watermark = min(outcome.high, started) if isinstance(outcome, Done) and outcome.high else None
    since = watermark - timedelta(milliseconds=1) if watermark else None
    later, outcome, _ = walk(portal, since, limit, largest=largest)
    assert isinstance(outcome, Done), outcome
    copy.update(later)
    assert {row_id: copy.get(row_id) for row_id in portal.rows} == portal.rows


CHANGES = st.lists(st.sampled_from(["edit", "edit", "edit", "insert", "delete", "edit_many", "none"]), max_size=6)


def changes(portal: Portal, plan):
    """What happens between one page and the next, by the plan."""
    script = iter(plan)

    def between() -> None:
        for change in next(script, []):
            if change == "edit_many":
                portal.edit_many(4)
            elif change != "none":
                getattr(portal, change)()

    return between


@pytest.mark.property
@settings(max_examples=examples(400), deadline=None)
@given(
    seed=st.integers(0, 10**6),
    blocks=st.lists(st.sampled_from([1, 1, 1, 2, 3, 9, 25, 60]), min_size=0, max_size=30),
    limit=st.sampled_from([2, 3, 5, 7, 10, 20]),
    plan=st.lists(CHANGES, max_size=40),
    inclusive=st.booleans(),
    gives_total=st.booleans(),
    order=st.sampled_from(["sorted", "sorted", "by-id", "newest-first"]),
    honours_since=st.booleans(),
    largest=st.sampled_from([2, 20, MAX_LIMIT]),
    short_counts=st.sampled_from([(0,), (0,), (0,), (1,), (0, 0, 1), (7,)]),
)
def test_no_row_is_lost_or_stale_whatever_moves(
    seed, blocks, limit, plan, inclusive, gives_total, order, honours_since, largest, short_counts
):
    portal = Portal(
        seed,
        order=order,
        inclusive=inclusive,
        gives_total=gives_total,
        honours_since=honours_since,
        # Only the count shows that an order is wrong: a portal that gets both wrong can hide a row.
        short_counts=short_counts if order == "sorted" else (0,),
    )
    for size in blocks:
        portal.insert_block(size)
    two_pulls(portal, limit, changes(portal, plan), largest)


@pytest.mark.property
@settings(max_examples=examples(200), deadline=None)
@given(
    seed=st.integers(0, 10**6),
    blocks=st.lists(st.sampled_from([1, 1, 1, 2, 3, 9, 25, 60]), min_size=0, max_size=30),
    limit=st.sampled_from([2, 3, 5, 7, 10, 20]),
    plan=st.lists(CHANGES, max_size=40),
    inclusive=st.booleans(),
    short_counts=st.sampled_from([(0,), (1,), (0, 1)]),
)
def test_ties_in_no_stable_order_lose_nothing_up_to_what_one_answer_holds(
    seed, blocks, limit, plan, inclusive, short_counts
):
    portal = Portal(seed, order="ties", inclusive=inclusive, short_counts=short_counts)
    for size in blocks:
        portal.insert_block(size)
    two_pulls(portal, limit, changes(portal, plan), MAX_LIMIT)


@pytest.mark.property
@pytest.mark.parametrize("dialect", [Dialect.FILTER, Dialect.WHOLE])
@settings(max_examples=examples(100), deadline=None)
@given(
    seed=st.integers(0, 10**6),
    blocks=st.lists(st.sampled_from([1, 1, 1, 2, 3, 9, 25, 60]), min_size=0, max_size=30),
    limit=st.sampled_from([2, 3, 5, 7, 10, 20]),
    plan=st.lists(CHANGES, max_size=40),
    gives_total=st.booleans(),
    order=st.sampled_from(["sorted", "sorted", "by-id", "newest-first"]),
    largest=st.sampled_from([2, 20, MAX_LIMIT]),
    short_counts=st.sampled_from([(0,), (0,), (1,), (0, 0, 1)]),
)
def test_no_row_is_lost_or_stale_however_the_portal_is_asked(
    dialect, seed, blocks, limit, plan, gives_total, order, largest, short_counts
):
    """The same promise where a filter takes whole seconds only, and where every pull reads the whole list."""
    counts = short_counts if order == "sorted" else (0,)
    portal = Portal(seed, order=order, inclusive=True, gives_total=gives_total, short_counts=counts, dialect=dialect)
    for size in blocks:
        portal.insert_block(size)
    two_pulls(portal, limit, changes(portal, plan), largest)


def test_a_walk_begun_again_after_a_refusal_forgets_what_it_held_and_keeps_the_newest_date():
    portal = Portal(7)
    for _ in range(30):
        portal.now += timedelta(seconds=1)
        portal.insert()
    steps = Walk(None, 10)
    steps.feed(portal.page(steps.next))
    high = steps.high
    assert steps.restart(Dialect.FILTER.grain) == Ask(None, 10, 0, sort=True)
    assert (steps.high, steps.verified) == (high, None)
    assert steps.restart(None) == Ask(None, MAX_LIMIT, 0, sort=True)
    assert isinstance(steps.feed(portal.page(steps.next)), Done)


def test_a_walk_begun_again_without_an_order_reads_overlapping_pages():
    steps = Walk(EPOCH, 10)
    steps.refuse()  # of `_sort`
    assert steps.restart(Dialect.FILTER.grain) == Ask(EPOCH, MAX_LIMIT, 0, sort=False)
    assert steps.overlapping


@settings(max_examples=100, deadline=None)
@example(seed=4012, count=82, limit=50)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 120), limit=st.sampled_from([5, 10, 50]))
def test_shuffled_order_is_repeated_until_totals_agree(seed, count, limit):
    portal = Portal(seed, order="shuffled")
    for _ in range(count):
        portal.insert()
    copy, outcome, _ = walk(portal, None, limit, largest=limit)
    if isinstance(outcome, Done):
        assert copy == portal.rows
    else:
        assert "distinct rows after" in outcome.reason


@pytest.mark.parametrize("as_asked", [True, False])
@pytest.mark.parametrize("admits", [True, False])
@pytest.mark.parametrize("cap", [3, 10])
def test_a_portal_that_caps_pages_is_walked_whole(cap, admits, as_asked):
    portal = Portal(1, cap=cap, admits_cap=admits, counts_as_asked=as_asked)
    for _ in range(47):
        portal.insert()
    copy, outcome, _ = walk(portal, None, 20)
    assert isinstance(outcome, Done)
    assert copy == portal.rows


def test_a_total_that_ignores_the_filter_does_not_mislead():
    portal = Portal(2, total_ignores_filter=True)
    for _ in range(50):
        portal.insert()
    half = sorted(portal.rows.values())[25]
    copy, outcome, _ = walk(portal, half, 10)
    assert isinstance(outcome, Done)
    assert set(copy) >= {row_id for row_id, moment in portal.rows.items() if moment > half}


def test_quiet_sorted_portal_costs_one_request_per_page():
    portal = Portal(3)
    for _ in range(95):
        portal.now += timedelta(seconds=1)
        portal.insert()
    asked = 0

    def count() -> None:
        nonlocal asked
        asked += 1

    _, outcome, _ = walk(portal, None, 10, count)
    assert isinstance(outcome, Done)
    assert not outcome.overlapping
    assert asked == 12  # 95 rows by 10, each later page holding the last row of the one before; and a count


def test_offsets_are_used_only_where_a_block_is_longer_than_one_answer():
    portal = Portal(4)
    portal.insert_block(35)
    for _ in range(20):
        portal.now += timedelta(seconds=1)
        portal.insert()
    steps = Walk(None, 10, largest=20)
    step: object = steps.next
    offsets = []
    while isinstance(step, Ask):
        offsets.append((step.modified_since, step.start))
        step = steps.feed(portal.page(step))
    inside = [start for since, start in offsets if start]
    assert inside
    assert {since for since, start in offsets if start} == {BEFORE_BLOCK}
    assert isinstance(step, Done)


def test_a_deletion_between_pages_is_checked_by_a_second_pass():
    portal = Portal(5)
    for _ in range(30):
        portal.now += timedelta(seconds=1)
        portal.insert()
    deleted = False

    def once() -> None:
        nonlocal deleted
        if not deleted:
            portal.delete()
            deleted = True

    copy, outcome, _ = walk(portal, None, 10, once)
    assert isinstance(outcome, Done)
    assert set(portal.rows) <= set(copy)


def test_refused_sort_starts_over_without_it():
    steps = Walk(None, 10)
    assert steps.next.sort
    again = steps.refuse()
    assert again is not None
    assert not again.sort
    assert steps.overlapping


def test_a_block_longer_than_a_page_is_asked_for_in_one_answer():
    portal = Portal(4)
    portal.insert_block(35)
    steps = Walk(None, 10)
    assert steps.feed(portal.page(steps.next)) == Ask(BEFORE_BLOCK, 10, 0, sort=True)
    assert steps.feed(portal.page(steps.next)) == Ask(BEFORE_BLOCK, 1000, 0, sort=True)
    assert steps.feed(portal.page(steps.next)) == Ask(None, 1, 0, sort=True)  # how many are there now?
    assert isinstance(steps.feed(portal.page(steps.next)), Done)


def test_an_order_that_only_looked_right_is_noticed_by_a_last_count():
    portal = Portal(0, order="by-id")
    rows = {"a": 2, "b": 2, "c": 1}  # by id the dates of the first page stand in order
    portal.rows = {row_id: EPOCH + timedelta(days=day) for row_id, day in rows.items()}
    copy, outcome, _ = walk(portal, None, 2, changes(portal, [["insert"]]), largest=2)
    assert isinstance(outcome, Done)
    assert {"a", "b", "c"} <= set(copy)


def test_a_refused_larger_page_leaves_the_page_size_of_the_settings():
    portal = Portal(4)
    portal.insert_block(35)
    steps = Walk(None, 10)
    copied: dict = {}
    step: object = steps.next
    while isinstance(step, Ask):
        if step.limit > 10:
            step = steps.refuse()
            continue
        page = portal.page(step)
        copied |= dict(zip(page.ids, page.edited, strict=True))
        step = steps.feed(page)
    assert isinstance(step, Done)
    assert copied == portal.rows


def test_nothing_is_left_out_of_a_refused_ask_twice():
    steps = Walk(None, 1000)
    assert steps.refuse() is not None  # without _sort
    assert steps.refuse() is None


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 80),
    hidden=st.integers(2, 40),
    limit=st.sampled_from([3, 5, 10, 20]),
    largest=st.sampled_from([20, MAX_LIMIT]),
)
def test_rows_held_back_after_they_were_counted_hide_no_other_row(seed, count, hidden, limit, largest):
    portal = Portal(seed, hidden=hidden)
    for _ in range(count):
        portal.insert()
    copy, outcome, _ = walk(portal, None, limit, largest=largest)
    assert isinstance(outcome, Incomplete) or copy == {
        row_id: moment for row_id, moment in portal.rows.items() if not portal.is_hidden(row_id)
    }


@pytest.mark.parametrize("rows", [10, 20, 19])
def test_a_total_that_is_too_small_ends_no_walk(rows):
    portal = Portal(6, short_counts=(5,))
    for _ in range(rows):
        portal.now += timedelta(seconds=1)
        portal.insert()
    copy, outcome, _ = walk(portal, None, 10)
    assert isinstance(outcome, Done)
    assert copy == portal.rows


@given(st.integers(1, 5000), st.integers(2, 1000), st.integers(1, 50))
def test_page_reaching_overlaps_and_advances(frontier, limit, overlap):
    size, number = page_reaching(frontier, limit, overlap)
    assert size * number < frontier
    assert size * (number + 1) > frontier
    assert size <= 1000


@given(st.integers(1, 5000), st.integers(1, 12), st.integers(1, 5))
def test_page_reaching_leaves_no_gap_under_a_small_cap(frontier, cap, overlap):
    size, number = page_reaching(frontier, cap, overlap, cap)
    assert size * number <= frontier
    assert size * (number + 1) > frontier
    assert size <= cap
