"""SIGINT and SIGTERM end what runs, a statement of DuckDB included.

Python runs the handler of a signal in the main thread, between two steps of its own: not while that thread is inside
DuckDB, and a thread that loads pages never hears of it. The interpreter also writes the number of each signal to a file
descriptor, at once; a thread that waits there interrupts the statements.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)
# Most statements of a load end in this time by themselves; what they wrote is then kept.
GRACE_SECONDS = 1.0
# Statements that began after the signal write down how the run ended: they get as long as this, from the signal on.
LAST_SECONDS = 3.0
BEAT_SECONDS = 0.1

asked = threading.Event()
_guard = threading.Lock()
_interrupts: dict[object, Callable[[], object]] = {}  # of the connections that are open
_watched = threading.Lock()  # held while `watching`


def requested() -> bool:
    """True once a signal has asked this process to stop, while `watching`."""
    return asked.is_set()


@contextmanager
def interruptible(interrupt: Callable[[], object]) -> Iterator[None]:
    """Have `interrupt` called, again and again, when the process is asked to stop and this context is not left soon."""
    key = object()
    with _guard:
        _interrupts[key] = interrupt
    try:
        yield
    finally:
        with _guard:  # after this it is not called any more
            del _interrupts[key]


@contextmanager
def watching() -> Iterator[None]:
    """Interrupt the statements of this process when SIGINT or SIGTERM comes; handlers are left as they are.

    Does nothing where it is entered already, or outside the main thread, which alone hears of signals.
    """
    if threading.current_thread() is not threading.main_thread() or not _watched.acquire(blocking=False):
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    left = threading.Event()
    watcher = threading.Thread(target=_watch, args=(reader, left), name="learnsync-stop", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        left.set()
        writer.close()
        watcher.join()
        reader.close()
        asked.clear()
        _watched.release()


def _watch(signals: socket.socket, left: threading.Event) -> None:
    while number := signals.recv(1):
        if number[0] in STOPS:
            asked.set()
            _interrupt(left)


def _interrupt(left: threading.Event) -> None:
    asked_at = time.monotonic()
    with _guard:
        older = set(_interrupts)
    while not left.wait(BEAT_SECONDS):
        spent = time.monotonic() - asked_at
        with _guard:
            for key, interrupt in _interrupts.items():
                if spent > (GRACE_SECONDS if key in older else LAST_SECONDS):
                    interrupt()


@contextmanager
def ended_by_signals(came: list[int]) -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does; its number is put into `came`. Does nothing outside the main thread.

    A shell without job control starts `command &` with SIGINT ignored. Then Ctrl-C stays without effect, and SIGTERM
    still ends the command: SIGINT is blocked and no longer ignored, since asyncio stops a run in good order only where
    it finds Python's own handler of SIGINT.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = {number: signal.getsignal(number) for number in STOPS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if before[signal.SIGINT] is signal.SIG_IGN:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, partial(_as_sigint, came))
    try:
        with watching():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _as_sigint(came: list[int], number: int, frame: FrameType | None) -> None:
    """A handler that notes its signal and does what that of SIGINT does at this moment."""
    came.append(number)
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
