"""The portal over HTTP, in a process of its own: `python -m benchmarks.serving --scale N` serves until it is ended.

It speaks as much of HTTP/1.1 as its clients do, without a framework, because the portal's own time is part of every
figure that is measured against it.
"""

import argparse
import asyncio
import json
import signal
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import parse_qsl

from benchmarks.portal import API_KEY, PASSWORD, USERNAME, Answer, Portal
from benchmarks.shape import COURSES, ENROLLMENTS, Shape

_REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 422: "Unprocessable Entity"}
HOST = "127.0.0.1"


class Connection(asyncio.Protocol):
    """One connection of a client that keeps it open and sends one request after the other."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that has come whole."""
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[:end]
            length = _length_of(head)
            if len(self._waiting) < end + 4 + length:
                return
            self._waiting = self._waiting[end + 4 + length :]
            self._send(self._answer(head))

    def _answer(self, head: bytes) -> Answer:
        line, _, fields = head.partition(b"\r\n")
        method, target, _ = line.decode().split(" ", 2)
        path, _, query = target.partition("?")
        return self._portal.answer(method, path.lower(), dict(parse_qsl(query)), fields)

    def _send(self, answer: Answer) -> None:
        head = (
            f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(answer.body)}\r\ndate: {formatdate(usegmt=True)}\r\n\r\n"
        )
        if self._transport is not None:
            self._transport.writelines((head.encode(), answer.body))


def _length_of(head: bytes) -> int:
    """Bytes of the request's body."""
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve(portal: Portal, announce: Callable[[str], object], ended: asyncio.Event) -> None:
    """Listen on a free port, announce its URL, and answer until the end."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(portal), HOST, 0)
    async with server:
        announce(f"http://{HOST}:{server.sockets[0].getsockname()[1]}")
        await ended.wait()


async def _serve_until_told(portal: Portal) -> None:
    """Print the settings that use the portal, and serve it until a signal ends that."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await serve(portal, lambda url: print(json.dumps({"settings": settings(url)}), flush=True), ended)


def settings(url: str) -> dict[str, str]:
    """The variables that point learnsync at the portal, without a limit of its own on calls."""
    return {
        "LEARNSYNC_ABSORB__BASE_URL": url,
        "LEARNSYNC_ABSORB__API_KEY": API_KEY,
        "LEARNSYNC_ABSORB__USERNAME": USERNAME,
        "LEARNSYNC_ABSORB__PASSWORD": PASSWORD,
        "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "10000",
        "LEARNSYNC_ABSORB__BURST": "10000",
    }


def main() -> None:
    """Fill a portal and serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=int, default=ENROLLMENTS, help="enrollments (default: %(default)s)")
    parser.add_argument("--courses", type=int, help=f"courses (default: {COURSES} at the full scale, else its share)")
    parser.add_argument("--every", type=int, default=1, help="hold each so-many-th enrollment only, edited now")
    options = parser.parse_args()
    asyncio.run(_serve_until_told(Portal(Shape.of(options.scale, options.courses), options.every)))


if __name__ == "__main__":
    main()
