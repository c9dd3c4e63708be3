"""Names are counted as they are applied: how often, as what, from where."""

import random
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from engagements.tick import tick
from segments.dictionary import folding, writing
from segments.ingest import inbox
from segments.ingest.inbox import Applied
from segments.models import DictionaryEntry, Event, NamesSeen, Profile
from tests.factories import make_source
from tests.segments.dictionary.conftest import TIME, entry, types

pytestmark = pytest.mark.django_db


def test_attributes_events_and_properties_get_an_entry_each(send):
    send(
        ("identify", {"traits": {"plan": "gold"}}),
        ("track", {"event": "Lead", "properties": {"form": "shoes"}}),
    )
    found = DictionaryEntry.objects.values_list("kind", "event", "name", "count")
    assert set(found) == {
        ("attribute", "", "plan", 1),
        ("event", "", "Lead", 1),
        ("property", "Lead", "form", 1),
    }


def test_what_a_call_says_beside_an_event_is_attributes(send):
    send(("track", {"event": "Lead", "traits": {"plan": "gold"}}))
    assert entry("plan").count == 1


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ("gold", "text"),
        ("", "text"),
        (5, "number"),
        (5.5, "number"),
        (True, "boolean"),
        ("2026-01-31", "date"),
        ("2026-01-31T12:00:00Z", "date"),
        ("2026-02-31", "text"),
        ("2026-1-3", "text"),
        ([], "list"),
        (["a", 1], "list"),
        ([{"a": 1}], "objects"),
        ([{"a": 1}, 2], "list"),
        ({"a": 1}, "object"),
        ({"$add": [{"a": 1}]}, "objects"),
        (None, "null"),
    ],
)
def test_each_type_is_told(track, value, type):
    track(x=value)
    assert types(entry("x", "property", "Lead")) == {type: 1}


def test_counts_add_up_over_requests(track):
    for value in (1, 2, "three"):
        track(x=value)
    one = entry("x", "property", "Lead")
    assert (one.count, types(one)) == (3, {"number": 2, "text": 1})
    assert entry("Lead", "event").count == 3


def test_messages_are_counted_whole_and_types_are_weighed(send):
    """Of a shape a few are looked into; shares of types stay near the truth."""
    values = [1] * 600 + ["text"] * 200
    random.Random(1).shuffle(values)
    send(*(("track", {"event": "Lead", "properties": {"x": v}}) for v in values))
    one = entry("x", "property", "Lead")
    assert one.count == 800
    assert sum(one.types) == pytest.approx(800, abs=2)
    assert set(types(one)) <= {"number", "text"}
    assert types(one)["number"] > types(one).get("text", 0)


def test_a_rare_name_is_found_among_many_messages(send):
    many = [("track", {"event": "Lead", "properties": {"x": n}}) for n in range(999)]
    many[500] = ("track", {"event": "Lead", "properties": {"x": 1, "rare": True}})
    send(*many)
    assert types(entry("rare", "property", "Lead")) == {"boolean": 1}


def test_the_same_message_again_is_counted_once(source):
    message = (
        "m1",
        "identify",
        {"userId": "u1", "timestamp": TIME, "traits": {"a": 1}},
    )
    for _ in range(3):
        inbox.append(source, [message])
        inbox.apply()
        folding.add()
    assert entry("a").count == 1


def test_what_is_refused_is_not_counted(send):
    assert send(
        ("track", {"userId": None, "event": "Lead"}),
        ("track", {"event": "Sale"}),
    ) == Applied(messages=1, errors=1)
    assert [one.name for one in DictionaryEntry.objects.all()] == ["Sale"]


def test_each_source_that_sent_it_is_known_with_its_time(send, source):
    app = make_source(name="App")
    send(("identify", {"traits": {"plan": "gold"}}))
    send(("identify", {"traits": {"plan": "gold"}}), by=app)
    one = entry("plan")
    assert set(one.sources) == {str(source.pk), str(app.pk)}
    assert all(at.endswith("Z") and len(at) == 17 for at in one.sources.values())
    assert one.source == source
    assert one.last_seen.second == one.last_seen.microsecond == 0


def test_a_new_day_moves_the_counts_of_the_old_one_back(identify):
    identify(x=1)
    DictionaryEntry.objects.update(day="2026-01-01")
    identify(x="a")
    one = entry("x")
    assert (one.day_types[:2], one.day_before_types[:2]) == ([1, 0], [0, 0])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segments_dictionaryentry SET day = (now() AT TIME ZONE 'UTC')::date - 1"
        )
    identify(x=2)
    one = entry("x")
    assert (one.day_types[:2], one.day_before_types[:2]) == ([0, 1], [1, 0])


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("email", "a", "email"),
        ("workEmail", "a", "email"),
        ("E-Mail", "a", "email"),
        ("contact", "ann@example.com", "email"),
        ("mobile_number", 1, "phone"),
        ("reach", "+49 170 1234567", "phone"),
        ("first_name", "Ann", "name"),
        ("Full Name", "Ann", "name"),
        ("date_of_birth", "x", "birth"),
        ("dob", "x", "birth"),
        ("product_name", "Shoe", ""),
        ("plan", "gold", ""),
        ("email_opens", 3, ""),
        ("phone_verified", True, ""),
    ],
)
def test_what_looks_personal_is_suggested(identify, name, value, kind):
    identify(**{name: value})
    one = entry(name)
    assert one.looks_personal == kind
    assert one.holds_personal_data is bool(kind)


