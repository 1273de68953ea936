"""`learnsync doctor`: is everything in place for a sync? One line a check, each with its remedy."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial

from connector.absorb.client import AbsorbClient
from connector.absorb.lists import LIST_PATHS, read_page
from connector.absorb.pull.pull import pull_lock
from connector.absorb.walk.pages import Ask
from connector.canonical.maps import load_maps
from connector.cli.command import Outcome, Run, command, new_app
from connector.cli.console import out
from connector.errors import LearnsyncError, NotFoundError, WarehouseLockedError
from connector.learning_records.client import LearningRecordsApi
from connector.salesforce import login as auth
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings import plan as learnings_plan
from connector.salesforce.push.native import SETTING
from connector.salesforce.targets import TARGETS, OrgObject
from connector.settings import Settings, load_settings
from connector.streams import STREAMS
from connector.warehouse.database import Warehouse
from mappings import Mapping

app = new_app()
MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: ok, warn or fail."""

    check: str
    verdict: str
    text: str
    remedy: str = ""


@command(app)
def doctor(_: Run) -> Outcome:
    """Check settings, maps, warehouse, portal and org; one line each, with the remedy."""
    findings = examine()
    ok = healthy(findings)
    return Outcome({"checks": [asdict(one) for one in findings], "ok": ok}, partial(show, findings), 0 if ok else 2)


def healthy(findings: list[Finding]) -> bool:
    """True when nothing failed; warnings are no failure."""
    return all(finding.verdict != "fail" for finding in findings)


def _failed(check: str, failure: LearnsyncError) -> Finding:
    return Finding(check, "fail", failure.message, failure.remedy)


def examine() -> list[Finding]:
    """Run all checks; one that fails does not keep the others from running."""
    try:
        settings = load_settings()
    except LearnsyncError as failure:
        return [_failed("settings", failure)]
    findings = [Finding("settings", "ok", f"tenant {settings.tenant_id}, portal {settings.absorb.url}")]
    findings.append(_guard("mapping", lambda: _mapping(settings)))
    findings.append(_guard("warehouse", lambda: _warehouse(settings)))
    findings += asyncio.run(_absorb(settings))
    findings += asyncio.run(_salesforce(settings))
    if settings.learning_records.base_url:
        findings.append(asyncio.run(_checked("learning records", lambda: _learning_records(settings))))
    return findings


def _guard(check: str, work: Callable[[], Finding]) -> Finding:
    try:
        return work()
    except LearnsyncError as failure:
        return _failed(check, failure)


def _mapping(settings: Settings) -> Finding:
    maps = load_maps(settings)
    where = settings.mapping.dir or "packaged"
    text = f"{len(maps.rules)} status rules decide every case, {len(maps.learner_rules)} learner rules ({where})"
    return Finding("mapping", "ok", text)


def _warehouse(settings: Settings) -> Finding:
    with Warehouse.of(settings).connect() as connection:
        version = connection.execute("SELECT max(version) FROM ops.migrations").fetchone()
    return Finding("warehouse", "ok", f"{settings.warehouse.path} opens, schema {version[0] if version else '?'}")


async def _checked(check: str, work: Callable[[], Awaitable[Finding]]) -> Finding:
    try:
        return await work()
    except LearnsyncError as failure:
        return _failed(check, failure)


async def _absorb(settings: Settings) -> list[Finding]:
    try:
        client = AbsorbClient.of(settings)
        # A login ends the session of whoever uses the account: never beside a running pull.
        with pull_lock(settings, "doctor"):
            return await _ask_portal(settings, client)
    except WarehouseLockedError as busy:
        return [
            Finding("absorb", "warn", f"{busy.message} Not asked: a login would end its session.", "Run doctor later.")
        ]
    except LearnsyncError as failure:
        return [_failed("absorb", failure)]


async def _ask_portal(settings: Settings, client: AbsorbClient) -> list[Finding]:
    async with client:
        both = settings.absorb.uses_oauth and (settings.absorb.username or settings.absorb.password)
        said = [_OAUTH_WINS] if both else []
        login = await _checked("absorb login", lambda: _login(client, settings))
        if login.verdict == "fail":
            return [*said, login]
        users = await _checked("absorb users", lambda: _visible(client, "users"))
        courses = await _checked("absorb courses", lambda: _visible(client, "courses"))
        return [*said, login, users, courses]


