"""The `grpc` check: grpcio's own health service, and servers that speak something else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from h2.connection import H2Connection

from lvsha.core.health import Outcome, ProbeResult
from lvsha.core.probes import GrpcProbe, TlsOptions
from tests.shell.certificates import NAME, certificates
from tests.shell.hostile import closing, resetting, saying
from tests.shell.targets import Handler, probe, serving, silent
from tests.shell.test_probe_http2 import speaking


@contextmanager
def grpc_server(healthy: bool = True, tls: bool = False) -> Iterator[int]:
    """A server with the health service, or with no service at all."""
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    if healthy:
        health = HealthServicer()
        health.set("", HealthCheckResponse.SERVING)
        health.set("shop.Cart", HealthCheckResponse.SERVING)
        health.set("shop.Pay", HealthCheckResponse.NOT_SERVING)
        health.set("shop.New", HealthCheckResponse.UNKNOWN)
        add_HealthServicer_to_server(health, server)
    if tls:
        pem = Path(certificates().server).read_bytes()
        credentials = grpc.ssl_server_credentials([(pem, pem)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


async def ask(spec: GrpcProbe, **kind: bool) -> ProbeResult:
    with grpc_server(**kind) as port:
        return await probe(spec, port)


@pytest.mark.parametrize("service", ["", "shop.Cart"])
async def test_a_service_that_serves_passes(service: str) -> None:
    result = await ask(GrpcProbe(service))
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("SERVING in ")


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("shop.Pay", 'service "shop.Pay" is NOT_SERVING'),
        ("shop.New", 'service "shop.New" is UNKNOWN'),
        ("shop.Nix", 'service "shop.Nix" is unknown to the server'),
        ("x" * 200, f'service "{"x" * 200}" is unknown to the server'),
    ],
)
async def test_a_service_that_does_not_serve_fails(service: str, message: str) -> None:
    result = await ask(GrpcProbe(service))
    assert (result.outcome, result.message) == (Outcome.FAIL, message)


async def test_a_server_without_the_health_service_is_named_so() -> None:
    result = await ask(GrpcProbe(), healthy=False)
    expected = (Outcome.FAIL, "the server has no grpc.health.v1.Health")
    assert (result.outcome, result.message) == expected


async def test_it_is_asked_in_tls_too() -> None:
    """And a wrong certificate counts."""
    options = TlsOptions(ca=certificates().ca, sni=NAME)
    assert (await ask(GrpcProbe(tls=options), tls=True)).outcome is Outcome.PASS
    foreign = TlsOptions(ca=certificates().foreign_ca, sni=NAME)
    result = await ask(GrpcProbe(tls=foreign), tls=True)
    assert result.message == "the certificate is signed by an unknown authority"


def answer(body: bytes = b"", *trailers: tuple[str, str], status: str = "200") -> Handler:
    """An HTTP/2 answer of this body and these trailers."""

    def send(http2: H2Connection, stream: int) -> None:
        http2.send_headers(stream, [(":status", status)])
        http2.send_data(stream, body, end_stream=not trailers)
        if trailers:
            http2.send_headers(stream, trailers, end_stream=True)

    return speaking(send)


OK = ("grpc-status", "0")


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (silent, "timed out after 100 ms while waiting for the answer"),
        (resetting, "connection reset while waiting for the answer"),
        (closing, "connection closed without an HTTP/2 answer"),
        (saying(b"HTTP/1.1 400 No\r\n\r\n"), "the target answers in HTTP/1, not HTTP/2"),
        (answer(status="404"), "HTTP 404, not a gRPC answer"),
        (answer(b"hello"), "an HTTP/2 answer without a gRPC status"),
        (answer(b"hello", OK), "broken gRPC answer: not one plain message"),
        (answer(b"\0\0\0\0\2\x0f\1", OK), "broken gRPC answer: not a HealthCheckResponse"),
        (answer(b"\0\0\0\0\2\x08\7", OK), "the server is in state 7"),
        (answer(b"\0\0\0\0\0", OK), "the server is UNKNOWN"),
        (answer(b"\0" * 5000, OK), "a gRPC answer longer than 4096 bytes"),
        (
            answer(b"", ("grpc-status", "14"), ("grpc-message", "going%20down%0A%1b[31m")),
            "gRPC status UNAVAILABLE: going down??[31m",
        ),
        (answer(b"", ("grpc-status", "99")), "gRPC status 99"),
        (answer(b"", ("grpc-status", "nix")), "gRPC status nix"),
    ],
)
async def test_it_fails_on(handler: Handler, message: str) -> None:
    """Each wrong answer has a reason a person understands."""
    async with serving(handler) as port:
        result = await probe(GrpcProbe(), port, timeout=0.1 if "timed out" in message else 2.0)
    assert (result.outcome, result.message) == (Outcome.FAIL, message)
