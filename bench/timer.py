"""`python -m bench.timer INTERVAL SECONDS POLICY PRIORITY`: a bare loop that sleeps to absolute
deadlines, in the scheduling class asked for; prints by how much it woke late, each time."""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    interval, seconds = float(sys.argv[1]), float(sys.argv[2])
    os.sched_setscheduler(0, int(sys.argv[3]), os.sched_param(int(sys.argv[4])))
    late = []
    start = due = time.monotonic()
    while due < start + seconds:
        due += interval
        time.sleep(max(0.0, due - time.monotonic()))
        late.append(time.monotonic() - due)
    print(json.dumps(late))


if __name__ == "__main__":
    main()
