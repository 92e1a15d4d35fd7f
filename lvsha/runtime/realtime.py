"""What a process that must not wait asks of the kernel: its turn at once, and its memory kept."""

from __future__ import annotations

import ctypes
import os
import resource

PRIORITY = 1
"""The lowest of the class: ahead of every ordinary process, behind everybody who asked for more."""

MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # asm-generic/mman.h
MEMLOCK = resource.RLIMIT_MEMLOCK


def be_steady() -> tuple[str, ...]:
    """Ask for all of it; what this machine does not grant, in words."""
    wanted = {
        "no real-time scheduling": go_ahead_of_others,
        "memory is not locked": stay_in_memory,
    }
    return tuple(words for words, is_granted in wanted.items() if not is_granted())


def go_ahead_of_others() -> bool:
    """Put the calling thread into SCHED_FIFO; False where this machine does not let us.

    What it starts later is ordinary again. The kernel keeps a twentieth of each second for the
    others (sched(7), sched_rt_runtime_us), so that not even an endless loop locks anybody out.
    """
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True


def stay_in_memory() -> bool:
    """Have no page of this process swapped out once it is there; False where we are not let.

    Pages come when they are first touched, as ever (MCL_ONFAULT, Linux 4.4): to have all of them
    at once would cost half as much again, for stacks and arenas that nobody uses. What it starts
    later is not locked.
    """
    flags = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT
    soft, hard = resource.getrlimit(MEMLOCK)
    if soft == resource.RLIM_INFINITY:
        return _mlockall(flags)
    # Under a limit every allocation beyond it would fail later. With none left, only whoever has
    # CAP_IPC_LOCK and so no limit at all gets what he asks for.
    resource.setrlimit(MEMLOCK, (0, hard))
    try:
        return _mlockall(flags)
    finally:
        resource.setrlimit(MEMLOCK, (soft, hard))


def _mlockall(flags: int) -> bool:
    return bool(ctypes.CDLL(None).mlockall(flags) == 0)
