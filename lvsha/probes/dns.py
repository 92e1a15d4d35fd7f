"""The `dns` check: one query (RFC 1035 §4) over UDP or TCP.

Without wanted answers a response without error passes, whatever it says: only its header and
question are read. Wanted answers are compared as record data, by dnspython.
"""

from __future__ import annotations

import os
import struct

from dns import exception, message, rcode, rdata, rdataclass, rdatatype

from lvsha.core.plan import Check
from lvsha.core.probes import DnsProbe
from lvsha.errors import ProbeError
from lvsha.probes.connection import Target, connect, target
from lvsha.probes.datagram import open_datagrams
from lvsha.probes.engine import Attempt
from lvsha.probes.reader import Reader

_HEADER = struct.Struct("!HHHHHH")
_LENGTH = struct.Struct("!H")
_RESPONSE = 0x8000
_TRUNCATED = 0x0200
_DOING = "waiting for the answer"


def dns(check: Check) -> Attempt:
    """An attempt asks once, under a random identifier."""
    spec = check.probe
    assert isinstance(spec, DnsProbe)
    where = target(check)
    question = message.make_query(spec.name, spec.record).to_wire()[2:]
    answers = Answers(spec) if spec.answer else None
    ask = _over_tcp if spec.transport == "tcp" else _over_udp

    async def attempt() -> str:
        query = os.urandom(2) + question
        response = await ask(where, query)
        _judge_header(response)
        return answers.judge(response) if answers else "answered without error"

    return attempt


async def _over_udp(where: Target, query: bytes) -> bytes:
    """The first datagram that answers the query; others are not for us (RFC 5452 §9.1)."""
    datagrams = open_datagrams(where)
    try:
        datagrams.send(query)
        while True:
            response = await datagrams.receive(_DOING)
            if _answers(response, query):
                return response
    finally:
        datagrams.close()


async def _over_tcp(where: Target, query: bytes) -> bytes:
    """The response, with its length before it (RFC 7766 §8)."""
    connection = await connect(where)
    try:
        await connection.send(_LENGTH.pack(len(query)) + query)
        reader = Reader(connection)
        (length,) = _LENGTH.unpack(await reader.exactly(_LENGTH.size, _DOING))
        response = await reader.exactly(length, "reading the answer")
    finally:
        connection.close()
    if not _answers(response, query):
        raise ProbeError("what came back does not answer the query")
    return response


def _answers(response: bytes, query: bytes) -> bool:
    """Same identifier and question; a server that refuses may leave the question out."""
    if len(response) < _HEADER.size or response[:2] != query[:2]:
        return False
    _, flags, questions, *_ = _HEADER.unpack_from(response)
    if not flags & _RESPONSE:
        return False
    asked = query[_HEADER.size :]
    told = response[_HEADER.size : _HEADER.size + len(asked)]
    same = told[-4:] == asked[-4:] and told.lower() == asked.lower()
    return same if questions else bool(flags & 0x0F)


def _judge_header(response: bytes) -> None:
    """ProbeError unless there was no error."""
    code = _HEADER.unpack_from(response)[1] & 0x0F
    if code:
        raise ProbeError(f"answered {rcode.to_text(rcode.Rcode(code))}")


class Answers:
    """The record data of which one must be among a response's."""

    def __init__(self, spec: DnsProbe) -> None:
        self._spec = spec
        self._record = rdatatype.from_text(spec.record)
        self._wanted = {
            rdata.from_text(rdataclass.IN, self._record, answer) for answer in spec.answer
        }

    def judge(self, response: bytes) -> str:
        """What was found of it. ProbeError when nothing was."""
        try:
            parsed = message.from_wire(response)
        except exception.DNSException as error:
            raise ProbeError(f"broken DNS answer: {type(error).__name__}") from None
        found = [
            item for records in parsed.answer if records.rdtype == self._record for item in records
        ]
        for item in found:
            if item in self._wanted:
                return f"answered {self._spec.record} {item}"
        raise ProbeError(self._missing(found, response))

    def _missing(self, found: list[rdata.Rdata], response: bytes) -> str:
        wanted = " or ".join(self._spec.answer)
        if _HEADER.unpack_from(response)[1] & _TRUNCATED:
            return f"the answer did not fit and has no {wanted}; over tcp it would"
        said = ", ".join(map(str, found[:3])) + (", …" if len(found) > 3 else "")
        return f"answered {self._spec.record} {said or 'nothing'}, wanted {wanted}"
