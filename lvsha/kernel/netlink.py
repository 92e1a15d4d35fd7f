"""Netlink messages as bytes: headers, attributes, the kernel's error answers.

Laws of this file: no socket. Numbers are in the machine's byte order, messages and attributes
padded to four bytes. Whatever arrives, reading it raises nothing but KernelError(EBADMSG).
Source: include/uapi/linux/netlink.h and genetlink.h; extended acknowledgements as in
Documentation/userspace-api/netlink/intro.rst.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterator
from functools import wraps
from typing import NamedTuple, ParamSpec, TypeVar

from lvsha.errors import KernelError

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
GENERIC = struct.Struct("=BBH")  # genlmsghdr: command, version, reserved
HEADER_LENGTH = HEADER.size

U8 = struct.Struct("=B")
U16 = struct.Struct("=H")
U32 = struct.Struct("=I")
BE16 = struct.Struct(">H")
BE32 = struct.Struct(">I")

NOTHING = 1  # NLMSG_NOOP
ERROR = 2  # NLMSG_ERROR; errno 0 is an acknowledgement
DONE = 3  # NLMSG_DONE

REQUEST = 0x001  # NLM_F_REQUEST
ACK = 0x004  # NLM_F_ACK
DUMP = 0x300  # NLM_F_ROOT | NLM_F_MATCH
DUMP_INTERRUPTED = 0x010  # NLM_F_DUMP_INTR
CAPPED = 0x100  # NLM_F_CAPPED: the error does not repeat the request's payload
ACK_TLVS = 0x200  # NLM_F_ACK_TLVS: attributes follow the error

_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_ATTRIBUTE_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_CODE = struct.Struct("=i")  # of an ERROR or DONE: -errno
_ERROR = struct.Struct("=iIHHII")  # nlmsgerr: -errno, the header of the request
_ERROR_TEXT = 1  # NLMSGERR_ATTR_MSG


Fields = dict[int, bytes]
"""Payloads of attributes by their type."""

Told = ParamSpec("Told")
Value = TypeVar("Value")


class Message(NamedTuple):
    """One received message; `body` is what follows its nlmsghdr."""

    type: int
    flags: int
    sequence: int
    body: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute with its padding."""
    padding = b"\0" * (-len(payload) % 4)
    return _ATTRIBUTE.pack(4 + len(payload), kind) + payload + padding


def header(kind: int, length: int) -> bytes:
    """Only an attribute's header, for a payload of this length packed elsewhere."""
    return _ATTRIBUTE.pack(4 + length, kind)


def text(value: str) -> bytes:
    """A string as attributes carry it: NUL at its end."""
    return value.encode("utf-8", "surrogateescape") + b"\0"


def read_text(payload: bytes) -> str:
    """The string of an attribute, up to its NUL."""
    return payload.split(b"\0", 1)[0].decode(errors="replace")


def _reader(field: struct.Struct) -> Callable[[bytes], int]:
    """Reads a payload that is one number of exactly this size; struct.error otherwise."""

    def read(payload: bytes) -> int:
        number: int = field.unpack(payload)[0]
        return number

    return read


u8 = _reader(U8)
u16 = _reader(U16)
u32 = _reader(U32)
be16 = _reader(BE16)
be32 = _reader(BE32)


def attributes(data: bytes) -> Fields:
    """Payloads by attribute type; the last of a repeated one counts, as in the kernel."""
    found: Fields = {}
    offset, end = 0, len(data)
    unpack = _ATTRIBUTE.unpack_from
    while end - offset >= 4:
        length, kind = unpack(data, offset)
        if length < 4 or offset + length > end:
            raise malformed(f"attribute of {length} bytes in {end - offset}")
        found[kind & _ATTRIBUTE_TYPE] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one read."""
    offset, end = 0, len(data)
    while offset < end:
        if end - offset < HEADER_LENGTH:
            raise malformed(f"message header of {end - offset} bytes")
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        if length < HEADER_LENGTH or offset + length > end:
            raise malformed(f"message of {length} bytes in {end - offset}")
        yield Message(kind, flags, sequence, data[offset + HEADER_LENGTH : offset + length])
        offset += (length + 3) & ~3


def outcome(message: Message) -> tuple[int, str]:
    """Errno (0: done as asked) and the kernel's own sentence, if any, of an ERROR or DONE."""
    body = message.body
    if message.type == DONE:
        return (-_CODE.unpack_from(body)[0], "") if len(body) >= _CODE.size else (0, "")
    if len(body) < _ERROR.size:
        raise malformed(f"error of {len(body)} bytes")
    code, request_length, *_ = _ERROR.unpack_from(body)
    if not message.flags & ACK_TLVS:
        return -code, ""
    repeated = code != 0 and not message.flags & CAPPED
    after = _CODE.size + ((request_length + 3) & ~3) if repeated else _ERROR.size
    return -code, read_text(attributes(body[after:]).get(_ERROR_TEXT, b""))


def malformed(what: str) -> KernelError:
    """The error for an answer that breaks netlink's rules."""
    return KernelError(errno.EBADMSG, "netlink", f"malformed answer: {what}")


def reading(read: Callable[Told, Value]) -> Callable[Told, Value]:
    """For a reader of attributes: whatever is wrong with them is one KernelError(EBADMSG)."""

    @wraps(read)
    def guarded(*args: Told.args, **kwargs: Told.kwargs) -> Value:
        try:
            return read(*args, **kwargs)
        except KeyError as error:
            raise malformed(f"{read.__name__} without attribute {error}") from error
        except (struct.error, ValueError) as error:
            raise malformed(f"{read.__name__}: {error}") from error

    return guarded
