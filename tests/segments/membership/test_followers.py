"""A segment that asks for another follows it in the same step, whatever moves people."""

import json
import random
import threading
import time
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F, ProtectedError
from django.test import TestCase
from django.utils import timezone

from segments import retention
from segments.forms import SegmentForm
from segments.ingest import inbox
from segments.membership import (
    clock,
    counting,
    evaluation,
    refresh,
)
from segments.membership.counts import at_work
from segments.membership.references import forecasting, graph
from segments.membership.references.forecasting import Change
from segments.models import Event, Profile, Segment, Touched
from segments.privacy import erasure
from segments.rules import tree
from tests.doubles.sessions import somebody_waits_for_a_lock
from tests.factories import (
    make_engagement,
    make_event,
    make_people,
    make_profile,
    make_segment,
    make_source,
)
from tests.faults.working import in_thread
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
# No segment has it.
GONE = 10**15
NOON = "2026-01-31T12:00:00.000000+00:00"


def made(rule, name="", **fields):
    """A segment as its form saves it, counted."""
    fields |= {"name": name} if name else {}
    segment = make_segment(rule=rule, **fields)
    counting.mark_changed(segment)
    segment.save()
    refresh.refresh(segment.pk)
    return segment


def asks(segment):
    return {"segment": segment.pk}


def but(segment):
    return {"not": asks(segment)}


def members(segment):
    return set(segment.memberships.values_list("profile_id", flat=True))


def log(segment):
    rows = segment.transitions.order_by("id")
    return list(rows.values_list("kind", "profile_id"))


@pytest.fixture
def call(db):
    source, numbers = make_source(), iter(range(1_000))

    def call(kind="identify", **payload):
        payload.setdefault("timestamp", NOON)
        if kind == "track":
            payload = {"properties": {}, **payload}
        inbox.append(source, [(f"m{next(numbers):03}", kind, payload)])
        assert inbox.apply().errors == 0

    return call


@pytest.fixture
def three():
    """A: in Pune. B: imported, but not in A. C: in B. Saved against the order of ids."""
    c = make_segment(rule={})
    b = make_segment(rule={})
    a = made(PUNE)
    for segment, rule in (
        (b, {"all": [{"attribute": "imported", "is": "is_present"}, but(a)]}),
        (c, asks(b)),
    ):
        segment.rule = rule
        counting.mark_changed(segment)
        segment.save()
        refresh.refresh(segment.pk)
    return a, b, c


# --- The same step ----------------------------------------------------------------


def test_who_joins_what_a_segment_excludes_leaves_it_in_the_same_step(call, three):
    """TRAPS.md, segments 14: B = imported minus A; then the person joins A."""
    a, b, c = three
    call(userId="u1", traits={"imported": "2026-01-31"})
    person = Profile.objects.get()
    assert members(b) == members(c) == {person.pk} and not members(a)
    with transaction.atomic():
        call(userId="u1", traits={"city": "Pune"})
        assert members(a) == {person.pk} and not members(b) and not members(c)
        transaction.set_rollback(True)
    assert members(b) == {person.pk}
    call(userId="u1", traits={"city": "Pune"}, timestamp=NOON.replace("12:", "13:"))
    assert [members(one) for one in three] == [{person.pk}, set(), set()]
    assert log(b) == log(c) == [("entry", person.pk), ("exit", person.pk)]


def test_what_somebody_did_moves_them_where_it_is_asked_for_twice_over(call):
    a = made({"event": "Lead"})
    b = made({"all": [asks(a), PUNE]})
    c = made(but(b))
    call(userId="u1", traits={"city": "Pune"})
    person = Profile.objects.get()
    assert members(c) == {person.pk}
    # Neither B nor C reads an event.
    call("track", userId="u1", event="Lead")
    assert (members(a), members(b), members(c)) == ({person.pk}, {person.pk}, set())


def test_a_count_takes_those_along_who_ask_for_it(three):
    a, b, c = three
    people = [make_profile(imported="x") for _ in range(5)]
    for segment in (b, c):
        refresh.refresh(segment.pk)
    Profile.objects.filter(pk__in=[p.pk for p in people[:2]]).update(
        attributes={"imported": "x", "city": "Pune"}
    )
    refresh.refresh(a.pk)
    rest = {p.pk for p in people[2:]}
    assert (len(members(a)), members(b), members(c)) == (2, rest, rest)
    assert set(Segment.objects.values_list("size", flat=True)) == {2, 3}


