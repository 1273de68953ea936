"""`learnsync doctor`: is everything in place for a sync? One line a check, each with its remedy."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial

from connector.absorb.client import AbsorbClient
from connector.absorb.lists import LIST_PATHS, read_page
from connector.absorb.pull.pull import pull_lock
from connector.absorb.walk.pages import Ask
from connector.canonical import load_maps
from connector.cli.command import Outcome, Run, command
from connector.cli.console import out
from connector.errors import LearnsyncError, NotFoundError, WarehouseLockedError
from connector.learning_records.client import LearningRecordsApi
from connector.push.holds import open_holds
from connector.salesforce import login as auth
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.learnings import plan as learnings_plan
from connector.salesforce.targets import TARGETS, OrgObject
from connector.settings import Settings, load_settings
from connector.streams import STREAMS
from connector.warehouse.database import Warehouse
from mappings import Mapping

# What a check that could be made returns: what it found; or, for a warning, what it found and the remedy.
Found = str | tuple[str, str]
MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: ok, warn or fail."""

    check: str
    verdict: str
    text: str
    remedy: str = ""


@command()
def doctor(_: Run) -> Outcome:
    """Check settings, maps, warehouse, portal and org; one line each, with the remedy."""
    findings = examine()
    ok = all(finding.verdict != "fail" for finding in findings)  # warnings are no failure
    return Outcome({"checks": [asdict(one) for one in findings], "ok": ok}, partial(show, findings), 0 if ok else 2)


def examine() -> list[Finding]:
    """Run all checks; one that fails does not keep the others from running."""
    try:
        settings = load_settings()
    except LearnsyncError as failure:
        return [_failed("settings", failure)]
    return [
        Finding("settings", "ok", f"tenant {settings.tenant_id}, portal {settings.absorb.url}"),
        # Outside the event loop: there, Ctrl-C would not end the wait for a locked warehouse.
        _guard("mapping", lambda: _mapping(settings)),
        _guard("warehouse", lambda: _warehouse(settings)),
        *_holds(settings),
        *asyncio.run(_ask(settings)),
    ]


async def _ask(settings: Settings) -> list[Finding]:
    findings = [*await _absorb(settings), *await _salesforce(settings)]
    if settings.learning_records.base_url:
        findings.append(await _checked("learning records", _learning_records(settings)))
    return findings


def _failed(check: str, failure: LearnsyncError) -> Finding:
    return Finding(check, "fail", failure.message, failure.remedy)


async def _checked(check: str, work: Awaitable[Found]) -> Finding:
    try:
        found = await work
    except LearnsyncError as failure:
        return _failed(check, failure)
    return Finding(check, "ok", found) if isinstance(found, str) else Finding(check, "warn", *found)


def _guard(check: str, work: Callable[[], str]) -> Finding:
    try:
        return Finding(check, "ok", work())
    except LearnsyncError as failure:
        return _failed(check, failure)


def _mapping(settings: Settings) -> str:
    maps = load_maps(settings)
    where = settings.mapping.dir or "packaged"
    return f"{len(maps.rules)} status rules decide every case, {len(maps.learner_rules)} learner rules ({where})"


def _warehouse(settings: Settings) -> str:
    with Warehouse.of(settings).connect() as connection:
        version = connection.execute("SELECT max(version) FROM ops.migrations").fetchone()
    return f"{settings.warehouse.path} opens, schema {version[0] if version else '?'}"


def _holds(settings: Settings) -> list[Finding]:
    """A warning for each push that is held; nothing where there is no warehouse, or its own check failed."""
    if not settings.warehouse.path.exists():
        return []
    with suppress(LearnsyncError), Warehouse.of(settings).connect() as connection:
        held = open_holds(connection, settings.tenant_id)
        return [Finding("push", "warn", hold.message, f"learnsync push --approve {hold.id}") for hold in held]
    return []


async def _absorb(settings: Settings) -> list[Finding]:
    try:
        client = AbsorbClient.of(settings)
        # A login ends the session of whoever uses the account: never beside a running pull.
        with pull_lock(settings, "doctor"):
            async with client:
                return await _ask_portal(settings, client)
    except WarehouseLockedError as busy:
        text = f"{busy.message} Not asked: a login would end its session."
        return [Finding("absorb", "warn", text, "Run doctor later.")]
    except LearnsyncError as failure:
        return [_failed("absorb", failure)]


