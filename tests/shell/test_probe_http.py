"""The `http` check against servers that behave, misbehave and attack."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from lvsha import __version__
from lvsha.core.health import Outcome
from lvsha.core.probes import HttpProbe
from lvsha.probes.engine import duration
from lvsha.probes.request import first_request
from tests.shell.targets import Handler, answering, probe, resetting, serving, silent, unused_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = HttpProbe(contains="hello")


def request_lines(spec: HttpProbe, address: str = "192.0.2.1", port: int = 80) -> list[str]:
    message = first_request(spec, ip_address(address), port).encoded()
    return message.decode().split("\r\n")


async def failure(handler: Handler, spec: HttpProbe, timeout: float = 2.0) -> str:
    """The message of a probe that must fail."""
    async with serving(handler) as port:
        result = await probe(spec, port, timeout)
    assert result.outcome is Outcome.FAIL
    return result.message


async def test_a_status_that_is_not_wanted_is_the_targets_own_word() -> None:
    """Silence, or a connection that closes, may be the doing of a checker that was late."""
    for answer, refused in ((b"HTTP/1.1 500 No\r\n\r\n", True), (b"", False)):
        async with serving(answering(answer)) as port:
            result = await probe(HttpProbe(), port)
        assert (result.outcome, result.refused) == (Outcome.FAIL, refused)


async def passes(handler: Handler, spec: HttpProbe) -> bool:
    async with serving(handler) as port:
        result = await probe(spec, port)
    assert result.outcome is Outcome.PASS, result
    return result.message.startswith("HTTP ")


async def test_a_good_answer_passes_and_says_how_long_it_took() -> None:
    """`HTTP 200 in 1.2 ms`."""
    async with serving(answering(OK)) as port:
        result = await probe(HttpProbe(), port)
    assert (result.outcome, result.message) == (
        Outcome.PASS,
        f"HTTP 200 in {duration(result.elapsed)}",
    )


@pytest.mark.parametrize(
    ("spec", "pieces"),
    [
        pytest.param(HELLO, [OK], id="text in a body of known length"),
        pytest.param(
            HELLO, [CHUNKED, b"3\r\nhel\r\n", b"2\r\nlo\r\n0\r\n\r\n"], id="across chunks"
        ),
        pytest.param(
            HELLO, [b"HTTP/1.0 200 OK\r\n\r\n", b"he", b"llo"], id="until HTTP/1.0 closes"
        ),
        pytest.param(HELLO, [b"HTTP/1.1 200 OK\nA: b\n\nhello"], id="bare line feeds"),
        pytest.param(
            HttpProbe(),
            [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 100 Go\r\n\r\n" + OK],
            id="1xx",
        ),
        pytest.param(HELLO, [b"HTTP/1.1 100 Continue\r\n\r\n", OK], id="1xx, then the text"),
        pytest.param(HttpProbe(method="HEAD"), [OK[:-5]], id="HEAD has no body to wait for"),
        pytest.param(
            HttpProbe(status=((200, 200), (301, 302))),
            [b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"],
            id="a status of the second range",
        ),
        pytest.param(
            HttpProbe(status=((101, 101),)),
            [b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nrest"],
            id="101 is a final answer",
        ),
        pytest.param(HttpProbe(), [OK + b"\0garbage"], id="garbage after the verdict"),
        pytest.param(HttpProbe(contains=""), [OK], id="the empty text is in any body"),
    ],
)
async def test_it_passes_on(spec: HttpProbe, pieces: list[bytes]) -> None:
    """Every legal shape of an answer is understood, however it arrives."""
    assert await passes(answering(*pieces, pause=0.005), spec)


@pytest.mark.parametrize(
    ("spec", "pieces", "message"),
    [
        (HttpProbe(), [b"HTTP/1.1 503 No\r\n\r\n"], "HTTP 503, wanted 200-299"),
        (
            HttpProbe(status=((200, 200), (301, 302))),
            [b"HTTP/1.1 404 Not Found\r\n\r\n"],
            "HTTP 404, wanted 200, 301-302",
        ),
        (HttpProbe(contains="bye"), [OK], 'HTTP 200, but "bye" is not in the body of 5 bytes'),
        (
            HttpProbe(contains="bye"),
            [b"HTTP/1.1 204 No Content\r\n\r\n"],
            'HTTP 204, but "bye" is not in the body of 0 bytes',
        ),
        (
            HttpProbe(contains="bye"),
            [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"],
            'HTTP 200, but "bye" is not in the body of 5 bytes',
        ),
        (HttpProbe(), [], "connection closed without an answer"),
        (
            HttpProbe(),
            [b"HTTP/1.1 200 OK\r\nA: b\r\n"],
            "connection closed within the HTTP headers",
        ),
        (
            HttpProbe(),
            [b"SSH-2.0-OpenSSH_9.2\r\n"],
            r'not an HTTP answer: "SSH-2.0-OpenSSH_9.2\r\n"',
        ),
        (
            HttpProbe(),
            [b"\x15\x03\x01\0\x02\x02\xff"],
            r'not an HTTP answer: "\x15\x03\x01\x00\x02\x02\xff"',
        ),
        (HttpProbe(), [b"?" * 1000], f'not an HTTP answer: "{"?" * 40}…"'),
        (HttpProbe(), [b"HTTP/1.1 2x0 OK\r\n\r\n"], "broken HTTP answer: invalid status code"),
        (
            HttpProbe(),
            [b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"],
            "broken HTTP answer: invalid character in Content-Length",
        ),
    ],
)
async def test_it_fails_on(spec: HttpProbe, pieces: list[bytes], message: str) -> None:
    """Each wrong answer has a reason a person understands."""
    assert await failure(answering(*pieces), spec) == message


async def test_a_refused_connection_fails() -> None:
    """Nobody listens."""
    result = await probe(HttpProbe(), unused_port())
    assert (result.outcome, result.message) == (Outcome.FAIL, "connection refused")


async def test_a_server_that_says_nothing_times_out() -> None:
    """The whole probe has one deadline."""
    message = await failure(silent, HttpProbe(), timeout=0.1)
    assert message == "timed out after 100 ms while waiting for the answer"


async def test_a_server_that_resets_fails() -> None:
    """RST after the request."""
    message = await failure(resetting, HttpProbe())
    assert message == "connection reset while waiting for the answer"


async def test_a_drip_does_not_extend_the_deadline() -> None:
    """Bytes keep coming, the deadline stays."""
    drip = answering(*[OK[n : n + 1] for n in range(len(OK))], pause=0.04)
    message = await failure(drip, HttpProbe(), timeout=0.15)
    assert message == "timed out after 150 ms while reading the answer"


async def test_endless_headers_are_cut_off() -> None:
    """64 KiB of them are enough."""
    endless = answering(b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"y" * 1000 + b"\r\n"] * 200)
    assert await failure(endless, HttpProbe()) == "HTTP headers longer than 64 KiB"


async def test_endless_interim_answers_are_cut_off() -> None:
    """Each is legal; together they are bounded like headers."""
    endless = answering(*[b"HTTP/1.1 102 Processing\r\n\r\n" * 1000] * 10)
    assert await failure(endless, HttpProbe()) == "HTTP headers longer than 64 KiB"


def gigabyte(sent: list[int]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        for _ in range(16384):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent.append(65536)

    return handle


async def test_a_huge_body_is_not_read_when_nobody_wants_it() -> None:
    """The status decides; what the sockets buffer is all that was sent."""
    sent: list[int] = []
    assert await passes(gigabyte(sent), HttpProbe())
    assert sum(sent) < 32 * 1024 * 1024


async def test_a_huge_body_is_searched_to_a_limit() -> None:
    """1 MiB, then the verdict."""
    sent: list[int] = []
    message = await failure(gigabyte(sent), HELLO)
    assert message == 'HTTP 200, but "hello" is not in the first 1024 KiB of the body'
    assert sum(sent) < 32 * 1024 * 1024


def test_the_request_names_the_target() -> None:
    """Host is the address, with the port unless it is 80."""
    assert request_lines(HttpProbe()) == [
        "GET / HTTP/1.1",
        "Host: 192.0.2.1",
        f"User-Agent: lvsha/{__version__}",
        "Connection: close",
        "",
        "",
    ]
    assert request_lines(HttpProbe(), port=8080)[1] == "Host: 192.0.2.1:8080"
    assert request_lines(HttpProbe(), "2001:db8::1")[1] == "Host: [2001:db8::1]"
    assert request_lines(HttpProbe(), "2001:db8::1", 8080)[1] == "Host: [2001:db8::1]:8080"


def test_the_request_is_the_operator_s() -> None:
    """Path, method, host and headers as written; theirs replace ours, whatever the case."""
    spec = HttpProbe(
        path="/healthz?deep=1",
        host="www.example.org",
        method="POST",
        headers=(("user-agent", "probe"), ("X-Token", "ä")),
    )
    assert request_lines(spec) == [
        "POST /healthz?deep=1 HTTP/1.1",
        "Host: www.example.org",
        "Connection: close",
        "Content-Length: 0",
        "user-agent: probe",
        "X-Token: ä",
        "",
        "",
    ]


async def test_the_server_receives_the_request() -> None:
    """What is sent is what the request is, no more."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async with serving(listen) as port:
        await probe(HttpProbe(path="/x"), port)
        asked = first_request(HttpProbe(path="/x"), ip_address("127.0.0.1"), port)
    assert heard == [asked.encoded()]
