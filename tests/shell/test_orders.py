"""`lvsha drain|enable|disable|weight` on a running director, as an operator types them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lvsha.cli import orders
from lvsha.cli.main import cli
from lvsha.core.messages import Configure, Configured
from lvsha.errors import LvshaError
from lvsha.lab.nodes import wait_for
from tests.shell.test_director import KEY, PLAN, WEB, running


def weights(at) -> dict[str, int]:
    found = at.ipvs.destinations(KEY)
    return {str(each.destination.key): each.destination.weight for each in found}


@pytest.fixture
def say(capsys):
    """Run the command line in a thread: its exit code, and what it said."""

    async def run(*words: str) -> tuple[int, str]:
        def command() -> int:
            return cli.main(args=list(words), prog_name="lvsha", standalone_mode=False)

        try:
            code = await asyncio.to_thread(command)
        except LvshaError as error:
            return error.exit_code, error.report
        said = capsys.readouterr()
        return code, (said.out + said.err).strip()

    return run


async def test_a_server_is_drained_enabled_disabled_and_weighed(tmp_path, say):
    quiet = replace(PLAN, services=(replace(WEB, drain_timeout=0.0),))
    where = ("--runtime-dir", str(tmp_path))
    async with running(tmp_path) as at:
        at.tell(Configure(1, quiet))
        await at.supervisor.hears(Configured(1))
        said = await say("drain", "web", "10.0.0.1:80", *where)
        assert said == (0, "web 10.0.0.1:80: DRAIN")
        await asyncio.to_thread(wait_for, "out", lambda: weights(at) == {"10.0.0.2:80": 3}, 5)
        _, found = await at.ask("GET", "/status")
        (service,) = found["virtual_services"]
        assert [each["admin"] for each in service["real_servers"]] == ["DRAIN", "ENABLED"]
        assert await say("enable", "web", "10.0.0.1:80", *where) == (0, "web 10.0.0.1:80: ENABLED")
        said = await say("weight", "web", "10.0.0.2:80", "9", *where)
        assert said == (0, "web 10.0.0.2:80: ENABLED, weight 9")
        wanted = {"10.0.0.1:80": 1, "10.0.0.2:80": 9}
        await asyncio.to_thread(wait_for, "weighed", lambda: weights(at) == wanted, 5)
        said = await say("disable", *where, "web", "10.0.0.2:80")
        assert said == (0, "web 10.0.0.2:80: DISABLED, weight 9")
        await asyncio.to_thread(wait_for, "disabled", lambda: len(weights(at)) == 1, 5)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["drain", "wbe", "10.0.0.1:80"], "no service 'wbe'; did you mean 'web'?"),
        (
            ["enable", "web", "10.0.0.3:80"],
            "service 'web' has no server '10.0.0.3:80'; did you mean '10.0.0.2:80'?",
        ),
        (
            ["weight", "web", "10.0.0.1:80", "65536"],
            "weight '65536' is not a whole number between 0 and 65535",
        ),
        (
            ["weight", "web", "10.0.0.1:80", "x"],
            "weight 'x' is not a whole number between 0 and 65535",
        ),
        (["drain", "web"], "drain takes SERVICE SERVER [FILE], not 1 words"),
    ],
)
async def test_what_makes_no_sense_is_one_line_and_exit_code_2(tmp_path, say, words, wanted):
    async with running(tmp_path) as at:
        at.tell(Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))
        assert await say(*words, "--runtime-dir", str(tmp_path)) == (2, f"lvsha: {wanted}")


async def test_without_a_daemon_an_order_fails(tmp_path, say):
    code, said = await say("drain", "web", "10.0.0.1:80", "--runtime-dir", str(tmp_path))
    assert (code, said) == (1, f"lvsha: no daemon is running on {tmp_path}")


async def test_the_read_only_listener_takes_no_orders(tmp_path):
    plan = replace(PLAN, api=("127.0.0.1", 0))
    async with running(tmp_path) as at:
        at.tell(Configure(1, plan))
        await at.supervisor.hears(Configured(1))
        site = next(iter(at.director._web._tcp.sites))
        host, port = site._server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /drain?service=web HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 403 ")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("verb", "own"), [("drain", ["http", "10.0.0.1:80"]), ("failover", ["web"])], ids=str
)
@pytest.mark.parametrize("behind", [True, False], ids=["behind", "before"])
def test_the_file_stands_before_or_behind_the_other_words(verb, own, behind):
    words = [*own, "web.yaml"] if behind else ["./web.yaml", *own]
    found, file = orders.split(verb, words)
    assert found == own
    assert file is not None
    assert file.name == "web.yaml"
