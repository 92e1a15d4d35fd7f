"""Key files: what keepalived takes as a key is the same key here, and all else is none."""

from __future__ import annotations

import json
import os
from ipaddress import ip_interface
from pathlib import Path

import pytest

from lvsha.cli.key_files import read_keys
from lvsha.cli.plans import check_file, load_node
from lvsha.core.authentication import HmacKey, HmacKeys, Password
from lvsha.core.plan import VirtualRouter, VrrpPlan
from lvsha.core.types import Family
from lvsha.errors import ConfigError, UsageError
from lvsha.supervisor.keys import with_keys
from tests.config.text import HEAD, router

SECRET = b"0123456789abcdef0123456789abcdef"


def plan(path: object, authentication=None) -> VrrpPlan:
    keys = authentication or HmacKeys((HmacKey(1, str(path)),), 1)
    vip = (ip_interface("192.0.2.100"),)
    return VrrpPlan(
        "web", "lb1",
        (VirtualRouter("web", 51, "eth0", Family.IPV4, 100, vip, authentication=keys),),
    )  # fmt: skip


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "vrrp.key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def secret(path: Path) -> bytes:
    authentication = with_keys(plan(path)).routers[0].authentication
    assert isinstance(authentication, HmacKeys)
    return authentication.keys[0].secret


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (SECRET, SECRET),
        (SECRET + b"\n", SECRET),
        (SECRET + b"\r\n", SECRET),
        (SECRET * 2, SECRET * 2),
        (b"hex:" + SECRET.hex().encode(), SECRET),
        (b"hex:" + SECRET.hex().upper().encode() + b"\n", SECRET),
        (b"hex:" + bytes(64).hex().encode(), bytes(64)),
        (b"ascii:" + SECRET, b"ascii:" + SECRET),
    ],
    ids=["text", "line", "DOS line", "64", "hex", "capitals", "64 in hex", "no such prefix"],
)
def test_a_key_is_the_text_or_what_its_digits_say(tmp_path, content, key):
    assert secret(key_file(tmp_path, content)) == key


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a key of 0 bytes; it has 32 to 64"),
        (SECRET[:-1], "a key of 31 bytes; it has 32 to 64"),
        (SECRET * 2 + b"x", "a key of 65 bytes; it has 32 to 64"),
        (b"hex:" + SECRET[:-1].hex().encode(), "a key of 31 bytes; it has 32 to 64"),
        (b"x" * 141, "is longer than 140 bytes"),
        (b"hex:" + b"0" * 63, "what follows hex: is not an even number of hexadecimal digits"),
        (b"hex:" + b"xy" * 32, "what follows hex: is not an even number of hexadecimal digits"),
        (SECRET[:-1] + b"\0x", "holds a zero byte; write such a key as hex:"),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(tmp_path, content, told):
    path = key_file(tmp_path, content)
    with pytest.raises(UsageError) as refused:
        with_keys(plan(path))
    assert str(refused.value) == f"key 1 of virtual router web: {path}: {told}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_others_have_access_to_is_refused(tmp_path, mode):
    with pytest.raises(UsageError, match=f"others have access to it: mode {mode:04o}"):
        with_keys(plan(key_file(tmp_path, SECRET, mode)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_somebody_else_is_refused(tmp_path):
    path = key_file(tmp_path, SECRET)
    os.chown(path, 65534, 65534)
    with pytest.raises(UsageError, match="belongs to user 65534, not to root"):
        with_keys(plan(path))


def test_a_missing_key_a_folder_and_a_pipe_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, told in (("none", "no such file"), (".", "directory"), ("pipe", "no regular file")):
        with pytest.raises(UsageError, match=told):
            with_keys(plan(tmp_path / name))


def test_a_password_needs_no_file():
    found = plan("", Password("secret12"))
    assert with_keys(found) == found


def test_check_shows_no_secret_in_either_form(tmp_path):
    file = tmp_path / "web.yaml"
    text = router("version: 2", "authentication: {type: pass, password: secret12}")
    file.write_text(HEAD + text)
    shown = check_file(file, "lb1", as_json=False) + check_file(file, "lb1", as_json=True)
    assert "secret12" not in shown
    assert "version 2, by password" in shown
    json.loads(check_file(file, "lb1", as_json=True))


def test_check_names_peers_and_the_active_key(tmp_path):
    file = tmp_path / "web.yaml"
    keys = "authentication: {type: hmac, keys: {7: {file: /none}}, active: 7}"
    file.write_text(HEAD + router("unicast: true", keys))
    shown = check_file(file, "lb1", as_json=False)
    assert "from 192.168.1.11 to 192.168.1.12, signed with key 7" in shown


def test_check_finds_a_bad_key_file_at_its_place_and_lets_a_missing_one_be(tmp_path):
    """It is not the machine that the file is for, perhaps; a file that is there is judged."""
    file, bad = tmp_path / "web.yaml", key_file(tmp_path, SECRET[:-1])
    keys = f"{{1: {{file: /none}}, 2: {{file: {bad}}}}}"
    file.write_text(HEAD + router(f"authentication: {{type: hmac, keys: {keys}, active: 1}}"))
    with pytest.raises(ConfigError) as refused:
        check_file(file, "lb1", as_json=False)
    (mistake,) = refused.value.mistakes
    assert mistake.path == "virtual_routers[0].authentication.keys.2.file"
    assert mistake.message == f"{bad}: a key of 31 bytes; it has 32 to 64"
    bad.write_bytes(SECRET)
    shown = check_file(file, "lb1", as_json=False)
    assert shown.endswith(
        "not judged: key 1 of virtual router web: /none: no such file or directory"
    )


def test_a_start_names_the_place_of_every_key_file_it_can_not_use(tmp_path):
    file, bad = tmp_path / "web.yaml", key_file(tmp_path, SECRET, 0o640)
    keys = f"{{1: {{file: /none}}, 2: {{file: {bad}}}}}"
    file.write_text(HEAD + router(f"authentication: {{type: hmac, keys: {keys}, active: 1}}"))
    with pytest.raises(ConfigError) as refused:
        read_keys(file, load_node(file, "lb1").vrrp)
    assert [(each.path, each.message) for each in refused.value.mistakes] == [
        ("virtual_routers[0].authentication.keys.1.file", "/none: no such file or directory"),
        (
            "virtual_routers[0].authentication.keys.2.file",
            f"{bad}: others have access to it: mode 0640",
        ),
    ]
