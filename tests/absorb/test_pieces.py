"""Pages asked for in smaller pages while rows move: the walk's promises hold for every row that can be read."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples
from test_paging import CHANGES, Portal, changes

from connector.absorb.bodies import Body
from connector.absorb.pieces import MOST_LOST, Pieces, joined
from connector.absorb.walk.pages import MAX_LIMIT, Ask, Done, Incomplete, Page
from connector.absorb.walk.walk import Walk
from connector.errors import UnreadablePageError


class Cut:
    """A portal that serves no JSON where a page holds one of these rows; `between` happens after each answer."""

    def __init__(self, portal: Portal, cut: set[str], between=lambda: None) -> None:
        self.portal, self.cut, self.between = portal, cut, between
        self.asked: list[Ask] = []

    async def read(self, ask: Ask, _tries: int = 1) -> Body:
        self.asked.append(ask)
        page = self.portal.page(ask)
        self.between()
        if self.cut & set(page.ids):
            total = b"" if page.total is None else b'"totalItems": %d, ' % page.total
            raise UnreadablePageError(b"{%s" % total + b'"users": [{"id":', "cut", status=200)
        return Body(page, b"", len(page.ids))

    async def page(self, ask: Ask) -> Page:
        try:
            return (await self.read(ask)).page
        except UnreadablePageError as failure:
            return joined(await Pieces(self.read, "users", "/users").of(ask, failure))


def walk(cut: Cut, since, limit: int, largest: int) -> tuple[dict, Done | Incomplete | None]:
    """What a walk copies, and its outcome; None where a page could not be had in smaller ones either."""
    steps, copied = Walk(since, limit, largest), {}
    step: Ask | Done | Incomplete = steps.next
    while isinstance(step, Ask):
        try:
            page = asyncio.run(cut.page(step))
        except UnreadablePageError:
            return copied, None
        copied |= {row_id: moment for row_id, moment in zip(page.ids, page.edited, strict=True) if row_id}
        step = steps.feed(page)
    return copied, step


@pytest.mark.property
@settings(max_examples=examples(60), deadline=None)
@given(
    seed=st.integers(0, 10**6),
    blocks=st.lists(st.sampled_from([1, 1, 1, 2, 3, 9]), min_size=1, max_size=20),
    cuts=st.lists(st.integers(0, 100), min_size=1, max_size=3),
    limit=st.sampled_from([2, 3, 7, 10, 20]),
    largest=st.sampled_from([20, MAX_LIMIT]),
    plan=st.lists(CHANGES, max_size=60),
)
def test_no_row_that_can_be_read_is_lost_or_stale_whatever_moves(seed, blocks, cuts, limit, largest, plan):
    """Even if the watermark were moved, which a pull does not do after such a walk."""
    portal = Portal(seed)
    for size in blocks:
        portal.insert_block(size)
    cut = {sorted(portal.rows)[number % len(portal.rows)] for number in cuts}
    started = portal.tick()
    copy, outcome = walk(Cut(portal, cut, changes(portal, plan)), None, limit, largest)
    high = outcome.high if isinstance(outcome, Done) else None
    since = min(high, started) - timedelta(milliseconds=1) if high else None
    later, outcome = walk(Cut(portal, cut), since, limit, largest)
    assert isinstance(outcome, Done)
    copy |= later
    truth = {row_id: moment for row_id, moment in portal.rows.items() if row_id not in cut}
    assert {row_id: copy.get(row_id) for row_id in truth} == truth


def a_list_of(count: int) -> Portal:
    portal = Portal(1)
    for _ in range(count):
        portal.now += timedelta(seconds=1)
        portal.insert()
    return portal


@pytest.mark.parametrize("offset", [0, 1])
def test_one_row_of_a_thousand_costs_some_fifty_calls(offset: int) -> None:
    portal = a_list_of(2_000)
    cut = Cut(portal, {sorted(portal.rows, key=lambda row_id: portal.rows[row_id])[1_000 * offset + 700]})
    page = asyncio.run(cut.page(Ask(None, 1_000, offset, sort=True)))
    assert (len(page.ids), page.ids[700], page.total) == (1_000, None, 2_000)
    assert len(cut.asked) < 60


def test_more_lost_rows_than_a_page_may_have_end_it() -> None:
    portal = a_list_of(40)
    cut = Cut(portal, set(sorted(portal.rows)[: MOST_LOST + 1]))
    with pytest.raises(UnreadablePageError):
        asyncio.run(cut.page(Ask(None, 40, 0, sort=True)))


def test_a_list_that_only_grows_stands_still_enough() -> None:
    portal = a_list_of(80)
    cut = Cut(portal, {sorted(portal.rows, key=lambda row_id: portal.rows[row_id])[20]}, portal.insert)
    assert asyncio.run(cut.page(Ask(None, 40, 0, sort=True))).ids.count(None) == 1


def test_a_list_that_never_stands_still_is_given_up() -> None:
    portal = a_list_of(40)
    cut = Cut(portal, {sorted(portal.rows)[20]}, portal.edit)
    with pytest.raises(UnreadablePageError):
        asyncio.run(cut.page(Ask(None, 40, 0, sort=True)))
    assert len(cut.asked) < 200