def test_windows_that_move_on_take_them_along():
    person = make_profile()
    a = made({"event": "Lead", "within_days": 3})
    b = made(but(a))
    Segment.objects.update(updated_at=F("updated_at") - timedelta(hours=2))
    make_event(person)
    evaluation.evaluate((), [person.pk], ["Lead"])
    assert (members(a), members(b)) == ({person.pk}, set())
    Event.objects.update(time=timezone.now() - timedelta(days=3) - timedelta(minutes=1))
    past = timedelta(minutes=10)
    Segment.objects.update(clock_at=F("clock_at") - past)
    clock.move_on(time.monotonic() + 20)
    assert (members(a), members(b)) == (set(), {person.pk})
    a.refresh_from_db(), b.refresh_from_db()
    assert (a.size, b.size) == (0, 1)


def test_who_is_merged_leaves_all_of_them(call):
    a = made({"event": "Lead"})
    b = made({"any": [asks(a), {"event": "Nothing"}]})
    call("track", anonymousId="device", event="Lead")
    device = Profile.objects.get()
    call(userId="u1")
    person = Profile.objects.get(external_id="u1")
    assert members(b) == {device.pk}
    call(userId="u1", anonymousId="device")
    root = Profile.objects.get(external_id="u1").pk
    assert members(a) == members(b) == {root} and root in (person.pk, device.pk)


def test_the_size_survives_an_erasure_and_a_merge(call, admin_client):
    """TRAPS.md, segments 13: 5 members; erase one, merge two of the others."""
    a = made({"attribute": "vip", "is": "is_present"})
    b = made(asks(a))
    for number in range(5):
        call(userId=f"u{number}", traits={"vip": True})
    assert len(members(b)) == 5
    erasure.erase([("external_id", "u0")], asked_through="a test")
    call("alias", userId="u1", previousId="u2")
    for segment in (a, b):
        segment.refresh_from_db()
        assert segment.size == len(members(segment)) == 3
        shown = admin_client.get(segment.get_absolute_url()).context
        assert len(shown["sample"]) == 3


def test_retention_that_deletes_the_last_event_takes_them_along():
    person = make_profile()
    make_event(person)
    a = made({"event": "Lead"})
    b = made(but(a))
    assert (members(a), members(b)) == ({person.pk}, set())
    later = timezone.now() + timedelta(days=1)
    retention.clean_events(later, time.monotonic() + 20, lambda ids: set())
    assert (members(a), members(b)) == (set(), {person.pk})


def test_a_first_count_waits_for_what_is_asked_for():
    """Else everybody would be in "not in A" for as long as A is not counted."""
    person = make_profile(city="Pune")
    a = make_segment(rule=PUNE, refreshed_at=None)
    b = make_segment(rule=but(a), reads_segments=[a.pk], refreshed_at=None)
    with pytest.raises(at_work.WaitsError):
        refresh.refresh(b.pk)
    refresh.refresh_due(timezone.now())
    refresh.refresh_due(timezone.now())
    assert (members(a), members(b)) == ({person.pk}, set())
    assert not log(b)
    b.refresh_from_db()
    assert b.refreshed_at


def test_it_waits_for_nobody_who_cannot_be_counted_or_is_switched_off():
    person = make_profile(city="Pune")
    for fields in ({"problem": "Too slow."}, {"is_active": False}):
        a = make_segment(rule=PUNE, refreshed_at=None, **fields)
        assert members(made(but(a))) == {person.pk}


def test_what_is_switched_off_keeps_those_it_had():
    person = make_profile(city="Pune")
    a = made(PUNE)
    b = made(asks(a))
    Segment.objects.filter(pk=a.pk).update(is_active=False)
    Profile.objects.update(attributes={})
    evaluation.evaluate([person.pk])
    assert members(a) == members(b) == {person.pk}


@pytest.mark.parametrize("seed", range(5))
def test_any_segments_and_changes_end_as_a_count_of_all_of_them_would(seed):
    """Random rules that ask for those before them; each step against a plain reading."""
    chance = random.Random(seed)
    people = make_people(12)
    segments, rules = [], []
    for number in range(7):
        leaves = [
            PUNE,
            {"attribute": "age", "is": "greater", "value": 5},
            *map(asks, segments[-4:]),
        ]
        some = [
            {"not": leaf} if chance.random() < 0.4 else leaf
            for leaf in chance.sample(leaves, min(len(leaves), 3))
        ]
        rules.append({chance.choice(("all", "any")): some})
        segments.append(made(rules[number]))
    assert any(one.reads_segments for one in segments)
    for _ in range(25):
        person = chance.choice(people)
        person.attributes = {
            "city": chance.choice(("Pune", "Delhi")),
            "age": chance.randrange(10),
        }
        person.save()
        evaluation.evaluate([person.pk])
    who: dict[int, set[int]] = {}
    for segment, rule in zip(segments, rules, strict=True):
        who[segment.pk] = {p.pk for p in people if _holds(rule, p, who)}
        assert members(segment) == who[segment.pk]
        segment.refresh_from_db()
        assert segment.size == len(who[segment.pk])


