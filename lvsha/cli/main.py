"""The `lvsha` command: words in, one clear line out when something is wrong, never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lvsha import __version__
from lvsha.errors import ConfigError, LvshaError, UsageError
from lvsha.runtime import control, logs
from lvsha.runtime.control import RUNTIME_ROOT


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(prog_name="lvsha", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 2
    except click.ClickException as error:
        code = _fail(f"lvsha: {_one_line(error)}", 2)
    except LvshaError as error:
        code = _fail(error.report, error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except BrokenPipeError:
        code = _without_stdout()
    except Exception as error:  # noqa: BLE001 - never a traceback at a user
        code = _unexpected(error)
    sys.exit(code if isinstance(code, int) else 0)


def cluster_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments every command of a cluster takes."""
    return click.argument("file", required=False, type=click.Path(path_type=Path))(
        _which_daemon(command)
    )


def _which_daemon(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--runtime-dir",
        type=click.Path(path_type=Path, resolve_path=True),
        help="Where the daemon keeps its socket and state; default /run/lvsha/CLUSTER.",
    )(command)
    return click.option("--node", help="This machine's name in the file; default: hostname.")(
        command
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="lvsha %(version)s")
def cli() -> None:
    """Load balancing with Linux Virtual Server: health checks, IPVS and VRRP from one file.

    FILE defaults to the only /etc/lvsha/*.yaml.
    """


@cli.command()
@cluster_file
def run(file: Path | None, node: str | None, runtime_dir: Path | None) -> None:
    """Run the daemon in the foreground until SIGTERM.

    SIGHUP reads the file again. Logs go to stderr.
    """
    from lvsha.cli.daemon import run_daemon

    run_daemon(file, node, runtime_dir)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@cluster_file
