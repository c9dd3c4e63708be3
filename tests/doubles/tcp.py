"""A server behind a Unix socket, on a port of this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE = 1 << 16


@contextmanager
def port_for(path: str) -> Iterator[int]:
    """A port whose connections go to the socket, while the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, path))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            # Whoever waits in accept() does not see that it is closed.
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(server: socket.socket, path: str) -> None:
    threads = []
    with suppress(OSError):
        while True:
            near, _ = server.accept()
            threads.append(threading.Thread(target=_connect, args=(near, path)))
            threads[-1].start()
    for thread in threads:
        thread.join(10)


def _connect(near: socket.socket, path: str) -> None:
    with near, socket.socket(socket.AF_UNIX) as far:
        far.connect(path)
        back = threading.Thread(target=_pass_on, args=(far, near))
        back.start()
        _pass_on(near, far)
        back.join(10)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(PIECE):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
