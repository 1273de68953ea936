"""Every pin is listed with a licence that we may build upon; others would be named. `make lint` compares the list."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("licences", REPO / ".ci" / "licences.py")
assert SPEC is not None
assert SPEC.loader is not None
licences = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(licences)


def test_every_pin_is_listed_with_an_allowed_licence() -> None:
    pins = licences.pins((REPO / "constraints.txt").read_text("utf-8"))
    listed = licences.listed((REPO / "docs" / "licences.md").read_text("utf-8"))
    assert len(pins) > 80
    assert {name: version for name, (version, _) in listed.items()} == pins
    assert [name for name, (_, licence) in listed.items() if not licences.allowed(licence)] == []


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT", True), ("MIT OR GPL-3.0-only", True), ("MPL-2.0 AND MIT", True), ("", False), ("GPL-3.0-only", False),
        ("MIT AND LGPL-2.1-only", False), ("AGPL-3.0-only OR LicenseRef-Commercial", False), ("BSD", False),
        ("(MIT)", False),
    ],
)  # fmt: skip
def test_a_licence_is_judged_by_its_expression(expression: str, verdict: bool) -> None:
    assert licences.allowed(expression) is verdict
    row = f"| thing | 1.0 | use | {expression} |\n"
    assert list(licences.refused({"thing": row})) == ([] if verdict else [("thing", expression)])
