"""Reads the key files a plan names, by keepalived's rules: what it takes means the same here."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace

from lvsha.core.authentication import MAX_KEY_BYTES, MIN_KEY_BYTES, HmacKey, HmacKeys
from lvsha.core.plan import VirtualRouter, VrrpPlan
from lvsha.errors import UsageError

_HEX = b"hex:"
_LONGEST_FILE = len(_HEX) + 2 * MAX_KEY_BYTES + 8
"""The longest key in hexadecimal digits, and room for ends of lines."""


@dataclass(frozen=True, slots=True)
class KeyFault:
    """Why a key of a virtual router can not be used; no word of it shows anything of the key.

    `is_unseen`: its file is not on this machine, or not for us to read, so it was not judged.
    """

    router: str
    key: HmacKey
    reason: str
    is_unseen: bool = False

    def __str__(self) -> str:
        what = f"key {self.key.identifier} of virtual router {self.router}"
        return f"{what}: {self.key.file}: {self.reason}"


class KeyFaultsError(UsageError):
    """Keys of a plan can not be used: all that was found."""

    def __init__(self, faults: tuple[KeyFault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def with_keys(plan: VrrpPlan) -> VrrpPlan:
    """The plan with every key it names. KeyFaultsError for those that can not be used."""
    faults: list[KeyFault] = []
    read = replace(plan, routers=tuple(_with_keys(vr, faults) for vr in plan.routers))
    if faults:
        raise KeyFaultsError(tuple(faults))
    return read


def _with_keys(vr: VirtualRouter, faults: list[KeyFault]) -> VirtualRouter:
    if not isinstance(vr.authentication, HmacKeys):
        return vr
    keys = tuple(_with_secret(vr, key, faults) for key in vr.authentication.keys)
    return replace(vr, authentication=replace(vr.authentication, keys=keys))


def _with_secret(vr: VirtualRouter, key: HmacKey, faults: list[KeyFault]) -> HmacKey:
    try:
        return replace(key, secret=_secret(_content(key.file)))
    except (FileNotFoundError, PermissionError) as error:
        faults.append(KeyFault(vr.name, key, _kernels_words(error), is_unseen=True))
    except OSError as error:
        faults.append(KeyFault(vr.name, key, _kernels_words(error)))
    except ValueError as error:
        faults.append(KeyFault(vr.name, key, str(error)))
    return key


def _kernels_words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _content(path: str) -> bytes:
    """ValueError where the file, as it is, keeps no secret."""
    # Whatever is no file must not hold us up before that is known.
    end = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(end, "rb") as file:
        found = os.fstat(end)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is no regular file")
        if found.st_uid not in (0, os.geteuid()):
            raise ValueError(f"belongs to user {found.st_uid}, not to root")
        if found.st_mode & 0o077:
            raise ValueError(f"others have access to it: mode {stat.S_IMODE(found.st_mode):04o}")
        content = file.read(_LONGEST_FILE + 1)
    if len(content) > _LONGEST_FILE:
        raise ValueError(f"is longer than {_LONGEST_FILE} bytes")
    return content


def _secret(content: bytes) -> bytes:
    text = content.rstrip(b"\r\n")
    secret = _digits(text.removeprefix(_HEX)) if text.startswith(_HEX) else text
    if b"\0" in text:
        raise ValueError("holds a zero byte; write such a key as hex:")
    if not MIN_KEY_BYTES <= len(secret) <= MAX_KEY_BYTES:
        limits = f"{MIN_KEY_BYTES} to {MAX_KEY_BYTES}"
        raise ValueError(f"a key of {len(secret)} bytes; it has {limits}")
    return secret


def _digits(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise ValueError("what follows hex: is not an even number of hexadecimal digits") from None
