"""Sends datagrams back, on loopback ports: `echo.py FIRST COUNT`, until standard input ends."""

from __future__ import annotations

import select
import socket
import sys


def main() -> None:
    first, count = map(int, sys.argv[1:])
    epoll = select.epoll()
    epoll.register(0, select.EPOLLIN)
    sockets: dict[int, socket.socket] = {}
    for port in range(first, first + count):
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", port))
        sockets[sock.fileno()] = sock
        epoll.register(sock.fileno(), select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in epoll.poll():
            if fd == 0:
                return
            data, sender = sockets[fd].recvfrom(65536)
            sockets[fd].sendto(data, sender)


if __name__ == "__main__":
    main()
