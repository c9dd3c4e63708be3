"""The last hour as shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engagements.delivery.samples import Minute
from lemnisk_braze.lib.pages.chart import HEIGHT, WIDTH, Bar, bars, nice


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """People sent in each minute as bars, people waiting as areas, each to its scale."""

    minutes: Sequence[Minute]
    sent_top: int
    waiting_top: int
    bars: Sequence[Bar]
    areas: Sequence[str]
    times: Sequence[datetime]

    @property
    def is_empty(self) -> bool:
        return not self.bars and not any(minute.waiting for minute in self.minutes)

    @property
    def sent(self) -> int:
        return round(sum(minute.people for minute in self.minutes))

    @property
    def most_waiting(self) -> int:
        return max((minute.waiting or 0 for minute in self.minutes), default=0)

    @property
    def waiting_now(self) -> int:
        known = [m.waiting for m in self.minutes if m.waiting is not None]
        return known[-1] if known else 0


def draw(minutes: Sequence[Minute]) -> Picture:
    sent_top = nice(max((minute.people for minute in minutes), default=0))
    waiting_top = nice(max((minute.waiting or 0 for minute in minutes), default=0))
    return Picture(
        minutes=minutes,
        sent_top=sent_top,
        waiting_top=waiting_top,
        bars=bars([minute.people for minute in minutes], sent_top),
        areas=_areas(minutes, waiting_top),
        times=[minute.at for minute in minutes[::15]],
    )


def _areas(minutes: Sequence[Minute], top: int) -> list[str]:
    """A polygon's points for each stretch of minutes in which a tick looked."""
    step = WIDTH / len(minutes) if minutes else WIDTH
    areas: list[str] = []
    stretch: list[tuple[float, float]] = []
    for number, minute in enumerate([*minutes, None]):
        if minute is not None and minute.waiting is not None:
            y = round(HEIGHT - minute.waiting * HEIGHT / top, 2)
            stretch += [(number * step, y), ((number + 1) * step, y)]
        elif stretch:
            corners = [(stretch[0][0], HEIGHT), *stretch, (stretch[-1][0], HEIGHT)]
            areas.append(" ".join(f"{x:g},{y:g}" for x, y in corners))
            stretch = []
    return areas
