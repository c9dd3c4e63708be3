"""Data points that were sent, and those that were saved by sending only what changed."""

from dataclasses import dataclass

from engagements.models import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPoints:
    """Of people who were accepted, and (saved) of those who had nothing new, too."""

    sent: int
    saved: int


def data_points(tally: Tally) -> DataPoints | None:
    """As batches count them; None where nothing was compared."""
    if not (tally.points or tally.saved):
        return None
    return DataPoints(sent=tally.points, saved=tally.saved)
