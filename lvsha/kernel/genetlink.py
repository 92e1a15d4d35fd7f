"""A conversation with one generic netlink family: requests, dumps and batches over one socket.

The socket belongs to the network namespace its thread was in when it was opened. Not for
several threads at once. No call hangs: the kernel answers inside the send, and a receive that
waits longer than RECEIVE_TIMEOUT is an error. A conversation that broke (lost or malformed
answers, an interrupted dump) starts over on a fresh socket, so that the next call is unharmed.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from lvsha.errors import KernelError
from lvsha.kernel import netlink
from lvsha.kernel.netlink import HEADER, HEADER_LENGTH, Message

RECEIVE_TIMEOUT = 10
"""Seconds."""
READ_SIZE = 256 * 1024
BATCH_SIZE = 60_000
"""Bytes of messages in one send; the kernel takes at most its send buffer (about 200 kB)."""

_RECEIVE_BUFFER = 4 * 1024 * 1024
_ANSWER_COST = 1536
"""Bytes of receive buffer one refusal may take: its packet with the kernel's bookkeeping."""
_DUMP_ATTEMPTS = 5

_NETLINK_GENERIC = 16
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_SO_RCVBUFFORCE = 33

_CONTROL_FAMILY = 0x10  # GENL_ID_CTRL
_CONTROL_GET_FAMILY = 3
_CONTROL_FAMILY_ID = 1
_CONTROL_FAMILY_NAME = 2