async def _ask_portal(settings: Settings, client: AbsorbClient) -> list[Finding]:
    both = settings.absorb.uses_oauth and (settings.absorb.username or settings.absorb.password)
    findings = [_OAUTH_WINS] if both else []
    findings.append(await _checked("absorb login", _login(client, settings)))
    if findings[-1].verdict == "ok":
        findings += [await _checked(f"absorb {stream}", _visible(client, stream)) for stream in ("users", "courses")]
    return findings


_OAUTH_WINS = Finding(
    "absorb login mode",
    "warn",
    "OAuth is used: LEARNSYNC_ABSORB__OAUTH_CLIENT_ID is set, so LEARNSYNC_ABSORB__USERNAME and __PASSWORD are not",
    "Unset those that you do not mean.",
)


async def _login(client: AbsorbClient, settings: Settings) -> Found:
    await client.login()
    if settings.absorb.uses_oauth:
        return f"logged in to {settings.absorb.portal_url} by OAuth; `learnsync auth status` says until when"
    return f"{client.session.base_url} accepts key, user and password"


async def _visible(client: AbsorbClient, stream: str) -> Found:
    ask = Ask(None, 1, 0, sort=False)
    total = (await read_page(client, LIST_PATHS[stream], STREAMS[stream].collection, ask)).page.total
    if total:
        return f"this admin sees {total:,} {stream}; compare with the portal's own count"
    return f"this admin sees no {stream}", "Use a system-wide admin: what its role cannot see is silently missing."


async def _salesforce(settings: Settings) -> list[Finding]:
    if not settings.salesforce.login_url:
        return [Finding("salesforce", "warn", "LEARNSYNC_SALESFORCE__LOGIN_URL is not set: no push", "Set it to push.")]
    try:
        client = SalesforceClient.of(settings)
        maps = load_maps(settings)
    except LearnsyncError as failure:
        return [_failed("salesforce", failure)]
    async with client:
        findings = [await _checked("salesforce login", _grant(client))]
        if findings[0].verdict == "ok":
            findings += _key_file(settings)
            findings += [
                await _checked(f"salesforce {it.object}", _target(client, it, maps)) for it in TARGETS.values()
            ]
            if settings.salesforce.learnings_graph:
                findings.append(await _checked("salesforce learnings", _learnings(client, maps)))
            findings.append(await _checked("salesforce LearningItemProgress", _progress(client)))
    return findings


async def _grant(client: SalesforceClient) -> Found:
    grant = await client.grant()
    return f"org {grant.org_id} at {grant.instance_url}"


def _key_file(settings: Settings) -> list[Finding]:
    path = settings.salesforce.private_key_file
    warning = auth.exposure(path) if path else ""
    return [Finding("salesforce private key", "warn", warning, f"chmod 600 {path}")] if warning else []


async def _target(client: SalesforceClient, target: OrgObject, maps: Mapping) -> Found:
    fields = await preflight.check(client, target, maps)
    left_out = len(maps.object_fields(target.object)) - len(fields)
    return f"{len(fields)} mapped fields are there and writable" + (
        f", {left_out} optional left out" if left_out else ""
    )


async def _learnings(client: SalesforceClient, maps: Mapping) -> Found:
    return f"LearningCourse is there, learnings are found by {await learnings_plan.key_field(client, maps)}"


async def _learning_records(settings: Settings) -> Found:
    async with LearningRecordsApi.of(settings) as client:
        async for _ in client.list():
            break
    return f"{settings.learning_records.base_url} accepts the key"


async def _progress(client: SalesforceClient) -> Found:
    try:
        describe = await client.describe("LearningItemProgress")
    except NotFoundError:
        return "not in this org (it comes with Enablement); nothing needs it"
    if describe.get("createable") or describe.get("updateable"):
        text = "this org calls it writable; learnsync writes it only when told to"
        return text, f"Leave {preflight.SETTING} false unless learnsync may overwrite what Salesforce computed."
    return "read-only, as documented: it is our vocabulary, never a target"


def show(findings: list[Finding]) -> None:
    """One line each, the remedy below."""
    for finding in findings:
        out.print(f"{MARKS[finding.verdict]} {finding.check}: {finding.text}", soft_wrap=True)
        if finding.remedy and finding.verdict != "ok":
            out.print(f"       → {finding.remedy}", soft_wrap=True)
