"""Where many enter a segment at once they are written by COPY, as all others are."""

import pytest
from django.db import IntegrityError, transaction

from segments.membership import moves
from segments.membership.counts import filling
from segments.membership.moves import Change, Move
from segments.models import Touched
from tests.factories import make_people, make_segment

pytestmark = pytest.mark.django_db

PUNE = '{"attribute": "city", "is": "equals", "value": "Pune"}'
LEAD = '{"event": "Lead"}'


def move(segment, people, **more):
    ids = moves.listed([person.pk for person in people])
    return Move(segment_id=segment.pk, entering=ids, **{"rule": PUNE, **more})


def rows(segment):
    """Their memberships and log, and the size."""
    segment.refresh_from_db()
    members = segment.memberships.order_by("pk").values_list("profile_id", "event_id")
    log = segment.transitions.order_by("pk")
    return (
        list(members),
        list(log.values_list("profile_id", "kind", "event_id", "is_by_merge")),
        segment.size,
    )


def test_it_writes_what_one_statement_writes():
    people, copied, inserted = make_people(3), make_segment(), make_segment()
    assert filling.write(move(copied, people)) == Change(entered=3)
    assert moves.write([move(inserted, people)]) == Change(entered=3)
    assert rows(copied) == rows(inserted)
    assert rows(copied)[2] == 3


def test_who_was_evaluated_meanwhile_is_spared():
    people, segment, other = make_people(4), make_segment(), make_segment()
    for touched in (people[0], people[2]):
        Touched.objects.create(segment=segment, profile_id=touched.pk)
    Touched.objects.create(segment=other, profile_id=people[1].pk)
    spares = move(segment, people, spares_touched=True)
    assert filling.write(spares) == Change(entered=2)
    assert rows(segment)[0] == [(people[1].pk, None), (people[3].pk, None)]
    assert rows(segment)[2] == 2
    nobody = move(segment, [people[0], people[2]], spares_touched=True)
    assert filling.write(nobody) == Change()


def test_who_is_in_already_cannot_enter():
    people = make_people(2)
    segment = make_segment(people[:1])
    before = rows(segment)
    with pytest.raises(IntegrityError), transaction.atomic():
        filling.write(move(segment, people))
    assert rows(segment) == before


def test_only_of_many_who_enter_for_no_event(monkeypatch):
    monkeypatch.setattr(filling, "MANY", 2)
    people, segment = make_people(2), make_segment()
    assert filling.is_fill(move(segment, people))
    assert not filling.is_fill(move(segment, people[:1]))
    assert not filling.is_fill(move(segment, []))
    assert not filling.is_fill(move(segment, people, rule=LEAD))
    assert not filling.is_fill(move(segment, people, leaving="7"))
