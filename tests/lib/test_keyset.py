"""Lists in pages by key: every row once, in order, both ways, from either end."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from engagements.admin.logs import AttemptAdmin, DeliveryAdmin
from lemnisk_braze.lib import keyset
from segments.admin.profile import ProfileAdmin
from tests.factories import (
    make_attempt,
    make_batch,
    make_delivery,
    make_people,
    make_run,
)
from tests.pages import words

pytestmark = pytest.mark.django_db

PEOPLE = "/admin/segments/profile/"
ATTEMPTS = "/admin/engagements/attempt/"
DELIVERIES = "/admin/engagements/delivery/"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """Seven rows a page: a setting of the lists, not a function of theirs."""
    monkeypatch.setattr(ProfileAdmin, "list_per_page", 7)
    monkeypatch.setattr(AttemptAdmin, "list_per_page", 7)


def page(client, address, query=""):
    response = client.get(address + query)
    assert response.status_code == 200
    return response.context["cl"]


def walk(client, address, query, direction):
    """The keys of each page from `query` on, as `direction` leads."""
    found = []
    while True:
        shown = page(client, address, query)
        found.append([row.pk for row in shown.result_list])
        query = getattr(shown.paginator, direction)
        if not query:
            return found


@pytest.fixture
def attempts(db):
    """23 of them, of which five began in the same moment, across a page's end."""
    batch = make_batch()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    begun = [start + timedelta(seconds=n if n < 5 or n > 9 else 5) for n in range(23)]
    rows = [make_attempt(batch, started_at=time) for time in begun]
    rows.sort(key=lambda row: (row.started_at, row.pk), reverse=True)
    return [row.pk for row in rows]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 14, 23])
def test_people_page_by_page(admin_client, count):
    newest_first = [p.pk for p in make_people(count)][::-1]
    down = walk(admin_client, PEOPLE, "", "older")
    assert sum(down, []) == newest_first
    assert all(len(rows) == 7 for rows in down[:-1])
    assert page(admin_client, PEOPLE).paginator.newer == ""


def test_rows_of_one_moment_are_shown_once_each(admin_client, attempts):
    assert sum(walk(admin_client, ATTEMPTS, "", "older"), []) == attempts


def test_up_again_from_the_oldest(admin_client, attempts):
    oldest = page(admin_client, ATTEMPTS).paginator.oldest
    up = walk(admin_client, ATTEMPTS, oldest, "newer")
    assert up[0] == attempts[-7:]
    assert page(admin_client, ATTEMPTS, oldest).paginator.older == ""
    # The first page is full, so the last step up shows some of its rows again.
    assert up[-1] == attempts[:7]
    assert set(sum(up, [])) == set(attempts)


def test_pages_keep_what_was_asked_for(admin_client):
    make_people(9)
    ada = [p.pk for p in make_people(9)]
    shown = page(admin_client, PEOPLE, "?q=person-")
    assert [row.pk for row in shown.result_list] == ada[:1:-1]
    asked = parse_qs(urlsplit(shown.paginator.older).query)
    assert asked == {"q": ["person-"], "older": [str(ada[2])]}


@pytest.mark.parametrize("key", ["x", "1~2", "", "9" * 40, "1.5", "\0"])
@pytest.mark.parametrize("direction", ["older", "newer"])
def test_no_key_leads_astray(admin_client, direction, key):
    make_people(1)
    response = admin_client.get(PEOPLE, {direction: key}, follow=True)
    assert response.status_code in (200, 400)


@pytest.fixture
def refused(monkeypatch):
    """Those of 60 deliveries with a reason, newest first: none, few and many together."""
    monkeypatch.setattr(keyset, "LOOKED_THROUGH", 10)
    monkeypatch.setattr(DeliveryAdmin, "list_per_page", 7)
    run = make_run()
    places = {3, 24, 25, *range(33, 44), 58}
    made = [
        make_delivery(run=run, state="rejected", reason=f"Not {n in places}.").pk
        for n in range(60)
    ]
    return [made[n] for n in sorted(places, reverse=True)]


@pytest.mark.parametrize("others", ["", "&state__exact=rejected"])
def test_what_no_index_has_is_found_part_by_part(admin_client, refused, others):
    query = f"?why=not+true{others}"
    down = walk(admin_client, DELIVERIES, query, "older")
    assert sum(down, []) == refused
    oldest = page(admin_client, DELIVERIES, query).paginator.oldest
    up = walk(admin_client, DELIVERIES, oldest, "newer")
    assert sum(up[::-1], []) == refused
    assert [] in down and [] in up


def test_a_page_says_that_a_part_was_looked_through(admin_client, refused):
    first = admin_client.get(f"{DELIVERIES}?why=not+true")
    assert "So far 10 deliveries were looked through" in words(first)
    nothing = admin_client.get(f"{DELIVERIES}?why=nobody")
    assert "Nothing found yet" in words(nothing)
    further = nothing.context["cl"].paginator.older
    assert further.replace("&", "&amp;") in nothing.content.decode()
    last = walk(admin_client, DELIVERIES, "?why=nobody", "older")
    assert len(last) == 6 and not any(last)


def test_a_page_that_is_full_says_no_such_thing(admin_client, refused):
    for query in ("?why=not", "", "?state__exact=rejected"):
        assert "looked through" not in words(admin_client.get(DELIVERIES + query))


def test_no_filter_counts_what_it_would_leave(admin_client):
    make_people(1)
    assert "_facets" not in words(admin_client.get(PEOPLE))
    assert not page(admin_client, PEOPLE, "?_facets=True").add_facets
