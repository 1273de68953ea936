"""A file that keeps a login between runs: for its owner alone, replaced whole, changed under a lock."""

import json
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from filelock import AsyncFileLock, Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connector import files, redact
from connector.errors import AuthenticationError, SettingsError
from connector.settings import variable
from connector.times import utc_now

VARIABLE = variable("absorb", "token_file")
LOGIN_REMEDY = "Run `learnsync auth login`."
# Who holds the lock waits for the portal, with retries, for no longer than this.
LOCK_WAIT_SECONDS = 300.0
_LOCK_PAUSE_SECONDS = 0.05
# Documented for the refresh token (docs/facts/absorb.md section 2); no answer tells it.
REFRESH_LIFETIME = timedelta(days=365)
# A token is replaced this long before its end, or it would expire on its way; a short life is cut by a tenth.
EARLY_SECONDS = 60.0


class StoredTokens(BaseModel):
    """What the file holds. Instants are the clock of this machine when the answer came."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    portal: str
    client_id: str
    access_token: str = Field(min_length=1, repr=False)
    refresh_token: str | None = Field(None, repr=False)
    obtained_at: AwareDatetime
    expires_at: AwareDatetime
    refresh_obtained_at: AwareDatetime

    def register(self) -> None:
        """Keep both tokens out of logs and messages."""
        redact.register(self.access_token, self.refresh_token)

    def fresh(self, now: datetime) -> bool:
        """True while the access token can still be sent."""
        early = min(EARLY_SECONDS, (self.expires_at - self.obtained_at).total_seconds() / 10)
        return now < self.expires_at - timedelta(seconds=early)

    @property
    def age(self) -> float:
        """Seconds since the access token was issued."""
        return max(0.0, (utc_now() - self.obtained_at).total_seconds())

    @property
    def login_ends(self) -> datetime:
        """When somebody has to log in again, as far as the documentation tells."""
        return self.expires_at if self.refresh_token is None else self.refresh_obtained_at + REFRESH_LIFETIME

    def belongs_to(self, portal: str, client_id: str) -> bool:
        """True for a login of this portal and client."""
        return (self.portal.lower(), self.client_id) == (portal.lower(), client_id)


class TokenFile:
    """Reads, replaces and deletes the file. `path` may be a symbolic link: what it points at is replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> StoredTokens | None:
        """The stored login, or None. Raises SettingsError for a file that others can open, AuthenticationError."""
        try:
            with self.path.open("rb") as handle:
                self._refuse_shared(os.fstat(handle.fileno()))
                content = handle.read()
        except FileNotFoundError:
            return None
        except OSError as failure:
            raise self._unusable("cannot be read", failure) from None
        try:
            stored = StoredTokens.model_validate_json(content)
        except ValidationError:
            raise AuthenticationError(f"{self.path} does not hold a login.", remedy=LOGIN_REMEDY) from None
        stored.register()
        return stored

    @contextmanager
    def replacing(self) -> Iterator[Callable[[BaseModel], None]]:
        """Open a draft before anything irrevocable is asked of the portal; call what is yielded to put it in place.

        A refresh may spend the refresh token, so a file that cannot be written must be found out before it.
        """
        target = self.path.resolve()
        self.refuse_foreign()
        draft = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            files.make_folder(target.parent)
            # Created with mode 0600: a chmod afterwards would leave others a moment to open it.
            handle = os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
        except OSError as failure:
            raise self._unusable("cannot be written", failure) from None

        def save(stored: BaseModel) -> None:
            try:
                handle.write(stored.model_dump_json(indent=2).encode() + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
                draft.replace(target)
            except OSError as failure:
                raise self._unusable("cannot be written", failure) from None

        try:
            with handle:
                yield save
        finally:
            draft.unlink(missing_ok=True)

    def delete(self) -> bool:
        """Remove the file; False when there was none."""
        self.refuse_foreign()
        try:
            self.path.resolve().unlink()
        except FileNotFoundError:
            return False
        except OSError as failure:
            raise self._unusable("cannot be deleted", failure) from None
        return True

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the file against other processes. The operating system drops the lock when its holder dies.

        The lock is a file of its own, because the token file is replaced and a lock would stay on the old one.
        """
        target = self.path.resolve()
        # Not in a thread: what waits is the event loop's own sleep, so other calls go on. No fall-back to locks by
        # existence of the file: those outlive a killed process.
        lock = AsyncFileLock(
            target.with_name(f"{target.name}.lock"), LOCK_WAIT_SECONDS, mode=0o600,
            poll_interval=_LOCK_PAUSE_SECONDS, run_in_executor=False, fallback_to_soft=False,
        )  # fmt: skip
        try:
            files.make_folder(target.parent)
            held = await lock.acquire()
        except Timeout:
            raise AuthenticationError(
                f"Another process has been refreshing the login in {self.path} for {LOCK_WAIT_SECONDS:.0f} s.",
                remedy="Stop that process, then run again.",
            ) from None
        except OSError as failure:
            raise self._unusable("cannot be locked", failure) from None
        async with held:
            yield

    def refuse_foreign(self) -> None:
        """A person may have named a file of their own by mistake: only a login, or an empty file, gives way.

        Raises SettingsError.
        """
        try:
            content = self.path.read_bytes()
            ours = not content or "access_token" in json.loads(content)
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError):
            ours = False
        if not ours:
            raise SettingsError(
                f"{VARIABLE} = {self.path}: the file there does not hold a login of learnsync. It was left alone.",
                remedy="Point the variable at a file of its own; or remove the file, if nobody needs it.",
            )

    def _refuse_shared(self, status: os.stat_result) -> None:
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"{VARIABLE} = {self.path}: others may open this file (mode {stat.S_IMODE(status.st_mode):04o}),"
                " and it holds a login.",
                remedy=f"Run `chmod 600 {self.path}`; if others may have read it, `learnsync auth login` anew.",
            )

    def _unusable(self, what: str, failure: OSError) -> SettingsError:
        return SettingsError(
            f"{VARIABLE} = {self.path}: {what} ({failure.strerror or failure}).",
            remedy="Point the variable at a file in a folder that this user may write to.",
        )
