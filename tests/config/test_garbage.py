"""Whatever a file holds, its reader gets a cluster or a list of mistakes, never a traceback."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lvsha.config.reader import parse
from lvsha.config.resolve import understand
from lvsha.errors import ConfigError, Mistake
from tests.config.text import HEAD, router, service

WORDS = st.sampled_from(
    """
    cluster nodes lb1 lb2 virtual_routers virtual_services defaults timeouts sysctls api listen
    name address port fwmark family ipv4 ipv6 protocol tcp udp http scheduler scheduler_flags sh
    sh-port forwarding nat dr tun persistence timeout netmask 255.255.255.0 one_packet check type
    none interval rise fall path status 200-299 headers real_servers tunnel gue gre checksum
    track service script exec file process route weight routes to via rules from table hooks
    on_change backups quorum hysteresis damping transitions source device mark sync_groups
    192.168.1.100 2001:db8::1 fe80::1 192.168.1.100/32 weight upper_threshold priority interface
    virtual_router_id addresses excluded_addresses version advertisement_interval 10ms 2s
    resync_interval 127.0.0.1:9817 << * & eth0 web
    """.split()  # noqa: SIM905 - readable so
)
SCALARS = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, 51, 80, 255, 65535, 70000]),
    st.floats(),
    st.text(max_size=8),
)
KEYS = st.one_of(WORDS, st.text(max_size=4), st.integers(0, 9), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
VALID = (
    HEAD
    + router(
        "excluded_addresses: ['2001:db8::100/64']",
        "authentication: {type: hmac, keys: {1: {file: /k}}, active: 1}",
        "garp: {repeat: 3}",
        "track: [{service: http, weight: -60}, {script: {exec: [/bin/ok]}}, {route: 0.0.0.0/0}]",
        "routes: [{to: 10.0.0.0/8, via: 192.168.1.1}]",
        "rules: [{from: 192.168.1.100/32, table: 100}]",
        "hooks: {on_change: {exec: [/bin/tell]}}",
    )
    + "defaults: {check: [{type: tcp}, {type: ping, source: {lb1: 192.168.1.11}}]}\n"
    + service(
        "check: {type: http, path: /x, status: [200-299], json: {path: $.a, equals: 1}}",
        "damping: {transitions: 3}",
        "backups: [[{address: 192.168.1.50, port: 81}], [127.0.0.1]]",
        "persistence: {timeout: 5m, netmask: 255.255.255.0}",
        servers="[192.168.1.21, {address: 10.0.0.1, forwarding: tun, tunnel: {type: gre}}]",
    )
)


def _dump(data: Any) -> str:
    return yaml.dump(data, Dumper=yaml.CSafeDumper, allow_unicode=True)


def _judge(text: str) -> None:
    for mistake in _mistakes(text):
        assert mistake.line >= 1
        assert mistake.column >= 1
        assert mistake.message
        assert "\n" not in mistake.message + mistake.path


def _mistakes(text: str) -> tuple[Mistake, ...]:
    try:
        understand(parse(text, "web.yaml"))
    except ConfigError as error:
        return error.mistakes or (Mistake("web.yaml", 0, 0, "", "no mistake in the error"),)
    return ()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
@example("%YAML 9.9\n---\n")
@example("? [a]\n: b\n")
@example("!!python/object/apply:os.system [x]")
@example("a: &a [*a]")
def test_any_text_is_judged(text: str) -> None:
    _judge(text)


@given(st.dictionaries(KEYS, VALUES, max_size=8))
@settings(deadline=None, max_examples=50)
def test_any_data_is_judged(data: dict[Any, Any]) -> None:
    _judge(_dump(data))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        inner = [found for key, item in value.items() for found in _paths(item, (*path, key))]
    elif isinstance(value, list):
        inner = [found for i, item in enumerate(value) for found in _paths(item, (*path, i))]
    else:
        inner = []
    return [path, *inner] if path else inner


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_valid_file_with_anything_replaced_is_judged(data: st.DataObject) -> None:
    """One to three places of a valid file hold something else, or nothing."""
    content = yaml.safe_load(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_paths(content)))
        target = content
        for part in path[:-1]:
            target = target[part]
        if data.draw(st.booleans()):
            del target[path[-1]]
        else:
            target[path[-1]] = data.draw(VALUES)
        if not content:
            break
    _judge(_dump(content))


def test_the_file_the_replacements_start_from_is_valid() -> None:
    understand(parse(VALID, "web.yaml"))
