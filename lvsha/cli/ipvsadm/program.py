"""The programs: `lvsha ipvsadm`, lvsha-ipvsadm, lvsha-ipvsadm-save, lvsha-ipvsadm-restore.

A command line must answer at once: nothing is imported here but what every run needs.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import socket
import sys
from collections.abc import Sequence

from lvsha.cli.ipvsadm.names import SystemNames
from lvsha.cli.ipvsadm.ownership import Ownership
from lvsha.cli.ipvsadm.session import Session
from lvsha.cli.ipvsadm.streams import Streams
from lvsha.core.ipvsadm.refusals import listing_refusal_text
from lvsha.errors import HostError, KernelError
from lvsha.kernel.ipvs import KernelIpvs

MODPROBE = "/sbin/modprobe"
SAVE_HELP = """\
ipvsadm-save: Script to save the IPVS table to stdout.
   With the -n option, prints out the table in numeric format."""


def main(words: Sequence[str]) -> int:
    """`ipvsadm` with these arguments: everything is said, the exit code returned."""
    _live_as_a_program()
    return _session(Streams.of_process()).run(words)


def ipvsadm() -> None:
    """The program lvsha-ipvsadm."""
    sys.exit(main(sys.argv[1:]))


def save() -> None:
    """The program lvsha-ipvsadm-save [-n] [--full]."""
    given = sys.argv[1:]
    if any(word.startswith("-") and word not in ("-n", "--full") for word in given):
        Streams.of_process().complain(SAVE_HELP)
        sys.exit(1)
    sys.exit(main(["-S", *(word for word in ("-n", "--full") if word in given)]))


def restore() -> None:
    """The program lvsha-ipvsadm-restore [--atomic]: the lines replace the whole table.

    All are read before the table is cleared, for they may come from the table itself.
    """
    _live_as_a_program()
    lines = "".join(Streams.of_process().pieces()).split("\n")
    rules = "\n".join(line for line in lines if not line.startswith("#"))
    session = _session(Streams.of_process(io.BytesIO(os.fsencode(rules)).read))
    if "--atomic" in sys.argv[1:]:
        sys.exit(session.replace_atomically())
    session.run(["-C"])
    sys.exit(session.run(["-R"]))


def open_ipvs() -> KernelIpvs:
    """IPVS, loaded if need be. HostError with ipvsadm's words where it is not to be had."""
    try:
        return _open()
    except (HostError, KernelError):
        status = os.spawnv(os.P_WAIT, MODPROBE, [MODPROBE, "--", "ip_vs"])  # noqa: S606
    try:
        if status == 0:
            return _open()
        reason = _why_not()
    except HostError:
        reason = _why_not()
    except KernelError as error:
        reason = listing_refusal_text(error.errno) or os.strerror(error.errno)
    raise HostError(
        f"Can't initialize ipvs: {reason}\n"
        "Are you sure that IP Virtual Server is built in the kernel or as module?"
    )


def _open() -> KernelIpvs:
    ipvs = KernelIpvs.open()
    try:
        ipvs.info()  # what only root may ask, whatever else comes
    except KernelError:
        ipvs.close()
        raise
    return ipvs


def _why_not() -> str:
    """A kernel without IPVS tells nobody but root that it has none."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).close()
    except PermissionError:
        return "Permission denied (you must be root)"
    return "Protocol not available"


def _session(streams: Streams) -> Session:
    return Session(open_ipvs, SystemNames(), streams, Ownership())


def _live_as_a_program() -> None:
    """A closed pipe or Ctrl-C ends a command line quietly, as it ends any C program; and it ends
    before looking for garbage would pay."""
    gc.disable()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
