"""The files of keys that a cluster file names, judged on this machine: a bad one is a mistake."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lvsha.config.document import Report
from lvsha.config.reader import read
from lvsha.core.plan import VrrpPlan
from lvsha.supervisor.keys import KeyFault, KeyFaultsError, with_keys


def read_keys(file: Path, plan: VrrpPlan) -> VrrpPlan:
    """The plan of FILE with every key it names. ConfigError for those that can not be used."""
    try:
        return with_keys(plan)
    except KeyFaultsError as error:
        _refuse(file, error.faults)
        raise


def unseen_keys(file: Path, plan: VrrpPlan) -> tuple[str, ...]:
    """What to say of key files that could not be judged here. ConfigError for bad ones.

    Whoever checks a file need not be root, nor on the machine that it is for.
    """
    try:
        with_keys(plan)
    except KeyFaultsError as error:
        _refuse(file, [fault for fault in error.faults if not fault.is_unseen])
        return tuple(f"not judged: {fault}" for fault in error.faults)
    return ()


def _refuse(file: Path, faults: Iterable[KeyFault]) -> None:
    """ConfigError with the place of each."""
    document = read(file)
    report = Report(document)
    names = [router["name"] for router in document.data["virtual_routers"]]
    for fault in faults:
        at = ("virtual_routers", names.index(fault.router), "authentication", "keys")
        message = f"{fault.key.file}: {fault.reason}"
        report.wrong((*at, str(fault.key.identifier), "file"), message)
    report.settle()
