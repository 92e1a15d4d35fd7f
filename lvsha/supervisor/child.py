"""One child process: spawned with a channel, watched, started again when it dies."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from lvsha.core.messages import Message, Stop
from lvsha.programs.words import signal_name
from lvsha.runtime.channel import Channel, GarbageError
from lvsha.runtime.logs import log
from lvsha.runtime.tasks import spawn

STOP_TIMEOUT = 5.0
"""Seconds a child has to end in order before it is killed."""

_STEADY = 10.0
"""A child that ran this long is started again at once; one that did not waits longer each time."""

_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)

PROGRAM = (sys.executable, "-P", "-m", "lvsha")
"""Without -P whatever is called lvsha in the working directory would be run, as root."""


class Child:
    """`lvsha NAME` as a child. The `on_` functions are called on the supervisor's loop.

    `program` is what is run with NAME, the channel's descriptor and `arguments` behind it.
    `patience`: seconds without a word after which one that has spoken hangs, and is killed.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        on_start: Callable[[], None],
        on_message: Callable[[Message], None],
        on_end: Callable[[], None],
        program: tuple[str, ...] = PROGRAM,
        patience: int = 10,
    ) -> None:
        self.name = name
        self.pid = 0
        self._arguments = arguments
        self._on_start = on_start
        self._on_message = on_message
        self._on_end = on_end
        self._program = program
        self._patience = patience
        self._channel: Channel | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._has_spoken = False
        self._left_in_order = True
        self._life: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Keep the child alive until `stop`; the task ends then, or when we ourselves fail."""
        self._life = spawn(self.name, self._run())
        return self._life

    def send(self, message: Message) -> None:
        """Tell the child, if it is there; a new one is told everything by `on_start`."""
        if self._channel is not None:
            self._channel.send(message)

    async def stop(self) -> bool:
        """Ask the child to end, wait, and kill it when it does not.

        False: its last life did not end in order, then or before, and may have left things behind.
        """
        self._stopping.set()
        self.send(Stop())
        if self._life is None or await self._ended(STOP_TIMEOUT):
            return self._left_in_order
        self._kill(f"no end after {STOP_TIMEOUT:g} s")
        await self._ended(None)
        return False

    async def _ended(self, within: float | None) -> bool:
        assert self._life is not None
        done, _ = await asyncio.wait([self._life], timeout=within)
        return bool(done)

    async def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            reason = await self._live()
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - started > _STEADY else failures + 1
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
            log.error("child.died", process=self.name, reason=reason, restart_in=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _live(self) -> str:
        """One life of the child; what ended it."""
        try:
            process, channel = await self._spawn()
        except OSError as error:
            return f"could not be started: {error.strerror or error}"
        self._process, self._channel, self.pid = process, channel, process.pid
        self._on_start()
        if self._stopping.is_set():
            self.send(Stop())
        garbage = await self._converse(channel)
        code = await self._outlived(process)
        self._left_in_order = code == 0
        self._channel, self.pid = None, 0
        self._on_end()
        return garbage or _reason(code)

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, Channel]:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                descriptor = theirs.fileno()
                process = await asyncio.create_subprocess_exec(
                    *(*self._program, self.name, "--channel-fd", str(descriptor)),
                    *self._arguments,
                    pass_fds=(descriptor,),
                    stdin=asyncio.subprocess.DEVNULL,
                )
            return process, await Channel.open(ours)
        except OSError:
            ours.close()
            raise

    async def _converse(self, channel: Channel) -> str:
        """Hear the child out; what it said if that made no sense."""
        watch: asyncio.Task[None] | None = None
        try:
            async for message in channel.messages():
                self._has_spoken = True
                watch = watch or spawn(f"watch over {self.name}", self._watch())
                self._on_message(message)
        except GarbageError as error:
            self._kill()
            return str(error)
        finally:
            if watch is not None:
                watch.cancel()
            channel.close()
        return ""

    async def _outlived(self, process: asyncio.subprocess.Process) -> int:
        """The exit code; who hears and says nothing any more has a while to leave in order."""
        try:
            return await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            self._kill(f"no end after {STOP_TIMEOUT:g} s")
            return await process.wait()

    async def _watch(self) -> None:
        """Kill a child that hangs. Wake-ups count: who stands still himself hears nobody."""
        silent = 0
        while silent < self._patience:
            await asyncio.sleep(1.0)
            silent = 0 if self._has_spoken else silent + 1
            self._has_spoken = False
        self._kill(f"no word for {self._patience} s")

    def _kill(self, reason: str = "") -> None:
        """Without a reason nothing is said: the end of its life says it."""
        if self._process is not None and self._process.returncode is None:
            if reason:
                log.error("child.killed", process=self.name, reason=reason)
            self._process.kill()


def _reason(code: int) -> str:
    return f"killed by {signal_name(-code)}" if code < 0 else f"exited with {code}"
