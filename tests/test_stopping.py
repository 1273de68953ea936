"""A signal interrupts DuckDB's statements, in the main thread and in others, and raises what its handler raises."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import pytest
from support import query

from connector import stopping
from connector.warehouse.database import Warehouse

ENDLESS = "SELECT count(*) FROM range(1000000000000000)"


class TerminatedError(BaseException):
    """What an orchestrator raises where it is told to end a run."""


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    """While SIGINT is answered as an orchestrator answers it, and comes soon."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGINT, stop)
    found = Warehouse(tmp_path / "warehouse.duckdb")
    query(found, "SELECT 1")
    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
    yield found
    signal.signal(signal.SIGINT, before)


def test_a_statement_in_the_main_thread_ends_with_what_the_handler_raised(warehouse: Warehouse) -> None:
    with pytest.raises(TerminatedError), stopping.watching():
        query(warehouse, ENDLESS)
    assert query(warehouse, "SELECT 1") == [(1,)]


def test_a_statement_in_a_thread_ends_with_an_interrupt(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.1)
    with stopping.watching(), ThreadPoolExecutor() as threads:
        statement = threads.submit(query, warehouse, ENDLESS)
        with pytest.raises(TerminatedError):
            time.sleep(30)
        assert isinstance(statement.exception(10), KeyboardInterrupt)
    assert not stopping.requested()
    assert query(warehouse, "SELECT 1") == [(1,)]
