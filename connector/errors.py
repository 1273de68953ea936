"""One exception tree. Every message says what happened; `remedy` says what to do; README.md lists the exit codes."""

from connector.redact import scrub


def shown(text: str) -> str:
    """Text that may come from outside, fit for a terminal: without secrets and without control characters."""
    return "".join(letter for letter in scrub(text) if letter.isprintable() or letter in "\n\t")


class LearnsyncError(Exception):
    """Something stopped the run. Secrets are scrubbed from the text before anyone can print it."""

    exit_code = 2

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = shown(message)
        self.remedy = shown(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SettingsError(LearnsyncError):
    """A setting is missing or malformed; the text names its variable."""


class MappingError(LearnsyncError):
    """A map in the mapping folder is malformed or leaves a case undecided."""


class WarehouseError(LearnsyncError):
    """The DuckDB file cannot be opened, written or migrated."""


class WarehouseLockedError(WarehouseError):
    """Another process kept the write lock for longer than we wait."""


class DamagedError(WarehouseError):
    """A DuckDB file cannot be read any more: a block of it is damaged."""


class ResourceError(LearnsyncError):
    """The machine has no more of something: room on a disk, memory, open files, or the right to write somewhere."""


class IdentityError(LearnsyncError):
    """The settings name another portal or org than the one whose rows the warehouse holds. Nothing was changed."""


class IncompleteError(LearnsyncError):
    """The run did part of its work; what is missing is named and will be fetched by the next run."""

    exit_code = 1


class LimitError(IncompleteError):
    """An answer, or what it is part of, was larger or took longer than a setting allows: it counts as none."""


class UnreachableError(LearnsyncError):
    """No answer from a host after all retries: DNS, refused connection, TLS or timeout."""


class ApiError(LearnsyncError):
    """An answer that is not a success. `status` is the HTTP status, `body` its scrubbed beginning."""

    def __init__(self, message: str, *, remedy: str = "", status: int = 0, body: str = "", code: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.body = scrub(body)
        self.code = code


class AuthenticationError(ApiError):
    """Credentials were refused."""


class PermissionDeniedError(ApiError):
    """The key or the account's role may not do this."""


class NotFoundError(ApiError):
    """The thing asked for is not there, or not visible to this account."""


class BadRequestError(ApiError):
    """The system refused the request's content (400, 422)."""


class WrongPathError(ApiError):
    """The gateway does not know this path: the base URL or a path is wrong."""


class ThrottledError(ApiError):
    """The server asked for a longer pause than a run may wait."""

    exit_code = 1


class ServerFaultError(ApiError):
    """The server kept failing after all retries."""


class ProtocolError(ApiError):
    """A success whose body is not what the API documents."""


class UnreadablePageError(ProtocolError):
    """A page that is not JSON, so that nobody can tell where its rows begin and end; `received` is its body."""

    def __init__(self, received: bytes, message: str, *, status: int) -> None:
        super().__init__(message, status=status)
        self.received = received


class PreflightError(LearnsyncError):
    """The org lacks something that the field map needs. Nothing was sent. `problems` has one line each."""

    def __init__(self, problems: list[str], *, remedy: str) -> None:
        self.problems = [shown(problem) for problem in problems]
        listing = "; ".join(self.problems)
        super().__init__(f"The Salesforce org is not ready, nothing was sent: {listing}.", remedy=remedy)


class TargetRefusedError(LearnsyncError):
    """A target that was asked for may not be written. Nothing was sent."""


class ApiBudgetError(LearnsyncError):
    """Going on would pass the share of the org's daily calls that was set aside for us."""

    exit_code = 1
