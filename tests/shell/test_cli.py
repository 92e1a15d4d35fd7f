"""The command line: every mistake a person can make is one clear line and the right exit code."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from lvsha.cli import main as command_line
from lvsha.cli import plans
from lvsha.cli.main import main
from lvsha.config.reader import find_file
from lvsha.errors import HostError, UsageError
from lvsha.runtime import control
from lvsha.supervisor import preflight
from tests.shell.console import ROUTERS_ONLY, WITH_SERVICE, lvsha

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "web.yaml"
    path.write_text(ROUTERS_ONLY)
    return path


@pytest.fixture
def open_folder():
    """A folder that nobody may write to and everybody may read, on a path everybody may enter."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lvsha-test") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def say(monkeypatch, capsys):
    """Run the command in this process: its exit code, stdout and stderr."""

    def run(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lvsha", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


WORDS = {
    "unknown command": (["bogus"], "lvsha: no such command 'bogus'"),
    "unknown option": (["check", "--bogus"], "lvsha: no such option '--bogus'"),
    "option without value": (["check", "--node"], "lvsha: option '--node' requires an argument"),
    "one word too many": (["check", "a", "b"], "lvsha: got unexpected extra argument (b)"),
    "missing file": (["check", "nowhere.yaml"], "lvsha: nowhere.yaml: no such file"),
    "missing file for run": (["run", "nowhere.yaml"], "lvsha: nowhere.yaml: no such file"),
    "a folder": (["check", "/"], "lvsha: /: is a directory, not a cluster file"),
    "unknown realserver verb": (["realserver", "bogus"], "lvsha: no such command 'bogus'"),
    "child by hand": (["vrrp"], "lvsha: vrrp: is started by lvsha run, never by hand"),
}


@pytest.mark.parametrize(("words", "line"), WORDS.values(), ids=WORDS)
def test_wrong_words_are_one_line_and_exit_2(words, line):
    said = lvsha(*words)
    assert (said.code, said.out, said.err) == (2, "", f"{line}\n")


def test_the_only_file_of_the_machine_is_taken(tmp_path):
    with pytest.raises(UsageError, match=f"^no cluster file given, and {tmp_path} holds no "):
        find_file(tmp_path)
    (tmp_path / "a.yaml").write_text("")
    assert find_file(tmp_path) == tmp_path / "a.yaml"
    (tmp_path / "b.yaml").write_text("")
    with pytest.raises(UsageError, match=r"holds several: a.yaml, b.yaml$"):
        find_file(tmp_path)


def test_an_unknown_node_is_named_with_the_known_ones(file, say):
    line = f"lvsha: {file}: no node 'lb9'; the file has lb1, lb2\n"
    assert say("check", file, "--node", "lb9") == (2, "", line)
    assert say("run", file, "--node", "lb9") == (2, "", line)


def test_mistakes_in_the_file_stand_with_their_places_and_nothing_before_them(file, say):
    file.write_text(ROUTERS_ONLY.replace("priority: 100", "priority: 1000"))
    code, out, err = say("check", file)
    assert (code, out) == (2, "")
    assert err.startswith(f"{file}:4:49: nodes.lb2.priority: ")
    assert say("run", file, "--node", "lb1") == (2, "", err)


def test_check_prints_the_nodes_plan_or_every_nodes(file, say):
    code, out, _ = say("check", file, "--node", "lb2")
    assert code == 0
    assert out.splitlines()[0] == "cluster web, node lb2"
    code, out, _ = say("check", file)
    assert [line for line in out.splitlines() if line.startswith("cluster")] == [
        "cluster web, node lb1",
        "cluster web, node lb2",
    ]


def test_check_as_json_is_json(file, say):
    code, out, _ = say("check", file, "--json", "--node", "lb1")
    (plan,) = json.loads(out)
    assert (code, plan["vrrp"]["node"], plan["director"]["cluster"]) == (0, "lb1", "web")


def test_schema_is_json(say):
    code, out, _ = say("schema")
    assert (code, json.loads(out)["type"]) == (0, "object")


@needs_root
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_what_needs_root_says_so_without_it(open_folder, verb):
    file = open_folder / "web.yaml"
    file.write_text(WITH_SERVICE)
    said = lvsha(verb, file, "--node", "lb1", as_nobody=True)
    line = f"lvsha: lvsha {verb} must be root, or have CAP_NET_ADMIN and CAP_NET_RAW\n"
    assert (said.code, said.out, said.err) == (1, "", line)


@needs_root
@pytest.mark.parametrize("verb", ["up", "down", "run"])
def test_changing_a_real_server_without_root_says_so(open_folder, verb):
    file = open_folder / "web.yaml"
    file.write_text(WITH_SERVICE)
    address = () if verb == "down" else ("--address", "192.168.1.21")
    said = lvsha("realserver", verb, file, *address, as_nobody=True)
    line = "lvsha: must be root to change addresses and kernel settings\n"
    assert (said.code, said.out, said.err) == (1, "", line)


def test_an_address_that_is_none_is_named(file, say):
    for text in ("nonsense", ""):
        line = f"lvsha: --address: {text!r} is not an IP address\n"
        assert say("realserver", "check", file, "--address", text) == (2, "", line)


def test_an_address_no_service_lists_is_named(file, say):
    line = f"lvsha: {file}: 192.168.1.99 is not a real server of any service\n"
    assert say("realserver", "check", file, "--address", "192.168.1.99") == (2, "", line)


@needs_root
def test_a_missing_interface_is_named_with_its_router(file, tmp_path):
    file.write_text(ROUTERS_ONLY.replace("eth0", "nowhere0"))
    said = lvsha("run", file, "--node", "lb1", "--runtime-dir", tmp_path / "rt")
    line = "interface nowhere0 of virtual router web does not exist on this machine"
    assert (said.code, said.out, said.err) == (1, "", f"lvsha: {line}\n")
    assert not (tmp_path / "rt").exists()


def test_a_second_daemon_on_the_same_directory_names_the_first(tmp_path):
    with (
        preflight.lock(tmp_path / "rt"),
        pytest.raises(HostError, match=rf"already running on .*/rt \(process {os.getpid()}\)$"),
    ):
        preflight.lock(tmp_path / "rt")
    preflight.lock(tmp_path / "rt").close()


def test_the_runtime_directory_is_for_everybody_to_read_whatever_the_umask(tmp_path):
    mask = os.umask(0)
    try:
        preflight.lock(tmp_path / "rt").close()
    finally:
        os.umask(mask)
    assert (tmp_path / "rt").stat().st_mode & 0o777 == 0o755


def test_a_runtime_directory_that_can_not_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    file, long = tmp_path / "file", tmp_path / ("long" * 30)
    for path, why in (
        (file, f"{file}: is not a directory"),
        (file / "below", f"{file}: is not a directory"),
        (Path("/proc/nowhere"), "/proc/nowhere: No such file or directory"),
        (long, f"{long}: too long a path for a Unix socket"),
    ):
        with pytest.raises(HostError, match=f"^runtime directory {why}$"):
            preflight.lock(path)


@pytest.mark.parametrize("verb", ["status", "reload"])
def test_without_a_daemon_status_and_reload_say_so(tmp_path, file, say, verb):
    line = f"lvsha: no daemon is running on {tmp_path}/rt\n"
    assert say(verb, file, "--runtime-dir", tmp_path / "rt") == (1, "", line)


def test_a_relative_runtime_directory_is_meant_from_here(tmp_path, file, say, monkeypatch):
    """The kernel keeps the socket's path as it was bound: others must find it from anywhere."""
    monkeypatch.chdir(tmp_path)
    line = f"lvsha: no daemon is running on {tmp_path}/rt\n"
    assert say("status", file, "--runtime-dir", "rt") == (1, "", line)


def test_the_socket_of_a_dead_daemon_is_no_daemon(tmp_path, file, say):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "control.sock"))
    line = f"lvsha: no daemon is running on {tmp_path}\n"
    assert say("status", file, "--runtime-dir", tmp_path) == (1, "", line)


