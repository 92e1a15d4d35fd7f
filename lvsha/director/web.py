"""The control socket (and the optional read-only TCP listener): status, metrics, reload.

Everything answered comes from one snapshot, so that figures in one answer belong together.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from lvsha.core.messages import ReloadDone

_MAX_BODY = 64 * 1024


class Web:
    """The HTTP face of a director."""

    def __init__(
        self,
        snapshot: Callable[[], Awaitable[dict[str, Any]]],
        metrics: Callable[[], Awaitable[bytes]],
        reload: Callable[[], Awaitable[ReloadDone]],
    ) -> None:
        self._snapshot = snapshot
        self._metrics = metrics
        self._reload = reload
        self._runners: list[web.AppRunner] = []
        self._tcp: web.AppRunner | None = None
        self._tcp_address: tuple[str, int] | None = None

    async def start(self, socket_path: Path) -> None:
        """Listen on the control socket, for root only. OSError when it can't be made."""
        runner = await self._runner(writable=True)
        self._runners.append(runner)
        draft = socket_path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            await web.UnixSite(runner, str(draft)).start()
        finally:
            os.umask(mask)
        draft.replace(socket_path)  # a predecessor's socket is there until ours answers

    async def listen(self, address: tuple[str, int] | None) -> None:
        """Open, move or close the read-only TCP listener. OSError when the address is taken."""
        if address == self._tcp_address:
            return
        if self._tcp is not None:
            await self._tcp.cleanup()
            self._tcp = None
        self._tcp_address = None
        if address is not None:
            runner = await self._runner(writable=False)
            self._tcp = runner
            await web.TCPSite(runner, *address).start()
            self._tcp_address = address

    async def close(self) -> None:
        for runner in (*self._runners, *((self._tcp,) if self._tcp else ())):
            await runner.cleanup()

    async def _runner(self, *, writable: bool) -> web.AppRunner:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_get("/status", self._get_status)
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", self._get_healthz)
        if writable:
            app.router.add_post("/reload", self._post_reload)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=15, shutdown_timeout=1)
        await runner.setup()
        return runner

    async def _get_status(self, _: web.Request) -> web.Response:
        return web.json_response(await self._snapshot())

    async def _get_metrics(self, _: web.Request) -> web.Response:
        text = await self._metrics()
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _get_healthz(self, _: web.Request) -> web.Response:
        ready = (await self._snapshot())["ready"]
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def _post_reload(self, _: web.Request) -> web.Response:
        done = await self._reload()
        answer = {"generation": done.generation, "error": done.error}
        return web.json_response(answer, status=400 if done.error else 200)
