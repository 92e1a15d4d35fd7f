"""What the kernel's errno means for each command, in ipvsadm's words."""

from __future__ import annotations

import errno

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    SetDestination,
    SetService,
    StartDaemon,
    StopDaemon,
    Zero,
)

NO_SERVICE = "No such service"
_NO_SCHEDULER = "Scheduler or persistence engine not found"
_NOT_DEFINED = "Service not defined"
_NO_DESTINATION = "No such destination"

_BY_COMMAND: dict[tuple[type[Command], int], str] = {
    (AddService, errno.EEXIST): "Service already exists",
    (AddService, errno.ENOENT): _NO_SCHEDULER,
    (SetService, errno.ESRCH): NO_SERVICE,
    (SetService, errno.ENOENT): _NO_SCHEDULER,
    (DeleteService, errno.ESRCH): NO_SERVICE,
    (Zero, errno.ESRCH): NO_SERVICE,
    (AddDestination, errno.ESRCH): _NOT_DEFINED,
    (AddDestination, errno.EEXIST): "Destination already exists",
    (SetDestination, errno.ESRCH): _NOT_DEFINED,
    (SetDestination, errno.ENOENT): _NO_DESTINATION,
    (DeleteDestination, errno.ESRCH): _NOT_DEFINED,
    (DeleteDestination, errno.ENOENT): _NO_DESTINATION,
    (StartDaemon, errno.EEXIST): "Daemon has already run",
    (StopDaemon, errno.ESRCH): "No daemon is running",
}
_BY_ERRNO = {
    errno.EPERM: "Permission denied (you must be root)",
    errno.EINVAL: ("Invalid operation.  Possibly wrong module version, address not unicast, ..."),
    errno.ENOPROTOOPT: "Protocol not available",
    errno.ENOMEM: "Memory allocation problem",
    errno.EOPNOTSUPP: "Operation not supported with IPv6",
    errno.EAFNOSUPPORT: "Operation not supported with specified address family",
    errno.EMSGSIZE: "Module is wrong version",
}


def refusal_text(command: Command, code: int) -> str | None:
    """ipvsadm's sentence; None where it leaves the errno to the C library."""
    return _BY_COMMAND.get((type(command), code)) or _BY_ERRNO.get(code)


def listing_refusal_text(code: int) -> str | None:
    """The same for what was only asked, not changed."""
    return NO_SERVICE if code == errno.ESRCH else _BY_ERRNO.get(code)
