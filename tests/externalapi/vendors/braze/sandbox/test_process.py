"""Starting and ending a sandbox."""

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import pytest

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.process import SandboxFailedError, SandboxProcess
from externalapi.vendors.braze.sandbox.runtime.options import (
    BadOptionError,
    add_arguments,
    options_from,
    parse_keys,
)
from tests.externalapi.vendors.braze.sandbox.people import attributes

ROOT = Path(__file__).parents[5]
COMMAND = [sys.executable, "-m", "externalapi.vendors.braze.sandbox"]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_listens_on_loopback_and_ends_with_its_block():
    with SandboxProcess() as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")
        pid = sandbox.pid
        assert is_running(pid)
    assert not is_running(pid)


def test_it_ends_in_the_middle_of_a_slow_answer():
    with SandboxProcess() as sandbox:
        sandbox.faults([{"kind": "delay_after", "seconds": 60}])
        code = "from sys import argv; from urllib.request import *; urlopen(argv[1], b'{}')"
        client = subprocess.Popen(
            [sys.executable, "-c", code, sandbox.url + "/users/track"],
            stderr=subprocess.DEVNULL,
        )
        while not sandbox.requests():
            time.sleep(0.01)
        started = time.monotonic()
        sandbox.stop()
        # Who waited for it would take 60.
        assert time.monotonic() - started < 40
        client.wait()


def test_its_key_is_in_no_command_line():
    with SandboxProcess(key="only-for-me-0123") as sandbox:
        command = Path(f"/proc/{sandbox.pid}/cmdline").read_text()
        assert "externalapi.vendors.braze.sandbox" in command
        assert sandbox.key not in command
        assert sandbox.track({"attributes": [attributes()]}).status == 201


def test_a_file_of_keys_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SandboxFailedError, match="file of keys cannot be read"):
        SandboxProcess("--key-file", str(tmp_path / "none")).start()


def test_a_file_has_a_key_on_each_line(tmp_path):
    file = tmp_path / "keys"
    file.write_text("one-0123\ntwo-0123:users.delete\n")
    known = options_from(vars(parsed("--key-file", str(file)))).keys
    assert known == {
        "one-0123": contract.PERMISSIONS,
        "two-0123": frozenset({"users.delete"}),
    }


def parsed(*arguments):
    parser = ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_same_port_and_key_after_a_restart():
    with SandboxProcess(key="k-1") as sandbox:
        url = sandbox.url
        sandbox.restart()
        assert sandbox.url == url
        assert sandbox.track({"attributes": [attributes()]}).status == 201


def test_a_sandbox_that_cannot_start_says_why():
    with SandboxProcess() as first:
        second = SandboxProcess(port=first.port)
        with pytest.raises(SandboxFailedError, match="address already in use"):
            second.start()
    with pytest.raises(SandboxFailedError, match="not running"):
        assert second.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path, number):
    ready = tmp_path / "ready"
    command = [*COMMAND, "--port", "0", "--ready-file", str(ready)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        while not ready.exists():
            time.sleep(0.01)
        assert line == f"Braze sandbox is listening at {ready.read_text()}\n"
        process.send_signal(number)
        assert process.wait(5) == 0


def test_it_ends_when_the_process_that_started_it_dies():
    code = (
        "import os, signal; from externalapi.vendors.braze.sandbox.process import SandboxProcess;"
        "s = SandboxProcess(); s.start(); print(s.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    deadline = time.monotonic() + 10
    while is_running(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "arguments", [["--object-limit", "all"], ["--key", "k:users.tack"], ["--port", "x"]]
)
def test_wrong_arguments_are_explained(arguments):
    done = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True)
    assert done.returncode == 2
    assert b"error: " in done.stderr


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (None, {"sandbox-key": contract.PERMISSIONS}),
        (["a"], {"a": contract.PERMISSIONS}),
        (["a:users.track"], {"a": {"users.track"}}),
        (["a:users.track,users.export.ids", "b:"], None),
    ],
)
def test_keys_and_their_permissions(given, keys):
    if keys is None:
        keys = {"a": {"users.track", "users.export.ids"}, "b": set()}
    assert parse_keys(given) == keys


def test_an_unknown_permission_is_named():
    with pytest.raises(BadOptionError, match=r"users\.tack"):
        parse_keys(["a:users.tack"])


def test_an_answer_may_be_delayed():
    with SandboxProcess("--delay-ms", "100") as sandbox:
        started = time.monotonic()
        sandbox.track({"attributes": [attributes()]})
        assert time.monotonic() - started >= 0.1
