"""KernelSysctls on a folder that stands for /proc/sys: refusals in plain words."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from lvsha.errors import KernelError
from lvsha.kernel.sysctls import KernelSysctls


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EROFS, "/proc/sys is read-only here"),
        (errno.EACCES, "not allowed here"),
        (errno.EINVAL, "Invalid argument"),
    ],
)
def test_a_refused_write_says_why(tmp_path, monkeypatch, code: int, words: str) -> None:
    def refuse(path: Path, text: str) -> int:
        raise OSError(code, "raw")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(KernelError, match=rf"^kernel\.name: {words}") as caught:
        KernelSysctls(tmp_path).write("kernel.name", "1")
    assert caught.value.errno == code


def test_a_value_the_kernel_did_not_keep_is_an_error(tmp_path, monkeypatch) -> None:
    (tmp_path / "limit").write_text("7\n")
    monkeypatch.setattr(Path, "write_text", lambda path, text: len(text))
    with pytest.raises(KernelError, match="limit: wrote 8, the kernel kept 7"):
        KernelSysctls(tmp_path).write("limit", "8")


def test_columns_are_compared_by_word(tmp_path) -> None:
    (tmp_path / "range").touch()
    KernelSysctls(tmp_path).write("range", "1024  65535")
    assert KernelSysctls(tmp_path).read("range") == "1024  65535"
