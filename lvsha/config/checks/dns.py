"""The `dns` check in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from lvsha.config.checks.check import CheckMistake, CommonCheck
from lvsha.config.wording import WrongValueError, show
from lvsha.core.probes import DnsProbe

_STRING = WithJsonSchema({"type": "string"})


def _domain(value: object) -> str:
    from dns import exception, name

    try:
        if isinstance(value, str) and value:
            name.from_text(value)
            return value
    except (exception.DNSException, UnicodeError):
        pass
    raise WrongValueError(f"{show(value)} is not a domain name")


def _record(value: object) -> str:
    from dns import exception, rdatatype

    try:
        if isinstance(value, str) and not rdatatype.is_metatype(rdatatype.from_text(value)):
            return value.upper()
    except (exception.DNSException, ValueError):
        pass
    raise WrongValueError(f"{show(value)} is not a record type", "write A, AAAA, SOA, …")


def _answers(value: object) -> tuple[str, ...]:
    answers = value if isinstance(value, list) else [value]
    for answer in answers:
        if not isinstance(answer, str) or not answer:
            quotes = "put it in quotes" if isinstance(answer, bool | int | float) else None
            raise WrongValueError(f"{show(answer)} is not record data", quotes)
    if not answers:
        raise WrongValueError("an empty list accepts no answer at all")
    return tuple(answers)


Domain: TypeAlias = Annotated[str, PlainValidator(_domain), _STRING]
Record: TypeAlias = Annotated[str, PlainValidator(_record), _STRING]
Answers: TypeAlias = Annotated[
    tuple[str, ...], PlainValidator(_answers, json_schema_input_type=str | list[str])
]


class DnsCheck(CommonCheck):
    """The target answers a query without error, and with a wanted answer where one is given."""

    type: Literal["dns"] = "dns"
    name: Domain = "."
    """The name asked for, always a whole one."""
    record: Record = "SOA"
    """The record type asked for."""
    answer: Answers = ()
    """Record data as in a zone file, or a list of which one must be among the answers."""
    transport: Literal["udp", "tcp"] = "udp"
    """How to ask."""

    def mistakes(self) -> Iterator[CheckMistake]:
        from dns import exception, rdata, rdataclass, rdatatype

        kind = rdatatype.from_text(self.record)
        for answer in self.answer:
            try:
                rdata.from_text(rdataclass.IN, kind, answer)
            except (exception.DNSException, ValueError):
                yield CheckMistake("answer", f"{show(answer)} is not data of record {self.record}")

    def probe(self) -> DnsProbe:
        return DnsProbe(self.name, self.record, self.answer, self.transport)
