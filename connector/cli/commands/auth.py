"""`learnsync auth`: log in to the portal by OAuth, see how it stands, log out. No token is ever printed."""

import asyncio
import webbrowser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from connector.absorb.login.authorize import TIMEOUT_SECONDS, Receiver, authorize_url, new_state, read_answer
from connector.absorb.login.oauth import exchange, stored_login
from connector.absorb.login.token_file import StoredTokens, TokenFile
from connector.cli.command import Outcome, Run, command
from connector.cli.commands import SUMMARIES
from connector.cli.console import err, new_app, out
from connector.errors import AuthenticationError, LearnsyncError, SettingsError
from connector.settings import OAuthLogin, Settings, check_url, require_absorb, require_oauth
from connector.times import utc_now

app = new_app(help=SUMMARIES["auth"], no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class LoginState:
    """Whether learnsync can log in to the portal, how, and until when; `problem` and `remedy` where it cannot."""

    mode: str
    portal: str | None
    ready: bool
    account: str | None = None
    token_file: Path | None = None
    access_token_expires_at: datetime | None = None
    login_ends_at: datetime | None = None
    problem: str = ""
    remedy: str = ""


@app.command()
@command()
def login(
    run: Run,
    *,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address; open it yourself.")] = False,
    redirect_uri: Annotated[
        str | None,
        typer.Option(
            help="Registered https address to use where the portal refuses http://127.0.0.1; you paste back the"
            " address that the browser ends on."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Wait this many seconds for the answer.")] = TIMEOUT_SECONDS,
) -> Outcome:
    """Permit the access on the portal's page, and store the login in LEARNSYNC_ABSORB__TOKEN_FILE."""
    client = require_oauth(run.settings)
    _refuse_to_displace(client)
    if redirect_uri is None:
        code, redirect_uri = _by_loopback(client, run.settings.absorb.redirect_port, timeout, browse=not no_browser)
    else:
        code = _by_hand(client, redirect_uri, browse=not no_browser)
    state = _state(client, asyncio.run(_store(client, code, redirect_uri)))
    return Outcome(asdict(state), partial(_show, state))


@app.command()
@command()
def status(run: Run) -> Outcome:
    """How learnsync logs in, and until when the stored login lasts; exit code 1 where it cannot log in."""
    state = state_of(run.settings)
    return Outcome(asdict(state), partial(_show, state), 0 if state.ready else 1)


@app.command()
@command()
def logout(run: Run) -> Outcome:
    """Delete the stored login. At the portal its tokens stay valid until they expire."""
    path = run.settings.absorb.token_file
    deleted = asyncio.run(_delete(path)) if path.parent.is_dir() else False
    said = f"Deleted {path}." if deleted else f"There was no login in {path}."
    return Outcome({"deleted": deleted, "token_file": path}, partial(out.print, said, soft_wrap=True, markup=False))


def state_of(settings: Settings) -> LoginState:
    """The state of the login, without asking the portal."""
    absorb = settings.absorb
    mode, portal = ("oauth", absorb.portal_url) if absorb.uses_oauth else ("password", absorb.url)
    try:
        found = require_absorb(settings)
        if isinstance(found, OAuthLogin):
            return _state(found, stored_login(found))
    except (SettingsError, AuthenticationError) as failure:
        file = absorb.token_file if absorb.uses_oauth else None
        return LoginState(mode, portal, False, token_file=file, problem=failure.message, remedy=failure.remedy)
    return LoginState(mode, portal, True, account=found.username)


def _state(client: OAuthLogin, stored: StoredTokens) -> LoginState:
    ended = utc_now() >= stored.login_ends
    expires, ends = (moment.replace(microsecond=0) for moment in (stored.expires_at, stored.login_ends))
    problem = ("The login has ended.", "Run `learnsync auth login`.") if ended else ("", "")
    return LoginState("oauth", client.portal_url, not ended, None, client.token_file, expires, ends, *problem)


def _refuse_to_displace(client: OAuthLogin) -> None:
    """Two tenants must not share a file: logging in for one would throw away the other's login."""
    TokenFile(client.token_file).refuse_foreign()
    try:
        stored = TokenFile(client.token_file).read()
    except LearnsyncError:
        return  # unreadable, broken or open to others: the new login replaces it
    if stored is not None:
        stored_login(client)


def _by_loopback(client: OAuthLogin, port: int, timeout: float, *, browse: bool) -> tuple[str, str]:
    state = new_state()
    with Receiver.listening(port, state) as receiver:
        _send_to(authorize_url(client, receiver.redirect_uri, state), browse=browse)
        err.print(f"learnsync: waiting for the answer at {receiver.redirect_uri}", soft_wrap=True, markup=False)
        return receiver.wait(timeout), receiver.redirect_uri


def _by_hand(client: OAuthLogin, redirect_uri: str, *, browse: bool) -> str:
    try:
        check_url(redirect_uri)
    except ValueError as wrong:
        raise SettingsError(f"--redirect-uri {wrong}.", remedy="Give the URI as it is registered.") from None
    state = new_state()
    _send_to(authorize_url(client, redirect_uri, state), browse=browse)
    # Hidden, because the address holds the code.
    address = typer.prompt("Address that the browser ended on (not shown)", hide_input=True, err=True)
    return read_answer(address.strip().partition("?")[2].partition("#")[0], state)


def _send_to(address: str, *, browse: bool) -> None:
    err.print("learnsync: permit the access on this page, logged in as the admin that learnsync shall use:")
    err.print(f"  {address}", soft_wrap=True, markup=False)
    if browse and not webbrowser.open(address):
        err.print("learnsync: no browser could be opened; open the page yourself")


async def _store(client: OAuthLogin, code: str, redirect_uri: str) -> StoredTokens:
    file = TokenFile(client.token_file)
    async with file.locked():
        with file.replacing() as save:
            stored = await exchange(client, code, redirect_uri)
            save(stored)
    return stored


async def _delete(path: Path) -> bool:
    file = TokenFile(path)
    # Under the lock: a refresh that is under way would put the file back.
    async with file.locked():
        return file.delete()


def _show(state: LoginState) -> None:
    how = {"login": state.mode, "portal": state.portal or "not set", "account": state.account}
    ends = {"stored in": state.token_file, **dict(_validity(state)), "problem": state.problem, "remedy": state.remedy}
    for name, value in {**how, **ends}.items():
        if value:
            out.print(f"{name:<10} {value}", soft_wrap=True, markup=False)


def _validity(state: LoginState) -> Iterator[tuple[str, str]]:
    if state.access_token_expires_at and state.login_ends_at:
        lasting = state.login_ends_at > state.access_token_expires_at
        note = "refreshed by itself" if lasting else "and no longer: the portal gave no refresh token"
        yield "token", f"until {state.access_token_expires_at:%Y-%m-%d %H:%M} UTC, {note}"
        if lasting:
            yield "log in", f"again by {state.login_ends_at:%Y-%m-%d} (a year, as documented)"
