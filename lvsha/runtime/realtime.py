"""The real-time scheduling class, for a process that must not wait its turn."""

from __future__ import annotations

import os

PRIORITY = 1
"""The lowest of the class: ahead of every ordinary process, behind everybody who asked for more."""


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
