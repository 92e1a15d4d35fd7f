"""The cluster file as models: every key, its default, and what it is for.

The docstrings are the descriptions in the JSON Schema and in docs/reference.md. Rules of one
value live in its type; rules between values are judged where the plan is built.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WrapValidator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from lvsha.config.following_schema import SyncGroup
from lvsha.config.mapping import Strict, keep_cut
from lvsha.config.router_schema import RouterItem
from lvsha.config.scalars import (
    InterfaceName,
    IpAddress,
    KernelTime,
    Listen,
    Name,
    Priority,
    ResyncInterval,
    SysctlName,
    SysctlValue,
    show_seconds,
)
from lvsha.config.service_schema import CheckLevel, Forwarding, OnFailure, ServiceItem

_SYSCTLS = ("expire_nodest_conn", "expire_quiescent_template")
"""On by default: clients of a removed server fail at once instead of by their own timeout."""


class Node(Strict):
    """One director. Its name is the machine's short hostname, or what --node says."""

    address: IpAddress
    """The node's own address."""
    interface: InterfaceName | None = None
    """Where its virtual routers live, unless they name another."""
    priority: Priority = 100
    """VRRP priority of its virtual routers, unless they name another; 255 owns the addresses."""


class Defaults(Strict):
    """What every virtual service inherits and may override."""

    check: CheckLevel = None
    """Health check; services and real servers refine it key by key."""
    on_failure: OnFailure = "remove"
    """What becomes of a failed real server: taken out, or kept with weight 0."""
    forwarding: Forwarding | None = None
    """How packets reach real servers."""


class Timeouts(Strict):
    """IPVS connection timeouts; those left out stay as they are."""

    tcp: KernelTime | None = None
    """Idle TCP connections."""
    tcp_fin: KernelTime | None = None
    """TCP connections after a FIN."""
    udp: KernelTime | None = None
    """UDP flows."""


class Api(Strict):
    """A read-only TCP listener."""

    listen: Listen
    """Address and port: 127.0.0.1:9817 or [::1]:9817."""


class ClusterFile(Strict):
    """A cluster of directors: the same text on every machine of it."""

    cluster: Name
    """The cluster's name."""
    nodes: dict[Name, Node]
    """The directors by name."""
    virtual_routers: list[RouterItem] = []
    """Addresses that move between the nodes. Absent: somebody else carries them."""
    sync_groups: list[Annotated[SyncGroup, WrapValidator(keep_cut)]] = []
    """Virtual routers that move together."""
    defaults: Defaults = Field(default_factory=Defaults)
    """Inherited by every virtual service."""
    timeouts: Timeouts | None = None
    """IPVS connection timeouts; absent: untouched."""
    sysctls: Annotated[
        dict[SysctlName, SysctlValue],
        Field(json_schema_extra={"default": dict.fromkeys(_SYSCTLS, True)}),
    ] = dict.fromkeys(_SYSCTLS, "1")
    """Settings below net.ipv4.vs; `{}` touches none."""
    resync_interval: ResyncInterval = 5.0
    """How often the kernel's table is compared with what it should be: 100ms to 1h."""
    virtual_services: list[ServiceItem] = []
    """What the directors balance."""
    api: Api | None = None
    """A read-only TCP listener beside the Unix socket; default none."""


class _AsInTheFile(GenerateJsonSchema):
    """A key is left out, never null; defaults look like what the file would say."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        default = found.get("default", ...)
        if default is None:
            del found["default"]
        elif isinstance(default, float):
            found["default"] = show_seconds(default)
        return found

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        return found if "additionalProperties" in found else found | {"additionalProperties": False}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a cluster file, for editors and other tools."""
    schema = ClusterFile.model_json_schema(schema_generator=_AsInTheFile)
    return {"$schema": _AsInTheFile.schema_dialect, **schema, "title": "lvsha cluster file"}
