"""People of a chunk are read by indexes, however many people there are beside them."""

import pytest
from django.db import connection

from segments.identity import rows
from segments.models import Profile
from tests import plans

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
