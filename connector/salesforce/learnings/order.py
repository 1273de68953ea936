"""Prerequisites as a graph: its cycles, and an order in which each course comes after what it requires. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Edges = Mapping[str, Iterable[str]]  # course id → ids of the courses it requires


def cycles(edges: Edges) -> list[list[str]]:
    """Groups of courses that require each other, also through others; a course that requires itself is one.

    Tarjan's strongly connected components, without recursion: a chain of courses may be long.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in sorted(edges):
        if root in index:
            continue
        work = [(root, iter(sorted(set(edges.get(root, ())))))]
        while work:
            node, children = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            child = next(children, None)
            if child is None:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == index[node]:
                    group = _pop_group(stack, on_stack, node)
                    if len(group) > 1 or node in set(edges.get(node, ())):
                        found.append(sorted(group))
            elif child not in index:
                work.append((child, iter(sorted(set(edges.get(child, ()))))))
            elif child in on_stack:
                low[node] = min(low[node], index[child])
    return sorted(found)


def _pop_group(stack: list[str], on_stack: set[str], node: str) -> list[str]:
    group = []
    while True:
        top = stack.pop()
        on_stack.discard(top)
        group.append(top)
        if top == node:
            return group


def in_order(ids: Iterable[str], edges: Edges) -> list[str]:
    """The ids, each after those of them that it requires; otherwise by id. The edges must be free of cycles."""
    wanted = set(ids)
    placed: dict[str, None] = {}
    for root in sorted(wanted):
        work = [(root, iter(sorted(set(edges.get(root, ())) & wanted)))]
        while work:
            node, children = work[-1]
            child = next((entry for entry in children if entry not in placed), None)
            if child is None:
                work.pop()
                placed.setdefault(node)
            else:
                work.append((child, iter(sorted(set(edges.get(child, ())) & wanted))))
    return list(placed)
