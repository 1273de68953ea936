"""Prerequisites in order, and cycles found: by table and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.salesforce.learnings.plan import cycles, in_order

GRAPHS = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"), max_size=4), max_size=7)


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ({}, []),
        ({"a": ["b"], "b": ["c"]}, []),
        ({"a": ["a"]}, [["a"]]),
        ({"a": ["b"], "b": ["a"], "c": ["a"]}, [["a", "b"]]),
        ({"a": ["b"], "b": ["c"], "c": ["a"], "x": ["y"], "y": ["x"]}, [["a", "b", "c"], ["x", "y"]]),
        ({"a": ["b", "b"], "b": []}, []),
    ],
)
def test_cycles(edges: dict[str, list[str]], found: list[list[str]]) -> None:
    assert cycles(edges) == found


def reaches(edges: dict[str, list[str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = list(edges.get(start, []))
    while waiting:
        node = waiting.pop()
        if node == goal:
            return True
        if node not in seen:
            seen.add(node)
            waiting += edges.get(node, [])
    return False


@given(GRAPHS)
def test_a_group_is_exactly_the_courses_that_require_each_other(edges: dict[str, list[str]]) -> None:
    nodes = set(edges) | {child for children in edges.values() for child in children}
    circles = [node for node in nodes if reaches(edges, node, node)]
    expected = {
        tuple(sorted(o for o in nodes if o == node or (reaches(edges, node, o) and reaches(edges, o, node))))
        for node in circles
    }
    assert {tuple(group) for group in cycles(edges)} == expected


@given(GRAPHS)
def test_without_the_edges_of_cycles_every_course_comes_after_what_it_requires(edges: dict[str, list[str]]) -> None:
    groups = {node: at for at, group in enumerate(cycles(edges)) for node in group}
    kept = {
        node: [child for child in children if node not in groups or groups.get(child) != groups[node]]
        for node, children in edges.items()
    }
    assert cycles(kept) == []
    order = in_order(edges, kept)
    assert sorted(order) == sorted(edges)
    for node, children in kept.items():
        for child in children:
            assert child not in edges or order.index(child) < order.index(node)


def test_a_long_chain_needs_no_deep_stack() -> None:
    edges = {f"{number:06d}": [f"{number + 1:06d}"] for number in range(20_000)}
    assert cycles(edges) == []
    assert in_order(edges, edges)[0] == "019999"
