"""Within a chunk: who enters and leaves again, and who does again what counts."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from segments.ingest import inbox
from segments.life import snapshots
from segments.membership import readers, refresh
from segments.models import Event, Identifier, Profile, Segment
from segments.people import timeline
from tests.factories import (
    make_admin,
    make_delivery,
    make_engagement,
    make_list,
    make_run,
    make_segment,
    make_source,
)

pytestmark = pytest.mark.django_db

LEAD = {"event": "Lead"}
STILL_LEAD = {"all": [LEAD, {"not": {"event": "Unsubscribed"}}]}
IN_PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}


@pytest.fixture
def tell():
    """Put messages into the inbox, each (kind, who, what); apply them in one chunk."""
    source = make_source()
    numbers = iter(range(1_000))

    def tell(*messages, at_once=1_000):
        made = []
        for kind, who, what, *named in messages:
            ids = {"userId": who} if who[0] == "u" else {"anonymousId": who}
            if "/" in who:
                user, device = who.split("/")
                ids = {"userId": user, "anonymousId": device}
            key = {"track": "event", "identify": "traits"}[kind]
            payload = {"timestamp": timezone.now().isoformat(), **ids, key: what}
            if named:
                payload["ids"] = [list(pair) for pair in named]
            made.append((f"m{next(numbers)}", kind, payload))
        inbox.append(source, made)
        while inbox.apply_some(at_once):
            pass

    return tell


@pytest.fixture(params=[1, 2, 7, 1_000])
def at_once(request):
    return request.param


def segment_of(rule, names=("Lead", "Unsubscribed", "Viewed"), *, again=False):
    segment = make_segment(rule=rule, event_names=names)
    if again:
        readers.keep_again(segment.pk)
    return segment


def log(segment):
    """(kind, message ID of the event) of each line."""
    return list(
        segment.transitions.order_by("pk").values_list("kind", "event__message_id")
    )


def test_who_enters_and_leaves_within_a_chunk_has_done_both(tell, at_once):
    segment = segment_of(STILL_LEAD)
    tell(
        ("track", "u1", "Lead"),
        ("track", "u1", "Viewed"),
        ("track", "u1", "Unsubscribed"),
        at_once=at_once,
    )
    assert log(segment) == [("entry", "m0"), ("exit", "m2")]
    assert not segment.memberships.exists()
    assert Segment.objects.get().size == 0


def test_who_leaves_and_comes_back_is_in_since_then(tell, at_once):
    segment = segment_of(IN_PUNE)
    tell(("identify", "u1", {"city": "Pune"}))
    first = segment.memberships.get()
    tell(
        ("identify", "u1", {"city": "Goa"}),
        ("identify", "u1", {"city": "Pune"}),
        at_once=at_once,
    )
    assert [kind for kind, _ in log(segment)] == ["entry", "exit", "entry"]
    assert segment.memberships.get().profile_id == first.profile_id
    assert Segment.objects.get().size == 1


def test_what_was_known_in_between_decides(tell, at_once):
    segment = segment_of({"all": [IN_PUNE, LEAD]})
    tell(
        ("identify", "u1", {"city": "Pune"}),
        ("track", "u1", "Lead"),
        ("identify", "u1", {"city": "Goa"}),
        at_once=at_once,
    )
    assert log(segment) == [("entry", "m1"), ("exit", None)]


def test_the_first_that_counts_goes_along(tell, at_once):
    segment = segment_of({"event": "Lead", "at_least": 2})
    tell(*[("track", "u1", "Lead")] * 4, at_once=at_once)
    assert log(segment) == [("entry", "m1")]
    assert segment.memberships.get().event.message_id == "m1"


def test_each_further_event_is_logged_where_somebody_listens(tell, at_once):
    segment = segment_of(STILL_LEAD, again=True)
    silent = segment_of(STILL_LEAD)
    tell(
        ("track", "u1", "Lead"),
        ("track", "u1", "Lead"),
        ("track", "u1", "Viewed"),
        ("track", "u1", "Lead"),
        ("track", "u1", "Unsubscribed"),
        ("track", "u1", "Lead"),
        at_once=at_once,
    )
    assert log(segment) == [
        ("entry", "m0"),
        ("again", "m1"),
        ("again", "m3"),
        ("exit", "m4"),
    ]
    assert log(silent) == [("entry", "m0"), ("exit", "m4")]


def test_what_does_not_count_is_not_logged_again(tell):
    where = [{"property": "form", "is": "equals", "value": "home"}]
    rule = {
        "any": [
            {"event": "Viewed", "within_days": 3},
            {"all": [IN_PUNE, {"event": "Lead", "where": where}]},
        ]
    }
    segment = segment_of(rule, again=True)
    tell(("track", "u1", "Viewed"), ("track", "u1", "Lead"))
    assert log(segment) == [("entry", "m0")]


def test_nobody_listens_any_more(tell):
    segment = segment_of(LEAD, again=True)
    tell(("track", "u1", "Lead"), ("track", "u1", "Lead"))
    readers.keep_again(segment.pk, is_kept=False)
    tell(("track", "u1", "Lead"))
    assert log(segment) == [("entry", "m0"), ("again", "m1")]


def test_a_visitor_who_enters_leaves_and_is_recognised_in_one_chunk(tell, at_once):
    segment = segment_of({"all": [LEAD, {"not": {"event": "Bought"}}]}, ["Lead"])
    Segment.objects.update(event_names=["Bought", "Lead"])
    tell(("track", "u1", "Bought"))
    tell(
        ("track", "d1", "Lead"),
        ("identify", "u1/d1", {"a": 1}),
        ("track", "d1", "Lead"),
        at_once=at_once,
    )
    assert log(segment) == [("entry", "m1"), ("exit", "m0")]


def test_who_says_again_what_is_known_is_not_asked_step_by_step(tell):
    segment = segment_of(IN_PUNE)
    tell(("identify", "u1", {"city": "Pune"}))
    with CaptureQueriesContext(connection) as captured:
        tell(*[("identify", "u1", {"city": "Pune"})] * 2, ("track", "u1", "Viewed"))
    assert [kind for kind, _ in log(segment)] == ["entry"]
    assert not any("segments_event AS NOT MATER" in one["sql"] for one in captured)


def test_very_many_turns_in_one_chunk_are_quickly_told(tell):
    segment = segment_of(IN_PUNE)
    tell(
        *[
            ("identify", "u1", {"city": city})
            for _ in range(300)
            for city in ("Pune", "Goa")
        ]
    )
    kinds = [kind for kind, _ in log(segment)]
    assert kinds == ["entry", "exit"] * 300


def test_a_whole_count_does_not_change_what_was_told(tell):
    segment = segment_of(LEAD, again=True)
    tell(("track", "u1", "Lead"), ("track", "u1", "Lead"))
    refresh.refresh(segment.pk)
    assert log(segment) == [("entry", "m0"), ("again", "m1")]


def test_a_persons_page_says_that_they_did_it_again(tell):
    segment = segment_of(LEAD, again=True)
    tell(("track", "u1", "Lead"), ("track", "u1", "Lead"))
    chosen = [one for one in timeline.logs_for(make_admin()) if one.name == "segments"]
    page = timeline.read(Profile.objects.get(), make_admin(), chosen)
    assert [entry.badge for _, entry in page.entries] == ["Did it again", "Entered"]
    assert page.entries[0][1].title == str(segment)
    assert page.entries[0][1].details == (("because of", "Lead"),)


def test_an_event_that_was_told_of_again_can_be_deleted(tell):
    segment = segment_of(LEAD, again=True)
    tell(("track", "u1", "Lead"), ("track", "u1", "Lead"))
    Event.objects.all().delete()
    assert log(segment) == [("entry", None), ("again", None)]


def test_what_a_part_of_somebody_belongs_to_is_theirs_in_between(tell, at_once):
    """Of a snapshot, a list, what was sent: each was of the visitor that they were."""
    tell(("track", "d1", "Viewed"))
    visitor = Profile.objects.get()
    tell(("identify", "u1", {"a": 1}))
    kept = snapshots.keep(make_segment([visitor]), make_admin())
    make_delivery(visitor, make_run(engagement := make_engagement()))
    Identifier.objects.create(profile=visitor, kind="loyalty_card", value="7")
    on = make_list("7", kind="loyalty_card")
    tell(("identify", "u1/d1", {"a": 2}))
    visitor.refresh_from_db()
    assert visitor.merged_into
    lasting = ({"list": on.pk}, {"sent": engagement.pk}, kept.rule)
    segments = [segment_of({"all": [one, STILL_LEAD]}) for one in lasting]
    tell(
        ("track", "u1", "Lead"),
        ("track", "u1", "Unsubscribed"),
        at_once=at_once,
    )
    for segment in segments:
        assert log(segment) == [("entry", "m3"), ("exit", "m4")], segment.rule


def test_who_comes_onto_a_list_by_what_they_say_is_on_it_in_between(tell, at_once):
    on = make_list("ann@example.com", kind="email")
    segment = segment_of({"all": [{"list": on.pk}, {"not": {"event": "Unsubscribed"}}]})
    tell(("track", "u1", "Viewed"))
    tell(
        ("identify", "u1", {"email": "ann@example.com"}),
        ("track", "u1", "Unsubscribed"),
        at_once=at_once,
    )
    assert log(segment) == [("entry", None), ("exit", "m2")]


def test_who_asks_for_a_segment_follows_each_message(tell, at_once):
    """docs/segments.md, “Who else is meant”."""
    first = segment_of(STILL_LEAD)
    rule = {"segment": first.pk}
    second = make_segment(rule=rule, reads_segments=[first.pk])
    others = make_segment(rule={"not": rule}, reads_segments=[first.pk])
    tell(("track", "u1", "Viewed"))
    tell(("track", "u1", "Lead"), ("track", "u1", "Unsubscribed"), at_once=at_once)
    assert log(first) == [("entry", "m1"), ("exit", "m2")]
    assert [kind for kind, _ in log(second)] == ["entry", "exit"]
    assert [kind for kind, _ in log(others)] == ["entry", "exit", "entry"]


@pytest.mark.parametrize("leaves", [False, True])
def test_another_identifier_counts_once_in_a_chunk(tell, at_once, leaves):
    """Its line may be missing where they leave at once; in the end all is right."""
    on = make_list("7", kind="loyalty_card")
    segment = segment_of({"all": [{"list": on.pk}, {"not": {"event": "Unsubscribed"}}]})
    tell(("track", "u1", "Viewed"))
    said = [("identify", "u1", {"a": 1}, ("loyalty_card", "7"))]
    said += [("track", "u1", "Unsubscribed")] * leaves
    tell(*said, at_once=at_once)
    kinds = [kind for kind, _ in log(segment)]
    if leaves:
        assert kinds == (["entry", "exit"] if at_once == 1 else [])
    else:
        assert kinds == ["entry"]
    assert segment.memberships.count() == (not leaves)