def check(file: Path | None, node: str | None, runtime_dir: Path | None, as_json: bool) -> None:
    """Validate the file and print what this node is asked to be."""
    from lvsha.cli.plans import check_file

    click.echo(check_file(file, node, as_json=as_json))


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the cluster file."""
    from lvsha.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@cli.command()
@cluster_file
def plan(file: Path | None, node: str | None, runtime_dir: Path | None) -> int:
    """Print the kernel changes a start or reload would make now.

    They are ipvsadm lines; exits with 3 when there are any. Changes nothing.
    """
    from lvsha.cli.plans import kernel_changes

    lines = kernel_changes(file, node, runtime_dir)
    for line in lines:
        click.echo(line)
    return 3 if lines else 0


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@cluster_file
def status(file: Path | None, node: str | None, runtime_dir: Path | None, as_json: bool) -> int:
    """Show the running daemon's routers, services and servers.

    Exits with 3 when something is down or not ready.
    """
    from lvsha.cli import show

    directory = _runtime_dir(file, runtime_dir)
    _require_node(node, directory)
    found = control.get(directory, "/status")
    if as_json:
        click.echo(json.dumps(found))
    else:
        show.status(found)
    return 0 if show.is_healthy(found) else 3


@cli.command()
@cluster_file
def reload(file: Path | None, node: str | None, runtime_dir: Path | None) -> int:
    """Make the running daemon read its file again.

    A bad file changes nothing.
    """
    directory = _runtime_dir(file, runtime_dir)
    _require_node(node, directory)
    _, answer = control.post(directory, "/reload")
    if answer["error"]:
        return _fail(answer["error"], answer.get("exit_code", 1))
    click.echo(f"generation {answer['generation']} is in force")
    return 0


def _order_command(verb: str, metavar: str, text: str) -> None:
    @cli.command(verb, help=text)
    @click.argument("words", nargs=-1, metavar=f"{metavar} [FILE]")
    @_which_daemon
    def command(words: tuple[str, ...], node: str | None, runtime_dir: Path | None) -> int:
        from lvsha.cli import orders

        own, file = orders.split(verb, words)
        directory = _runtime_dir(file, runtime_dir)
        _require_node(node, directory)
        answer = orders.give(verb, own, directory)
        if answer["error"]:
            return _fail(answer["error"], answer.get("exit_code", 1))
        click.echo(orders.describe(own, answer))
        return 0


_order_command("drain", "SERVICE SERVER", "Let a server end its connections, then take it out.")
_order_command("enable", "SERVICE SERVER", "Take a drained or disabled server back.")
_order_command("disable", "SERVICE SERVER", "Take a server out as if its checks had failed.")
_order_command("weight", "SERVICE SERVER N", "Give a server another weight; the file's ends that.")


@cli.command()
@click.argument("words", nargs=-1, metavar="ROUTER [FILE]")
@_which_daemon
def failover(words: tuple[str, ...], node: str | None, runtime_dir: Path | None) -> int:
    """Hand a virtual router over to another node.

    This one stays behind whoever is master until that fails. To have it back, run the same there.
    """
    from lvsha.cli import orders
    from lvsha.cli.failover import fail_over

    (router,), file = orders.split("failover", words)
    directory = _runtime_dir(file, runtime_dir)
    _require_node(node, directory)
    text, code = fail_over(router, directory)
    click.echo(text, err=code != 0)
    return code


@cli.command()
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many lines.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.argument("interface")
def sniff(interface: str, count: int | None, as_json: bool) -> int:
    """Print VRRP, ARP and neighbour discovery as they come.

    A line each, until ^C. Needs scapy: pip install 'lvsha[sniff]'
    """
    from lvsha.cli.sniff import sniff as run_sniff

    return run_sniff(interface, count, as_json=as_json)


@cli.command()
@click.option("--plain", is_flag=True, help="Lines instead of a live picture.")
def demo(plain: bool) -> int:
    """Show the whole system in a lab on this machine.

    With traffic, failures and fail-over; it ends with what was measured.
    """
    from lvsha.lab.demo import demo as run_demo

    return run_demo(plain=plain)


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def ipvsadm(words: tuple[str, ...]) -> int:
    """Do what ipvsadm does: its grammar, output and exit codes."""
    from lvsha.cli.ipvsadm import main as run_ipvsadm

    return run_ipvsadm(list(words))


@cli.group()
def realserver() -> None:
    """Set this machine up as a real server.

    That is: virtual addresses on lo, ARP sysctls before them, the tunnel device.
    """


def _realserver_command(name: str, text: str) -> None:
    @realserver.command(name, help=text)
    @click.option("--address", help="Own address listed in the file; default: all of them.")
    @cluster_file
    def command(
        file: Path | None, node: str | None, runtime_dir: Path | None, address: str | None
    ) -> int:
        from lvsha.cli.realserver import run_verb

        return asyncio.run(run_verb(name, file, runtime_dir, address))


_realserver_command("up", "Set everything up; repeating it is harmless.")
_realserver_command("down", "Restore exactly what was found before the first `up`.")
_realserver_command("check", "Say what differs; exits with 3 when something does.")
_realserver_command("run", "Set up, watch, and repair until SIGTERM.")


def _runtime_dir(file: Path | None, runtime_dir: Path | None) -> Path:
    """The runtime directory asked for, or the one of FILE's cluster.

    Where no file tells, the only one in which a daemon runs: a broken file must not hide it.
    """
    if runtime_dir is not None:
        return runtime_dir
    from lvsha.cli.plans import cluster_name

    try:
        return RUNTIME_ROOT / cluster_name(file)
    except (ConfigError, UsageError):
        found = [path.parent for path in RUNTIME_ROOT.glob("*/" + control.SOCKET_NAME)]
        running = [directory for directory in found if control.is_locked(directory)]
        if len(running) != 1:
            raise
        return running[0]


def _require_node(asked: str | None, directory: Path) -> None:
    if asked is not None and asked != (found := control.get(directory, "/status")["node"]):
        raise UsageError(f"the daemon on {directory} is node {found!r}, not {asked!r}")


def _fail(text: str, code: int) -> int:
    click.echo(text, err=True)
    return code


def _without_stdout() -> int:
    """Nobody reads on, or nothing takes any more: what is buffered has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _unexpected(error: Exception) -> int:
    if isinstance(error, OSError):
        _without_stdout()
    if os.environ.get(logs.TRACEBACK):
        traceback.print_exception(error)
    return _fail(f"lvsha: unexpected: {logs.describe(error)} ({logs.TRACEBACK}=1 shows where)", 1)


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]