def _holds(rule, person, who):
    if "all" in rule or "any" in rule:
        decides = all if "all" in rule else any
        return decides(
            _holds(part, person, who) for part in rule.get("all") or rule["any"]
        )
    if "not" in rule:
        return not _holds(rule["not"], person, who)
    if "segment" in rule:
        return person.pk in who[rule["segment"]]
    value = person.attributes.get(rule["attribute"])
    if rule["is"] == "greater":
        return isinstance(value, int) and value > rule["value"]
    return value == rule["value"]


# --- Who would follow ---------------------------------------------------------------


def test_who_would_move_is_told_before_it_happens(three):
    a, b, c = three
    people = [make_profile(imported="x") for _ in range(3)]
    for segment in (b, c):
        refresh.refresh(segment.pk)
    change = Change(entering=[people[0].pk], leaving=[])
    found = forecasting.forecast({("segment", a.pk): change}, graph.readers_of([a.pk]))
    assert [(f.segment, f.entering.ids, f.leaving.ids) for f in found] == [
        (b, [], [people[0].pk]),
        (c, [], [people[0].pk]),
    ]
    assert len(members(b)) == 3, "nothing is written"


def test_a_change_that_moves_people_of_a_live_engagement_two_segments_on_asks(
    admin_client, three
):
    """W5: nobody sends to A; somebody does to C, which asks for B, which asks for A."""
    a, b, c = three
    people = [make_profile(imported="x", town="Goa") for _ in range(3)]
    for segment in (b, c):
        refresh.refresh(segment.pk)
    make_engagement(c, state="active", name="Welcome")
    rule = {"any": [PUNE, {"attribute": "town", "is": "equals", "value": "Goa"}]}
    data = {"name": a.name, "rule": json.dumps(rule), "is_active": "on"}
    page = admin_client.post(a.get_absolute_url(), data)
    assert page.status_code == 200 and members(a) == set()
    found = page.context["forecast"]
    assert [(f.segment, f.entering.count, f.leaving.count) for f in found.followed] == [
        (b, 0, 3),
        (c, 0, 3),
    ]
    assert [effect.name for effect in found.followed[1].effects] == ["Welcome"]
    assert "Segments that ask for this one" in page.text
    sure = {**data, "_confirm": "1", "_seen": page.context["seen"]}
    with TestCase.captureOnCommitCallbacks(execute=True):
        assert admin_client.post(a.get_absolute_url(), sure).status_code == 302
    assert members(a) == {p.pk for p in people} and not members(b) and not members(c)


# --- Circles, and what is gone ------------------------------------------------------


def saved(segment, rule):
    data = {"name": segment.name, "rule": json.dumps(rule), "is_active": "on"}
    with transaction.atomic():
        form = SegmentForm(data, instance=segment)
        if form.is_valid():
            form.save()
        return form.errors.get("rule", [])


def test_a_circle_is_refused_by_name(three):
    a, b, c = three
    Segment.objects.filter(pk=a.pk).update(name="A")
    Segment.objects.filter(pk=b.pk).update(name="B")
    Segment.objects.filter(pk=c.pk).update(name="C")
    a.refresh_from_db()
    assert saved(a, {"any": [PUNE, asks(c)]}) == [
        "Rule: the segment would ask for itself: “A” → “C” → “B” → “A”. Take one of"
        " these out."
    ]
    assert "“A” → “A”" in saved(a, asks(a))[0]
    assert Segment.objects.get(pk=a.pk).rule == PUNE
    assert saved(a, PUNE) == []


def test_a_segment_or_a_list_that_is_not_there_is_refused():
    segment = make_segment(rule=PUNE)
    assert saved(segment, {"segment": 987}) == [
        "Rule: the segment 987 is not there any more."
    ]
    assert saved(segment, {"list": 987}) == [
        "Rule: the list 987 is not there any more."
    ]


@pytest.mark.django_db(transaction=True)
def test_of_several_none_is_deleted_where_a_rule_begins_to_ask_for_one(admin_client):
    first, second, asking = made(PUNE), made(PUNE), made(PUNE)
    chosen = {"_selected_action": [first.pk, second.pk], "action": "delete_selected"}
    pages = []

    def delete():
        page = "/admin/segments/segment/"
        pages.append(admin_client.post(page, {**chosen, "post": "yes"}, follow=True))

    with ExitStack() as stack, transaction.atomic():
        assert saved(asking, asks(second)) == []
        stack.enter_context(in_thread(delete))
        wait_until(somebody_waits_for_a_lock, "the deletion")
    assert "Nothing was deleted: some of it is in use." in pages[0].text
    assert Segment.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_several_are_deleted_with_all_their_locks(admin_client):
    """Else who saves the rule of one, and then holds all rules, is waited for in a circle."""
    first, second = make_segment(), make_segment()
    chosen = {"_selected_action": [first.pk, second.pk], "action": "delete_selected"}

    def delete():
        admin_client.post("/admin/segments/segment/", {**chosen, "post": "yes"})

    with ExitStack() as stack, transaction.atomic():
        Segment.objects.select_for_update(no_key=True).get(pk=second.pk)
        stack.enter_context(in_thread(delete))
        wait_until(somebody_waits_for_a_lock, "the deletion")
        graph.hold()
    assert not Segment.objects.exists()


