"""A real person's data as test values: which parameter may be filled with what."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.db.models import Q, QuerySet

from externalapi.models import ExternalAPIVersion
from externalapi.template.parameters import Level, Parameter, as_text
from lemnisk_braze.lib.json_types import JSON
from segments.models import Event, Profile

PEOPLE_SHOWN = 8
EVENTS_SHOWN = 3
# Names that have less in common are not the same thing.
ALIKE = 0.5
# Words of a parameter's name that say nothing of its value.
_FILLERS = frozenset("a an and for in of on the their to user users person s".split())
# What a parameter that is only called so may mean, best first.
_MEANS: Mapping[str, tuple[str, ...]] = {
    "name": ("first name", "full name", "given name", "last name"),
    "mail": ("email",),
    "e mail": ("email",),
    "mobile": ("phone",),
    "mobile number": ("phone",),
    "phone number": ("phone",),
    "id": ("external id",),
    "at": ("event time",),
    "date": ("event time",),
    "time": ("event time",),
    "timestamp": ("event time",),
    "when": ("event time",),
}
_BREAKS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^0-9A-Za-zÀ-ɏ]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A value for a parameter, as typed, and where it stands: `first_name`."""

    parameter: str
    value: str
    source: str


def find_people(wanted: str) -> list[Profile]:
    """Return people whose external ID, e-mail or phone begins so.

    Without a word those of the newest events.
    """
    people = Profile.objects.filter(merged_into=None)
    if not (wanted := wanted.strip()):
        newest = Event.objects.order_by("-pk").values_list("profile_id", flat=True)
        ids = list(dict.fromkeys(newest[: PEOPLE_SHOWN * 5]))[:PEOPLE_SHOWN]
        found = people.in_bulk(ids)
        return [found[pk] for pk in ids if pk in found]
    # "Not empty" is what lets PostgreSQL use the partial indexes.
    is_email = Q(email__startswith=wanted.lower()) & ~Q(email="")
    is_phone = Q(phone__startswith=wanted) & ~Q(phone="")
    is_id = Q(external_id__startswith=wanted)
    return list(
        people.filter(is_id | is_email | is_phone).order_by("-pk")[:PEOPLE_SHOWN]
    )


def recent_events(profile: Profile) -> QuerySet[Event]:
    return profile.events.order_by("-time", "-pk")[:EVENTS_SHOWN]


def suggest(
    version: ExternalAPIVersion, profile: Profile, event: Event | None = None
) -> list[Suggestion]:
    """Return what of a person, and of an event, fits a version's parameters.

    A channel identifier is the person's own; of the rest the name that is most alike
    wins, if its value is one that the parameter takes.
    """
    known = list(_known(profile, event))
    identifier = version.external_api.channel_identifier
    found: list[Suggestion] = []
    for parameter in version.read_parameters():
        if parameter.level is Level.FIXED:
            continue
        if parameter.level is Level.IDENTIFIER:
            candidates = [one for one in known if one[0] == identifier]
        else:
            candidates = _alike(parameter, known)
        found.extend(_first_fitting(parameter, candidates))
    return found


def _known(profile: Profile, event: Event | None) -> Iterator[tuple[str, JSON]]:
    """Every value by its name; what the event says comes first."""
    if event is not None:
        yield "event.time", as_text(event.time)
        yield "event.name", event.name
        for name, value in event.properties.items():
            yield f"event.properties.{name}", value
    for name in ("external_id", "email", "phone"):
        yield name, getattr(profile, name)
    yield from profile.attributes.items()


def _alike(
    parameter: Parameter, known: Iterable[tuple[str, JSON]]
) -> list[tuple[str, JSON]]:
    scored = [(max(_scores(parameter, name)), name, value) for name, value in known]
    good = [one for one in scored if one[0] >= ALIKE]
    # Sorting keeps equals in order: the event before the person.
    good.sort(key=lambda one: -one[0])
    return [(name, value) for _, name, value in good]


def _scores(parameter: Parameter, source: str) -> Iterator[float]:
    plain = _plain(source.removeprefix("event.properties."))
    for written in filter(None, (parameter.name, parameter.label)):
        wanted = _plain(written)
        yield likeness(wanted, plain)
        for rank, meant in enumerate(_MEANS.get(wanted, ())):
            yield 0.95 - rank / 10 if meant == plain else 0.0


def likeness(one: str, other: str) -> float:
    """Return how alike two names are: by their words and by their letters, 0 to 1."""
    ours, theirs = set(one.split()), set(other.split())
    if not ours or not theirs:
        return 0.0
    words = len(ours & theirs) / len(ours | theirs)
    letters = SequenceMatcher(
        None, one.replace(" ", ""), other.replace(" ", "")
    ).ratio()
    # Letters alone mislead: “price” and “prize” are alike, “id” is in everything.
    return max(words, letters if letters > 0.85 else 0.0)


def _plain(name: str) -> str:
    words = [word.lower() for word in _BREAKS.split(name) if word]
    return " ".join(word for word in words if word not in _FILLERS) or " ".join(words)


def _first_fitting(
    parameter: Parameter, candidates: Iterable[tuple[str, JSON]]
) -> Iterator[Suggestion]:
    for source, value in candidates:
        text = as_text(value)
        try:
            if text and parameter.coerce(text) is not None:
                yield Suggestion(parameter=parameter.name, value=text, source=source)
                return
        except ValueError:
            continue
