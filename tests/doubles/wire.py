"""A TCP proxy on loopback between two real processes, and what may happen to a wire."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST and nothing else


class Wire:
    """Every connection to `port` of this object is passed on to another port.

    `latency`: seconds that each piece is held up, in both directions. `cut_after`: how
    many bytes of a connection get through before both ends are reset; none comes back.
    """

    def __init__(
        self, to_port: int, *, latency: float = 0, cut_after: int | None = None
    ) -> None:
        self.latency = latency
        self.cut_after = cut_after
        self._to = to_port
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.set()

    def cut(self) -> None:
        """A black hole: bytes go in and none come out."""
        self._open.clear()

    def mend(self) -> None:
        self._open.set()

    def reset(self) -> None:
        """End all connections at once with RST."""
        for end in self._sockets:
            _reset(end)
        self._sockets.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._sockets += (near, far)
            if self.cut_after is not None:
                self._start(self._cut_short, near, far, self.cut_after)
            else:
                self._start(self._pump, near, far)
                self._start(self._pump, far, near)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _cut_short(self, source: socket.socket, target: socket.socket, n: int) -> None:
        with suppress(OSError):
            while n and (data := source.recv(n)):
                target.sendall(data)
                n -= len(data)
            # What has come through is read before the end is noticed.
            time.sleep(0.2)
        _reset(source)
        _reset(target)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._open.wait()
                time.sleep(self.latency)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        # A thread may be reading: that alone would keep it open.
        end.shutdown(socket.SHUT_RD)
    end.close()
