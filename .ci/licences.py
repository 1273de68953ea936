"""Lists the licence of every pin of constraints.txt in docs/licences.md, out of the metadata of what is installed.

With --check, as `make lint` runs it: fails where the list is not that of the pins, or a licence is not allowed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "docs" / "licences.md"
# SPDX identifiers. All of them let an Apache-2.0 program depend on the package, whoever distributes it. MPL-2.0 asks
# that changed files of the package itself stay open; we change none.
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense"}
)
# Other spellings in the field License and in the classifiers.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0", "Apache License Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0", "ISC License": "ISC", "ISC License (ISCL)": "ISC", "MIT License": "MIT",
    "MIT license": "MIT", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}  # fmt: skip
# Where the metadata leaves it open; read in the licence files of the packages, antlr4's in its repository.
READ = {
    "antlr4-python3-runtime": "BSD-3-Clause",
    "isodate": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "nodeenv": "BSD-3-Clause",
    "pathlib-abc": "PSF-2.0",
    "python-dateutil": "Apache-2.0 AND BSD-3-Clause",
    "uvloop": "Apache-2.0 OR MIT",
}
HEAD = """# Licences of what learnsync depends on

Every package of `constraints.txt`, with its licence by SPDX identifier. *use*: comes with `pip install`; *development*:
for tests and checks only. learnsync itself is under the Apache License 2.0 and ships none of these packages.
Made by `make licences`; `make lint` fails where a pin is missing here or a licence is not among
{allowed}.

| package | version | for | licence |
|---|---|---|---|
"""


def main() -> int:
    """Write the list, or check it. Exit code 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    rows = dict(table())
    complaints = [f"{name}: {licence or 'no licence'} is not allowed" for name, licence in refused(rows)]
    text = HEAD.format(allowed=", ".join(sorted(ALLOWED))) + "".join(rows.values())
    if check and (not LIST.is_file() or LIST.read_text("utf-8") != text):
        complaints.append(f"{LIST.relative_to(ROOT)} is not the list of constraints.txt: run `make licences`")
    if not check:
        LIST.write_text(text, "utf-8")
    for complaint in complaints:
        print(f"licences: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def table() -> Iterator[tuple[str, str]]:
    """(package, its line) of every pin. One that is not installed, since it is for other systems, keeps its licence."""
    used, before = closure(), listed(LIST.read_text("utf-8") if LIST.is_file() else "")
    for name, version in pins((ROOT / "constraints.txt").read_text("utf-8")).items():
        try:
            licence = licence_of(name)
        except PackageNotFoundError:
            licence = before.get(name, ("", ""))[1]
        purpose = "use" if canonicalize_name(name) in used else "development"
        yield name, f"| {name} | {version} | {purpose} | {licence} |\n"


def refused(rows: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(package, licence) of the lines whose licence is not allowed."""
    for name, (_, licence) in listed("".join(rows.values())).items():
        if not allowed(licence):
            yield name, licence


def pins(text: str) -> dict[str, str]:
    """Package → version of a constraints file."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))


def listed(text: str) -> dict[str, tuple[str, str]]:
    """Package → (version, licence) of the list."""
    found = re.findall(r"^\| ([\w.-]+) \| (\S+) \| (?:use|development) \| (.*?) \|$", text, re.MULTILINE)
    return {name: (version, licence) for name, version, licence in found}


def licence_of(package: str) -> str:
    """The SPDX expression of an installed package; empty where it says nothing that is known."""
    found = metadata(package)
    if expression := READ.get(canonicalize_name(package)) or found.get("License-Expression"):
        return expression
    classifiers = [text.rpartition(" :: ")[2] for text in found.get_all("Classifier") or [] if "License ::" in text]
    for text in (found.get("License") or "", *classifiers):
        if allowed(SPELLINGS.get(text, text)):
            return SPELLINGS.get(text, text)
    return ""


def allowed(expression: str) -> bool:
    """Whether an SPDX expression permits the use: one side of each OR, all parts of each AND; no brackets."""
    return any(all(part in ALLOWED for part in side.split(" AND ")) for side in expression.split(" OR "))


def closure() -> set[str]:
    """Everything that a plain installation brings, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    due, found = [Requirement(text) for text in project["dependencies"]], set[str]()
    while due:
        wanted = due.pop()
        name = canonicalize_name(wanted.name)
        if name in found and not wanted.extras:
            continue
        found.add(name)
        due += needs(name, wanted.extras)
    return found


def needs(package: str, extras: set[str]) -> Iterator[Requirement]:
    """What an installed package requires here, with these extras."""
    try:
        texts = requires(package) or []
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, texts):
        chosen = ["", *extras]
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in chosen):
            yield requirement


if __name__ == "__main__":
    sys.exit(main())
