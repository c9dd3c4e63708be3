"""Figures for a command: each under its key, so that one can be held to a bar."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import orjson

# A figure's key → what it was in each round.
Figures = Mapping[str, Sequence[float]]

UNITS = {
    "delivery.times_naive": "times",
    "delivery.times_careful": "times",
    "delivery.braze_limit_share": "share",
    "delivery.growth": "times",
    "delivery.peak_mb": "MB",
    "delivery.peak_growth": "times",
    # Of the speed without any of it; deltas where all is new, a tenth changed, nothing.
    "delivery.share_caps": "share",
    "delivery.share_holdout": "share",
    "delivery.share_deltas": "share",
    "delivery.share_deltas_10": "share",
    "delivery.share_deltas_0": "share",
    "delivery.share_with_guards": "share",
    "delivery.share_with_guards_10": "share",
    "delivery.share_with_guards_0": "share",
    "realtime.alone_p50_ms": "ms",
    "realtime.alone_p99_ms": "ms",
    "realtime.bulk_p50_ms": "ms",
    "realtime.bulk_p99_ms": "ms",
    "people.times_orm": "times",
    "people.times_orm_12": "times",
    "people.share_100": "share",
    "people.dictionary_percent": "%",
    "people.http_p99_ms": "ms",
    "people.import_times_orm": "times",
    "people.import_times_bulk": "times",
    "people.import_peak_growth": "times",
    "people.bytes_an_event": "bytes",
    "people.search_ms": "ms",
    # Of a person in all segments; of the processor here and of PostgreSQL's session; who
    # entered or left; of the database's log.
    "segments.changed_us_12": "µs",
    "segments.changed_cpu_us_12": "µs",
    "segments.changed_moves_12": "moves",
    "segments.changed_wal_12": "bytes",
    "segments.changed_us_100": "µs",
    "segments.changed_cpu_us_100": "µs",
    "segments.changed_moves_100": "moves",
    "segments.changed_wal_100": "bytes",
    "segments.refresh_times_sql": "times",
    "segments.fill_times_insert": "times",
    "segments.ingest_wait_ms": "ms",
    "segments.entry_p50_ms": "ms",
    "segments.entry_p99_ms": "ms",
    # While a segment of 87 % of everybody is filled, with twelve and with a hundred.
    "segments.entry_filling_p50_ms": "ms",
    "segments.entry_filling_p99_ms": "ms",
    "segments.entry_filling_100_p50_ms": "ms",
    "segments.entry_filling_100_p99_ms": "ms",
    "segments.growth": "times",
    "segments.growth_cpu": "times",
    "pages.p95_ms": "ms",
    # Of what is asked of deliveries: of all pages, and the median of the slowest.
    "pages.deliveries_p95_ms": "ms",
    "pages.deliveries_slowest_ms": "ms",
}


def summed_up(figures: Figures, command: str) -> dict[str, dict[str, object]]:
    """Median, least and most of each figure that was measured; the others are absent.

    `command` measures them again. Raises KeyError for a key without a unit.
    """
    return {
        key: {
            "median": median(values),
            "least": min(values),
            "most": max(values),
            "unit": UNITS[key],
            "rounds": len(values),
            "command": command,
        }
        for key, values in figures.items()
        if values
    }


def write(path: Path, figures: Figures, command: str) -> None:
    """Write them as a JSON object."""
    text = orjson.dumps(summed_up(figures, command), option=orjson.OPT_INDENT_2)
    path.write_bytes(text + b"\n")
