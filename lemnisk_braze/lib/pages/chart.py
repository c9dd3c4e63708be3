"""A chart as shapes: a picture drawn on the server, 600 wide and 100 high.

It is stretched to the page's width, so that its words stand outside of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 100
# Of a bar's place.
GAP = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


def nice(most: float) -> int:
    """The top of a scale: 1, 2 or 5 times a power of ten that holds `most`."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= most:
                return factor * power
        power *= 10


def bars(values: Sequence[float], top: int) -> list[Bar]:
    """One bar for each value that is there, side by side."""
    step = WIDTH / len(values) if values else WIDTH
    gap = step * GAP
    found = []
    for number, value in enumerate(values):
        # Less than half of one is the edge of a neighbouring minute.
        if value >= 0.5:
            height = round(value * HEIGHT / top, 2)
            found.append(
                Bar(
                    x=round(number * step + gap / 2, 2),
                    y=round(HEIGHT - height, 2),
                    width=round(step - gap, 2),
                    height=height,
                )
            )
    return found
