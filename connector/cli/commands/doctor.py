"""`learnsync doctor`: is everything in place for a sync? One line a check, each with its remedy."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from functools import partial

from connector.absorb.client import AbsorbClient
from connector.absorb.dialects import Dialect
from connector.absorb.identity import portal_identity
from connector.absorb.lists import LIST_PATHS, read_page
from connector.absorb.pull.pull import account_lock, pull_lock
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
from connector.salesforce.readback import people
from connector.salesforce.targets import TARGETS, OrgObject
from connector.settings import Settings, load_settings
from connector.streams import STREAMS
from connector.warehouse import fields
from connector.warehouse.creation import require_place
from connector.warehouse.database import Connection, Warehouse, count, is_there
from connector.warehouse.dialects import read_dialects
from connector.warehouse.exposed import exposed
from connector.warehouse.identity import SYSTEMS, Identity, known, refuse_other
from connector.warehouse.keys import all_repeated
from connector.warehouse.memory import memory
from connector.warehouse.room import room
from mappings import Mapping

# What a check that could be made returns: what it found; or, for a warning, what it found and the remedy.
Found = str | tuple[str, str]
# What the warehouse says whose rows it holds: portal and org.
Noted = dict[str, Identity | None]
_NO_WAREHOUSE = "If there should be one, check LEARNSYNC_WAREHOUSE__PATH, and that the disk it names is mounted."
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
    noted: Noted = {}
    return [
        Finding("settings", "ok", f"tenant {settings.tenant_id}, portal {settings.absorb.url}"),
        *_files(settings),
        # Outside the event loop: there, Ctrl-C would not end the wait for a locked warehouse.
        _guard("mapping", lambda: _mapping(settings)),
        _guard("warehouse", lambda: _warehouse(settings, noted)),
        _guard("room", lambda: _room(settings)),
        _guard("memory", lambda: memory(settings)),
        _guard("changes", lambda: _changes(settings)),
        *_waiting(settings),
        *asyncio.run(_ask(settings, noted)),
    ]


async def _ask(settings: Settings, noted: Noted) -> list[Finding]:
    findings = [*await _absorb(settings, noted), *await _salesforce(settings, noted)]
    if settings.learning_records.base_url:
        findings.append(await _checked("learning records", _learning_records(settings)))
    return findings


def _failed(check: str, failure: LearnsyncError) -> Finding:
    return Finding(check, "fail", failure.message, failure.remedy)


async def _checked(check: str, work: Awaitable[Found]) -> Finding:
    try:
        return _found(check, await work)
    except LearnsyncError as failure:
        return _failed(check, failure)


def _guard(check: str, work: Callable[[], Found]) -> Finding:
    try:
        return _found(check, work())
    except LearnsyncError as failure:
        return _failed(check, failure)


def _found(check: str, found: Found) -> Finding:
    return Finding(check, "ok", found) if isinstance(found, str) else Finding(check, "warn", *found)


def _files(settings: Settings) -> list[Finding]:
    """Before the warehouse is opened, which tightens the file."""
    try:
        found = exposed(settings)
    except OSError:
        return []  # the check of the warehouse says why
    if not found:
        return [Finding("files", "ok", "personal data is for this user alone, besides the published file")]
    return [Finding("files", "warn", text, remedy) for text, remedy in found.items()]


def _mapping(settings: Settings) -> str:
    maps = load_maps(settings)
    where = settings.mapping.dir or "packaged"
    return f"{len(maps.rules)} status rules decide every case, {len(maps.learner_rules)} learner rules ({where})"


def _warehouse(settings: Settings, noted: Noted) -> Found:
    """A missing warehouse is not made. Of one that is there, `noted` gets whose it is."""
    if not is_there(settings):
        require_place(settings.warehouse.path)
        return f"{settings.warehouse.path} would be created by the first pull", _NO_WAREHOUSE
    with Warehouse.of(settings).connect() as connection:
        version = connection.execute("SELECT max(version) FROM ops.migrations").fetchone()
        noted |= {system: known(connection, settings.tenant_id, system) for system in SYSTEMS}
    return f"{settings.warehouse.path} opens, schema {version[0] if version else '?'}"


def _room(settings: Settings) -> Found:
    text, remedy = room(settings)
    return (text, remedy) if remedy else text


def _changes(settings: Settings) -> Found:
    """How each list is asked for what changed, as far as a pull has found out."""
    kept = {}
    if is_there(settings):
        with Warehouse.of(settings).connect() as connection:
            kept = {one.stream: one for one in read_dialects(connection, settings.tenant_id, settings.absorb.url)}
    usual = Dialect.MODIFIED_SINCE.value
    text = ", ".join(
        f"{stream} by {kept[stream].dialect} (since {kept[stream].found_at:%Y-%m-%d})" if stream in kept
        else f"{stream} by {usual}"
        for stream in LIST_PATHS
    )  # fmt: skip
    if any(one.dialect == Dialect.WHOLE.value for one in kept.values()):
        return text, 'The portal refuses to be asked by date: docs/operators.md, "The portal refuses modifiedSince".'
    return text


def _waiting(settings: Settings) -> list[Finding]:
    """What waits for somebody, and rows that stand twice; nothing without a warehouse, or where its own check fails."""
    if not is_there(settings):
        return []
    with suppress(LearnsyncError), Warehouse.of(settings).connect() as connection:
        looks = (_fields, _holds, _collisions, _keys)
        return [finding for look in looks for finding in look(connection, settings.tenant_id)]
    return []


def _fields(connection: Connection, tenant_id: str) -> list[Finding]:
    """What pulls found to be missing from the portal's answers."""
    texts = [
        f"{one}: the portal serves it no more; stored values stay" for one in fields.vanished(connection, tenant_id)
    ]
    texts += [f"{one}: far more nulls than before" for one in fields.emptied(connection, tenant_id)]
    remedy = "Look at the role of the Absorb account and at the portal; docs/operators.md, A field vanished."
    return [Finding("fields", "warn", text, remedy) for text in texts]


