"""Who may import whom: the data's way is the folder order, and no import runs back up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
FOLDERS = ("connector", "mappings", "pipelines")


def module_files(folder: str) -> Iterator[Path]:
    return (REPO / folder).rglob("*.py")


def module_of(path: Path) -> str:
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """Every module a file imports, anywhere in it; `from a import b` counts as both a and a.b."""
    found: set[str] = set()
    package = path.relative_to(REPO).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{name.name}" for name in node.names)}
    return found


GRAPH = {module_of(path): imports_of(path) for folder in FOLDERS for path in module_files(folder)}


def under(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def offenders(inside: tuple[str, ...], forbidden: tuple[str, ...]) -> list[str]:
    """Modules within `inside` that import anything within `forbidden`."""
    return sorted(
        f"{module} imports {name}"
        for module, names in GRAPH.items()
        if under(module, *inside)
        for name in names
        if under(name, *forbidden)
    )


def test_the_walk_over_the_source_sees_real_imports() -> None:
    assert "httpx" in GRAPH["connector.http.session"]
    assert "connector.http.session.HttpSession" in GRAPH["connector.absorb.client"]
    assert "mappings" in GRAPH["connector.canonical.build"]
    assert len(GRAPH) > 40


def test_only_one_module_imports_httpx() -> None:
    assert [module for module, names in GRAPH.items() if any(under(name, "httpx") for name in names)] == [
        "connector.http.session"
    ]


def test_no_other_http_client_sneaks_in() -> None:
    clients = ("requests", "aiohttp", "urllib.request", "urllib3", "http.client", "httpcore")
    assert offenders(FOLDERS, clients) == []


# The floors of the house, from the ground up. A module imports from its own floor and from those below; the longest
# prefix that is named counts.
FLOORS = {
    "mappings": 0,
    "connector": 0,
    "connector.errors": 0,
    "connector.absent": 0,
    "connector.files": 0,
    "connector.locks": 0,
    "connector.machine": 0,
    "connector.progress": 0,
    "connector.redact": 0,
    "connector.stopping": 0,
    "connector.times": 0,
    "connector.sandbox": 0,
    "connector.http": 1,
    "connector.settings": 1,
    "connector.streams": 2,
    "connector.warehouse": 3,
    "connector.canonical": 4,
    "connector.stage": 4,
    "connector.local": 5,
    "connector.absorb": 5,
    "connector.push": 5,
    "connector.salesforce": 6,
    "connector.learning_records": 6,
    "connector.assignments": 7,
    "connector.adopt": 7,
    "connector.sync": 8,
    "connector.cli": 9,
    "pipelines": 10,
}


def floor_of(module: str) -> int:
    while module not in FLOORS:
        module = module.rpartition(".")[0]
    return FLOORS[module]


def modules_of_ours(names: set[str]) -> set[str]:
    """The modules among imported names; a package counts only where nothing of what is inside it was meant."""
    found = {name for name in names if name in GRAPH}
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


# Module -> the modules of ours that it imports.
OURS = {module: modules_of_ours(names) - {module} for module, names in GRAPH.items()}


def test_every_module_has_a_floor_of_its_own_folder() -> None:
    """A new folder of connector is given its floor here."""
    below = {module for module in GRAPH if module.startswith("connector.")}
    assert [module for module in sorted(below) if ".".join(module.split(".")[:2]) not in FLOORS] == []


def test_no_import_runs_up() -> None:
    assert [
        f"{module} imports {name}"
        for module, names in OURS.items()
        for name in sorted(names)
        if floor_of(name) > floor_of(module)
    ] == []


def test_no_import_runs_in_a_circle() -> None:
    """Imports inside functions count, so none can hide a circle there."""
    list(TopologicalSorter(OURS).static_order())  # raises CycleError, which names the modules


def test_a_circle_and_an_import_that_runs_up_would_be_found() -> None:
    with pytest.raises(CycleError, match="cycle"):
        list(TopologicalSorter({"connector.a": {"connector.b"}, "connector.b": {"connector.a"}}).static_order())
    assert (
        floor_of("connector.salesforce.push.objects") > floor_of("connector.push.engine") > floor_of("mappings.loader")
    )


@pytest.mark.parametrize(
    ("inside", "forbidden"),
    [
        pytest.param(("connector",), ("dagster", "pipelines"), id="connector is below pipelines"),
        pytest.param(("mappings",), ("connector", "pipelines", "dagster", "duckdb"), id="mappings is at the bottom"),
        pytest.param(("connector.http",), ("connector.settings",), id="HTTP knows no settings"),
        pytest.param(("connector.settings",), ("connector.http",), id="settings make no calls"),
        pytest.param(("connector.absorb",), ("connector.push",), id="the source knows no target"),
        pytest.param(("connector.push", "connector.salesforce"), ("connector.absorb",), id="targets read no source"),
        pytest.param(
            ("connector.learning_records",),
            ("connector.salesforce", "connector.absorb"),
            id="the LearningRecord API needs no org",
        ),
        pytest.param(("connector.salesforce",), ("connector.learning_records",), id="the org needs no other target"),
        pytest.param(("connector.sandbox",), ("mappings", "pipelines"), id="the sandbox reads no map"),
    ],
)
def test_rooms_that_must_not_know_each_other(inside: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    assert offenders(inside, forbidden) == []


def test_the_sandbox_shares_no_code_with_what_it_plays_against() -> None:
    beyond = {
        f"{module} imports {name}"
        for module, names in OURS.items()
        if under(module, "connector.sandbox")
        for name in names
        if not under(name, "connector.sandbox")
    }
    assert beyond == set()


def test_only_the_command_that_serves_the_sandbox_imports_it() -> None:
    """The demo starts it as a process of its own, by that command."""
    users = {module for module, names in GRAPH.items() if any(under(name, "connector.sandbox") for name in names)}
    assert {module for module in users if not under(module, "connector.sandbox")} == {"connector.cli.commands.sandbox"}


def test_the_pure_cores_do_no_input_or_output() -> None:
    pure = (
        "connector.absorb.walk",
        "connector.absorb.faults",
        "connector.http.answers",
        "connector.http.refusals",
        "connector.http.retry",
        "connector.times",
    )
    assert (
        offenders(pure, ("asyncio", "os", "pathlib", "socket", "duckdb", "httpx", "logging", "connector.http.session"))
        == []
    )
