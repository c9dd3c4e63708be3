"""A proxy between this process and PostgreSQL, which has its hand on some COMMITs."""

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from django.db import connection

# What the transaction that is meant says before its COMMIT.
INTENT = b"INSERT INTO engagements_attempt"
# How long a server may take for a COMMIT of which nobody will hear, in seconds.
COMMITTING = 0.3


class Commits:
    """The sessions that go through here; so many COMMITs of intents are cut off.

    `arrive`: whether the server still reads them. Of none it is heard that it was done.
    With `held` they are not cut off, but the word that it was done is kept back until
    `let_go`.
    """

    def __init__(
        self, *, times: int = 1, arrive: bool = True, held: bool = False
    ) -> None:
        self.arrive = arrive
        self.held = held
        # An intent's COMMIT has come by.
        self.seen = threading.Event()
        self._times = times
        self._gone = threading.Event()
        self._dir = tempfile.TemporaryDirectory(prefix="pg")
        self.host = self._dir.name
        self._listener = socket.socket(socket.AF_UNIX)
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        known = connection.get_connection_params()
        name = f".s.PGSQL.{known.get('port') or 5432}"
        self._to = os.path.join(str(known["host"]), name)
        self._listener.bind(os.path.join(self.host, name))
        self._listener.listen()
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.let_go()
        for end in (self._listener, *self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._dir.cleanup()

    def let_go(self) -> None:
        self._gone.set()

    @contextmanager
    def used(self) -> Iterator[None]:
        """This process's sessions, and its workers', go through here."""
        before = dict(connection.settings_dict)
        connection.close()
        connection.settings_dict["HOST"] = self.host
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict.update(before)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._to)
                self._sockets += (near, far)
                kept_back = threading.Event()
                self._start(self._ask, near, far, kept_back)
                self._start(self._answer, far, near, kept_back)

    def _start(self, work: object, *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()  # type: ignore[arg-type]

    def _ask(
        self, near: socket.socket, far: socket.socket, kept_back: threading.Event
    ) -> None:
        is_intent = False
        with suppress(OSError):
            while data := near.recv(65_536):
                is_intent = is_intent or INTENT in data
                if b"COMMIT" in data and is_intent:
                    is_intent = False
                    if self._times:
                        self._times -= 1
                        kept_back.set()
                        if self.arrive:
                            far.sendall(data)
                            time.sleep(COMMITTING)
                        self.seen.set()
                        if self.held:
                            continue
                        break
                far.sendall(data)
        for end in (near, far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _answer(
        self, far: socket.socket, near: socket.socket, kept_back: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := far.recv(65_536):
                if kept_back.is_set():
                    self._gone.wait()
                    kept_back.clear()
                near.sendall(data)
        with suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)
