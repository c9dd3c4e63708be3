"""Runs a sandbox as a process of its own: for tests, the demo and the benchmark.

with SandboxProcess() as sandbox:
    ...  # send to sandbox.url with sandbox.key
    assert sandbox.user("ada")["first_name"] == "Ada"
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import orjson

from externalapi.vendors.braze.facts.contract import TRACK
from externalapi.vendors.braze.sandbox.runtime.options import DEFAULT_KEY

_ROOT = Path(__file__).parents[4]
_START_SECONDS = 20
_STOP_SECONDS = 5
# A look at a million people waits until all that was accepted is applied.
_ANSWER_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class SandboxFailedError(RuntimeError):
    """The sandbox did not start."""


class SandboxProcess:
    """A sandbox on a free port; `arguments` are those of the command line.

    It ends with the `with` block, with `stop()`, and also when this process dies.
    """

    def __init__(self, *arguments: str, key: str = DEFAULT_KEY, port: int = 0) -> None:
        self.key = key
        self.url = ""
        self._arguments = arguments
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # --- The process ------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def start(self) -> None:
        """Start it and wait until it listens."""
        with tempfile.NamedTemporaryFile("w", prefix="sandbox-key-") as key_file:
            key_file.write(self.key)
            key_file.flush()
            self._start(key_file.name)

    def _start(self, key_file: str) -> None:
        command = [
            sys.executable,
            "-m",
            "externalapi.vendors.braze.sandbox",
            "--stop-on-eof",
        ]
        command += ["--port", str(self._port), "--key-file", key_file]
        command += self._arguments
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by kill)
        self._process = subprocess.Popen(
            command,
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        try:
            self.url = self._announced()
        except BaseException as error:
            complaint = self.complaints()
            self.kill()
            raise SandboxFailedError(f"No sandbox: {complaint}") from error

    def complaints(self) -> str:
        """What it wrote to standard error so far: nothing, if all is well."""
        if self._errors is None:
            return ""
        written = os.pread(self._errors.fileno(), 1_000_000, 0)
        return written.decode(errors="replace")

    def _announced(self) -> str:
        output = self._running().stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], _START_SECONDS)
        line = output.readline().decode() if ready else ""
        if "http://" not in line:
            raise TimeoutError("It did not say where it listens.")
        return line.split()[-1]

    def stop(self) -> None:
        """Ask it to end, and make sure that it has."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            self.kill()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._errors is not None:
            self._errors.close()
        self._process = self._errors = None

    def restart(self) -> None:
        """End it and start it again at the same address; a journal keeps its data."""
        self._port = self.port
        self.stop()
        self.start()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise SandboxFailedError("The sandbox is not running.")
        return self._process

    # --- Talking to it ------------------------------------------------------------------

    def track(self, body: object, path: str = TRACK) -> Answer:
        """Send as an application would, with the sandbox's own key."""
        return self.call("POST", path, body, {"Authorization": f"Bearer {self.key}"})

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """The requests it received, in order, after the since-th."""
        found: list[dict[str, Any]] = self._get(f"/sandbox/requests?since={since}")
        return found

    def traffic(self) -> dict[str, Any]:
        """Counts of what arrived; cheap enough to ask for all the time."""
        found: dict[str, Any] = self._get("/sandbox/traffic")
        return found

    def summary(self) -> dict[str, Any]:
        """The same, with the people, events and purchases that it has made."""
        found: dict[str, Any] = self._get("/sandbox/summary")
        return found

    def duplicates(self) -> list[dict[str, Any]]:
        """Events that one person has more than once."""
        found: list[dict[str, Any]] = self._get("/sandbox/duplicates")
        return found

    def user(self, external_id: str) -> dict[str, Any] | None:
        answer = self.call("GET", f"/sandbox/users/{quote(external_id, safe='')}")
        if answer.status == 404:
            return None
        found: dict[str, Any] = _expected(200, answer).json()
        return found

    def faults(self, rules: Sequence[Mapping[str, object]]) -> None:
        """Add rules to the script of faults."""
        _expected(201, self.call("POST", "/sandbox/faults", list(rules)))

    def clear_faults(self) -> None:
        _expected(200, self.call("DELETE", "/sandbox/faults"))

    def reset(self) -> None:
        """Forget everybody, every request and every fault."""
        _expected(200, self.call("POST", "/sandbox/reset"))

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any request; bytes are sent as they are, everything else as JSON."""
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = Request(self.url + path, data, sent, method=method)
        try:
            with _opener.open(request, timeout=_ANSWER_SECONDS) as found:
                return _answer(found.status, found.headers, found.read())
        except HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error.read())

    def _get(self, path: str) -> Any:
        return _expected(200, self.call("GET", path)).json()


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        """A redirect is an answer like any other."""


# Never through a proxy that the environment names: the sandbox is on this machine.
_opener = build_opener(ProxyHandler({}), _NoRedirects())


def _answer(status: int, headers: Message, body: bytes) -> Answer:
    return Answer(status=status, headers=headers, body=body)


def _expected(status: int, answer: Answer) -> Answer:
    if answer.status != status:
        text = answer.body.decode(errors="replace")
        raise ValueError(f"The sandbox answered {answer.status}: {text}")
    return answer
