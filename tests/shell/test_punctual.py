"""The event loop of the VRRP process does all that a loop does."""

from __future__ import annotations

import asyncio
import os
import resource
import selectors
import signal
import socket
import threading

import pytest

from lvsha.runtime.punctual import PunctualSelector, punctual_loop


@pytest.fixture
def selector():
    with PunctualSelector() as made:
        yield made


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_what_is_readable_is_told_at_once_however_long_it_would_wait(selector, ends):
    one, other = ends
    selector.register(one, selectors.EVENT_READ)
    other.send(b"x")
    ((key, events),) = selector.select(None)
    assert (key.fileobj, events) == (one, selectors.EVENT_READ)


def test_nothing_is_told_when_the_time_is_over(selector, ends):
    selector.register(ends[0], selectors.EVENT_READ)
    assert [selector.select(timeout) for timeout in (0.0001, 0, -1)] == [[], [], []]


def test_many_descriptors_are_more_than_select_alone_could_take(selector):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    low, high = os.pipe()
    above = os.dup2(low, 3000)
    try:
        selector.register(above, selectors.EVENT_READ)
        os.write(high, b"x")
        assert [key.fd for key, _ in selector.select(None)] == [3000]
    finally:
        for descriptor in (low, high, above):
            os.close(descriptor)


def test_the_loop_heeds_timers_in_order_other_threads_and_signals():
    seen: list[str] = []

    async def live() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, over.set)
        loop.call_later(0.0003, seen.append, "later")
        loop.call_later(0.0001, seen.append, "sooner")
        threading.Timer(0.01, loop.call_soon_threadsafe, (seen.append, "thread")).start()
        loop.call_later(0.02, os.kill, os.getpid(), signal.SIGUSR1)
        await over.wait()
        while len(seen) < 3:
            await asyncio.sleep(0.001)

    with asyncio.Runner(loop_factory=punctual_loop) as runner:
        runner.run(live())
    assert seen == ["sooner", "later", "thread"]
