"""The OULAD registrations that tests use, and what a portal filled with them must show."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "data" / "oulad"
# The whole data set, where the machine has it; read before any test clears the environment.
WHOLE = Path(os.environ.get("OULAD_FOLDER") or SAMPLE).resolve()
# final_result -> Absorb status (Complete, Failed, Declined): how the sandbox tells the data set in Absorb's words.
RESULTS = {"Pass": 3, "Distinction": 3, "Fail": 5, "Withdrawn": 6}

folders = pytest.mark.parametrize(
    "folder", [SAMPLE, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["sample", "whole"]
)


def lines(folder: Path) -> list[dict[str, str]]:
    """One line of studentInfo.csv per registration."""
    with (folder / "studentInfo.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def statuses(folder: Path) -> Counter[int]:
    """How many registrations have which Absorb status."""
    return Counter(RESULTS[line["final_result"]] for line in lines(folder))