def _holds(connection: Connection, tenant_id: str) -> list[Finding]:
    """Pushes that are held."""
    held = open_holds(connection, tenant_id)
    return [Finding("push", "warn", hold.message, f"learnsync push --approve {hold.id}") for hold in held]


def _keys(connection: Connection, _tenant_id: str) -> list[Finding]:
    """Tables in which a key stands more than once, which no statement of learnsync does."""
    found = ", ".join(f"{table} ({keys:,})" for table, keys in all_repeated(connection).items())
    remedy = "Another program may have written to the file: put a backup back (docs/operators.md, A damaged file)."
    return [Finding("keys", "fail", f"keys that stand in more than one row: {found}", remedy)] if found else []


def _collisions(connection: Connection, tenant_id: str) -> list[Finding]:
    """Learners who share a person of Salesforce."""
    query = "SELECT count(*) FROM salesforce.learner_matches WHERE tenant_id = $tenant_id AND outcome = 'collision'"
    shared = count(connection, query, {"tenant_id": tenant_id})
    text = f"{shared:,} learners match a person whom another learner matches; their new records wait"
    remedy = 'salesforce.learner_matches names them: docs/operators.md, "Two learners, one person".'
    return [Finding("learners", "warn", text, remedy)] if shared else []


async def _absorb(settings: Settings, noted: Noted) -> list[Finding]:
    lock = pull_lock if is_there(settings) else account_lock
    try:
        client = AbsorbClient.of(settings)
        # A login ends the session of whoever uses the account: never beside a pull whose token cannot be shared.
        with nullcontext() if client.at_hand else lock(settings, "doctor"):
            async with client:
                return await _ask_portal(settings, client, noted)
    except WarehouseLockedError as busy:
        text = f"{busy.message} Not asked: a login would end its session."
        return [Finding("absorb", "warn", text, "Run doctor later.")]
    except LearnsyncError as failure:
        return [_failed("absorb", failure)]


