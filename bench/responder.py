"""A web server with the least it takes, so that a benchmark measures the client.

Run as `python bench/responder.py FIRST COUNT`: answers on COUNT loopback ports from FIRST on,
and prints "ready". Ends when its standard input does.
"""

from __future__ import annotations

import resource
import select
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


def main() -> None:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listeners = {}
    epoll = select.epoll()
    for port in range(first, first + count):
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        listener.setblocking(False)
        listeners[listener.fileno()] = listener
        epoll.register(listener.fileno(), select.EPOLLIN)
    epoll.register(sys.stdin.fileno(), select.EPOLLIN)
    print("ready", flush=True)
    serve(epoll, listeners)


def serve(epoll: select.epoll, listeners: dict[int, socket.socket]) -> None:
    clients: dict[int, socket.socket] = {}
    while True:
        for fd, _ in epoll.poll():
            if fd in listeners:
                client, _ = listeners[fd].accept()
                clients[client.fileno()] = client
                epoll.register(client.fileno(), select.EPOLLIN)
            elif fd in clients:
                answer(clients.pop(fd))
            else:
                return


def answer(client: socket.socket) -> None:
    try:
        if client.recv(4096):
            client.send(ANSWER)
    except ConnectionError:
        pass
    client.close()


if __name__ == "__main__":
    main()
