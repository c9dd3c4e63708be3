"""The oracle's people as rows, and rows as the oracle's people."""

from collections import defaultdict

from segments.membership import refresh
from segments.models import Event, Profile, Segment
from tests.factories import make_source
from tests.segments.rules import oracle


def store(people):
    """Write people; return each by the id of their row, as written."""
    profiles = Profile.objects.bulk_create(
        Profile(
            attributes=person.attributes,
            email=person.email,
            phone=person.phone,
            external_id=person.external_id,
        )
        for person in people
    )
    source = make_source()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"{profile.pk}-{did.number}",
            profile=profile,
            name=did.name,
            time=did.time,
            properties=did.properties,
        )
        for profile, person in zip(profiles, people, strict=True)
        for did in person.did
    )
    return read()


def read():
    """Everybody who is nobody's part, by id; an event's number is its id."""
    did = defaultdict(list)
    for event in Event.objects.order_by("pk"):
        did[event.profile_id].append(
            oracle.Did(
                number=event.pk,
                name=event.name,
                time=event.time,
                properties=event.properties,
            )
        )
    return {
        profile.pk: oracle.Person(
            attributes=profile.attributes,
            email=profile.email,
            phone=profile.phone,
            external_id=profile.external_id,
            did=did[profile.pk],
            id=profile.pk,
        )
        for profile in Profile.objects.filter(merged_into=None)
    }


def count_paused(segment):
    """Have everybody counted for a segment that is otherwise paused: a second opinion."""
    found = Segment.objects.filter(pk=segment.pk)
    found.update(is_active=True)
    refresh.refresh(segment.pk)
    found.update(is_active=False)
