"""Pushes to the sandbox org: the connector's, and simple-salesforce's of the same records."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.figures import Figures, Place, measured
from connector.push.reports import PushOptions, PushReport
from connector.settings import load_settings
from connector.sync import run_push

# Seconds before simple-salesforce first looks how a job goes: its own default of five would be most of the time.
_WAIT = 0
KEYS = {"LMS_Course__c": "Absorb_Course_Id__c", "LMS_Enrollment__c": "Absorb_Enrollment_Id__c"}


def push(place: Place) -> Figures:
    """Whatever differs. Raises RuntimeError where the org has not taken every record."""
    del place
    with measured() as figures:
        report = run_push(load_settings())
    if not report.complete:
        raise RuntimeError(f"the push is incomplete: {report}")
    return _noted(figures, report)


def dry_run(place: Place) -> Figures:
    """What a first push would do."""
    del place
    with measured() as figures:
        report = run_push(load_settings(), PushOptions(dry_run=True))
    figures.rows = sum(target.create for target in report.targets.values())
    return figures


def records(place: Place) -> None:
    """The records of a first push, for another client to send."""
    report = run_push(load_settings(), PushOptions(dry_run=True, samples=10**7))
    for target in report.targets.values():
        with _kept(place, target.object).open("w", encoding="utf-8") as file:
            for sample in target.samples:
                file.write(json.dumps(_flat(sample["payload"])) + "\n")


def simple(place: Place) -> Figures:
    """Both objects by bulk2.upsert, courses first. Raises RuntimeError where the org has not taken every record."""
    from simple_salesforce.api import Salesforce  # noqa: PLC0415 - it may be missing, and its import is its own cost

    waiting = {name: _read(_kept(place, name)) for name in KEYS}
    with measured() as figures:
        org = Salesforce(session=_session(), domain="acme.my", version="67.0", **_login())
        for name, found in waiting.items():
            jobs = getattr(org.bulk2, name).upsert(records=found, external_id_field=KEYS[name], wait=_WAIT)
            failed = sum(int(job["numberRecordsFailed"]) for job in jobs)
            if failed:
                raise RuntimeError(f"{failed} of {len(found)} records of {name} were refused")
    figures.rows = sum(map(len, waiting.values()))
    return figures


def _noted(figures: Figures, report: PushReport) -> Figures:
    figures.rows = sum(target.accepted for target in report.targets.values())
    figures.requests = report.calls
    return figures


def _kept(place: Place, object_name: str) -> Path:
    return place.folder / f"{object_name}.jsonl"


def _read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _flat(payload: dict[str, Any]) -> dict[str, Any]:
    """A record as a line of a bulk job's file: the parent's key beside the other fields, nothing for null."""
    flat = dict[str, Any]()
    for name, value in payload.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": held for inner, held in value.items() if inner != "attributes"}
        elif name != "attributes":
            flat[name] = "" if value is None else str(value).lower() if isinstance(value, bool) else value
    return flat


def _login() -> dict[str, Any]:
    return {
        "consumer_key": os.environ["LEARNSYNC_SALESFORCE__CLIENT_ID"],
        "consumer_secret": os.environ["LEARNSYNC_SALESFORCE__CLIENT_SECRET"],
    }


def _session() -> Any:
    """A session that carries to the sandbox what is meant for an org: this client knows no plain http."""
    import requests  # noqa: PLC0415 - as above
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    base = os.environ["LEARNSYNC_SALESFORCE__LOGIN_URL"]

    class Loopback(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
            parts = urlsplit(request.url)
            request.url = f"{base}{parts.path}" + (f"?{parts.query}" if parts.query else "")
            return super().send(request, *args, **options)

    session = requests.Session()
    session.trust_env = False
    session.mount("https://", Loopback())
    return session