def test_what_others_ask_for_is_not_deleted(admin_client, three):
    a, b, _ = three
    with pytest.raises(ProtectedError), transaction.atomic():
        a.delete()
    page = admin_client.get(f"/admin/segments/segment/{a.pk}/delete/").text
    assert f"Segment: {b.name}" in page
    assert Segment.objects.filter(pk=a.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_save_at_once_make_no_circle():
    a, b = made(PUNE, "A"), made(PUNE, "B")
    said = {}

    def save_the_other():
        try:
            said["b"] = saved(Segment.objects.get(pk=b.pk), asks(a))
        finally:
            connection.close()

    thread = threading.Thread(target=save_the_other)
    with transaction.atomic():
        said["a"] = saved(a, asks(b))
        thread.start()
        wait_until(somebody_waits_for_a_lock, "the other waits")
    thread.join(20)
    assert said["a"] == []
    assert "“B” → “A” → “B”" in said["b"][0]
    assert Segment.objects.get(pk=b.pk).rule == PUNE


@pytest.mark.django_db(transaction=True)
def test_who_begins_to_ask_for_what_is_being_deleted_is_refused():
    a, b = made(PUNE, "A"), made(PUNE, "B")
    said, rule = [], asks(a)

    def save_the_other():
        try:
            said.extend(saved(Segment.objects.get(pk=b.pk), rule))
        finally:
            connection.close()

    thread = threading.Thread(target=save_the_other)
    with transaction.atomic():
        a.delete()
        thread.start()
        wait_until(somebody_waits_for_a_lock, "the other waits")
    thread.join(20)
    assert "is not there any more" in said[0]


def test_a_circle_that_is_there_all_the_same_ends():
    """Written past the form; everybody is asked once, and nobody hangs."""
    a = make_segment(rule=PUNE)
    b = make_segment(rule=but(a), reads_segments=[a.pk])
    Segment.objects.filter(pk=a.pk).update(rule=but(b), reads_segments=[b.pk])
    person = make_profile()
    evaluation.evaluate([person.pk])
    refresh.refresh(a.pk)
    assert graph.readers_of([a.pk]) == [b]


# --- While somebody counts ----------------------------------------------------------


def test_who_follows_while_being_counted_is_noted():
    person = make_profile()
    a = made(PUNE)
    b = made(but(a))
    Segment.objects.filter(pk=b.pk).update(
        counting_until=timezone.now() + timedelta(minutes=1)
    )
    Profile.objects.update(attributes={"city": "Pune"})
    refresh.refresh(a.pk)
    assert members(b) == set()
    assert list(Touched.objects.values_list("segment_id", "profile_id")) == [
        (b.pk, person.pk)
    ]


def test_a_follower_that_fails_holds_nobody_up():
    a = made(PUNE)
    b = made(but(a))
    Segment.objects.filter(pk=b.pk).update(rule={"nonsense": True})
    person = make_profile(city="Pune")
    evaluation.evaluate([person.pk])
    assert members(a) == {person.pk}
    b.refresh_from_db()
    assert "use exactly one of" in b.problem


def test_a_rule_says_who_is_not_meant():
    a = make_segment(rule=PUNE, name="Pune people")
    for rule, said in (
        (asks(a), "is not in the segment “Pune people”"),
        ({"segment": GONE}, "is not in a segment that was deleted"),
        ({"list": GONE}, "is not on a list that was deleted"),
        ({"snapshot": GONE}, "was not in a segment, as a list kept that was deleted"),
    ):
        assert tree.describe({"not": rule}) == said


def test_a_rule_says_which_segments_it_asks_for():
    a = make_segment(rule=PUNE, name="Pune people")
    rule = {"all": [asks(a), {"not": {"any": [asks(a), {"segment": GONE}]}}]}
    assert graph.segments_in(rule) == {a.pk, GONE}
    assert tree.describe(rule) == (
        "is in the segment “Pune people” and not (is in the segment “Pune people” or is"
        " in a segment that was deleted)"
    )


@pytest.mark.parametrize("wrong", [0, -1, True, "1", 1.5, None, 1 << 63])
@pytest.mark.parametrize("kind", ["segment", "list"])
def test_an_id_is_a_whole_number(kind, wrong):
    with pytest.raises(ValidationError, match=f"Rule: choose a {kind}."):
        tree.validate({kind: wrong})
