"""Every document that the code cites is in the repository, with the section named, and no link leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
FOLDERS = ("connector", "mappings", "pipelines", "tests", "docs", "benchmarks")
KINDS = {".py", ".sql", ".csv", ".toml", ".md", ".xml", ".json"}

# `docs/facts/absorb.md section 3`, `docs/facts/salesforce.md sections 3b (collections), 3f and 5`; a comment may break
# its line anywhere in that.
_GAP = r"(?:\s|#|--)+"
_LABEL = r"[A-Z]?\d+[a-z]?\b(?:\s\([\w -]+\))?"
CITATION = re.compile(
    rf"(?<![\w/])(?P<file>docs/[\w./-]+\.\w+)(?:{_GAP}sections?{_GAP}(?P<labels>{_LABEL}(?:(?:,|{_GAP}and){_GAP}{_LABEL})*))?"
)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.M)
# Working papers that are not in the repository.
FOREIGN = re.compile(r"(?<!docs/)\bfacts/|\bseeds?[ /]0\d\d|contract sections?\b")


@cache
def texts() -> dict[Path, str]:
    """Every file that may cite something; this one only shows what citations look like."""
    found = chain(REPO.glob("*.md"), *((REPO / folder).rglob("*.*") for folder in FOLDERS))
    return {path: path.read_text("utf-8") for path in found if path.suffix in KINDS and path != Path(__file__)}


@cache
def headings(document: Path) -> tuple[str, ...]:
    return tuple(found["text"].strip() for found in HEADING.finditer(document.read_text("utf-8")))


def has_section(document: Path, label: str) -> bool:
    """True when a heading begins with the label: `## 3. …`, `### 3b. …`, `## C5. …`."""
    return any(re.match(rf"{label}(?:\.|\s|$)", text) for text in headings(document))


def anchor(text: str) -> str:
    """The anchor that a heading has on a rendered page."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def broken_citations(text: str) -> Iterator[str]:
    for found in CITATION.finditer(text):
        document = REPO / found["file"]
        if not document.is_file():
            yield f"{found['file']} does not exist"
            continue
        labels = re.findall(r"[A-Z]?\d+[a-z]?\b(?![^(]*\))", found["labels"] or "")
        yield from (f"{found['file']} has no section {label}" for label in labels if not has_section(document, label))


def broken_links(text: str, page: Path) -> Iterator[str]:
    for found in LINK.finditer(text):
        name, _, fragment = found["target"].partition("#")
        target = page.parent / name if name else page
        if ":" in name:
            continue
        if not target.exists():
            yield f"{found['target']} leads nowhere"
        elif fragment and fragment not in map(anchor, headings(target)):
            yield f"{found['target']}: no such heading"


def foreign(text: str) -> Iterator[str]:
    """Lines that cite what the repository does not have; the targets of links are checked as links."""
    return (line.strip() for line in text.split("\n") if FOREIGN.search(LINK.sub("]", line)))


def faults(path: Path, text: str) -> list[str]:
    links = broken_links(text, path) if path.suffix == ".md" else ()
    return [f"{path.relative_to(REPO)}: {fault}" for fault in chain(broken_citations(text), links, foreign(text))]


def test_every_citation_can_be_followed() -> None:
    assert [fault for path, text in texts().items() for fault in faults(path, text)] == []


def test_citations_are_found_at_all() -> None:
    cited = [found["file"] for text in texts().values() for found in CITATION.finditer(text)]
    assert len(cited) > 100
    assert {"docs/facts/absorb.md", "docs/facts/salesforce.md", "docs/status-map.md"} <= set(cited)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see docs/facts/absorb.md section 3", None),
        ("see docs/facts/salesforce.md sections 3b (collections), 3f (requests) and 5", None),
        ("# rules: docs/facts/salesforce.md\n# section 3a; a job", None),
        ("docs/facts/duckdb.md section C5.", None),
        ("docs/facts/lms.md section 3", "docs/facts/lms.md does not exist"),
        ("docs/facts/absorb.md section 33", "docs/facts/absorb.md has no section 33"),
        ("docs/facts/salesforce.md sections 3b (more), 3x and 5", "docs/facts/salesforce.md has no section 3x"),
        ("docs/facts/salesforce.md sections 3b and 99z", "docs/facts/salesforce.md has no section 99z"),
        ("-- docs/facts/absorb.md\n-- section 77", "docs/facts/absorb.md has no section 77"),
    ],
)
def test_a_citation_without_its_section_is_a_fault(text: str, fault: str | None) -> None:
    assert list(broken_citations(text)) == ([fault] if fault else [])


@pytest.mark.parametrize(
    ("link", "broken"),
    [
        ("facts/absorb.md", False),
        ("facts/absorb.md#3-rate-limits-and-errors", False),
        ("#rules", False),
        ("https://example.com/nowhere.md", False),
        ("facts/lms.md", True),
        ("facts/absorb.md#33-nothing", True),
        ("#nothing", True),
    ],
)
def test_a_link_that_leads_nowhere_is_a_fault(link: str, broken: bool) -> None:
    assert bool(list(broken_links(f"[text]({link})", REPO / "docs" / "status-map.md"))) == broken


@pytest.mark.parametrize("name", ["facts/absorb.md section 3", "seed 004", "seeds 000 and 001", "contract section 6"])
def test_a_paper_that_is_not_in_the_repository_is_a_fault(name: str) -> None:
    assert list(foreign(f"as of {name}, it is so"))


def test_a_page_of_the_repository_is_no_foreign_paper() -> None:
    assert not list(foreign("[facts](facts/absorb.md), which is docs/facts/absorb.md"))
