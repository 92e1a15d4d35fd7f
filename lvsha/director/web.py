"""The control socket (and the optional read-only TCP listener): status, metrics, reload.

Everything answered comes from one snapshot, so that figures in one answer belong together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from lvsha.core.balance import MAX_WEIGHT, Order
from lvsha.core.messages import ReloadDone
from lvsha.director.snapshot import to_json
from lvsha.errors import LvshaError, UsageError
from lvsha.kernel.piecemeal import piecemeal
from lvsha.runtime.logs import describe, log

with piecemeal("aiohttp", __version__=""):
    from aiohttp import web
    from aiohttp.typedefs import Handler

_MAX_BODY = 64 * 1024


class Answers(Protocol):
    """Whoever is asked."""

    @property
    def is_ready(self) -> bool: ...

    async def status(self) -> Mapping[str, Any]: ...

    async def metrics(self) -> bytes: ...

    async def ask_for_reload(self) -> ReloadDone: ...

    async def fail_over(self, router: str) -> None: ...

    def order(self, verb: str, service: str, server: str, weight: int | None) -> Order: ...


class Web:
    """The HTTP face of a director."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._control: web.AppRunner | None = None
        self._tcp: web.AppRunner | None = None
        self._tcp_address: tuple[str, int] | None = None

    async def start(self, socket_path: Path) -> None:
        """Listen on the control socket, for root only; once. OSError when it can't be made."""
        if self._control is not None:
            return
        runner = await self._runner(writable=True)
        draft = socket_path.with_suffix(".new")
        mask = os.umask(0o177)
        try:
            draft.unlink(missing_ok=True)
            await web.UnixSite(runner, str(draft)).start()
            draft.replace(socket_path)  # a predecessor's socket is there until ours answers
        except OSError:
            await runner.cleanup()
            raise
        finally:
            os.umask(mask)
        self._control = runner

    async def listen(self, address: tuple[str, int] | None) -> None:
        """Open, move or close the read-only TCP listener. OSError when the address is taken."""
        if address == self._tcp_address:
            return
        if self._tcp is not None:
            await self._tcp.cleanup()
        self._tcp = self._tcp_address = None
        if address is not None:
            runner = await self._runner(writable=False)
            try:
                await web.TCPSite(runner, *address).start()
            except OSError:
                await runner.cleanup()
                raise
            self._tcp, self._tcp_address = runner, address

    async def close(self) -> None:
        for runner in (self._control, self._tcp):
            if runner is not None:
                await runner.cleanup()

    async def _runner(self, *, writable: bool) -> web.AppRunner:
        app = web.Application(client_max_size=_MAX_BODY, middlewares=[_in_words])
        app.router.add_get("/status", self._get_status)
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", self._get_healthz)
        app.router.add_post("/reload", self._post_reload if writable else _refuse)
        app.router.add_post("/failover", self._post_failover if writable else _refuse)
        for verb in ("drain", "enable", "disable", "weight"):
            app.router.add_post(f"/{verb}", self._post_order if writable else _refuse)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=15, shutdown_timeout=1)
        await runner.setup()
        return runner

    async def _get_status(self, _: web.Request) -> web.Response:
        body = await to_json(await self._answers.status())
        return web.Response(body=body, content_type="application/json")

    async def _get_metrics(self, _: web.Request) -> web.Response:
        text = await self._answers.metrics()
        return web.Response(
            body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _get_healthz(self, _: web.Request) -> web.Response:
        ready = self._answers.is_ready
        return web.json_response({"ready": ready}, status=200 if ready else 503)

    async def _post_reload(self, _: web.Request) -> web.Response:
        done = await self._answers.ask_for_reload()
        answer = {
            "generation": done.generation,
            "error": done.error,
            "exit_code": done.exit_code,
        }
        status = 200 if not done.error else 400 if done.exit_code == 2 else 503
        return web.json_response(answer, status=status)

    async def _post_failover(self, request: web.Request) -> web.Response:
        """`/failover?router=web`: answered when it has begun."""
        try:
            await self._answers.fail_over(request.query.get("router", ""))
        except LvshaError as error:
            words = {"error": error.report, "exit_code": error.exit_code}
            return web.json_response(words, status=404 if error.exit_code == 2 else 409)
        return web.json_response({"error": ""})

    async def _post_order(self, request: web.Request) -> web.Response:
        """`/drain?service=http&server=192.0.2.1:80`; `/weight` with `weight=3` besides."""
        asked, verb = request.query, request.path.strip("/")
        try:
            weight = _weight(asked.get("weight", "")) if verb == "weight" else None
            service, server = asked.get("service", ""), asked.get("server", "")
            order = self._answers.order(verb, service, server, weight)
        except UsageError as error:
            words = {"error": error.report, "exit_code": error.exit_code}
            return web.json_response(words, status=404)
        return web.json_response({"admin": order.admin.value, "weight": order.weight, "error": ""})


def _weight(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_WEIGHT:
        raise UsageError(f"weight {text!r} is not a whole number between 0 and {MAX_WEIGHT}")
    return int(text)


async def _refuse(_: web.Request) -> web.Response:
    return web.json_response({"error": "this listener is read-only"}, status=403)


@web.middleware
async def _in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is JSON; what goes wrong in here is a log line, not a traceback."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        words = {"error": f"{request.method} {request.path}: {refusal.reason.lower()}"}
        return web.json_response(words, status=refusal.status)
    except Exception as error:  # noqa: BLE001 - one bad answer ends no director
        log.error("api.failed", path=request.path, error=describe(error))
        return web.json_response({"error": f"unexpected: {describe(error)}"}, status=500)
