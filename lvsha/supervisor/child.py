"""One child process: spawned with a channel, watched, started again when it dies."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable

from lvsha.core.messages import Message, Stop
from lvsha.runtime.channel import Channel
from lvsha.runtime.logs import log

STOP_TIMEOUT = 5.0
"""Seconds a child has to end in order before it is killed."""

_STEADY = 10.0
"""A child that ran this long is started again at once; one that did not waits longer each time."""

_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)


class Child:
    """`lvsha NAME` as a child. `on_start` and `on_message` are called on the supervisor's loop."""

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        on_start: Callable[[], None],
        on_message: Callable[[Message], None],
    ) -> None:
        self.name = name
        self.pid = 0
        self._arguments = arguments
        self._on_start = on_start
        self._on_message = on_message
        self._channel: Channel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    async def run(self) -> None:
        """Keep the child alive until `stop`."""
        failures = 0
        while True:
            started = time.monotonic()
            code = await self._live()
            if self._stopping:
                return
            failures = 0 if time.monotonic() - started > _STEADY else failures + 1
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
            log.error("child.died", process=self.name, reason=_reason(code), restart_in=pause)
            await asyncio.sleep(pause)

    def send(self, message: Message) -> None:
        """Tell the child, if it is there; a new one is told everything by `on_start`."""
        if self._channel is not None:
            self._channel.send(message)

    async def stop(self) -> None:
        """Ask the child to end, wait, and kill it when it does not."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.send(Stop())
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await process.wait()
        except TimeoutError:
            log.error("child.killed", process=self.name, reason=f"no end after {STOP_TIMEOUT:g} s")
            process.kill()
            await process.wait()

    async def _live(self) -> int:
        ours, theirs = socket.socketpair()
        words = (sys.executable, "-m", "lvsha", self.name, "--channel-fd", str(theirs.fileno()))
        self._process = await asyncio.create_subprocess_exec(
            *words, *self._arguments, pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL
        )
        theirs.close()
        self.pid = self._process.pid
        self._channel = channel = await Channel.open(ours)
        self._on_start()
        async for message in channel.messages():
            self._on_message(message)
        channel.close()
        self._channel = None
        code = await self._process.wait()
        self.pid = 0
        return code


def _reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
