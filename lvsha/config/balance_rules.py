"""Rules between the keys that say who serves: quorum, backups, slow start, active_when."""

from __future__ import annotations

from collections.abc import Mapping

from lvsha.config.document import KeyPath, Report
from lvsha.config.mapping import rule
from lvsha.config.service_schema import VirtualService as ServiceModel
from lvsha.core.types import Address, FwmarkKey, Key


def judge_balance(path: KeyPath, service: ServiceModel, report: Report) -> None:
    """Judge what a service says of its balance, each key against the others."""
    for judge in (_judge_hysteresis, _judge_tiers, *_OF_MH):
        judge(path, service, report)


@rule
def _judge_hysteresis(path: KeyPath, service: ServiceModel, report: Report) -> None:
    if service.hysteresis >= service.quorum:
        message = f"{service.hysteresis} is not below quorum {service.quorum}"
        report.wrong((*path, "hysteresis"), message)


@rule
def _judge_tiers(path: KeyPath, service: ServiceModel, report: Report) -> None:
    for i, tier in enumerate(service.backups):
        if not tier:
            report.wrong((*path, "backups", i), "an empty tier can't stand in")


@rule
def _judge_mh_failure(path: KeyPath, service: ServiceModel, report: Report) -> None:
    if service.scheduler == "mh" and service.on_failure == "remove":
        hint = "leave it out: with mh a failed server keeps its place with weight 0"
        report.wrong((*path, "on_failure"), "scheduler mh removes no server", hint)


@rule
def _judge_mh_ramp(path: KeyPath, service: ServiceModel, report: Report) -> None:
    if service.scheduler == "mh" and service.slow_start:
        message = "scheduler mh moves connections with every change of a weight"
        report.wrong((*path, "slow_start"), message, "leave it out")


@rule
def _judge_mh_backups(path: KeyPath, service: ServiceModel, report: Report) -> None:
    if service.scheduler == "mh" and service.backups:
        message = "scheduler mh keeps the places of failed servers: backups would get few"
        report.wrong((*path, "backups"), message, "take another scheduler, or leave them out")


_OF_MH = (_judge_mh_failure, _judge_mh_ramp, _judge_mh_backups)
"""Its table moves with every deletion and every weight above 0 (ip_vs_mh.c)."""


@rule
def router_of(
    path: KeyPath,
    service: ServiceModel,
    key: Key,
    carriers: Mapping[Address, str] | None,
    report: Report,
) -> str | None:
    """The router on whose master the service is active; None: everywhere.

    `carriers` are the routers' names by address; None: a mistake leaves them unknown.
    """
    if service.active_when == "always" or carriers is None:
        return None
    at = (*path, "active_when")
    if isinstance(key, FwmarkKey):
        report.wrong(at, "a fwmark service has no address a virtual router could carry")
        return None
    if key.address not in carriers:
        message = f"{key.address} is carried by no virtual router, and nobody is its master"
        report.wrong(at, message)
    return carriers.get(key.address)
