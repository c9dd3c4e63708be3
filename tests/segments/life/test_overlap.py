"""How many people are in each combination of segments."""

import pytest
from django.urls import reverse

from segments.life import overlap
from segments.membership.counts import sampling
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def three():
    people = factories.make_people(10)
    return [
        factories.make_segment(people[:6], name="A"),
        factories.make_segment(people[4:9], name="B"),
        factories.make_segment(people[5:7], name="C"),
    ]


def parts(found):
    return {tuple(part.names): part.count for part in found.parts}


def test_everybody_is_in_one_part(three):
    found = overlap.of(three)
    assert parts(found) == {
        ("A",): 4,
        ("A", "B"): 1,
        ("A", "B", "C"): 1,
        ("B", "C"): 1,
        ("B",): 2,
    }
    assert (found.everybody, found.totals, found.is_exact) == (9, [6, 5, 2], True)
    assert [part.count for part in found.parts] == [4, 2, 1, 1, 1]


def test_the_order_is_that_of_the_asked(three):
    a, _, c = three
    found = overlap.of([c, a])
    assert found.totals == [2, 6]
    assert parts(found) == {("A",): 5, ("C", "A"): 1, ("C",): 1}


def test_too_many_people_are_estimated_and_said_to_be(three):
    """Half a table's pages stand for all of it."""
    everybody = list(three[0].memberships.values_list("profile_id", flat=True))
    half = sampling.Sample(
        ids=everybody,
        page_of=dict.fromkeys(everybody, 0),
        everybody=12,
        share=0.5,
    )
    counted = overlap._counted(three[:1], list(half.page_of), overlap.PATIENCE)
    found = overlap._overlap(three[:1], counted, half.share)
    assert (parts(found), found.is_exact) == ({("A",): 12}, False)


def test_the_page_compares_what_the_address_names(admin_client, three):
    address = reverse("admin:segments_segment_overlap")
    assert "Choose two to five" in words(admin_client.get(address))
    a, b, c = (segment.pk for segment in three)
    page = admin_client.get(f"{address}?segment={a}&segment={b}&segment={c}")
    text = words(page)
    assert "9 people are in at least one of them" in text
    # Once each; what is none is left out, and so is a sixth.
    odd = f"{address}?segment={a}&segment={a}&segment=x&segment=999999"
    assert "Choose two to five" in words(admin_client.get(odd))
    more = [factories.make_segment().pk for _ in range(6)]
    asked = "&".join(f"segment={pk}" for pk in more)
    assert len(admin_client.get(f"{address}?{asked}").context["overlap"].segments) == 5


def test_a_page_without_people_says_so(admin_client):
    address = reverse("admin:segments_segment_overlap")
    assert "fewer than two segments" in words(admin_client.get(address))
    asked = "&".join(f"segment={factories.make_segment().pk}" for _ in range(2))
    assert "Nobody is in any of them" in words(admin_client.get(f"{address}?{asked}"))
