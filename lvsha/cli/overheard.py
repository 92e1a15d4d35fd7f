"""What VRRP, ARP and neighbour discovery say on the wire: as plain facts, and in a line of words.

Nothing here raises, whatever the bytes; what is wrong with them is among the facts as `bad`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from lvsha.core import trailer
from lvsha.core.advert import (
    AUTHENTICATION_DATA,
    GROUP,
    SIMPLE_TEXT_PASSWORD,
    Advertisement,
    decode,
)
from lvsha.core.mastership import STOPPING
from lvsha.core.tracking import OWNER
from lvsha.core.types import Address
from lvsha.errors import PacketError

Facts: TypeAlias = dict[str, Any]

_HEADER = struct.Struct("!BBBBHH")
_REQUEST, _REPLY = 1, 2  # RFC 826


def vrrp(data: bytes, source: Address, destination: Address, ttl: int) -> Facts:
    """Of a VRRP message. What its header says is told even where a receive check fails.

    No secret is among the facts: of a password only that there is one.
    """
    facts: Facts = {"protocol": "vrrp", "ttl": ttl, **_header(data)}
    signature = _signature(data, source)
    if signature is not None:
        facts["hmac"] = signature
    try:
        length = trailer.LENGTH if signature else 0
        ad = decode(data, source, destination, ttl, lowest_ttl=0, trailer=length)
    except PacketError as error:
        facts["bad"] = str(error)
        if error.cause == "checksum":
            facts["checksum"] = "wrong"
        return facts
    facts["addresses"] = list(map(str, ad.addresses))
    facts["checksum"] = _checksum_form(ad, source)
    return facts


def _header(data: bytes) -> Facts:
    if len(data) < _HEADER.size:
        return {}
    first, virtual_router_id, priority, _, timing, _ = _HEADER.unpack_from(data)
    version = first >> 4
    facts: Facts = {
        "version": version,
        "virtual_router_id": virtual_router_id,
        "priority": priority,
        "interval": float(timing & 0xFF) if version == 2 else (timing & 0x0FFF) / 100,
    }
    if version == 2 and timing >> 8:
        kind = timing >> 8
        facts["authentication"] = "pass" if kind == SIMPLE_TEXT_PASSWORD else f"type {kind}"
    return facts


def _signature(data: bytes, source: Address) -> Facts | None:
    """Of a message that is longer than its addresses by just a trailer."""
    if len(data) < _HEADER.size + trailer.LENGTH:
        return None
    size = _HEADER.size + data[3] * (4 if source.version == 4 else 16)
    size += AUTHENTICATION_DATA if data[0] >> 4 == 2 else 0
    if len(data) != size + trailer.LENGTH or data[size] != trailer.SHA256:
        return None
    return {"key": data[size + 1], "sequence": int.from_bytes(data[size + 4 : size + 12], "big")}


def _checksum_form(ad: Advertisement, source: Address) -> str:
    """Only version 3 over IPv4 has a choice."""
    if ad.version == 2 or source.version == 6:
        return "right"
    return "with_pseudo_header" if ad.pseudo_header else "without"


def arp(operation: int, sender: tuple[str, str], target: tuple[str, str]) -> Facts:
    """Of an ARP message; sender and target are MAC and IP address each."""
    return {
        "protocol": "arp",
        "operation": {_REQUEST: "request", _REPLY: "reply"}.get(operation, str(operation)),
        "gratuitous": sender[1] == target[1],
        "sender_mac": sender[0],
        "sender": sender[1],
        "target_mac": target[0],
        "target": target[1],
    }


def solicitation(target: str) -> Facts:
    """Of a neighbour solicitation."""
    return {"protocol": "nd", "message": "solicitation", "target": target}


def advertisement(target: str, mac: str | None, flags: tuple[bool, bool, bool]) -> Facts:
    """Of a neighbour advertisement; its flags are router, solicited and override."""
    names = zip(("router", "solicited", "override"), flags, strict=True)
    return {
        "protocol": "nd",
        "message": "advertisement",
        "target": target,
        "target_mac": mac,
        **dict(names),
    }


def malformed(protocol: str, detail: str) -> Facts:
    """Of a frame that is not what it says it is."""
    return {"protocol": protocol, "bad": detail}


def line(facts: Mapping[str, Any], at: float) -> str:
    """What was heard at `at`, seconds since the epoch, for people: time, from whom, what."""
    time = datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S.%f")[:-3]
    match facts["protocol"]:
        case "vrrp":
            words = _vrrp(facts)
        case "arp":
            words = _arp(facts)
        case _:
            words = _neighbour(facts)
    said = ", ".join(words)
    source = facts.get("source") or facts.get("sender") or "-"
    return f"{time}  {facts['mac']}  {source:<15}  {facts['protocol'].upper():<4}  {said}"


def _vrrp(facts: Mapping[str, Any]) -> Iterator[str]:
    if "version" in facts:
        priority = _PRIORITIES.get(facts["priority"], "")
        yield (
            f"v{facts['version']} VRID {facts['virtual_router_id']} "
            f"priority {facts['priority']}{priority}"
        )
        yield f"every {facts['interval']:g} s"
    if "addresses" in facts:
        yield " ".join(facts["addresses"])
    if facts["destination"] not in _GROUPS:
        yield f"to {facts['destination']}"
    yield from _proof(facts)
    yield from _oddities(facts)


_PRIORITIES = {STOPPING: ": gives up mastership", OWNER: ": address owner"}
_GROUPS = frozenset(map(str, GROUP.values()))
_FORMS = {
    "with_pseudo_header": "checksum with pseudo-header",
    "without": "checksum without pseudo-header",
    "wrong": "checksum WRONG",
}


def _proof(facts: Mapping[str, Any]) -> Iterator[str]:
    """What makes it believable, or not."""
    if form := _FORMS.get(facts.get("checksum", "")):
        yield form
    if "authentication" in facts:
        yield f"authentication {facts['authentication'].upper()}"
    if "hmac" in facts:
        yield f"signed with key {facts['hmac']['key']} sequence {facts['hmac']['sequence']:#018x}"


def _oddities(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts.get("ttl", 255) != 255:
        yield f"TTL {facts['ttl']}"
    if "vlan" in facts:
        yield f"VLAN {facts['vlan']}"
    if "bad" in facts and facts.get("checksum") != "wrong":
        yield f"BAD {facts['bad']}"


def _arp(facts: Mapping[str, Any]) -> Iterator[str]:
    if "operation" in facts:
        sender, target, operation = facts["sender"], facts["target"], facts["operation"]
        if facts["gratuitous"]:
            yield f"gratuitous {operation}: {sender} is at {facts['sender_mac']}"
        elif operation == "reply":
            yield f"reply: {sender} is at {facts['sender_mac']}"
            yield f"to {target}"
        elif sender == "0.0.0.0":  # noqa: S104 - RFC 5227 §1.1
            yield f"probe: who has {target}"
        else:
            yield f"{operation}: who has {target}"
            yield f"tell {sender}"
    yield from _oddities(facts)


def _neighbour(facts: Mapping[str, Any]) -> Iterator[str]:
    if facts.get("message") == "advertisement":
        kind = "solicited" if facts["solicited"] else "unsolicited"
        yield f"{kind} advertisement: {facts['target']} is at {facts['target_mac'] or 'its place'}"
        yield from (flag for flag in ("override", "router") if facts[flag])
    elif "message" in facts:
        # RFC 4862 §5.4.2: whoever wants an address asks for it from nowhere.
        probe = facts.get("source") == "::"
        yield f"{'probe' if probe else 'solicitation'}: who has {facts['target']}"
    yield from _oddities(facts)