async def _ask_portal(settings: Settings, client: AbsorbClient, noted: Noted) -> list[Finding]:
    both = settings.absorb.uses_oauth and (settings.absorb.username or settings.absorb.password)
    findings = [_OAUTH_WINS] if both else []
    findings.append(await _checked("absorb login", _login(client, settings)))
    if findings[-1].verdict == "ok":
        findings.append(await _checked("absorb portal", _portal(client, settings, noted)))
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


async def _portal(client: AbsorbClient, settings: Settings, noted: Noted) -> str:
    return _same(await portal_identity(client), settings, noted)


def _same(found: Identity, settings: Settings, noted: Noted) -> str:
    before = noted.get(found.system)
    refuse_other(before, found, settings.tenant_id)
    when = "as in the warehouse" if before else "noted by the first " + ("pull" if found.system == "portal" else "push")
    return f"{found.kind} {found.id}, {when}"


async def _visible(client: AbsorbClient, stream: str) -> Found:
    ask = Ask(None, 1, 0, sort=False)
    total = (await read_page(client, LIST_PATHS[stream], STREAMS[stream].collection, ask)).page.total
    if total:
        return f"this admin sees {total:,} {stream}; compare with the portal's own count"
    return f"this admin sees no {stream}", "Use a system-wide admin: what its role cannot see is silently missing."


async def _salesforce(settings: Settings, noted: Noted) -> list[Finding]:
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
            findings.append(await _checked("salesforce org", _org(client, settings, noted)))
            findings += [
                await _checked(f"salesforce {it.object}", _target(client, it, maps)) for it in TARGETS.values()
            ]
            findings.append(await _checked("salesforce people", _people(client, settings, maps)))
            if settings.salesforce.learnings_graph:
                findings.append(await _checked("salesforce learnings", _learnings(client, maps)))
            findings.append(await _checked("salesforce LearningItemProgress", _progress(client)))
    return findings


async def _grant(client: SalesforceClient) -> Found:
    grant = await client.grant()
    return f"org {grant.org_id} at {grant.instance_url}"


async def _org(client: SalesforceClient, settings: Settings, noted: Noted) -> str:
    return _same((await client.grant()).identity, settings, noted)


def _key_file(settings: Settings) -> list[Finding]:
    path = settings.salesforce.private_key_file
    warning = auth.exposure(path) if path else ""
    return [Finding("salesforce private key", "warn", warning, f"chmod 600 {path}")] if warning else []


async def _target(client: SalesforceClient, target: OrgObject, maps: Mapping) -> Found:
    fields, notes = await preflight.look(client, target, maps)
    left_out = len(maps.object_fields(target.object)) - len(fields)
    text = f"{len(fields)} mapped fields are there and writable" + (
        f", {left_out} optional left out" if left_out else ""
    )
    return (f"{text}; {'; '.join(notes)}", preflight.REMEDY) if notes else text


async def _people(client: SalesforceClient, settings: Settings, maps: Mapping) -> Found:
    compared = await people.check(client, maps)
    by_hand = f", {len(maps.manual)} learner(s) by hand" if maps.manual else ""
    if lines := await people.unknown_lines(client, maps, settings.tenant_id):
        text = f"the org does not have, or hides, whom learner_crosswalk.csv names in line {', '.join(map(str, lines))}"
        return text, "Correct the salesforce_id; until then these learners are blocked."
    return f"learners are matched by {', '.join(compared)}{by_hand}"


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
        return text, f"Leave {preflight.WRITES_SETTING} false unless learnsync may overwrite what Salesforce computed."
    return "read-only, as documented: it is our vocabulary, never a target"


def show(findings: list[Finding]) -> None:
    """One line each, the remedy below."""
    for finding in findings:
        out.print(f"{MARKS[finding.verdict]} {finding.check}: {finding.text}", soft_wrap=True)
        if finding.remedy and finding.verdict != "ok":
            out.print(f"       → {finding.remedy}", soft_wrap=True)
