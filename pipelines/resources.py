"""The one resource: settings at run time, and failures in Dagster's words. Holds no secret and no configuration."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from connector import stopping
from connector.errors import (
    LearnsyncError,
    PreflightError,
    ServerFaultError,
    ThrottledError,
    UnreachableError,
    WarehouseLockedError,
)
from connector.redact import RedactingFilter, scrub
from connector.settings import Settings, load_settings

# Time may heal these; everything else (settings, credentials, maps, the org's set-up) needs a person first.
PASSING = (UnreachableError, ThrottledError, ServerFaultError, WarehouseLockedError)


class LearnsyncResource(dg.ConfigurableResource):
    """Gives an asset its settings, read from the environment, `.env` and `learnsync.toml` when the asset runs.

    Nothing is read when definitions load, so they load on a machine that has no settings at all, and no secret is ever
    part of a run's configuration.
    """

    @contextmanager
    def session(self) -> Iterator[Settings]:
        """The settings for one asset's work; whatever stops the work leaves as a `dagster.Failure` without secrets."""
        try:
            with stopping.watching():  # a run that is terminated does not wait for the statement that runs
                yield load_settings()
        except LearnsyncError as error:
            raise as_failure(error) from None
        except Exception as error:
            raise_scrubbed(error)
            raise


def as_failure(error: LearnsyncError) -> dg.Failure:
    """What happened as the description, what to do as metadata; retried only where time may heal it."""
    metadata: dict[str, dg.MetadataValue] = {"error": dg.MetadataValue.text(type(error).__name__)}
    if error.remedy:
        metadata["remedy"] = dg.MetadataValue.text(error.remedy)
    if isinstance(error, PreflightError):
        metadata["problems"] = dg.MetadataValue.md("\n".join(f"- {problem}" for problem in error.problems))
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=isinstance(error, PASSING))


def raise_scrubbed(error: Exception) -> None:
    """Raise a Failure in place of an unforeseen error whose text or trace holds a secret; else do nothing."""
    trace = "".join(traceback.format_exception(error))
    clean = scrub(trace)
    if clean != trace:
        metadata = {"trace": dg.MetadataValue.md(f"```\n{clean}\n```")}
        description = scrub(f"{type(error).__name__}: {error}")
        raise dg.Failure(description=description, metadata=metadata, allow_retries=False) from None


class _ScrubFirst(logging.Handler):
    """Runs before the handler that Dagster adds to a managed logger, and cleans the record that both are given.

    Dagster's own handler ignores filters that are added to it, and a logger's filter does not see its children's
    records; a handler in front is the place that is left.
    """

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(RedactingFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write nothing."""


def scrub_logs(*names: str) -> None:
    """Put the scrubbing handler in front of each named logger, once."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, _ScrubFirst) for handler in logger.handlers):
            logger.handlers.insert(0, _ScrubFirst())
