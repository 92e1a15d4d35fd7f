"""The director process: checks, table, status; a child of the supervisor.

When it dies the kernel goes on forwarding; its successor adopts the table it finds.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from pathlib import Path

import uvloop

from lvsha.core.messages import Alive
from lvsha.director.director import Director
from lvsha.runtime import logs
from lvsha.runtime.channel import Channel
from lvsha.runtime.tasks import run_until_first_ends

ALIVE_INTERVAL = 1.0
"""Seconds between words to the supervisor, which kills a director that stays silent."""


def main(channel_fd: int, cluster: str, node: str, runtime_dir: Path) -> None:
    """Run until the supervisor says stop or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the supervisor's to act on
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listener = logs.start({"cluster": cluster, "node": node})
    try:
        uvloop.run(_live(socket.socket(fileno=channel_fd), runtime_dir))
    finally:
        listener.stop()


async def _live(end: socket.socket, runtime_dir: Path) -> None:
    channel = await Channel.open(end)
    director = Director(channel, runtime_dir)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    gc.freeze()  # modules and classes never become garbage: leave them out of every collection
    try:
        await run_until_first_ends(
            {"sigterm": _wait(stopped), "alive": _stay_in_touch(channel), **director.jobs()}
        )
    finally:
        await director.close()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _stay_in_touch(channel: Channel) -> None:
    while True:
        channel.send(Alive())
        await asyncio.sleep(ALIVE_INTERVAL)
