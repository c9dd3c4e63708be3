"""People, what they did, and the segments that they are in."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from segments.models import (
    DictionaryEntry,
    Event,
    Import,
    ListEntry,
    ListUpload,
    Membership,
    Profile,
    Segment,
    Source,
    Transition,
    UploadedList,
)

_number = itertools.count(1)

PEOPLE = """
    INSERT INTO segments_profile (external_id, email, attributes)
    SELECT 'person-' || n, 'person-' || n || '@example.com',
        jsonb_build_object('first_name', 'Ann ' || n)
    FROM unnest(%s::int[]) WITH ORDINALITY numbers (n, place) ORDER BY place
    RETURNING *
"""
CROWD = """
    WITH people AS (
        INSERT INTO segments_profile (external_id, email, attributes)
        SELECT %(name)s || '-' || n, %(name)s || '-' || n || '@example.com',
            jsonb_build_object('first_name', 'Ann ' || n)
        FROM generate_series(1, %(count)s) n
        RETURNING id
    )
    INSERT INTO segments_membership (segment_id, profile_id)
    SELECT %(segment)s, id FROM people
"""


def make_source(**fields: Any) -> Source:
    fields.setdefault("name", f"Website {next(_number)}")
    return Source.objects.create(**fields)


def make_dictionary_entry(name: str = "plan", **fields: Any) -> DictionaryEntry:
    """An attribute that came eleven times as a text, and once as a number."""
    fields.setdefault("kind", "attribute")
    fields.setdefault("count", 12)
    fields.setdefault("types", [11, 1, 0, 0, 0, 0, 0, 0])
    return DictionaryEntry.objects.create(name=name, **fields)


def make_import(**fields: Any) -> Import:
    """A file whose columns were read, and wait for somebody to say what they are."""
    fields.setdefault("name", f"people-{next(_number)}.csv")
    fields.setdefault("path", f"{next(_number):032x}")
    fields.setdefault("rows", 2)
    fields.setdefault("encoding", "utf-8")
    fields.setdefault(
        "format", {"kind": "csv", "delimiter": ",", "columns": ["id", "city"]}
    )
    columns = [{"name": "id", "filled": 2, "examples": ["u1", "u2"], "may_be": []}]
    columns += [{"name": "city", "filled": 1, "examples": ["Köln"], "may_be": []}]
    fields.setdefault("columns", columns)
    return Import.objects.create(**fields)


def make_list(*values: str, **fields: Any) -> UploadedList:
    """A list with these identifiers on it, external IDs where nothing else is said."""
    fields.setdefault("name", f"Guests {next(_number)}")
    fields.setdefault("kind", "external_id")
    made = UploadedList.objects.create(size=len(values), **fields)
    ListEntry.objects.bulk_create(ListEntry(of=made, value=v) for v in values)
    return made


def make_list_upload(**fields: Any) -> ListUpload:
    """A file that was looked through, and waits for a decision."""
    fields.setdefault("of", make_list() if "of" not in fields else fields["of"])
    fields.setdefault("name", f"guests-{next(_number)}.csv")
    fields.setdefault("mode", ListUpload.Mode.ADD)
    fields.setdefault("state", ListUpload.State.READY)
    fields.setdefault("rows", 1)
    fields.setdefault("found", {"unknown": 1})
    fields.setdefault(
        "format", {"kind": "csv", "delimiter": ",", "columns": ["external_id"]}
    )
    upload = ListUpload.objects.create(**fields)
    upload.lines.create(line=2, value="u-unknown", kind="unknown")
    return upload


def make_profile(**attributes: Any) -> Profile:
    """A person; `external_id`, `email` and `phone` are fields, the rest attributes."""
    number = next(_number)
    fields = {
        "external_id": attributes.pop("external_id", f"person-{number}"),
        "email": attributes.pop("email", f"person-{number}@example.com"),
        "phone": attributes.pop("phone", ""),
    }
    return Profile.objects.create(attributes=attributes, **fields)


def make_people(count: int) -> list[Profile]:
    """Many people at once, each with an external id, an email and a first name."""
    numbers = [next(_number) for _ in range(count)]
    return list(Profile.objects.raw(PEOPLE, [numbers])) if numbers else []


def make_event(profile: Profile, name: str = "Lead", **properties: Any) -> Event:
    number = next(_number)
    return Event.objects.create(
        source=make_source(),
        message_id=f"message-{number}",
        profile=profile,
        name=name,
        time=timezone.now(),
        properties=properties,
    )


def make_segment(
    people: Iterable[Profile] | int = (),
    *,
    event_names: Sequence[str] = (),
    **fields: Any,
) -> Segment:
    """A segment with `people` in it: profiles, or how many to make."""
    people = make_people(people) if isinstance(people, int) else list(people)
    fields.setdefault("name", f"Leads {next(_number)}")
    fields.setdefault("size", len(people))
    fields.setdefault("refreshed_at", timezone.now())
    segment = Segment.objects.create(event_names=list(event_names), **fields)
    Membership.objects.bulk_create(
        Membership(segment=segment, profile=profile) for profile in people
    )
    Transition.objects.bulk_create(
        Transition(segment=segment, profile=profile, kind=Transition.Kind.ENTRY)
        for profile in people
    )
    return segment


def enter(segment: Segment, profile: Profile, event: Event | None = None) -> Transition:
    """Let somebody enter as a refresh would: membership, log and size together."""
    Membership.objects.create(segment=segment, profile=profile, event=event)
    Segment.objects.filter(pk=segment.pk).update(size=segment.memberships.count())
    segment.refresh_from_db()
    return Transition.objects.create(
        segment=segment, profile=profile, kind=Transition.Kind.ENTRY, event=event
    )


def crowd(count: int) -> Segment:
    """A segment with very many people, whom the database makes."""
    segment = make_segment(size=count)
    with connection.cursor() as cursor:
        name = f"crowd-{segment.pk}"
        cursor.execute(CROWD, {"name": name, "count": count, "segment": segment.pk})
    return segment
