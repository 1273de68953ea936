"""A server that sends whatever bytes a test wants, at the pace that it wants: no HTTP library would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@dataclass
class Line:
    """One connection, after a request has come; `ended` is set when the server stops."""

    connection: socket.socket
    request: bytes
    ended: threading.Event
    sent: int = 0

    def send(self, data: bytes) -> None:
        """Send it all. Raises OSError when the other side has gone."""
        self.connection.sendall(data)
        self.sent += len(data)

    def slowly(self, data: bytes, pause: float = 0.05) -> None:
        """A byte at a time."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            if self.ended.wait(pause):
                return

    def endlessly(self, data: bytes) -> None:
        """The same again and again, as fast as it is taken."""
        while not self.ended.is_set():
            self.send(data)


@dataclass
class Raw:
    """A running server: its address and every request that came, head and body."""

    url: str
    requests: list[bytes] = field(default_factory=list)


Behaviour = Callable[[Line], None]


def body(content: bytes, *headers: bytes, status: bytes = b"200 OK") -> Behaviour:
    """An ordinary answer."""
    named = [b"content-length: %d" % len(content), *headers]
    return lambda line: line.send(b"HTTP/1.1 " + status + b"\r\n" + b"\r\n".join(named) + b"\r\n\r\n" + content)


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (some := connection.recv(65536)):
            return b""
        data += some
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
    while len(rest) < length and (some := connection.recv(65536)):
        rest += some
    return head + b"\r\n\r\n" + rest


@contextmanager
def raw_server(behaviour: Behaviour) -> Iterator[Raw]:
    """Serve on a loopback port; each connection has one answer and is closed."""
    listener = socket.create_server(("127.0.0.1", 0))
    raw, ended = Raw(f"http://127.0.0.1:{listener.getsockname()[1]}"), threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(10)
            if request := _request(connection):
                raw.requests.append(request)
                behaviour(Line(connection, request, ended))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield raw
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
