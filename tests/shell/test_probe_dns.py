"""The `dns` check against dnsmasq and against servers that answer wrongly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest
from dns import flags, message, rcode, rrset

from lvsha.core.health import Outcome
from lvsha.core.probes import DnsProbe
from tests.private_server import private_server, program
from tests.shell.targets import Handler, probe, serving
from tests.shell.test_probe_udp import serving_udp

PASS, FAIL = Outcome.PASS, Outcome.FAIL


@pytest.fixture(scope="module")
def dnsmasq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """dnsmasq that knows www.example.test and nothing else; its port."""
    options = (
        "--keep-in-foreground --no-daemon --no-resolv --no-hosts --conf-file=/dev/null"
        " --log-facility=- --listen-address=127.0.0.1 --bind-interfaces --port={port} --pid-file="
        " --host-record=www.example.test,192.0.2.7 --txt-record=text.example.test,two,words"
        " --mx-host=example.test,mail.example.test,10 --local=/test/"
    )
    with private_server(
        program("dnsmasq", "dnsmasq-base"), options, tmp_path_factory.mktemp("dnsmasq")
    ) as port:
        yield port


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "record", "answer", "outcome", "text"),
    [
        ("www.example.test", "A", (), PASS, "answered without error in "),
        ("www.example.test", "A", ("192.0.2.7",), PASS, "answered A 192.0.2.7 in "),
        ("WWW.example.test.", "A", ("192.0.2.9", "192.0.2.7"), PASS, "answered A 192.0.2.7 in "),
        ("www.example.test", "A", ("192.0.2.9",), FAIL, "answered A 192.0.2.7, wanted 192.0.2.9"),
        ("www.example.test", "AAAA", (), PASS, "answered without error in "),
        (
            "www.example.test",
            "AAAA",
            ("2001:db8::7", "2001:db8::8"),
            FAIL,
            "answered AAAA nothing, wanted 2001:db8::7 or 2001:db8::8",
        ),
        ("example.test", "MX", ("10 MAIL.example.test.",), PASS, "answered MX 10 mail.example"),
        ("text.example.test", "TXT", ('"two" "words"',), PASS, 'answered TXT "two" "words" in '),
        ("nobody.test", "A", (), FAIL, "answered NXDOMAIN"),
        (".", "SOA", (), FAIL, "answered REFUSED"),
    ],
)
async def test_dnsmasq_is_judged(
    dnsmasq: int,
    transport: str,
    name: str,
    record: str,
    answer: tuple[str, ...],
    outcome: Outcome,
    text: str,
) -> None:
    """The response code counts, and where an answer is wanted, the record data."""
    result = await probe(DnsProbe(name, record, answer, transport), dnsmasq)
    assert result.outcome is outcome
    assert result.message.startswith(text) if outcome is PASS else result.message == text


SPEC = DnsProbe("www.example.test", "A", ("192.0.2.7",))
Change = Callable[[message.Message], None]


def answering(change: Change | None = None) -> Callable[[bytes], bytes]:
    """A server that gives the right answer, but for a change to it."""

    def answer(data: bytes) -> bytes:
        response = message.make_response(message.from_wire(data))
        response.answer.append(rrset.from_text("www.example.test.", 60, "IN", "A", "192.0.2.7"))
        if change is not None:
            change(response)
        return response.to_wire()

    return answer


def _cut(response: message.Message) -> None:
    response.answer.clear()
    response.flags |= flags.TC


def _serve_failure(response: message.Message) -> None:
    response.set_rcode(rcode.SERVFAIL)


def _without_question(response: message.Message) -> None:
    response.set_rcode(rcode.FORMERR)
    response.question.clear()
    response.answer.clear()


@pytest.mark.parametrize(
    ("change", "outcome", "text"),
    [
        (None, PASS, "answered A 192.0.2.7 in "),
        (_cut, FAIL, "the answer did not fit and has no 192.0.2.7; over tcp it would"),
        (_serve_failure, FAIL, "answered SERVFAIL"),
        (_without_question, FAIL, "answered FORMERR"),
        (lambda response: response.answer.clear(), FAIL, "answered A nothing, wanted 192.0.2.7"),
    ],
)
async def test_what_a_server_says_is_taken_at_its_word(
    change: Change | None, outcome: Outcome, text: str
) -> None:
    async with serving_udp(answering(change)) as port:
        result = await probe(SPEC, port)
    assert result.outcome is outcome
    assert result.message.startswith(text)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda data: bytes([data[0] ^ 1]) + answering()(data)[1:],
        lambda data: data,
        lambda data: answering()(data).replace(b"example", b"wrongly"),
        lambda data: answering()(data)[:11],
        lambda data: b"",
    ],
    ids=["identifier", "echo", "question", "short", "empty"],
)
async def test_a_datagram_that_answers_another_query_is_not_ours(
    wrong: Callable[[bytes], bytes],
) -> None:
    """It may be forged (RFC 5452): the right one is waited for."""
    async with serving_udp(wrong) as port:
        result = await probe(SPEC, port, timeout=0.1)
    assert (result.outcome, result.message) == (
        FAIL,
        "timed out after 100 ms while waiting for the answer",
    )


async def test_the_right_answer_after_a_forged_one_counts() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()

        def serve() -> None:
            data, sender = server.recvfrom(4096)
            server.sendto(bytes(2) + answering()(data)[2:], sender)
            server.sendto(answering()(data), sender)

        loop.add_reader(server, serve)
        result = await probe(SPEC, server.getsockname()[1])
        loop.remove_reader(server)
    assert result.outcome is PASS


async def test_a_broken_answer_is_said_to_be_broken() -> None:
    async with serving_udp(lambda data: answering()(data)[:-3]) as port:
        result = await probe(SPEC, port)
    assert (result.outcome, result.message) == (FAIL, "broken DNS answer: FormError")


def _over_tcp(answer: Callable[[bytes], bytes]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        reply = answer(await reader.readexactly(size))
        for piece in (len(reply).to_bytes(2, "big") + reply[:5], reply[5:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        await reader.read()

    return handle


async def test_an_answer_over_tcp_may_come_in_pieces() -> None:
    async with serving(_over_tcp(answering())) as port:
        result = await probe(DnsProbe(SPEC.name, "A", SPEC.answer, "tcp"), port)
    assert result.outcome is PASS
