"""Specifications of checks survive the trip between two processes."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from lvsha.core.codec import decode, encode
from lvsha.core.plan import Check
from lvsha.core.probes import (
    GrpcProbe,
    HttpProbe,
    JsonWanted,
    Probe,
    TcpProbe,
    TlsOptions,
    TlsProbe,
)

TLS = TlsOptions("/c/ca", False, "a.example", "/c/own", "/c/key", 14)


@pytest.mark.parametrize(
    "probe",
    [
        TcpProbe(b"\0\xff", None, "a+"),
        TcpProbe(expect=b"\xff"),
        HttpProbe(json=JsonWanted("$.a", "true"), headers=(("a", "b"),), tls=TLS, http2=True),
        TlsProbe(TLS),
        GrpcProbe("shop.Cart"),
        GrpcProbe(tls=TLS),
    ],
    ids=str,
)
def test_a_check_comes_back_equal(probe: Probe) -> None:
    check = Check(probe, ip_address("2001:db8::1"), 443)
    assert decode(Check, json.loads(json.dumps(encode(check)))) == check


def test_a_check_is_named_by_its_type() -> None:
    """As `lvsha check` shows it."""
    probes = [TcpProbe(), HttpProbe(), HttpProbe("/x", tls=TLS), TlsProbe(TLS), GrpcProbe()]
    names = ["tcp", "http GET /", "https GET /x", "tls", "grpc"]
    assert [str(probe) for probe in probes] == names
    assert str(GrpcProbe("shop.Cart")) == "grpc shop.Cart"
