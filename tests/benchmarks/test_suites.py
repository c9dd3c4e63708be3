"""`make bench` at a tiny size: each suite measures what it names.

One after the other in one test, so that the benchmark's own database is migrated once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import UNITS
from tests import migrated

ROOT = Path(__file__).parents[2]
# The servers of the benchmark are its own, whatever a test's environment names.
SERVERS = ("DATABASE_URL", "REDIS_URL")


# How many people; the lists of pages go on to a second one. And what is not measured.
SUITES = {
    # The web server's latency is left out: its pace takes its time. A search is measured
    # with the pages.
    "people": ("50", {"people.http_p99_ms", "people.search_ms"}),
    # Nor are entries at a pace; and growth needs a tenth of the people as well.
    "segments": (
        "50",
        {
            *(key for key in UNITS if key.startswith("segments.entry_")),
            "segments.growth",
            "segments.growth_cpu",
        },
    ),
    "pages": ("200", set[str]()),
}


def test_each_suite_writes_its_figures(tmp_path):
    for suite, (size, absent) in SUITES.items():
        figures = measured(suite, size, tmp_path / f"{suite}.json")
        expected = {key for key in UNITS if key.startswith(f"{suite}.")} - absent
        if suite == "pages":
            expected.add("people.search_ms")
        assert figures.keys() == expected
        for figure in figures.values():
            assert 0 < figure["least"] <= figure["median"] <= figure["most"]


def measured(suite: str, size: str, file: Path) -> dict[str, dict[str, float]]:
    options = ["--suite", suite, "--sizes", size, "--rounds", "1", "--seconds", "0"]
    kept = ["--migrated", migrated.digest()]
    environment = {k: v for k, v in os.environ.items() if k not in SERVERS}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", *options, *kept, "--json", str(file)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1_800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, float]] = json.loads(file.read_text())
    return found
