"""What became of a person, newest first: one list out of several logs.

Each log is read by its own reader, in pages by key: (time, id) within a log, and between
entries of one moment the logs in order of registration. An app above registers its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from segments.models import Profile
from segments.naming import User

SIZE = 50
SEPARATOR = "~"
# Larger than every id.
LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: when, what, and what more there is to say, as (label, text)."""

    at: datetime
    id: int
    title: str
    url: str = ""
    badge: str = ""
    tone: str = "neutral"
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Entries older than this: (time, id) is compared as a pair; None is the newest."""

    at: datetime
    id: int

    def of(self, time: str, id: str = "pk") -> Q:
        same = Q(**{time: self.at, f"{id}__lt": self.id})
        # Said of the time alone as well, which an index may begin with.
        older = Q(**{f"{time}__lt": self.at}) | same
        return older & Q(**{f"{time}__lte": self.at})


Read = Callable[[Profile, User, Before | None, int], Iterable[Entry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log that has entries of people; `read` gives so many at most, newest first."""

    name: str
    label: str
    permission: str
    read: Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`older`: what the next page begins behind, "" where this is the last."""

    entries: tuple[tuple[Log, Entry], ...]
    older: str


_logs: list[Log] = []


def register(log: Log) -> None:
    """Let a log be read on every person's page."""
    _logs.append(log)


def ids_of(person: Profile) -> list[int]:
    """The ids that a log may have of them: their own, and those of their parts.

    An index of the log begins with them; a join would read all of it.
    """
    return [person.pk, *person.parts.values_list("pk", flat=True)]


def logs_for(user: User) -> list[Log]:
    """The logs that this user may read."""
    return [log for log in _logs if user.has_perm(log.permission)]  # type: ignore[union-attr]


def read(
    person: Profile,
    user: User,
    chosen: Sequence[Log],
    older: str = "",
    size: int = SIZE,
) -> Page:
    """One page of the chosen logs; a key that is none of ours begins at the newest."""
    key = _key(older)
    places = {log.name: number for number, log in enumerate(_logs)}
    found: list[tuple[Log, Entry]] = []
    for log in chosen:
        before = key and _before(key, places.get(key[1], -1), places[log.name])
        found += ((log, entry) for entry in log.read(person, user, before, size + 1))
    found.sort(
        key=lambda one: (one[1].at, -places[one[0].name], one[1].id), reverse=True
    )
    shown = found[:size]
    if len(found) <= size:
        return Page(entries=tuple(shown), older="")
    log, last = shown[-1]
    key_text = SEPARATOR.join((last.at.isoformat(), log.name, str(last.id)))
    return Page(entries=tuple(shown), older=key_text)


def _key(text: str) -> tuple[datetime, str, int] | None:
    at, _, rest = text.partition(SEPARATOR)
    name, _, id = rest.partition(SEPARATOR)
    try:
        time = datetime.fromisoformat(at)
        number = int(id)
    except ValueError:
        return None
    if time.tzinfo is None or not 0 <= number < LAST_ID:
        return None
    return time, name, number


def _before(key: tuple[datetime, str, int], place: int, own: int) -> Before:
    """Where one log goes on: of its own moment, logs further down are yet to come."""
    at, _, id = key
    if own == place:
        return Before(at=at, id=id)
    return Before(at=at, id=LAST_ID if own > place else -1)
