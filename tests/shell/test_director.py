"""The director on twins: a plan in, a table and answers out, whatever the machine refuses."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address

from prometheus_client.parser import text_string_to_metric_families

from lvsha.core.messages import Configure, Configured, Processes, ReloadDone, ReloadRequested, Stop
from lvsha.core.plan import Check, DirectorPlan, RealServer, VirtualService
from lvsha.core.probes import AgentProbe, TcpProbe
from lvsha.core.types import Forwarding, Protocol, Service, ServiceKey, Timeouts
from lvsha.director import director as module
from lvsha.director import reloads
from lvsha.director.director import Director
from lvsha.errors import HostError, KernelError
from lvsha.kernel.memory import MemoryIpvs
from lvsha.kernel.memory_host import MemorySysctls, host_settings
from lvsha.runtime import control
from lvsha.runtime.tasks import run_until_first_ends
from tests.shell.waiting import until

KEY = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)


def server(address: str, check: Check | None = None, weight: int = 1) -> RealServer:
    return RealServer(
        ip_address(address), 80, Forwarding.DR, weight, checks=(check,) if check else ()
    )


WEB = VirtualService("web", Service(KEY), (server("10.0.0.1"), server("10.0.0.2", weight=3)))
PLAN = DirectorPlan("c", "n", (WEB,), resync_interval=0.05)


class Supervisor:
    """The other end of the channel."""

    def __init__(self) -> None:
        self.said: asyncio.Queue = asyncio.Queue()
        self.heard: list = []
        self.news = asyncio.Event()

    def send(self, message) -> None:
        self.heard.append(message)
        self.news.set()

    async def messages(self):
        while True:
            yield await self.said.get()

    async def hears(self, message) -> None:
        async with asyncio.timeout(10):
            while message not in self.heard:
                self.news.clear()
                await self.news.wait()


class Running:
    """A director, its supervisor and its kernel."""

    def __init__(self, directory, open_ipvs=None) -> None:
        self.directory = directory
        self.ipvs = MemoryIpvs()
        self.supervisor = Supervisor()
        self.director = Director(
            self.supervisor,
            directory,
            open_ipvs=open_ipvs or (lambda: self.ipvs),
            sysctls=MemorySysctls(host_settings()),
        )

    def tell(self, *messages) -> None:
        for message in messages:
            self.supervisor.said.put_nowait(message)

    async def ask(self, method: str, path: str):
        """Status and body on the control socket, from a thread as another process would."""
        return await asyncio.to_thread(control._exchange, self.directory, method, path)


@asynccontextmanager
async def running(directory, open_ipvs=None):
    found = Running(directory, open_ipvs)
    job = asyncio.create_task(run_until_first_ends(found.director.jobs()))
    try:
        yield found
    finally:
        found.tell(Stop())
        await job
        await found.director.close()


async def test_a_plan_becomes_a_table_and_the_supervisor_hears_of_it(tmp_path):
    async with running(tmp_path) as at:
        at.tell(Processes(1, 2, 3), Configure(7, PLAN))
        await at.supervisor.hears(Configured(7))
        found = await at.director.status()
    weights = {str(d.destination.key): d.destination.weight for d in at.ipvs.destinations(KEY)}
    assert weights == {"10.0.0.1:80": 1, "10.0.0.2:80": 3}
    assert (found["generation"], found["ready"]) == (7, True)
    assert found["pids"] == {"supervisor": 1, "vrrp": 2, "director": 3}


async def test_the_last_of_two_quick_plans_is_in_force(tmp_path):
    other = replace(PLAN, services=(replace(WEB, real_servers=(server("10.0.0.9"),)),))
    async with running(tmp_path) as at:
        at.tell(Configure(1, PLAN), Configure(2, other))
        await at.supervisor.hears(Configured(2))
        assert [str(d.destination.key) for d in at.ipvs.destinations(KEY)] == ["10.0.0.9:80"]
        at.tell(Configure(3, PLAN), Configure(4, other), Configure(5, PLAN))
        await at.supervisor.hears(Configured(5))
        kept = {str(d.destination.key): d.destination.weight for d in at.ipvs.destinations(KEY)}
        assert (kept["10.0.0.1:80"], kept["10.0.0.2:80"]) == (1, 3)


async def test_without_ipvs_it_says_so_once_goes_on_checking_and_answers(
    tmp_path, events, monkeypatch
):
    monkeypatch.setattr(module, "RETRY", 0.01)
    tries = []

    def refuse():
        tries.append(1)
        if len(tries) < 20:
            raise HostError("ip_vs: the kernel has no IPVS, or it is not loaded")
        return kernel

    kernel = MemoryIpvs()
    async with running(tmp_path, refuse) as at:
        at.tell(Configure(1, PLAN))
        async with asyncio.timeout(10):
            while len(tries) < 5:
                await asyncio.sleep(0.01)
        found = (await at.ask("GET", "/status"))[1]
        assert (found["ready"], found["generation"]) == (False, 0)
        assert [s["health"] for s in found["virtual_services"][0]["real_servers"]] == ["UP", "UP"]
        assert await at.ask("GET", "/healthz") == (503, {"ready": False})
        await at.supervisor.hears(Configured(1))
    assert len(kernel.destinations(KEY)) == 2
    (said,) = events("kernel.error")
    assert said["error"] == "ip_vs: the kernel has no IPVS, or it is not loaded"


async def test_a_table_that_can_not_be_read_yet_costs_no_descriptor_a_try(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.01)
    opened: list[Unreadable] = []

    def open_ipvs():
        opened.append(Unreadable())
        return opened[-1]

    async with running(tmp_path, open_ipvs) as at:
        at.tell(Configure(1, PLAN))
        async with asyncio.timeout(10):
            while len(opened) < 4:
                await asyncio.sleep(0.01)
    assert all(each.closed for each in opened[:-1])


class Unreadable(MemoryIpvs):
    closed = False

    def table(self):
        raise KernelError(105, "dump")

    def close(self) -> None:
        self.closed = True


async def test_a_directory_that_takes_no_socket_stops_no_balancing(tmp_path, events, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.01)
    gone = tmp_path / "gone"
    async with running(gone) as at:
        at.tell(Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))
        at.supervisor.heard.clear()
        set_aside = gc.get_freeze_count()
        await asyncio.sleep(0.1)
        assert gc.get_freeze_count() <= set_aside  # however often it is tried
        assert Configured(1) not in at.supervisor.heard  # the plan itself is in force already
        assert len(at.ipvs.destinations(KEY)) == 2
        gone.mkdir()
        async with asyncio.timeout(10):
            while not (control.socket_path(gone).exists() and (gone / "owned.json").exists()):
                await asyncio.sleep(0.01)
        assert (await at.ask("GET", "/healthz"))[0] == 200
    assert [said["what"] for said in events("api.failed")] == ["control socket"]
    assert len(events("ownership.unwritable")) == 1
    assert json.loads((gone / "owned.json").read_text())["services"]


async def test_status_and_metrics_stay_whole_while_plans_come_and_go(tmp_path):
    """Nothing is asked about a service that has just gone."""
    many = tuple(
        replace(WEB, name=f"s{n}", service=Service(replace(KEY, port=1000 + n))) for n in range(300)
    )
    plans = (replace(PLAN, services=many), PLAN)
    async with running(tmp_path) as at:
        at.tell(Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))
        for generation in range(2, 8):
            at.tell(Configure(generation, plans[generation % 2]))
            status, text = await asyncio.gather(at.director.status(), at.director.metrics())
            assert len(status["virtual_services"]) in (1, 300)
            list(text_string_to_metric_families(text.decode()))
        await at.supervisor.hears(Configured(7))


async def test_a_reload_is_asked_for_and_its_answer_passed_on(tmp_path):
    async with running(tmp_path) as at:
        at.tell(Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))
        asked = asyncio.create_task(at.ask("POST", "/reload"))
        await at.supervisor.hears(ReloadRequested(1))
        at.tell(ReloadDone(0, 1), ReloadDone(99, 1), ReloadDone(1, 1, "f:1:1: bad", 2))
        answer = {"generation": 1, "error": "f:1:1: bad", "exit_code": 2}
        assert await asked == (400, answer)
        metrics = await at.director.metrics()
        assert b"\nlvsha_config_reload_ok 0\n" in metrics


async def test_a_reload_nobody_answers_is_said_to_take_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(reloads, "TIMEOUT", 0.05)
    async with running(tmp_path) as at:
        at.tell(Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))
        status, answer = await at.ask("POST", "/reload")
        at.tell(ReloadDone(1, 2))  # late: nobody waits any more
    assert (status, answer["exit_code"]) == (503, 1)
    assert answer["error"] == "lvsha: the reload has not ended after 0.05 s"


async def test_an_answer_that_fails_is_a_line_in_the_log_and_json(tmp_path, events, monkeypatch):
    async with running(tmp_path) as at:
        at.tell(Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))

        def broken(*_, **__):
            raise RuntimeError("no")

        monkeypatch.setattr(module.snapshot, "build", broken)
        assert await at.ask("GET", "/status") == (500, {"error": "unexpected: RuntimeError: no"})
    assert events("api.failed") == [{"path": "/status", "error": "RuntimeError: no"}]


async def test_a_kernel_that_can_not_be_read_for_a_while_ends_nothing(tmp_path, events):
    class Moody(MemoryIpvs):
        ill = False

        def services(self):
            if self.ill:
                raise KernelError(errno.ENOBUFS, "ipvs services")
            return super().services()

    kernel = Moody()
    async with running(tmp_path, lambda: kernel) as at:
        at.tell(Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))
        kernel.ill = True
        await asyncio.sleep(0.3)  # several resyncs
        assert (await at.director.status())["generation"] == 1
        kernel.ill = False
    assert [said["what"] for said in events("kernel.error")] == ["the table could not be read"]


async def test_timeouts_of_the_file_are_set_and_said_once(tmp_path, events):
    plan = replace(PLAN, timeouts=Timeouts(tcp=600))
    async with running(tmp_path) as at:
        at.tell(Configure(1, plan))
        await at.supervisor.hears(Configured(1))
        await asyncio.sleep(0.2)
        assert at.ipvs.timeouts().tcp == 600
    assert len([e for e in events("setting.applied") if "tcp 600 s" in e["what"]]) == 1


async def test_a_verdict_moves_table_status_and_log_together(tmp_path, events):
    with socket.create_server(("127.0.0.1", 0)) as open_port:
        port = open_port.getsockname()[1]
        check = Check(TcpProbe(), ip_address("127.0.0.1"), port, interval=0.1, timeout=5.0, fall=1)
        plan = replace(PLAN, services=(replace(WEB, real_servers=(server("10.0.0.1", check),)),))
        async with running(tmp_path) as at:
            at.tell(Configure(1, plan))
            await until(lambda: at.ipvs.services() and at.ipvs.destinations(KEY))
            (service,) = (await at.director.status())["virtual_services"]
            assert (service["state"], service["real_servers"][0]["effective_weight"]) == ("UP", 1)
            open_port.close()
            await until(lambda: not at.ipvs.destinations(KEY))
            (service,) = (await at.director.status())["virtual_services"]
            assert (service["state"], service["real_servers"][0]["effective_weight"]) == ("DOWN", 0)
    assert [(e["old"], e["new"]) for e in events("health.changed")] == [
        ("UNKNOWN", "UP"),
        ("UP", "DOWN"),
    ]
    assert [(e["old"], e["new"]) for e in events("service.state")] == [
        ("DOWN", "UP"),
        ("UP", "DOWN"),
    ]


async def test_the_check_that_fails_is_named_where_a_server_has_several(tmp_path, events):
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        checks = tuple(
            Check(TcpProbe(), ip_address("127.0.0.1"), each.getsockname()[1], 0.1, 5.0, fall=1)
            for each in (first, second)
        )
        several = replace(server("10.0.0.1"), checks=checks)
        async with running(tmp_path) as at:
            at.tell(Configure(1, replace(PLAN, services=(replace(WEB, real_servers=(several,)),))))
            await until(lambda: at.ipvs.services() and at.ipvs.destinations(KEY))
            second.close()
            await until(lambda: not at.ipvs.destinations(KEY))
            (service,) = (await at.director.status())["virtual_services"]
    up, down = events("health.changed")
    assert (up["old"], up["new"], down["old"], down["new"]) == ("UNKNOWN", "UP", "UP", "DOWN")
    reason = f"tcp at 127.0.0.1:{checks[1].port}: connection refused"
    assert down["reason"] == service["real_servers"][0]["message"] == reason


async def test_an_agent_never_heard_is_waited_for_only_where_nothing_else_judges(tmp_path):
    """Beside another check its server is judged without it; alone it keeps the director unready."""
    with socket.create_server(("127.0.0.1", 0)) as open_port, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        tcp, agent = (
            Check(probe, ip_address("127.0.0.1"), each.getsockname()[1], 0.1, 5.0)
            for probe, each in ((TcpProbe(), open_port), (AgentProbe(), closed))
        )
        both = replace(server("10.0.0.1"), checks=(tcp, agent))
        web = replace(WEB, real_servers=(both,))
        async with running(tmp_path) as at:
            at.tell(Configure(1, replace(PLAN, services=(web,))))
            await until(lambda: at.director.is_ready)
            web = replace(web, real_servers=(both, server("10.0.0.2", agent)))
            at.tell(Configure(2, replace(PLAN, services=(web,))))
            await at.supervisor.hears(Configured(2))
            assert not at.director.is_ready
            (service,) = (await at.director.status())["virtual_services"]
    told = [(each["health"], each["message"]) for each in service["real_servers"]]
    assert told[0][0] == "UP"
    assert told[1] == ("UNKNOWN", "the agent could not be heard: connection refused")


async def test_messages_it_does_not_know_are_said_and_left(tmp_path, events):
    async with running(tmp_path) as at:
        at.tell(ReloadRequested(1), Configure(1, PLAN))
        await at.supervisor.hears(Configured(1))
        with suppress(AttributeError):
            assert at.director.is_ready
    assert events("message.unexpected") == [{"message": "ReloadRequested"}]
