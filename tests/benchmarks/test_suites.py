"""`make bench` at a tiny size: each suite measures what it names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import UNITS

ROOT = Path(__file__).parents[2]
# The servers of the benchmark are its own, whatever a test's environment names.
SERVERS = ("DATABASE_URL", "REDIS_URL")


@pytest.mark.parametrize(
    ("suite", "absent"),
    [
        # The web server's latency is left out: its pace takes its time. A search is
        # measured with the pages.
        ("people", {"people.http_p99_ms", "people.search_ms"}),
        # Nor are entries at a pace; and growth needs a tenth of the people as well.
        (
            "segments",
            {
                *(key for key in UNITS if key.startswith("segments.entry_")),
                "segments.growth",
            },
        ),
        ("pages", set()),
    ],
)
def test_a_suite_writes_its_figures(tmp_path, suite, absent):
    file = tmp_path / "figures.json"
    options = ["--suite", suite, "--sizes", "200", "--rounds", "1", "--seconds", "0"]
    environment = {k: v for k, v in os.environ.items() if k not in SERVERS}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", *options, "--json", str(file)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())
    expected = {key for key in UNITS if key.startswith(f"{suite}.")} - absent
    if suite == "pages":
        expected.add("people.search_ms")
    assert figures.keys() == expected
    for figure in figures.values():
        assert 0 < figure["least"] <= figure["median"] <= figure["most"]