def test_a_daemon_without_its_director_is_starting_or_restarting(tmp_path, file, say):
    with preflight.lock(tmp_path):
        line = f"lvsha: the daemon on {tmp_path} is starting or restarting: try again\n"
        assert say("status", file, "--runtime-dir", tmp_path) == (1, "", line)


def test_asking_about_a_daemon_does_not_keep_one_from_starting(tmp_path):
    (tmp_path / "lock").write_text("")
    with (tmp_path / "lock").open() as asked:
        fcntl.flock(asked, fcntl.LOCK_SH)
        asked_for = preflight._TRIES
        assert asked_for > 1
    assert not control.is_locked(tmp_path)
    preflight.lock(tmp_path).close()


@needs_root
def test_somebody_elses_control_socket_is_permission_denied(open_folder):
    path = open_folder / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        said = lvsha("status", "--runtime-dir", open_folder, as_nobody=True)
    assert (said.code, said.err) == (1, f"lvsha: {path}: permission denied, try as root\n")


def test_plan_without_ipvs_says_so(tmp_path, file, say, monkeypatch):
    def nothing_there():
        raise HostError("ip_vs: the kernel has no IPVS, or it is not loaded")

    monkeypatch.setattr(plans.KernelIpvs, "open", nothing_there)
    file.write_text(WITH_SERVICE)
    words = ("plan", file, "--node", "lb1", "--runtime-dir", tmp_path)
    line = "lvsha: ip_vs: the kernel has no IPVS, or it is not loaded\n"
    assert say(*words) == (1, "", line)


def test_plan_of_a_node_that_balances_nothing_needs_no_ipvs(tmp_path, file, say):
    assert say("plan", file, "--node", "lb1", "--runtime-dir", tmp_path) == (0, "", "")


def test_status_finds_its_daemon_though_the_file_is_broken(tmp_path, file, say, monkeypatch):
    """At the worst moment somebody has just broken the file."""
    for module in (command_line, plans, control):
        monkeypatch.setattr(module, "RUNTIME_ROOT", tmp_path)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "control.sock").touch()
    expected = f"lvsha: the daemon on {tmp_path}/web is starting or restarting: try again\n"
    with preflight.lock(tmp_path / "web"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "_exchange", _absent)
        for text in (ROUTERS_ONLY.replace("priority: 100", "priority: x"), "cluster: [unclosed"):
            file.write_text(text)
            assert say("status", file) == (1, "", expected)


def _absent(runtime_dir, method, path):
    raise control._absent(runtime_dir)


def test_what_nobody_expected_is_one_line_that_says_how_to_see_more(file, say, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(plans, "check_file", broken)
    line = "lvsha: unexpected: RuntimeError: two lines (LVSHA_TRACEBACK=1 shows where)\n"
    assert say("check", file) == (1, "", line)
    monkeypatch.setenv("LVSHA_TRACEBACK", "1")
    code, _, err = say("check", file)
    assert code == 1
    assert "Traceback" in err


def test_a_reader_that_goes_away_is_no_error_message(file):
    read, write = os.pipe()
    os.close(read)
    import subprocess

    argv = [sys.executable, "-m", "lvsha", "schema"]
    done = subprocess.run(argv, stdout=write, stderr=subprocess.PIPE, timeout=50, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk_under_stdout_is_one_line():
    import subprocess

    argv = [sys.executable, "-m", "lvsha", "schema"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, timeout=50, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert b"No space left on device" in done.stderr
