"""ipvsadm's look-alike: `core.ipvsadm` with a kernel, streams and name services around it."""

from lvsha.cli.ipvsadm.program import ipvsadm, main, restore, save

__all__ = ["ipvsadm", "main", "restore", "save"]
