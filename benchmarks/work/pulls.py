"""The connector's own pulls."""

import json
import os
from urllib.request import Request, urlopen

from benchmarks.figures import Figures, Place, measured
from connector.absorb.pull.options import PullOptions, PullReport
from connector.settings import load_settings
from connector.sync import run_pull

CHANGED = 0.001


def users(place: Place) -> Figures:
    """Departments and users, into a new warehouse: one long list."""
    del place
    with measured() as figures:
        _note(figures, run_pull(load_settings(), PullOptions(["departments", "users"])))
    return figures


def enrollments(place: Place) -> Figures:
    """All enrollments; the courses beforehand and not counted."""
    del place
    settings = load_settings()
    run_pull(settings, PullOptions(["courses"]))
    with measured() as figures:
        _note(figures, run_pull(settings, PullOptions(["enrollments"])))
    return figures


def everything(place: Place) -> Figures:
    """What changed in any list."""
    del place
    with measured() as figures:
        _note(figures, run_pull(load_settings()))
    return figures


def slice_of(place: Place) -> None:
    """Bring changed enrollments into a warehouse that was filled by SQL, through the loader."""
    del place
    run_pull(load_settings(), PullOptions(["enrollments"]))


def change(place: Place) -> None:
    """Let the portal edit one enrollment in a thousand."""
    del place
    url = f"{os.environ['LEARNSYNC_ABSORB__BASE_URL']}/_bench/change?share={CHANGED}"
    with urlopen(Request(url, method="POST")) as answer:
        json.load(answer)


def _note(figures: Figures, report: PullReport) -> None:
    figures.rows = sum(stream.counts.read for stream in report.streams.values())
    figures.requests = sum(stream.requests for stream in report.streams.values())
