"""Serving ASGI apps on loopback ports from one background thread."""

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

import uvicorn
from starlette.types import ASGIApp

_START_SECONDS = 15.0
_DRAIN_SECONDS = 2.0


class Serving:
    """The apps added to it answer between ``start`` and ``stop``. Neither waits longer than its work takes.

    uvicorn's own loop looks every tenth of a second whether to end, and waits another tenth for open connections: too
    long for tests that start hundreds of servers. Startup, the Date header and the connections remain uvicorn's.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._servers: list[tuple[uvicorn.Server, socket.socket]] = []
        self._thread: threading.Thread | None = None
        self._end: Callable[[], object] | None = None

    @property
    def running(self) -> bool:
        """Whether the apps are served."""
        return self._thread is not None

    def add(self, app: ASGIApp, port: int) -> str:
        """Bind a port (0: a free one) for an app; returns its URL. Raises OSError where the port is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # The protocol is spelled out because asyncio switches Nagle's delay off (40 ms per answer) only then.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self._host, port))
        listener.listen(256)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", proxy_headers=False, server_header=False
        )
        self._servers.append((uvicorn.Server(config), listener))
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{listener.getsockname()[1]}"

    def start(self) -> None:
        """Serve what was added; returns when all ports accept. Raises RuntimeError when they do not."""
        ready: Future[Callable[[], object]] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="sandbox", daemon=True)
        self._thread.start()
        try:
            self._end = ready.result(timeout=_START_SECONDS)
        except (TimeoutError, RuntimeError) as failure:
            self.stop()
            raise RuntimeError("the sandbox did not start") from failure

    def stop(self) -> None:
        """Close all ports; harmless when nothing runs."""
        if self._thread is not None and self._end is not None:
            self._end()
            self._thread.join(timeout=_START_SECONDS)
        self._thread, self._end, self._servers = None, None, []

    def _run(self, ready: Future[Callable[[], object]]) -> None:
        try:
            asyncio.run(self._serve(ready))
        finally:
            if not ready.done():
                ready.set_exception(RuntimeError("the sandbox did not start"))

    async def _serve(self, ready: Future[Callable[[], object]]) -> None:
        ended = asyncio.Event()
        for server, listener in self._servers:
            server.config.load()
            server.lifespan = server.config.lifespan_class(server.config)
            await server.startup(sockets=[listener])
            await server.on_tick(0)
        ready.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, ended.set))
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), timeout=1.0)
            for server, _ in self._servers:
                await server.on_tick(0)  # it renews the Date header of the answers
        await self._close()

    async def _close(self) -> None:
        """Take no more connections, and let the calls under way end; asyncio.run cancels what takes too long."""
        for server, listener in self._servers:
            for accepting in server.servers:
                accepting.close()
            listener.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()
        states = [server.server_state for server, _ in self._servers]
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while any(state.connections or state.tasks for state in states):
                    await asyncio.sleep(0.002)
