"""What a save has changed in a payload, in a sentence for the history; and line by line."""

from collections.abc import Mapping

from engagements.models import Run
from engagements.payload.reading import read
from externalapi.definitions.diff import Row, diff_lines
from externalapi.template.parser import BodyError
from externalapi.template.spans import Path, path_text

PLACES_SHOWN = 8


def in_words(before: str, after: str) -> str:
    """Name the places that differ, without their values; "" where none does."""
    if before == after:
        return ""
    if not before or not after:
        return f"Payload: {'written' if after else 'no longer written here'}."
    old, new = _leaves(before), _leaves(after)
    said = [
        ("added", [path for path in new if path not in old]),
        ("changed", [path for path in new if path in old and old[path] != new[path]]),
        ("taken out", [path for path in old if path not in new]),
    ]
    words = [f"{_places(paths)} {what}" for what, paths in said if paths]
    return f"Payload: {'; '.join(words) or 'laid out anew'}."


def since(run: Run) -> list[Row]:
    """The lines that differ between a run's payload and its engagement's as it is now."""
    now = run.engagement.version.payload
    return diff_lines(run.version.payload, now) if run.version.payload and now else []


def _places(paths: list[Path]) -> str:
    shown = ", ".join(path_text(path) for path in paths[:PLACES_SHOWN])
    more = len(paths) - PLACES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _leaves(text: str) -> Mapping[Path, str]:
    try:
        where = read(text).where
    except BodyError:
        return {}
    return {
        path: text[span.start : span.end]
        for path, span in where.items()
        if span.is_leaf
    }
