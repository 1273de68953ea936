"""What DuckDB says when the machine or the file fails it, in words that name the file and what helps."""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from connector import machine, stopping
from connector.errors import DamagedError, LearnsyncError, ResourceError
from connector.settings import variable

PATH_VARIABLE = variable("warehouse", "path")
# What DuckDB says of a file that it wrote and cannot read any more, besides errors of these kinds.
DAMAGE = ("Corrupt", "checksum", "replaying WAL", "Could not read enough bytes", "invalidated")
DAMAGE_KINDS = (duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)
# Errors of these kinds are of the machine or of a file, never of a statement.
KINDS = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException, *DAMAGE_KINDS)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what DuckDB raises while the warehouse is open into ResourceError, DamagedError or KeyboardInterrupt.

    A statement that is wrong, and one that another transaction was in the way of, stay as DuckDB raises them.
    """
    try:
        yield
    except duckdb.InterruptException as failure:
        if stopping.requested():
            raise KeyboardInterrupt from failure
        raise
    except (duckdb.Error, MemoryError) as failure:
        if error := explain(failure, path, machine.REMEDIES):
            raise error from None
        raise
    except RuntimeError as failure:
        # DuckDB ends a statement so where the handler of a signal raised, and keeps what it raised as the cause.
        if failure.__cause__ and not isinstance(failure.__cause__, Exception):
            raise failure.__cause__ from None
        raise


def explain(failure: Exception, path: Path, numbers: Container[int] = machine.SCARCE) -> LearnsyncError | None:
    """The failure in a person's words; None where neither the file nor the machine, as `numbers` tell, is the cause."""
    if found := refusal(failure, f"{PATH_VARIABLE} = {path}", numbers):
        return found
    return damaged(path, failure) if is_damage(failure) else None


def refusal(failure: BaseException, where: str, numbers: Container[int] = machine.REMEDIES) -> ResourceError | None:
    """The same for what the machine refused to whoever wrote `where`, which begins the message."""
    if isinstance(failure, MemoryError):
        return ResourceError(f"{where}: there is not enough memory.", remedy=machine.NO_MEMORY)
    remedy = machine.remedy_in(str(failure), numbers) if isinstance(failure, KINDS) else ""
    return ResourceError(f"{where}: {first_line(failure).rstrip('.')}.", remedy=remedy) if remedy else None


def is_damage(failure: Exception) -> bool:
    """Whether the file, or its log, cannot be read as DuckDB wrote it."""
    named = isinstance(failure, KINDS) and any(sign in str(failure) for sign in DAMAGE)
    return named or isinstance(failure, DAMAGE_KINDS)


def damaged(path: Path, failure: Exception) -> DamagedError:
    """What to say of a damaged warehouse: which file, and the commands that bring its rows back."""
    lines = str(failure).splitlines()
    said = next((line.strip() for line in lines if any(sign in line for sign in DAMAGE)), first_line(failure))
    what = f"its log {path.name}.wal" if "WAL" in said else "the file"
    return DamagedError(
        f"{PATH_VARIABLE} = {path}: {what} is damaged: {said.rstrip('.')}.",
        remedy=f"Look at the disk first. Then move the file and its log away, `mkdir damaged && mv {path}* damaged/`,"
        f" and put a backup back, `cp BACKUP {path}`; or, without one, read everything anew: `learnsync sync --full`"
        " (docs/operators.md, A damaged file).",
    )


def first_line(failure: BaseException) -> str:
    """The error without the hints and traces that DuckDB adds below."""
    return (str(failure).splitlines() or [type(failure).__name__])[0].strip()
