"""Whoever has another value is asked by the segments that read it, and by no others.

A person's row is changed behind the product's back: a segment that is asked sees it.
"""

import pytest

from segments.ingest import inbox
from segments.membership import counting, evaluation, refresh
from segments.membership.moves import Change
from segments.models import ListEntry, Profile, Segment, Touched, UploadedList
from tests.factories import make_event, make_profile, make_segment, make_source

pytestmark = pytest.mark.django_db

TIME = "2026-01-31T12:00:00+00:00"
LATER = "2026-02-01T12:00:00+00:00"


def has(name, value="x"):
    return {"attribute": name, "is": "equals", "value": value}


def made(rule, **fields):
    """A segment as its form saves it, counted."""
    segment = make_segment(rule=rule, **fields)
    counting.mark_changed(segment)
    segment.save()
    refresh.refresh(segment.pk)
    return segment


@pytest.fixture
def stale():
    """Somebody who meets each rule of `rules` by now, and is in no segment."""
    return make_profile(external_id="u1", city="Delhi")


@pytest.fixture
def rules(stale):
    """Segments by name."""
    first = {
        "city": has("city"),
        "plan": has("plan"),
        "both": {"all": [has("city"), {"not": has("plan", "free")}]},
        "policies": {"attribute": "policies", "items": "at_least", "count": 1},
        "lead": {"event": "Lead"},
        "not sale": {"all": [{"not": {"event": "Sale"}}, has("age", 5)]},
    }
    segments = {name: made(rule) for name, rule in first.items()}
    segments["in city"] = made({"segment": segments["city"].pk})
    segments["in in city"] = made(
        {"all": [{"segment": segments["in city"].pk}, {"everybody": True}]}
    )
    Profile.objects.filter(pk=stale.pk).update(
        attributes={"city": "x", "plan": "x", "age": 5, "policies": [{"a": 1}]}
    )
    make_event(stale, "Lead")
    return segments


def names(person, segments):
    held = set(person.memberships.values_list("segment_id", flat=True))
    return {name for name, segment in segments.items() if segment.pk in held}


OF_CITY = {"city", "both", "in city", "in in city"}


@pytest.mark.parametrize(
    ("attributes", "entered"),
    [
        ({"city"}, OF_CITY),
        ({"plan"}, {"plan", "both"}),
        ({"policies"}, {"policies"}),
        ({"city", "age"}, {*OF_CITY, "not sale"}),
        ({"Lead", "x", "email"}, set()),
        (set(), set()),
    ],
)
def test_who_has_another_value_is_asked_by_what_reads_it(
    stale, rules, attributes, entered
):
    change = evaluation.evaluate((), attributes={stale.pk: attributes})
    assert names(stale, rules) == entered
    assert change == Change(entered=len(entered))


def test_who_also_did_something_is_asked_by_what_reads_that_too(stale, rules):
    attributes = {stale.pk: {"plan"}}
    evaluation.evaluate((), [stale.pk], ["Lead", "Sale"], attributes=attributes)
    assert names(stale, rules) == {"plan", "both", "lead", "not sale"}


def test_who_is_new_or_another_is_asked_by_all(stale, rules):
    evaluation.evaluate([stale.pk], attributes={stale.pk: {"plan"}})
    assert names(stale, rules) == rules.keys()


def test_each_of_two_who_differ_is_asked_by_what_concerns_them(stale, rules):
    other = make_profile(external_id="u2", city="x", plan="x")
    evaluation.evaluate((), [other.pk], ["Lead"], attributes={stale.pk: {"city"}})
    assert names(stale, rules) == OF_CITY
    assert names(other, rules) == set()


def test_a_count_leaves_whom_only_the_segments_that_read_it_asked(stale, rules):
    """What it has read of them is old for these alone."""
    counted = [rules["city"].pk, rules["plan"].pk]
    Segment.objects.filter(pk__in=counted).update(counting_until=LATER)
    evaluation.evaluate((), attributes={stale.pk: {"plan"}})
    touched = Touched.objects.values_list("segment_id", "profile_id")
    assert list(touched) == [(rules["plan"].pk, stale.pk)]


def append(source, *messages):
    inbox.append(
        source,
        [
            (f"m{n}-{time}", kind, {"timestamp": time, "event": "Lead", **payload})
            if kind == "track"
            else (f"m{n}-{time}", kind, {"timestamp": time, **payload})
            for n, (kind, time, payload) in enumerate(messages)
        ],
    )
    assert not inbox.apply().errors


def say(user_id, time=LATER, **traits):
    return "identify", time, {"userId": user_id, "traits": traits}


@pytest.mark.parametrize("others", [0, 60], ids=["one by one", "in sets"])
def test_an_identify_asks_what_reads_what_it_changed(others):
    """Of plain calls there are many: these are written in sets."""
    source, plan = make_source(), made(has("plan"))
    more = [say(f"other {n}", TIME, city="Oslo") for n in range(others)]
    append(source, say("u1", TIME, city="Delhi", plan="free"), *more)
    city, person = made(has("city")), Profile.objects.get(external_id="u1")
    Profile.objects.filter(pk=person.pk).update(
        attributes={"city": "Delhi", "plan": "x"}
    )
    more = [say(f"other {n}", city="Delhi") for n in range(others)]
    append(source, say("u1", city="x", plan="x"), *more)
    assert names(person, {"city": city, "plan": plan}) == {"city"}


@pytest.mark.parametrize("others", [0, 60], ids=["one by one", "in sets"])
def test_another_email_takes_onto_lists_and_off_nothing(others):
    source = make_source()
    some = UploadedList.objects.create(name="Some", kind="email", size=2)
    for value in ("old@example.com", "new@example.com"):
        ListEntry.objects.create(of=some, value=value)
    is_on, by_rule = made({"list": some.pk}), made(has("email", "new@example.com"))
    more = [say(f"other {n}", TIME, city="Oslo") for n in range(others)]
    append(source, say("u1", TIME, email="none@example.com"), *more)
    person = Profile.objects.get(external_id="u1")
    segments = {"list": is_on, "email": by_rule}
    assert names(person, segments) == set()
    more = [say(f"other {n}", city="Delhi") for n in range(others)]
    append(source, say("u1", email="New@Example.com"), *more)
    assert names(person, segments) == {"list", "email"}


def test_a_chunk_with_a_value_and_an_event_of_one_person_asks_both(stale):
    source = make_source()
    append(source, say("u1", TIME, city="Delhi"))
    segments = {
        "city": made(has("city")),
        "lead": made({"event": "Lead"}),
        "both": made({"all": [has("city"), {"event": "Lead"}]}),
    }
    append(source, say("u1", city="x"), ("track", LATER, {"userId": "u1"}))
    assert names(stale, segments) == {"city", "lead", "both"}


def test_whoever_becomes_known_is_asked_by_all():
    """An anonymous person has nothing to say but who they are."""
    source = make_source()
    append(source, ("identify", TIME, {"anonymousId": "a1", "traits": {"city": "x"}}))
    known = made(
        {"all": [{"attribute": "external_id", "is": "is_present"}, has("city")]}
    )
    append(source, ("identify", LATER, {"anonymousId": "a1", "userId": "u9"}))
    assert known.memberships.get().profile.external_id == "u9"
