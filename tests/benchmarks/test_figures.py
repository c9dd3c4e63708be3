"""The figures as a command reads them, and the other side over HTTPS."""

import json
import ssl

import pytest
import requests

from benchmarks import certificate, figures
from benchmarks.sink import SinkClient
from externalapi.http.client import GuardedClient, NotSentError, Request
from lemnisk_braze.local.processes import Processes, free_port

COMMAND = "make bench SUITE=people"
HOST = "127.0.0.1"


def test_each_measured_figure_stands_under_its_key(tmp_path):
    file = tmp_path / "figures.json"
    measured = {
        "people.times_orm": [3.0, 1.0, 2.5],
        "people.share_100": [0.5],
        "people.http_p99_ms": [],
    }
    figures.write(file, measured, COMMAND)
    assert json.loads(file.read_text()) == {
        "people.times_orm": {
            "median": 2.5,
            "least": 1.0,
            "most": 3.0,
            "unit": "times",
            "rounds": 3,
            "command": COMMAND,
        },
        "people.share_100": {
            "median": 0.5,
            "least": 0.5,
            "most": 0.5,
            "unit": "share",
            "rounds": 1,
            "command": COMMAND,
        },
    }


def test_a_figure_without_a_unit_is_refused(tmp_path):
    with pytest.raises(KeyError, match=r"people\.guessed"):
        figures.write(tmp_path / "figures.json", {"people.guessed": [1.0]}, COMMAND)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def sink(tmp_path, settings):
    """The other side as `make bench` starts it, and its certificate's authority."""
    port = free_port(0)
    made = certificate.make(tmp_path, HOST)
    settings.ALLOWED_LOCAL_ADDRESSES = [f"{HOST}:{port}"]
    with Processes(tmp_path / "log", {}) as processes:
        processes.start(
            "sink",
            ["benchmarks.sink", f"--port={port}", f"--certificate={made.server}"],
        )
        client = SinkClient(url=f"https://{HOST}:{port}", ca_file=str(made.authority))
        processes.wait_until(client.is_up, "the sink", 20)
        yield client


def test_the_other_side_speaks_https_and_counts_its_connections(sink, settings):
    settings.CA_FILE = sink.ca_file
    request = Request(
        method="POST",
        url=f"{sink.url}/users/track",
        headers={"Content-Type": "application/json"},
        body=b'{"attributes": [{"external_id": "a"}, {"external_id": "b"}]}',
    )
    client = GuardedClient()
    assert [client.send(request, "k").status for _ in range(3)] == [201] * 3
    counts = sink.counts()
    assert (counts["requests"], counts["objects"], counts["connections"]) == (3, 6, 1)
    sink.reset()
    assert client.send(request, "k").timing.is_reused
    assert sink.counts()["connections"] == 0
    client.close()


def test_nobody_else_trusts_the_certificate_of_the_run(sink):
    request = Request(
        method="POST", url=f"{sink.url}/users/track", headers={}, body=b"{}"
    )
    with pytest.raises(NotSentError, match="self-signed certificate"):
        GuardedClient().send(request, "k")
    with pytest.raises(requests.exceptions.SSLError, match="self-signed"):
        SinkClient(url=sink.url, ca_file=ssl.get_default_verify_paths().cafile).counts()
    assert sink.counts()["requests"] == 0
