"""Prerequisites as a graph: its cycles, and an order in which each course comes after what it requires. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter

Edges = Mapping[str, Iterable[str]]  # course id → ids of the courses it requires


def cycles(edges: Edges) -> list[list[str]]:
    """Groups of courses that require each other, also through others; a course that requires itself is one.

    Kosaraju's strongly connected components, since graphlib stops at the first cycle. Without recursion: a chain of
    courses may be long.
    """
    required_by: dict[str, list[str]] = {}
    for course, required in edges.items():
        for other in required:
            required_by.setdefault(other, []).append(course)
    seen: set[str] = set()
    finished = [course for root in sorted(edges) for course in _walk(root, edges, seen)]
    seen = set()
    groups = [sorted(_walk(course, required_by, seen)) for course in reversed(finished)]
    return sorted(group for group in groups if len(group) > 1 or (group and group[0] in edges.get(group[0], ())))


def _walk(root: str, edges: Edges, seen: set[str]) -> Iterator[str]:
    """What is reached from `root` and not in `seen`, to which it is added; each after all that it leads to."""
    work = [(root, iter(edges.get(root, ())))] if root not in seen else []
    seen.add(root)
    while work:
        course, others = work[-1]
        following = next((other for other in others if other not in seen), None)
        if following is None:
            work.pop()
            yield course
        else:
            seen.add(following)
            work.append((following, iter(edges.get(following, ()))))


def in_order(ids: Iterable[str], edges: Edges) -> list[str]:
    """The ids, each after those of them that it requires; otherwise by id. The edges must be free of cycles."""
    wanted = set(ids)
    sorter = TopologicalSorter({course: wanted.intersection(edges.get(course, ())) for course in wanted})
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order
