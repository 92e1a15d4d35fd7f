"""Lines of ipvsadm by a seeded generator: sensible ones, odd ones and plain nonsense.

A small world, so that services and servers meet again: what one line adds a later one edits,
lists or deletes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

VIPS = ("192.0.2.10", "10.9.0.1", "201.0.0.1", "[2001:db8::10]")
SERVERS = ("10.0.0.1", "10.0.0.2", "172.16.0.9", "200.0.0.3", "[2001:db8::21]", "[2001:db8::22]")
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "fo", "ovf", "mh")
ODD_WORDS = (
    *("", "-", "--", "-1", "0", "1", "80", "+7", " 5", "5 ", "5x", "70000", "2147483648", "0x10"),
    *("4294967296", "99999999999999999999999", "1.2.3.4", "1.2.3.4:80", "1.2.3.4:http", "1.2.3:7"),
    *("1.2.3.4:70000", "1.2.3.4:", ":80", "[::1]:80", "[::1]", "::1", "[1.2.3.4]:80", "[]:80"),
    *("::ffff:1.2.3.4", "fe80::9", "224.0.0.9", "[ff02::1]:80", "255.255.255.0", "010.1.1.1:8"),
    *("master", "backup", "rr", "nope", "sip", "flag-1", "sh-port", "lo", "64", "129", "ipip"),
    *("a" * 40, "=", "==", "=5", "#", "ipvsadm", "\x7f", "\xe9", "foo", "localhost:http"),
)
BARE = tuple("ngimcXo6")
VALUED = tuple("tufspMrwxyb")
LONG_BARE = (
    *("numeric", "connection", "timeout", "daemon", "stats", "rate", "exact", "thresholds"),
    *("persistent-conn", "tun-info", "nosort", "sort", "ops", "ipv6", "tun-csum", "tun-nocsum"),
    *("tun-remcsum", "gatewaying", "ipip", "masquerading"),
)
LONG_VALUED = (
    *("tcp-service", "udp-service", "sctp-service", "fwmark-service", "scheduler", "persistent"),
    *("netmask", "pe", "sched-flags", "real-server", "weight", "u-threshold", "l-threshold"),
    *("tun-type", "tun-port", "syncid", "sync-maxlen", "mcast-interface", "mcast-group"),
    *("mcast-port", "mcast-ttl"),
)
COMMANDS = (
    *("-A", "-E", "-D", "-a", "-e", "-d", "-L", "-l", "-Z", "-S", "-C", "--set", "--add-service"),
    *("--start-daemon", "--stop-daemon", "--list", "--zero", "--edit-server", "--delete-server"),
)


def sensible_line(rng: Random) -> list[str]:
    """A line most of whose kind the kernel accepts, if the table has what it names."""
    kinds: Sequence[tuple[Callable[[Random], list[str]], int]] = (
        (_add_service, 5),
        (_edit_service, 2),
        (_add_server, 12),
        (_edit_server, 4),
        (_delete_server, 2),
        (_delete_service, 1),
        (_zero, 1),
    )
    makers = [maker for maker, _ in kinds]
    return rng.choices(makers, [weight for _, weight in kinds])[0](rng)


def odd_line(rng: Random) -> list[str]:
    """A sensible line with something wrong in it."""
    words = sensible_line(rng)
    for _ in range(rng.choice((1, 1, 2))):
        rng.choice((_replace, _drop, _repeat, _insert, _swap))(rng, words)
    return words


def any_line(rng: Random) -> list[str]:
    """Options and words thrown together behind a command, or without one."""
    words = [rng.choice(COMMANDS)] if rng.random() < 0.9 else []
    for _ in range(rng.randrange(6)):
        words += _option(rng)
    return words


def listing_line(rng: Random) -> list[str]:
    """A listing or a save; order by hash is left out, for no two tables share it."""
    formats = ("--stats", "--rate", "--thresholds", "--persistent-conn", "--tun-info", "--exact")
    kind = rng.randrange(6)
    if kind == 0:
        return ["-S", *rng.choice((["-n"], []))]
    if kind == 1:
        return [rng.choice(("-L", "-l")), *rng.choice((["--timeout"], ["--daemon"], ["-c"]))]
    chosen = rng.sample(formats, rng.choice((0, 1, 1, 1, 2)))
    which = _service(rng) if kind == 2 else []
    return [rng.choice(("-L", "-l", "--list")), "-n", *which, *chosen]


def _add_service(rng: Random) -> list[str]:
    return _spelled(rng, "-A", "--add-service") + _service(rng) + _service_options(rng)


def _edit_service(rng: Random) -> list[str]:
    return _spelled(rng, "-E", "--edit-service") + _service(rng) + _service_options(rng)


def _delete_service(rng: Random) -> list[str]:
    return _spelled(rng, "-D", "--delete-service") + _service(rng)


def _zero(rng: Random) -> list[str]:
    return _spelled(rng, "-Z", "--zero") + rng.choice(([], _service(rng)))


def _add_server(rng: Random) -> list[str]:
    return _spelled(rng, "-a", "--add-server") + _server(rng) + _server_options(rng)


def _edit_server(rng: Random) -> list[str]:
    return _spelled(rng, "-e", "--edit-server") + _server(rng) + _server_options(rng)


def _delete_server(rng: Random) -> list[str]:
    return _spelled(rng, "-d", "--delete-server") + _server(rng)


def _spelled(rng: Random, short: str, long: str) -> list[str]:
    return [rng.choice((short, short, short, long))]


def _service(rng: Random) -> list[str]:
    if rng.random() < 0.2:
        return ["-f", str(rng.choice((1, 2, 7))), *rng.choice(([], ["-6"]))]
    address = rng.choice(VIPS)
    port = rng.choice((80, 80, 443, 0))
    spelled = {"-t": "--tcp-service", "-u": "--udp-service"}
    option = rng.choice(("-t", "-t", "-u", "--sctp-service"))
    return _valued(rng, option, spelled.get(option, option), f"{address}:{port}")


def _server(rng: Random) -> list[str]:
    address = rng.choice(SERVERS)
    where = rng.choice((f"{address}:80", f"{address}:8080", address.strip("[]")))
    words = _service(rng), _valued(rng, "-r", "--real-server", where)
    return words[0] + words[1] if rng.random() < 0.95 else words[1] + words[0]


def _valued(rng: Random, short: str, long: str, value: str) -> list[str]:
    forms = [[short, value], [short, value], [long, value], [f"{long}={value}"]]
    if len(short) == 2:
        forms += [[short + value], [f"{short}={value}"]]
    return rng.choice(forms)


def _service_options(rng: Random) -> list[str]:
    words: list[str] = []
    if rng.random() < 0.8:
        words += _valued(rng, "-s", "--scheduler", rng.choice(SCHEDULERS))
    if rng.random() < 0.5:
        seconds = str(rng.choice((1, 50, 360, 2678400)))
        words += rng.choice((["-p"], _valued(rng, "-p", "--persistent", seconds)))
        if rng.random() < 0.4:
            words += [
                "-M",
                rng.choice(("255.255.255.0", "255.255.255.255", "64", "128", "0.0.9.0")),
            ]
    if rng.random() < 0.15:
        words += ["-o"]
    if rng.random() < 0.1:
        words += ["--pe", "sip"]
    if rng.random() < 0.2:
        flags = ("flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback")
        words += ["-b", ",".join(rng.sample(flags, rng.choice((1, 2))))]
    return words


def _server_options(rng: Random) -> list[str]:
    words = rng.choice(([], ["-g"], ["-m"], ["-m"], ["-i"], ["-i", *_tunnel(rng)]))
    if rng.random() < 0.5:
        words = words + _valued(rng, "-w", "--weight", str(rng.choice((0, 1, 100, 65535, 70000))))
    if rng.random() < 0.2:
        words = [*words, "-x", str(rng.choice((0, 5, 2147483647)))]
    if rng.random() < 0.2:
        words = [*words, "-y", str(rng.choice((0, 4, 6)))]
    return words


def _tunnel(rng: Random) -> list[str]:
    kind = rng.choice(("ipip", "gue", "gue", "gre"))
    words = ["--tun-type", kind]
    if kind == "gue":
        words += ["--tun-port", str(rng.choice((1, 6080, 65535)))]
    if kind != "ipip":
        sums = ["--tun-csum", "--tun-nocsum"] + (["--tun-remcsum"] if kind == "gue" else [])
        words += rng.choice(([], [rng.choice(sums)]))
    return words


def _option(rng: Random) -> list[str]:
    kind = rng.randrange(7)
    if kind == 0:
        return ["-" + "".join(rng.sample(BARE, rng.randrange(1, 4)))]
    if kind == 1:
        return ["-" + rng.choice(VALUED), rng.choice(ODD_WORDS)]
    if kind == 2:
        return ["-" + rng.choice(BARE + VALUED) + rng.choice(ODD_WORDS)]
    if kind == 3:
        return ["--" + rng.choice(LONG_BARE)]
    if kind == 4:
        return ["--" + rng.choice(LONG_VALUED), rng.choice(ODD_WORDS)]
    if kind == 5:
        return [f"--{rng.choice(LONG_VALUED + LONG_BARE)}={rng.choice(ODD_WORDS)}"]
    return rng.choice(([rng.choice(ODD_WORDS)], _service(rng), _server(rng)))


def _replace(rng: Random, words: list[str]) -> None:
    words[rng.randrange(len(words))] = rng.choice(ODD_WORDS)


def _drop(rng: Random, words: list[str]) -> None:
    if len(words) > 1:
        del words[rng.randrange(1, len(words))]


def _repeat(rng: Random, words: list[str]) -> None:
    words.append(rng.choice(words))


def _insert(rng: Random, words: list[str]) -> None:
    words[rng.randrange(1, len(words) + 1) :] = _option(rng)


def _swap(rng: Random, words: list[str]) -> None:
    one, other = rng.randrange(len(words)), rng.randrange(len(words))
    words[one], words[other] = words[other], words[one]
