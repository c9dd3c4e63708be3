"""The personalization variables that mean something for the people of a segment."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from django.db.models import QuerySet

from engagements.personalization.liquid import Value
from externalapi.template.parameters import Parameter
from segments.dictionary import catalog
from segments.dictionary.catalog import Name
from segments.models import Event, Membership, Profile, Segment

# People (and events) whose data is looked at for what can be named.
SAMPLE = 1_000
# Columns of a person; everything else is an attribute.
FIELDS = ("external_id", "email", "phone")
EXAMPLE_LENGTH = 40
# What Braze calls a person's data, and most who send it do as well.
STANDARD = tuple(
    f"profile.{name}"
    for name in (
        *FIELDS,
        *("first_name", "last_name", "country", "home_city", "language", "dob"),
        "gender",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One line of the picker: what is inserted, and a value that somebody has.

    `about`: what the dictionary knows of it, in words.
    """

    path: str
    example: str = ""
    about: str = ""

    @property
    def insert(self) -> str:
        return f"{{{{ {self.path} }}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    variables: tuple[Variable, ...]


def known_variables(
    segment: Segment | None, parameters: Iterable[Parameter] = ()
) -> list[Group]:
    """What the picker offers: the segment's people, their events, and the rest.

    What the segment's people have comes first, then what the dictionary has besides, but
    for what is hidden in it. What nobody has yet is offered as well: the attributes that everybody names alike,
    and an event's property for each of the `parameters` that are asked for.
    """
    asked = [_property(parameter) for parameter in parameters]
    people = _of_people(segment)
    events = _of_events(segment) if segment else ()
    groups = [
        Group(name="Person", variables=_with(people, STANDARD)),
        Group(
            name="Event", variables=_with(events, ("event.name", "event.time", *asked))
        ),
    ]
    paths = ("segment.name", "engagement.name", "engagement.delivery_id", "now")
    general = tuple(Variable(path=path) for path in paths)
    groups.append(Group(name="General", variables=general))
    return [group for group in groups if group.variables]


def _with(known: tuple[Variable, ...], paths: Iterable[str]) -> tuple[Variable, ...]:
    """What is known, and behind it those of the paths that it lacks."""
    has = {variable.path for variable in known}
    return known + tuple(Variable(path=path) for path in paths if path not in has)


def _property(parameter: Parameter) -> str:
    """Product ID → event.properties.product_id, as most trackers write it."""
    words = re.findall(r"[0-9A-Za-z]+", parameter.title)
    return _path("event.properties", "_".join(words).lower() or "value")


def _of_people(segment: Segment | None) -> tuple[Variable, ...]:
    found: dict[str, str] = {}
    if segment:
        people = Profile.objects.filter(memberships__segment=segment).order_by("-pk")
        rows = people.values(*FIELDS, "attributes")[:SAMPLE]
        columns = [{name: row[name] for name in FIELDS} for row in rows]
        found = _examples([*columns, *(row["attributes"] for row in rows)])
    known = [one for one in catalog.attributes() if one.last_seen]
    return _variables("profile", found, known, catalog.hidden_attributes())


def _of_events(segment: Segment) -> tuple[Variable, ...]:
    events = _entry_events(segment).order_by("-pk")
    found = _examples(events.values_list("properties", flat=True)[:SAMPLE])
    names = segment.event_names
    known = [one for of in catalog.properties(names).values() for one in of]
    if not found and not names:
        return ()
    fixed = (Variable(path="event.name"), Variable(path="event.time"))
    hidden = catalog.hidden_properties(names)
    return (*fixed, *_variables("event.properties", found, known, hidden))


def _entry_events(segment: Segment) -> QuerySet[Event]:
    members = Membership.objects.filter(segment=segment, event__isnull=False)
    return Event.objects.filter(pk__in=members.values("event"))


def _examples(rows: Iterable[dict[str, object]]) -> dict[str, str]:
    """The names in the rows, most frequent first, each with somebody's value."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            if value not in (None, "", [], {}):
                counts[name] += 1
                examples.setdefault(name, str(value)[:EXAMPLE_LENGTH])
    return {name: examples[name] for name, _ in counts.most_common()}


def _variables(
    root: str,
    examples: Mapping[str, str],
    known: Iterable[Name],
    hidden: Collection[str],
) -> tuple[Variable, ...]:
    about = {one.name: one.about for one in known}
    return tuple(
        Variable(
            path=_path(root, name),
            example=examples.get(name, ""),
            about=about.get(name, ""),
        )
        for name in dict.fromkeys((*examples, *about))
        if '"' not in name and name not in hidden
    )


def _path(root: str, name: str) -> str:
    # A name with a space or a dash is read with brackets.
    return f"{root}.{name}" if name.isidentifier() else f'{root}["{name}"]'


def unknown_variable(value: Value, segment: Segment) -> str:
    """What to tell about a variable that nobody in the segment has; "" if none is so.

    Only of a segment with people, and only where no `default` filter steps in.
    """
    if value.has_default or not segment.memberships.exists():
        return ""
    for path in sorted(value.variables):
        if message := _unknown(path, segment):
            return message
    return ""


def _unknown(path: Sequence[str], segment: Segment) -> str:
    match tuple(path):
        case ("profile", name, *_) if not _somebody_has(segment, name):
            known = _examples(_sample(segment)).keys()
            return _nobody(f"Nobody in “{segment}” has “{name}”.", name, known)
        case ("event", "properties", name, *_) if not _some_event_has(segment, name):
            events = _entry_events(segment).values_list("properties", flat=True)
            known = _examples(events[:SAMPLE]).keys()
            start = f"No event that brought people into “{segment}” has “{name}”."
            return _nobody(start, name, known)
    return ""


def _sample(segment: Segment) -> list[dict[str, object]]:
    people = Profile.objects.filter(memberships__segment=segment)
    attributes = people.values_list("attributes", flat=True)[:SAMPLE]
    return [dict.fromkeys(FIELDS, "known"), *attributes]


def _somebody_has(segment: Segment, name: str) -> bool:
    # Not from the sample: in a large segment the sample may miss a rare attribute.
    people = Profile.objects.filter(memberships__segment=segment)
    if name in FIELDS:
        empty = {f"{name}__isnull": True} if name == "external_id" else {name: ""}
        return people.exclude(**empty).exists()
    return people.filter(attributes__has_key=name).exists()


def _some_event_has(segment: Segment, name: str) -> bool:
    return _entry_events(segment).filter(properties__has_key=name).exists()


def _nobody(start: str, name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    hint = f" Did you mean “{close[0]}”?" if close else ""
    return f"{start}{hint} Add a default to send it anyway."
