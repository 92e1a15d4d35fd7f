"""`http` and `https` checks of a real nginx: HTTP/1.1 and HTTP/2, in plain text and in TLS."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.core.health import Outcome, ProbeResult
from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe, JsonWanted, TlsOptions, TlsProbe
from lvsha.probes import Prober, secure
from tests.shell.certificates import NAME, certificates
from tests.shell.nginx import Nginx, nginx
from tests.shell.targets import probe

BODY = b"hello world\n"
MD5 = hashlib.md5(BODY).hexdigest()
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx")) as ports:
        yield ports


def in_tls(**more: object) -> TlsOptions:
    return TlsOptions(**{"ca": certificates().ca, **more})  # type: ignore[arg-type]


def over(kind: str, spec: HttpProbe, site: Nginx) -> tuple[HttpProbe, int]:
    """The probe as this version of HTTP, and the port where that is spoken."""
    spec = replace(spec, host=NAME, http2="2" in kind)
    if kind.endswith("s"):
        return replace(spec, tls=in_tls()), site.https
    return spec, site.h2c if spec.http2 else site.http


VERSIONS = pytest.mark.parametrize("kind", ["http1", "http2", "http1s", "http2s"])


@VERSIONS
@pytest.mark.parametrize(
    "spec",
    [
        HttpProbe("/ok"),
        HttpProbe("/ok", method="HEAD"),
        HttpProbe("/ok", contains="hello world"),
        HttpProbe("/ok", regex="^hel+o [a-z]+"),
        HttpProbe("/ok", digest=MD5),
        HttpProbe("/ok", digest=SHA256),
        HttpProbe("/json", json=JsonWanted("$.parts[0].up", "true")),
        HttpProbe("/fail", status=((500, 500),), contains="no"),
        HttpProbe("/moved", redirects=1, contains="hello"),
        HttpProbe("/moved", status=((302, 302),)),
        HttpProbe("/posted", method="POST", body="a" * 5000, contains="5000"),
        HttpProbe("/posted", method="POST", contains="0"),
        HttpProbe("/big", contains="x" * 100),
    ],
    ids=lambda spec: f"{spec} {spec.contains or ''}"[:30],
)
async def test_it_passes(kind: str, spec: HttpProbe, site: Nginx) -> None:
    """Whatever carries the request."""
    result = await probe(*over(kind, spec, site))
    assert result.outcome is Outcome.PASS, result


@VERSIONS
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (HttpProbe("/nothing"), "HTTP 404, wanted 200-299"),
        (HttpProbe("/moved"), "HTTP 302, wanted 200-299"),
        (HttpProbe("/loop", redirects=3), "HTTP 302 after 3 redirects"),
        (
            HttpProbe("/away", redirects=3),
            'HTTP 301 leads to another place: "http://other.example.org/ok"',
        ),
        (
            HttpProbe("/ok", contains="bye"),
            'HTTP 200, but "bye" is not in the body of 12 bytes',
        ),
        (
            HttpProbe("/ok", regex="^world"),
            'HTTP 200, but "^world" does not match in the body of 12 bytes',
        ),
        (
            HttpProbe("/json", json=JsonWanted("$.status", '"down"')),
            'HTTP 200, but $.status is "ok", wanted "down"',
        ),
        (
            HttpProbe("/ok", json=JsonWanted("$.status", '"ok"')),
            "HTTP 200, but the body of 12 bytes is not JSON",
        ),
        (
            HttpProbe("/ok", digest="0" * 32),
            f"HTTP 200, but the body of 12 bytes has the digest {MD5}, wanted {'0' * 32}",
        ),
        (
            HttpProbe("/big", contains="y"),
            'HTTP 200, but "y" is not in the first 1024 KiB of the body',
        ),
        (HttpProbe("/private"), "HTTP 401, wanted 200-299"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, HttpProbe) else "",
)
async def test_it_fails_and_says_why(kind: str, spec: HttpProbe, message: str, site: Nginx) -> None:
    """In the same words, whatever carries the request."""
    result = await probe(*over(kind, spec, site))
    assert (result.outcome, result.message) == (Outcome.FAIL, message)


@VERSIONS
async def test_a_user_with_the_right_password_is_let_in(
    kind: str, site: Nginx, tmp_path: Path
) -> None:
    """The password is read anew at every probe, and stands in no message."""
    secret = tmp_path / "secret"
    spec, port = over(kind, HttpProbe("/private", user="probe", password_file=str(secret)), site)
    secret.write_text("pass word\n")
    assert (await probe(spec, port)).message == "HTTP 401, wanted 200-299"
    secret.write_text("p\u00e4ss word\nnot this line\n")
    assert (await probe(spec, port)).outcome is Outcome.PASS
    secret.unlink()
    result = await probe(spec, port)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.message == f"this machine: password file {secret}: no such file or directory"


async def test_http2_is_asked_of_a_server_that_does_not_offer_it(site: Nginx) -> None:
    """Nothing is agreed on by ALPN; in plain text HTTP/1.1 comes back."""
    spec = HttpProbe("/ok", host=NAME, http2=True)
    result = await probe(replace(spec, tls=in_tls(cert=certificates().client)), site.client)
    refusal = "the target refuses TLS with us: no application protocol"
    assert (result.outcome, result.message) == (Outcome.FAIL, refusal)
    result = await probe(spec, site.http)
    assert (result.outcome, result.message) == (
        Outcome.FAIL,
        "the target answers in HTTP/1, not HTTP/2",
    )


async def test_plain_http_at_a_tls_port_is_an_answer_of_400(site: Nginx) -> None:
    """nginx says what is wrong, in plain text; the other way round it is no TLS."""
    result = await probe(HttpProbe("/ok"), site.https)
    assert (result.outcome, result.message) == (Outcome.FAIL, "HTTP 400, wanted 200-299")
    result = await probe(HttpProbe("/ok", host=NAME, tls=in_tls()), site.http)
    assert result.outcome is Outcome.FAIL
    assert result.message.startswith('not a TLS answer: "HTTP/1.1 400 Bad Request')


async def test_the_tls_name_is_sni_before_host_before_address(site: Nginx) -> None:
    """The certificate is for www.example.org and 127.0.0.1."""
    for spec, name in [
        (HttpProbe("/ok", tls=in_tls(sni=NAME), host="other.example.org"), None),
        (HttpProbe("/ok", tls=in_tls(), host=f"{NAME}:8443"), None),
        (HttpProbe("/ok", tls=in_tls()), None),
        (HttpProbe("/ok", tls=in_tls(), host="a.example"), "a.example"),
        (HttpProbe("/ok", tls=in_tls(sni="b.example"), host=NAME), "b.example"),
    ]:
        result = await probe(spec, site.https)
        if name is None:
            assert result.outcome is Outcome.PASS, result
        else:
            assert result.message == f'the certificate is not for "{name}"'


async def test_nginx_tells_whether_our_certificate_came_along(site: Nginx) -> None:
    """It answers 400 without one."""
    spec = HttpProbe("/ok", tls=in_tls(), host=NAME)
    assert (await probe(spec, site.client)).message == "HTTP 400, wanted 200-299"
    spec = HttpProbe("/ok", tls=in_tls(cert=certificates().client), host=NAME)
    assert (await probe(spec, site.client)).outcome is Outcome.PASS


async def test_the_tls_check_passes_on_nginx(site: Nginx) -> None:
    result = await probe(TlsProbe(in_tls(min_days=1)), site.https)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("TLSv1.3 handshake in ")


@pytest.mark.parametrize("kind", ["http1s", "http2s", "http1 in TLS 1.2"])
async def test_a_check_resumes_its_session_until_it_must_verify_again(
    kind: str, site: Nginx, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nginx tells which connections were resumed."""
    spec = HttpProbe(
        "/ok", host=NAME, tls=in_tls(cert=certificates().client), http2=kind == "http2s"
    )
    port = site.client if "1.2" in kind else site.https
    prober = Prober()
    start = prober.prepare(Check(spec, ip_address("127.0.0.1"), port))

    async def once() -> ProbeResult:
        result: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
        start(result.set_result)
        return await result

    site.log.write_text("")
    assert [(await once()).outcome for _ in range(4)] == [Outcome.PASS] * 4
    monkeypatch.setattr(secure, "REVERIFY", -1.0)
    assert (await once()).outcome is Outcome.PASS
    prober.close()
    await asyncio.sleep(0.05)
    version = "HTTP/2.0" if spec.http2 else "HTTP/1.1"
    reused = [line.split() for line in site.log.read_text().splitlines()]
    assert [line[1] for line in reused] == [".", "r", "r", "r", "."]
    assert {line[0] for line in reused} == {version}
    assert {line[2] for line in reused} == {NAME}