def test_a_person_has_the_word_about_what_is_personal(identify):
    identify(email="ann@example.com", plan="gold")
    DictionaryEntry.objects.filter(name="email").update(is_personal=False)
    DictionaryEntry.objects.filter(name="plan").update(is_personal=True)
    identify(email="bob@example.com", plan="gold")
    assert not entry("email").holds_personal_data
    assert entry("plan").holds_personal_data


# --- Hostile names ----------------------------------------------------------------


def test_a_source_brings_no_more_names_than_its_budget(send, monkeypatch):
    monkeypatch.setitem(writing.BUDGET, "attribute", 3)
    send(*(("identify", {"traits": {f"n{n}": n}}) for n in range(5)))
    assert DictionaryEntry.objects.count() == 3
    assert Profile.objects.get().attributes == {f"n{n}": n for n in range(5)}
    assert writing.full_budgets()[0][1:] == ("attribute", "", 3)
    # Those that are known are counted on, and another source has a budget of its own.
    send(("identify", {"traits": {"n0": 1}}))
    assert entry("n0").count == 2
    send(("identify", {"traits": {"other": 1}}), by=make_source())
    assert entry("other").count == 1


def test_an_event_beyond_the_budget_brings_no_properties(send, monkeypatch):
    monkeypatch.setitem(writing.BUDGET, "event", 1)
    send(
        ("track", {"event": "A", "properties": {"x": 1}}),
        ("track", {"event": "B", "properties": {"x": 1}}),
    )
    assert {one.event or one.name for one in DictionaryEntry.objects.all()} == {"A"}
    assert Event.objects.count() == 2


def test_very_many_names_at_once_are_bounded(send):
    """As where somebody sends values as names."""
    send(
        *(
            ("track", {"event": "E", "properties": {f"k{n}-{m}": 1 for m in range(50)}})
            for n in range(200)
        )
    )
    of_event = DictionaryEntry.objects.filter(kind="property")
    assert of_event.count() == writing.MOST_PROPERTIES
    assert entry("E", "event").count == 200
    assert Event.objects.count() == 200


@pytest.mark.parametrize(
    "name",
    [
        "ключ",
        "👩‍👩‍👧",
        "a\\b",
        'a"b',
        "{a,b}",
        "a'; DROP TABLE x",
        " ",
        "%s",
        "N" * 255,
    ],
)
def test_odd_names_are_kept_as_they_are(identify, track, name):
    identify(**{name: 1})
    track(event=name, **{name: 1})
    assert entry(name).count == 1
    assert entry(name, "property", name).count == 1


def test_people_s_decisions_outlive_what_comes(identify):
    identify(plan="gold")
    DictionaryEntry.objects.update(
        description="What they pay for", owner="CRM", is_planned=True, is_hidden=True
    )
    identify(plan="silver")
    one = entry("plan")
    assert (one.count, one.description, one.owner) == (2, "What they pay for", "CRM")
    assert one.is_planned and one.is_hidden


# --- From chunks to entries -------------------------------------------------------


def test_a_new_name_is_there_at_once_and_counts_by_the_tick(source):
    name = f"new-{uuid4()}"
    for n in range(3):
        said = {"userId": "u1", "timestamp": TIME, "traits": {name: n}}
        inbox.append(source, [(f"m{n}", "identify", said)])
        inbox.apply()
    assert entry(name).count == 1
    tick()
    assert entry(name).count == 3
    assert not NamesSeen.objects.exists()


def test_chunks_of_two_days_are_of_their_days(identify, source):
    identify(x=1)
    said = {"userId": "u1", "timestamp": TIME, "traits": {"x": "text"}}
    for n in range(2):
        inbox.append(source, [(f"d{n}", "identify", said)])
        inbox.apply()
    oldest = NamesSeen.objects.earliest("pk")
    NamesSeen.objects.filter(pk=oldest.pk).update(at=oldest.at - timedelta(days=1))
    folding.add()
    one = entry("x")
    assert one.count == 3
    assert one.first_seen.date() == one.last_seen.date() - timedelta(days=1)


def test_what_is_rolled_back_is_not_counted(source):
    said = {"userId": "u1", "timestamp": TIME, "traits": {"rolled": 1}}
    inbox.append(source, [("m", "identify", said)])
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        inbox.apply_some()
        raise ZeroDivisionError
    folding.add()
    assert not DictionaryEntry.objects.exists()
    inbox.apply()
    folding.add()
    assert entry("rolled").count == 1
