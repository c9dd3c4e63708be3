"""`make bench` at a tiny size: each suite measures what it names.

One after the other in one test, so that the benchmark's own server is made once.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from benchmarks.figures import UNITS
from tests import migrated, servers
from tests.doubles import postgres

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


@pytest.fixture
def var(django_db_setup, django_db_blocker) -> Iterator[Path]:
    """A folder for the benchmark, with a migrated database in a server of its own.

    Not among pytest's temporary folders, which are closed to PostgreSQL's user.
    """
    folder = Path(settings.VAR_DIR) / f"var-{os.getpid()}"
    try:
        with django_db_blocker.unblock():
            tables = migrated.as_sql() if servers.IS_OURS else ""
            postgres.Postgres(folder / "bench" / "postgres", tables).leave()
        yield folder
    finally:
        shutil.rmtree(folder)


def test_each_suite_writes_its_figures(tmp_path, var):
    for suite, (size, absent) in SUITES.items():
        figures = measured(suite, size, tmp_path / f"{suite}.json", var)
        expected = {key for key in UNITS if key.startswith(f"{suite}.")} - absent
        if suite == "pages":
            expected.add("people.search_ms")
        assert figures.keys() == expected
        for figure in figures.values():
            assert 0 < figure["least"] <= figure["median"] <= figure["most"]


def measured(
    suite: str, size: str, file: Path, var: Path
) -> dict[str, dict[str, float]]:
    options = ["--suite", suite, "--sizes", size, "--rounds", "1", "--seconds", "0"]
    kept = ["--migrated", postgres.TEMPLATE]
    environment = {k: v for k, v in os.environ.items() if k not in SERVERS}
    environment["VAR_DIR"] = str(var)
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
