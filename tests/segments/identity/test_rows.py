"""People of a chunk are read by indexes, however many people there are beside them."""

import pytest
from django.db import connection
from django.utils import timezone

from segments.identity import rows
from segments.identity.calls import Rules
from segments.identity.facts import Facts
from segments.identity.moves import Move
from segments.identity.parts import Part
from segments.models import Event, Profile
from tests import plans
from tests.factories import make_event, make_source

pytestmark = pytest.mark.django_db

PEOPLE = 60_000


@pytest.fixture
def many():
    plans.begin_anew("segments_profile")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO segments_profile (external_id, attributes)"
            " SELECT 'u' || n, jsonb_build_object('says', repeat('as people do ', 50))"
            " FROM generate_series(1, %s) n",
            [PEOPLE],
        )
        cursor.execute("ANALYZE segments_profile")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("by", ["external_id", "id", "both"])
def test_nobody_else_is_read(by):
    # Few of them: where much of the table is wanted, all of it is as soon read.
    most = PEOPLE // (60 if by == "both" else 20)
    names = [f"u{n}" for n in range(1, most + 1)] if by != "id" else []
    ids = Profile.objects.order_by("-pk").values_list("pk", flat=True)[:most]
    ids = list(ids) if by != "external_id" else []
    parts = {}
    with plans.watched() as watched:
        rows.load(parts, names, ids)
    assert len(parts) == len(names) + len(ids)
    [most_read] = watched
    assert most_read <= len(parts)


def test_whoever_is_part_of_somebody_is_read_with_them():
    root = Profile.objects.create(external_id="root")
    one = Profile.objects.create(merged_into=root)
    Profile.objects.create(external_id="nobody")
    parts = {}
    rows.load(parts, ["root"], [], all_of=[root.pk])
    assert set(parts) == {root.pk, one.pk}
    assert parts[one.pk].root is parts[root.pk]


def test_who_was_read_already_stays(django_assert_num_queries):
    person = Profile.objects.create(external_id="u1")
    parts = {}
    rows.load(parts, ["u1"], [])
    before = parts[person.pk]
    with django_assert_num_queries(0):
        rows.load(parts, [], [person.pk])
    rows.load(parts, ["u1"], [person.pk])
    assert parts[person.pk] is before


@pytest.mark.parametrize("is_split", [False, True])
def test_events_of_many_parts_are_read_once(is_split):
    """Else the parts of one person that go are compared with the events of all."""
    plans.begin_anew("segments_event")
    root, other, *parts = Profile.objects.bulk_create(Profile() for _ in range(202))
    source = make_source()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"m{part.pk}-{n}",
            # Each part has an identifier of its own; the root has events from before.
            profile=root if is_split else part,
            via_id=10**6 + part.pk if is_split or n else None,
            name="Lead",
            time=timezone.now(),
        )
        for part in parts
        for n in range(3)
    )
    before = make_event(root)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE segments_event")
    roots = {one.pk: Part(number=one.pk, id=one.pk) for one in (root, other)}
    moves = []
    for row in parts:
        part = Part(number=row.pk, id=row.pk, own_id=10**6 + row.pk)
        source_of = roots[root.pk] if is_split else part
        after = part if is_split else roots[other.pk]
        moves.append(
            Move(part=part, before=source_of, after=after, because=None, follows=True)
        )
    with plans.watched() as watched:
        rows.save([], Facts(Rules.from_settings()), moves)
    assert max(watched) <= 2 * Event.objects.count()
    found = set(Event.objects.values_list("profile_id", "via_id", "message_id"))
    assert found == {
        (part.pk if is_split else other.pk, 10**6 + part.pk, f"m{part.pk}-{n}")
        for part in parts
        for n in range(3)
    } | {(root.pk, None, before.message_id)}
