"""The kernel's IPVS where there is none, or none for us."""

from __future__ import annotations

import errno

import pytest

from lvsha.errors import HostError, KernelError
from lvsha.kernel import nla
from lvsha.kernel.genetlink import Conversation
from lvsha.kernel.ipvs import KernelIpvs


def test_a_kernel_without_ipvs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nla, "FAMILY", "lvsha-none")
    with pytest.raises(HostError, match=r"^ip_vs: the kernel has no IPVS, or it is not loaded$"):
        KernelIpvs.open()


def test_another_failure_to_ask_is_the_kernels_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise KernelError(errno.EPERM, "family IPVS")

    monkeypatch.setattr(Conversation, "family", refuse)
    with pytest.raises(KernelError, match=r"^family IPVS: Operation not permitted$"):
        KernelIpvs.open()