_OAUTH_WINS = Finding(
    "absorb login mode",
    "warn",
    "OAuth is used: LEARNSYNC_ABSORB__OAUTH_CLIENT_ID is set, so LEARNSYNC_ABSORB__USERNAME and __PASSWORD are not",
    "Unset those that you do not mean.",
)


async def _login(client: AbsorbClient, settings: Settings) -> Finding:
    await client.login()
    if settings.absorb.uses_oauth:
        text = f"logged in to {settings.absorb.portal_url} by OAuth; `learnsync auth status` says until when"
        return Finding("absorb login", "ok", text)
    return Finding("absorb login", "ok", f"{client.session.base_url} accepts key, user and password")


async def _visible(client: AbsorbClient, stream: str) -> Finding:
    ask = Ask(None, 1, 0, sort=False)
    total = (await read_page(client, LIST_PATHS[stream], STREAMS[stream].collection, ask)).page.total
    if not total:
        return Finding(
            f"absorb {stream}", "warn", f"this admin sees no {stream}",
            "Use a system-wide admin: what its role cannot see is silently missing.",
        )  # fmt: skip
    return Finding(f"absorb {stream}", "ok", f"this admin sees {total:,} {stream}; compare with the portal's own count")


async def _salesforce(settings: Settings) -> list[Finding]:
    if not settings.salesforce.login_url:
        return [Finding("salesforce", "warn", "LEARNSYNC_SALESFORCE__LOGIN_URL is not set: no push", "Set it to push.")]
    try:
        client = SalesforceClient.of(settings)
        maps = load_maps(settings)
    except LearnsyncError as failure:
        return [_failed("salesforce", failure)]
    async with client:
        login = await _checked("salesforce login", lambda: _grant(client))
        if login.verdict == "fail":
            return [login]
        findings = [login, *_key_file(settings)]
        for target in TARGETS.values():
            findings.append(await _target(client, target, maps))
        if settings.salesforce.learnings_graph:
            findings.append(await _checked("salesforce learnings", lambda: _learnings(client, maps)))
        return [*findings, await _checked("salesforce LearningItemProgress", lambda: _progress(client))]


async def _grant(client: SalesforceClient) -> Finding:
    grant = await client.grant()
    return Finding("salesforce login", "ok", f"org {grant.org_id} at {grant.instance_url}")


def _key_file(settings: Settings) -> list[Finding]:
    path = settings.salesforce.private_key_file
    warning = auth.exposure(path) if path else ""
    return [Finding("salesforce private key", "warn", warning, f"chmod 600 {path}")] if warning else []


async def _target(client: SalesforceClient, target: OrgObject, maps: Mapping) -> Finding:
    check = f"salesforce {target.object}"
    try:
        fields = await preflight.check(client, target, maps)
    except LearnsyncError as failure:
        return _failed(check, failure)
    left_out = len(maps.object_fields(target.object)) - len(fields)
    text = f"{len(fields)} mapped fields are there and writable"
    return Finding(check, "ok", text + (f", {left_out} optional left out" if left_out else ""))


async def _learnings(client: SalesforceClient, maps: Mapping) -> Finding:
    key = await learnings_plan.key_field(client, maps)
    return Finding("salesforce learnings", "ok", f"LearningCourse is there, learnings are found by {key}")


async def _learning_records(settings: Settings) -> Finding:
    async with LearningRecordsApi.of(settings) as client:
        async for _ in client.list():
            break
    return Finding("learning records", "ok", f"{settings.learning_records.base_url} accepts the key")


async def _progress(client: SalesforceClient) -> Finding:
    check = "salesforce LearningItemProgress"
    try:
        describe = await client.describe("LearningItemProgress")
    except NotFoundError:
        return Finding(check, "ok", "not in this org (it comes with Enablement); nothing needs it")
    if describe.get("createable") or describe.get("updateable"):
        return Finding(
            check, "warn", "this org calls it writable; learnsync writes it only when told to",
            f"Leave {SETTING} false unless learnsync may overwrite what Salesforce computed.",
        )  # fmt: skip
    return Finding(check, "ok", "read-only, as documented: it is our vocabulary, never a target")


def show(findings: list[Finding]) -> None:
    """One line each, the remedy below."""
    for finding in findings:
        out.print(f"{MARKS[finding.verdict]} {finding.check}: {finding.text}", soft_wrap=True)
        if finding.remedy and finding.verdict != "ok":
            out.print(f"       → {finding.remedy}", soft_wrap=True)