class Conversation:
    """A socket to generic netlink. What is said is a family's number and a body: genlmsghdr
    and attributes, packed by the caller."""

    def __init__(self) -> None:
        self._sequence = 0
        self._socket = _connect()
        self._most_answers = _most_answers(self._socket)
        self._buffer = memoryview(bytearray(READ_SIZE))

    def close(self) -> None:
        self._socket.close()

    def family(self, name: str) -> int:
        """The number of a family. KernelError(ENOENT) where the kernel has none of this name."""
        body = netlink.GENERIC.pack(_CONTROL_GET_FAMILY, 1, 0)
        body += netlink.attribute(_CONTROL_FAMILY_NAME, netlink.text(name))
        answer = netlink.attributes(self.ask(_CONTROL_FAMILY, body, f"family {name}"))
        try:
            number = netlink.u16(answer[_CONTROL_FAMILY_ID])
        except (KeyError, struct.error):
            raise netlink.malformed(f"family {name} without a number") from None
        return number

    def ask(self, family: int, body: bytes, what: str) -> bytes:
        """The attributes of the one answer to a request. KernelError(errno, what) if refused."""
        with self._starting_over_if_broken():
            sequence = self._send(family, netlink.REQUEST, body)
            answer = next(self._answers(sequence, sequence))
            refusal = netlink.outcome(answer) if answer.type == netlink.ERROR else (0, "")
        _raise_refusal(refusal, what)
        return answer.body[netlink.GENERIC.size :]

    def dump(self, family: int, body: bytes, what: str) -> list[bytes]:
        """The attributes of every entry of a dump, read to its end before it returns."""
        with self._starting_over_if_broken():
            for _ in range(_DUMP_ATTEMPTS):
                entries, refusal, interrupted = self._dump(family, body)
                if not interrupted:
                    break
            else:
                raise KernelError(errno.EINTR, what, "it kept changing while it was read")
        _raise_refusal(refusal, what)
        return entries

    def batch(self, family: int, bodies: Iterable[bytes]) -> list[tuple[int, int, str]]:
        """Send all as they come; (index, errno, the kernel's text) of each refused, in order.

        The kernel works through a send in order, and answers a refused message without being
        asked. A message that does nothing ends every send and asks for an acknowledgement:
        behind it there is nothing left to come.
        """
        refused: list[tuple[int, int, str]] = []
        done = 0
        with self._starting_over_if_broken():
            for some in self._sends(bodies):
                answers = self._batch(family, some)
                refused.extend((done + index, code, text) for index, code, text in answers)
                done += len(some)
        return refused

    @contextmanager
    def _starting_over_if_broken(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._start_over()
            raise KernelError(error.errno or errno.EIO, "netlink") from error
        except KernelError:
            self._start_over()
            raise

    def _start_over(self) -> None:
        self._socket.close()
        self._socket = _connect()

    def _dump(self, family: int, body: bytes) -> tuple[list[bytes], tuple[int, str], bool]:
        sequence = self._send(family, netlink.REQUEST | netlink.DUMP, body)
        entries: list[bytes] = []
        interrupted = 0
        while True:
            for kind, flags, number, answer in netlink.messages(self._receive()):
                if number != sequence:
                    continue
                interrupted |= flags & netlink.DUMP_INTERRUPTED
                if kind in (netlink.ERROR, netlink.DONE):
                    end = netlink.outcome(Message(kind, flags, number, answer))
                    return entries, end, bool(interrupted)
                entries.append(answer[netlink.GENERIC.size :])

    def _sends(self, bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
        """As much as fits one send, and no more messages than the receive buffer holds answers
        if all of them are refused."""
        some: list[bytes] = []
        size = 0
        for body in bodies:
            length = HEADER_LENGTH + len(body)
            if size + length > BATCH_SIZE or len(some) >= self._most_answers:
                yield some
                some, size = [], 0
            some.append(body)
            size += length
        if some:
            yield some

    def _batch(self, family: int, bodies: Sequence[bytes]) -> list[tuple[int, int, str]]:
        first = self._reserve(len(bodies) + 1)
        last = first + len(bodies)
        self._socket.send(framed(family, bodies, first))
        refused: list[tuple[int, int, str]] = []
        for answer in self._answers(first, last):
            if answer.sequence == last:
                break
            refused.append((answer.sequence - first, *netlink.outcome(answer)))
        return refused

    def _send(self, family: int, flags: int, body: bytes) -> int:
        sequence = self._reserve(1)
        length = HEADER_LENGTH + len(body)
        self._socket.send(HEADER.pack(length, family, flags, sequence, 0) + body)
        return sequence

    def _reserve(self, count: int) -> int:
        """The first of `count` sequence numbers in a row that fit 32 bits, never 0."""
        first = self._sequence + 1
        if first + count > 0xFFFFFFFF:
            first = 1
        self._sequence = first + count - 1
        return first

    def _answers(self, first: int, last: int) -> Iterator[Message]:
        """Messages numbered from first to last, without end; those of earlier talk are dropped."""
        while True:
            for message in netlink.messages(self._receive()):
                if first <= message.sequence <= last:
                    yield message

    def _receive(self) -> bytes:
        try:
            length = self._socket.recv_into(self._buffer, 0, socket.MSG_TRUNC)
        except BlockingIOError:
            words = f"no answer within {RECEIVE_TIMEOUT} s"
            raise KernelError(errno.ETIMEDOUT, "netlink", words) from None
        if length > READ_SIZE:
            raise KernelError(errno.EMSGSIZE, "netlink", f"answer of {length} bytes")
        return bytes(self._buffer[:length])


def framed(family: int, bodies: Sequence[bytes], first: int) -> bytes:
    """One send: requests numbered from `first`, and behind them one that does nothing and is
    acknowledged.

    Not the last request itself asks: one that ends with EINTR (a synchronisation thread stopped
    before it first ran) is never answered (netlink_rcv_skb in net/netlink/af_netlink.c).
    """
    parts: list[bytes] = []
    for number, body in enumerate(bodies, first):
        length = HEADER_LENGTH + len(body)
        parts += (HEADER.pack(length, family, netlink.REQUEST, number, 0), body)
    flags = netlink.REQUEST | netlink.ACK
    parts.append(HEADER.pack(HEADER_LENGTH, netlink.NOTHING, flags, first + len(bodies), 0))
    return b"".join(parts)


def _raise_refusal(refusal: tuple[int, str], what: str) -> None:
    code, text = refusal
    if code:
        raise KernelError(code, what, text)


def _connect() -> socket.socket:
    end = None
    try:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        end = socket.socket(socket.AF_NETLINK, kind, _NETLINK_GENERIC)
        end.bind((0, 0))
        timeout = struct.pack("@ll", RECEIVE_TIMEOUT, 0)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        end.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        end.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        _widen(end)
    except OSError as error:
        if end is not None:
            end.close()
        raise KernelError(error.errno or errno.EIO, "netlink socket") from error
    return end


def _widen(end: socket.socket) -> None:
    """Make room for answers: past the system's limit where we may, up to it otherwise."""
    try:
        end.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except PermissionError:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def _most_answers(end: socket.socket) -> int:
    room = end.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    return max(1, room // _ANSWER_COST)
