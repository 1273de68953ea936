"""Who may import whom: the data's way is the folder order, and no import runs back up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
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


@pytest.mark.parametrize(
    ("inside", "forbidden"),
    [
        pytest.param(("connector",), ("dagster", "pipelines"), id="connector is below pipelines"),
        pytest.param(("mappings",), ("connector", "pipelines", "dagster", "duckdb"), id="mappings is at the bottom"),
        pytest.param(
            ("connector.absorb", "connector.warehouse"),
            (
                "connector.salesforce",
                "connector.cli",
                "connector.sync",
                "connector.canonical.build",
                "connector.sandbox",
            ),
            id="source and warehouse know no target",
        ),
        pytest.param(
            ("connector.warehouse",),
            ("connector.absorb.pull", "connector.absorb.client", "connector.absorb.lists"),
            id="warehouse fetches nothing",
        ),
        pytest.param(
            ("connector.canonical.build",),
            ("connector.salesforce", "connector.cli", "connector.sync"),
            id="build pushes nothing",
        ),
        pytest.param(
            ("connector.salesforce",),
            ("connector.absorb", "connector.cli", "connector.sync"),
            id="target reads no source",
        ),
        pytest.param(
            ("connector.push",),
            (
                "connector.salesforce",
                "connector.learning_records",
                "connector.absorb",
                "connector.cli",
                "connector.sync",
            ),
            id="the push engine knows no target",
        ),
        pytest.param(
            ("connector.learning_records",),
            ("connector.salesforce", "connector.absorb", "connector.cli", "connector.sync"),
            id="the LearningRecord API needs no org",
        ),
    ],
)
def test_no_import_runs_back_up(inside: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    assert offenders(inside, forbidden) == []


# From the top down. A module imports from its own floor and from those below.
FLOORS = (
    ("pipelines",),
    ("connector.cli",),
    ("connector.sync",),
    ("connector.destinations", "connector.assignments"),
    ("connector.absorb", "connector.salesforce", "connector.learning_records"),
    ("connector.push",),
    ("connector.canonical",),
    ("connector.warehouse",),
    ("connector.streams",),
    ("connector.http",),
    ("connector.settings",),
    ("connector.errors", "connector.locks", "connector.progress", "connector.redact", "connector.times"),
    ("mappings",),
)


def test_every_module_has_a_floor_and_none_imports_from_a_higher_one() -> None:
    floors = [module for floor in FLOORS for module in floor]
    homeless = [module for module in GRAPH if not under(module, *floors, "connector.sandbox")]
    assert homeless == ["connector"]
    above = [(floor, [name for higher in FLOORS[:number] for name in higher]) for number, floor in enumerate(FLOORS)]
    assert [found for floor, higher in above if higher for found in offenders(floor, tuple(higher))] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    def edges(names: set[str]) -> set[str]:
        """`from a import b` is an import of the module a.b where there is one, else of a."""
        known = names & GRAPH.keys()
        return {name for name in known if not any(other.startswith(f"{name}.") for other in known)}

    order = TopologicalSorter({module: edges(names) - {module} for module, names in GRAPH.items()})
    order.prepare()  # raises CycleError, which names the modules


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
