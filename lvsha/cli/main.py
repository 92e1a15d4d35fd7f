"""The `lvsha` command: words in, one clear line out when something is wrong, never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lvsha import __version__
from lvsha.cli import show
from lvsha.errors import ConfigError, HostError, LvshaError
from lvsha.runtime import control

RUNTIME_ROOT = Path("/run/lvsha")


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(prog_name="lvsha", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 2
    except click.ClickException as error:
        click.echo(f"lvsha: {_one_line(error)}", err=True)
        code = 2
    except ConfigError as error:
        click.echo(str(error), err=True)
        code = error.exit_code
    except LvshaError as error:
        click.echo(f"lvsha: {error}", err=True)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def cluster_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """The arguments every command of a cluster takes."""
    command = click.option(
        "--runtime-dir",
        type=click.Path(path_type=Path),
        help="Where the daemon keeps its socket and state; default /run/lvsha/CLUSTER.",
    )(command)
    command = click.option("--node", help="This machine's name in the file; default: hostname.")(
        command
    )
    return click.argument("file", required=False, type=click.Path(path_type=Path))(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="lvsha %(version)s")
def cli() -> None:
    """Load balancing with Linux Virtual Server: health checks, IPVS and VRRP from one file.

    FILE defaults to the only /etc/lvsha/*.yaml.
    """


@cli.command()
@cluster_file
def run(file: Path | None, node: str | None, runtime_dir: Path | None) -> None:
    """Run the daemon in the foreground until SIGTERM; SIGHUP reads the file again."""
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
    """Print the kernel changes a start or reload would make now, as ipvsadm lines.

    Exits with 3 when there are any. Changes nothing.
    """
    from lvsha.cli.plans import kernel_changes

    lines = kernel_changes(file, node, _runtime_dir(file, runtime_dir))
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
    found = control.get(_runtime_dir(file, runtime_dir), "/status")
    if as_json:
        click.echo(json.dumps(found))
    else:
        show.status(found)
    return 0 if show.is_healthy(found) else 3


@cli.command()
@cluster_file
def reload(file: Path | None, node: str | None, runtime_dir: Path | None) -> None:
    """Make the running daemon read its file again; a bad file changes nothing."""
    code, answer = control.post(_runtime_dir(file, runtime_dir), "/reload")
    if code != 200:
        raise _Rejected(answer["error"])
    click.echo(f"generation {answer['generation']} is in force")


@cli.command()
@click.option("--plain", is_flag=True, help="Lines instead of a live picture.")
def demo(plain: bool) -> int:
    """Show the whole system in a lab on this machine, with traffic, failures and fail-over."""
    from lvsha.lab.demo import demo as run_demo

    return run_demo(plain=plain)


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def ipvsadm(words: tuple[str, ...]) -> int:
    """Do what ipvsadm does, with its own grammar, output and exit codes."""
    from lvsha.cli.ipvsadm import main as run_ipvsadm

    return run_ipvsadm(list(words))


@cli.group()
def realserver() -> None:
    """Set this machine up as a real server: VIPs on lo, ARP sysctls, tunnel device."""


def _realserver_command(name: str, text: str) -> None:
    @realserver.command(name, help=text)
    @click.option("--address", help="Own address listed in the file; default: found by itself.")
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


class _Rejected(LvshaError):
    """The daemon refused the file; its text is already written for a person."""

    exit_code = 2


def _runtime_dir(file: Path | None, runtime_dir: Path | None) -> Path:
    """The runtime directory asked for, or the one of FILE's cluster, or the only one there is."""
    if runtime_dir is not None:
        return runtime_dir
    if file is None:
        running = [path.parent for path in RUNTIME_ROOT.glob("*/control.sock")]
        if len(running) == 1:
            return running[0]
        if not running:
            raise HostError(f"no daemon is running on {RUNTIME_ROOT}/*")
    from lvsha.cli.plans import read_cluster

    return RUNTIME_ROOT / read_cluster(file).name


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]
