"""The folder that DAGSTER_HOME names: where Dagster keeps its runs, with the dagster.yaml that is shipped.

Without that file Dagster sends usage figures to its maker, and lets two runs of one warehouse go at a time.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from connector import files
from connector.errors import LearnsyncError, SettingsError

FILE = "dagster.yaml"


def shipped() -> Path:
    """The dagster.yaml of this installation: in the package, or at the top of a checkout. Raises FileNotFoundError."""
    spec = find_spec("pipelines")
    package = Path(next(iter(spec.submodule_search_locations or ()))) if spec else Path()
    for folder in (package, package.parent):
        if (folder / FILE).is_file():
            return folder / FILE
    raise FileNotFoundError(f"{FILE} is neither in {package} nor beside it")


def checkout() -> Path | None:
    """The top of the checkout that this code runs from, where there is a Makefile; None for an installed package."""
    top = Path(__file__).resolve().parents[2]
    return top if (top / "Makefile").is_file() and (top / FILE).is_file() else None


def prepare(home: Path, *, renew: bool = False) -> Path:
    """Make the folder, for its owner alone, and put the shipped dagster.yaml there; returns the absolute path.

    A dagster.yaml that is there already stays, unless `renew`. Raises SettingsError when the folder cannot be used.
    """
    home = home.resolve()
    try:
        files.make_folder(home)
        if renew or not (home / FILE).exists():
            shutil.copyfile(shipped(), home / FILE)
    except OSError as failure:
        raise SettingsError(
            f"DAGSTER_HOME = {home}: the folder cannot be used ({failure.strerror or failure}).",
            remedy="Name a folder that this user may write to.",
        ) from None
    return home


def make_instance(environment: Mapping[str, str]) -> None:
    """Make Dagster's tables in DAGSTER_HOME before several processes need them. Raises LearnsyncError."""
    command = [sys.executable, "-m", "pipelines.instance"]
    made = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)  # noqa: S603 - our own
    if made.returncode:
        home = environment["DAGSTER_HOME"]
        raise LearnsyncError(f"Dagster cannot make its files in {home}.", remedy="See what it wrote above.")
