"""What is wrong with a network interface, in words."""

from __future__ import annotations

from lvsha.core.tracking import Finding, Verdict
from lvsha.kernel.ports import Link


def link_fault(link: Link | None) -> str | None:
    """None: it is up and has carrier."""
    if link is None:
        return "is missing"
    if not link.up:
        return "is down"
    return None if link.running else "has no carrier"


def judge_link(link: Link | None) -> Finding:
    """The same as a finding."""
    fault = link_fault(link)
    return Finding(Verdict.WELL, "is up") if fault is None else Finding(Verdict.ILL, fault)
