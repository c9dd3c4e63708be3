"""The same person again: once, after so many days, or every time."""

import threading
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from engagements import retention
from engagements.audience import expansion, send_again
from engagements.authoring.forms import EngagementForm
from engagements.delivery import loop, outcomes
from engagements.delivery.attempts import intend
from engagements.delivery.claims import claim
from engagements.delivery.transport import send
from engagements.delivery.writing import write
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Run, SentBefore
from engagements.recovery import retry_failed
from segments.ingest import inbox
from segments.models import Membership, Profile
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db

Again = Engagement.Again
ON_ENTRY = Engagement.Trigger.ON_ENTRY
DAILY = {"trigger": "schedule", "repeat": "daily"}
LEAD = {"event": "Lead"}


@pytest.fixture
def active(braze):
    """Make an active engagement of a segment; its people enter as it is active."""

    def make(people=(), segment=None, version=None, **fields) -> Engagement:
        segment = segment or factories.make_segment(people)
        version = version or factories.make_version(connection=braze)
        engagement = factories.make_engagement(segment, version, **fields)
        transitions.activate(engagement)
        return engagement

    return make


def enter(segment, *people, event=None):
    """Let people enter, also such who have been in and left."""
    for person in people:
        Membership.objects.filter(segment=segment, profile=person).delete()
        factories.enter(segment, person, event)


def sent(engagement) -> dict[str | None, int]:
    """External id → how many deliveries say sent."""
    rows = Delivery.objects.filter(run__engagement=engagement, state="sent")
    return dict(Counter(rows.values_list("profile__external_id", flat=True)))


def earlier(engagement) -> Run:
    """A run of the engagement that is over."""
    return factories.make_run(engagement, state=Run.State.COMPLETED)


def waiting(engagement) -> list[int]:
    batches = Batch.objects.open().filter(run__engagement=engagement)
    return sorted(pk for batch in batches for pk in batch.profile_ids)


def expand_all() -> None:
    while expansion.expand(expansion.expandable_runs()):
        pass


def next_slot(engagement) -> None:
    """The next slot of a schedule is here: its run has everybody to take in."""
    factories.make_run(engagement)


@pytest.mark.parametrize(
    ("fields", "effect"),
    [
        ({}, Again.ONCE),
        ({"trigger": "schedule"}, Again.ONCE),
        (DAILY, Again.ALWAYS),
        ({"trigger": "on_entry", "repeat": "daily"}, Again.ONCE),
        ({"again": "always"}, Again.ALWAYS),
        ({**DAILY, "again": "once"}, Again.ONCE),
        ({"again": "after_days", "again_after_days": 7}, Again.AFTER_DAYS),
    ],
)
def test_as_usual_is_once_but_every_time_on_a_schedule_that_repeats(fields, effect):
    assert Engagement(**fields).sent_again == effect


def test_who_enters_again_is_not_sent_again(active, sandbox):
    ann, bob = factories.make_people(2)
    engagement = active()
    enter(engagement.segment, ann)
    loop.work()
    enter(engagement.segment, ann, bob)
    loop.work()

    assert sent(engagement) == {ann.external_id: 1, bob.external_id: 1}
    assert engagement.runs.get().repeats_left_out == 1
    assert set(invariants.received(sandbox).values()) == {1}


def test_who_enters_twice_before_anything_is_sent_is_taken_in_once(active):
    ann = factories.make_profile(first_name="Ann")
    engagement = active()
    first = factories.make_event(ann)
    enter(engagement.segment, ann, event=first)
    enter(engagement.segment, ann)
    expand_all()
    enter(engagement.segment, ann)
    expand_all()

    assert waiting(engagement) == [ann.pk]
    assert Batch.objects.get().event_ids == [first.pk]
    assert engagement.runs.get().repeats_left_out == 2


def test_every_time_is_every_time(active):
    ann = factories.make_profile(first_name="Ann")
    engagement = active(again="always")
    for _ in range(3):
        enter(engagement.segment, ann)
    loop.work()

    assert sent(engagement) == {ann.external_id: 3}


def test_a_schedule_that_repeats_sends_everybody_in_every_slot(active):
    engagement = active(2, **DAILY)
    loop.work()
    next_slot(engagement)
    loop.work()

    assert set(sent(engagement).values()) == {2}


def test_once_a_person_on_a_schedule_sends_those_who_are_new(active):
    engagement = active(2, **DAILY, again="once")
    loop.work()
    new = factories.make_profile(first_name="New")
    enter(engagement.segment, new)
    next_slot(engagement)
    loop.work()

    assert len(sent(engagement)) == 3
    assert set(sent(engagement).values()) == {1}
    assert [run.repeats_left_out for run in engagement.runs.order_by("pk")] == [0, 2]


@pytest.mark.parametrize(
    ("zone", "sent_at", "days", "is_again"),
    [
        # Midnight in Kolkata is at 18:30 UTC of the day before.
        ("UTC", datetime(2026, 3, 9, 23, 59, tzinfo=UTC), 1, True),
        ("UTC", datetime(2026, 3, 10, 0, 1, tzinfo=UTC), 1, False),
        ("Asia/Kolkata", datetime(2026, 3, 9, 18, 29, tzinfo=UTC), 1, True),
        ("Asia/Kolkata", datetime(2026, 3, 9, 18, 31, tzinfo=UTC), 1, False),
        ("UTC", datetime(2026, 3, 3, 12, 0, tzinfo=UTC), 7, True),
        ("UTC", datetime(2026, 3, 4, 0, 0, tzinfo=UTC), 7, False),
    ],
)
def test_days_in_between_are_days_of_the_calendar(
    active, zone, sent_at, days, is_again
):
    # Today is taken for 10 March: the table's times move along.
    today = timezone.now().astimezone(UTC).date()
    moved = sent_at + (today - datetime(2026, 3, 10, tzinfo=UTC).date())
    ann = factories.make_profile(first_name="Ann")
    engagement = active(
        again="after_days", again_after_days=days, time_zone=zone if zone else "UTC"
    )
    local = timezone.now().astimezone(UTC)
    if zone == "Asia/Kolkata" and (local.hour, local.minute) >= (18, 30):
        moved += timedelta(days=1)  # There it is tomorrow already.
    enter(engagement.segment, ann)
    loop.work()
    Delivery.objects.update(updated_at=moved)
    enter(engagement.segment, ann)
    loop.work()

    assert sent(engagement) == {ann.external_id: 2 if is_again else 1}


@pytest.mark.parametrize("state", ["sent", "accepted_unverified", "uncertain"])
def test_what_may_have_arrived_counts(active, state):
    ann = factories.make_profile()
    engagement = active()
    factories.make_delivery(ann, earlier(engagement), state=state)
    enter(engagement.segment, ann)
    expand_all()

    assert waiting(engagement) == []


@pytest.mark.parametrize("state", ["rejected", "skipped", "dead", "cancelled"])
def test_what_did_not_arrive_does_not_count(active, state):
    ann = factories.make_profile()
    engagement = active()
    factories.make_delivery(ann, earlier(engagement), state=state)
    enter(engagement.segment, ann)
    expand_all()

    assert waiting(engagement) == [ann.pk]


def test_another_engagement_of_the_segment_sends_its_own(active):
    ann = factories.make_profile(first_name="Ann")
    first = active()
    second = active(segment=first.segment)
    for _ in range(2):
        enter(first.segment, ann)
        loop.work()

    assert sent(first) == sent(second) == {ann.external_id: 1}


def test_a_pause_and_a_new_version_do_not_send_again(active, braze):
    ann, bob = factories.make_people(2)
    engagement = active()
    enter(engagement.segment, ann, bob)
    loop.work()
    transitions.pause(engagement)
    api = engagement.version.external_api
    newer = factories.make_version(connection=braze, external_api=api)
    Engagement.objects.update(version=newer)
    engagement.refresh_from_db()
    enter(engagement.segment, ann)
    transitions.resume(engagement)
    loop.work()

    assert engagement.runs.count() == 2
    assert set(sent(engagement).values()) == {1}


def test_who_waits_in_a_run_with_the_old_version_is_not_taken_in_by_the_new(
    active, braze
):
    (ann,) = factories.make_people(1)
    engagement = active()
    enter(engagement.segment, ann)
    expand_all()
    transitions.pause(engagement)
    Engagement.objects.update(version=factories.make_version(connection=braze))
    engagement.refresh_from_db()
    enter(engagement.segment, ann)
    transitions.resume(engagement)
    expand_all()

    assert waiting(engagement) == [ann.pk]


def test_who_was_present_and_enters_again_is_sent_once(active):
    people = factories.make_people(3)
    engagement = active(people, includes_present=True)
    enter(engagement.segment, *people)
    loop.work()

    assert set(sent(engagement).values()) == {1}
    assert len(sent(engagement)) == 3


def test_activated_again_after_its_end_it_sends_those_who_are_new(active):
    people = factories.make_people(2)
    engagement = active(people, trigger="schedule")
    loop.work()
    engagement.refresh_from_db()
    assert engagement.state == "ended"
    enter(engagement.segment, *factories.make_people(1))
    transitions.activate(engagement)
    loop.work()

    assert len(sent(engagement)) == 3
    assert set(sent(engagement).values()) == {1}


def test_who_was_sent_under_a_name_that_was_merged_was_sent(active):
    ann = factories.make_profile(first_name="Ann")
    visitor = factories.make_profile(external_id=None)
    engagement = active()
    factories.make_delivery(visitor, engagement.runs.get())
    Profile.objects.filter(pk=visitor.pk).update(merged_into=ann)
    enter(engagement.segment, ann)
    expand_all()

    assert waiting(engagement) == []


def test_who_waits_under_a_name_that_was_merged_is_sent_once(active, sandbox):
    ann = factories.make_profile(first_name="Ann")
    visitor = factories.make_profile(external_id=None, email="")
    engagement = active()
    enter(engagement.segment, visitor)
    expand_all()
    Profile.objects.filter(pk=visitor.pk).update(merged_into=ann, attributes={})
    enter(engagement.segment, ann)
    loop.work()

    assert sum(sent(engagement).values()) == 1
    assert invariants.received(sandbox) == {ann.external_id: 1}


@pytest.fixture
def by_email(active, braze):
    """Make an engagement of who did Lead, whom the other side knows by e-mail."""

    def make(**fields) -> Engagement:
        version = factories.make_version(
            external_api=factories.make_external_api(channel_identifier="email"),
            connection=braze,
        )
        segment = factories.make_segment(rule=LEAD, event_names=["Lead"])
        made: Engagement = active(segment=segment, version=version, **fields)
        return made

    return make


def merge_while(act) -> None:
    """A visitor takes part, and turns out to be Ann, who then does, too."""
    source = factories.make_source()
    traits = {"email": "ann@a.io", "first_name": "A."}
    tell(source, "identify", anonymousId="a1", traits=traits)
    tell(source, "track", anonymousId="a1", event="Lead", properties={})
    tell(source, "identify", userId="ann", traits={"first_name": "Ann"})
    inbox.apply()
    expand_all()
    assert len(Batch.objects.get().profile_ids) == 1
    with act:
        tell(source, "identify", userId="ann", anonymousId="a1", traits={})
        inbox.apply()
        assert Membership.objects.get().profile.external_id == "ann"
        expand_all()
    loop.work()


@contextmanager
def on_the_wire():
    """Who waits is sent in the block, and the answer written down after it."""
    results = [send(prepared) for prepared in intend(list(write(claim(1))))]
    assert len(results) == 1
    yield
    outcomes.record(results)


@pytest.mark.parametrize("fields", [{}, {"again": "always"}])
def test_who_becomes_one_with_somebody_on_the_wire_is_sent_once(
    by_email, sandbox, fields
):
    """To be recognised is not to enter a second time."""
    by_email(**fields)
    merge_while(on_the_wire())
    assert invariants.received(sandbox) == {"ann@a.io": 1}


def test_who_becomes_one_with_somebody_who_waits_is_sent_once(by_email, sandbox):
    """With the data of the person whom they have become part of."""
    by_email()
    merge_while(nullcontext())
    assert invariants.received(sandbox) == {"ann@a.io": 1}


def tell(source, kind, **payload) -> None:
    """A message from outside, in the inbox."""
    payload |= {"timestamp": "2026-01-31T12:00:00+00:00"}
    inbox.append(source, [(str(uuid.uuid4()), kind, payload)])


# --- Retries --------------------------------------------------------------------------


def test_who_failed_is_tried_again(active):
    ann = factories.make_profile(first_name="Ann")
    engagement = active()
    factories.make_delivery(ann, engagement.runs.get(), state="dead")
    assert retry_failed.retry(Delivery.objects.all()).people == 1
    loop.work()

    assert sent(engagement) == {ann.external_id: 1}


def test_who_was_sent_since_is_not_tried_again(active):
    ann, bob = factories.make_people(2)
    engagement = active()
    run = engagement.runs.get()
    for person in (ann, bob):
        factories.make_delivery(person, run, state="dead")
    factories.make_delivery(ann, run, transition_id=9)

    assert retry_failed.retry(Delivery.objects.all()).people == 1
    assert waiting(engagement) == [bob.pk]


def test_who_failed_twice_is_tried_again_once(active):
    ann = factories.make_profile(first_name="Ann")
    engagement = active()
    run = engagement.runs.get()
    for entry in (1, 2):
        factories.make_delivery(ann, run, state="rejected", transition_id=entry)

    assert retry_failed.retry(Delivery.objects.all()).people == 1
    assert retry_failed.retry(Delivery.objects.all()).people == 0
    assert waiting(engagement) == [ann.pk]


def test_every_time_tries_both_failures_again(active):
    ann = factories.make_profile(first_name="Ann")
    engagement = active(again="always")
    run = engagement.runs.get()
    for entry in (1, 2):
        factories.make_delivery(ann, run, state="rejected", transition_id=entry)

    assert retry_failed.retry(Delivery.objects.all()).people == 2


# --- What is kept of it ---------------------------------------------------------------


def grow_old(days=100) -> None:
    at = timezone.now() - timedelta(days=days)
    Batch.objects.update(created_at=at)
    Delivery.objects.update(updated_at=at)
    Attempt.objects.update(started_at=at)


@pytest.mark.parametrize(
    ("fields", "is_again"),
    [
        ({}, False),
        ({"again": "after_days", "again_after_days": 101}, False),
        ({"again": "after_days", "again_after_days": 99}, True),
        ({"again": "always"}, True),
    ],
)
def test_it_is_known_when_the_deliveries_are_gone(active, fields, is_again):
    (ann,) = factories.make_people(1)
    engagement = active(**fields)
    enter(engagement.segment, ann)
    loop.work()
    grow_old()
    retention.clean(10)
    assert not Delivery.objects.exists()
    enter(engagement.segment, ann)
    expand_all()

    assert waiting(engagement) == ([ann.pk] if is_again else [])


def test_nothing_is_kept_of_who_was_not_sent_or_is_erased(active):
    ann, bob = factories.make_people(2)
    engagement = active()
    run = earlier(engagement)
    factories.make_batch(run, [ann], delivery_state="rejected")
    factories.make_batch(run, [bob], delivery_state="sent")
    grow_old()
    retention.clean(10)
    assert list(SentBefore.objects.values_list("profile", flat=True)) == [bob.pk]
    bob.delete()
    assert not SentBefore.objects.exists()


FORGOTTEN = "Its oldest deliveries are deleted"


@pytest.mark.parametrize(
    ("before", "after", "is_deleted", "is_told"),
    [
        ("always", {"again": "once"}, True, True),
        ("always", {"again": "after_days", "again_after_days": 365}, True, True),
        ("always", {"again": "after_days", "again_after_days": 30}, True, False),
        ("always", {"again": "always"}, True, False),
        ("always", {"again": "once"}, False, False),
        ("once", {"again": "after_days", "again_after_days": 365}, True, False),
    ],
)
def test_a_change_says_what_is_not_known_any_more(
    active, admin_page, before, after, is_deleted, is_told
):
    """Of an engagement that sends every time nobody is remembered."""
    engagement = active(again=before)
    enter(engagement.segment, *factories.make_people(1))
    loop.work()
    if is_deleted:
        grow_old()
        retention.clean(10)
    Engagement.objects.update(state="paused")
    url = engagement.get_absolute_url()
    shown = admin_page.get(url).context["form"]
    typed = {one.html_name: one.value() for one in shown if one.value() is not None}
    said = admin_page.post(url, {**typed, **after}, follow=True).text

    engagement.refresh_from_db()
    assert engagement.again == after["again"]
    assert (FORGOTTEN in said) == is_told


# --- Races ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("standing_is_first", [True, False])
def test_two_runs_at_once_take_each_person_in_once(active, standing_is_first):
    """The one that comes later waits, and then sees whom the first has taken in."""
    people = factories.make_people(40)
    engagement = active(people, includes_present=True)
    enter(engagement.segment, *people)
    order = "-is_standing" if standing_is_first else "is_standing"
    first, second = engagement.runs.order_by(order).values_list("pk", flat=True)
    done = threading.Event()

    def take_in() -> None:
        expansion.expand([second])
        done.set()

    with ExitStack() as threads, transaction.atomic():
        expansion.expand([first])
        threads.enter_context(working.in_thread(take_in))
        # Without the lock it would be done in a hundredth of that.
        assert not done.wait(1)

    assert waiting(engagement) == sorted(person.pk for person in people)


# --- In the form, and on the pages ----------------------------------------------------


def form(**fields) -> EngagementForm:
    return EngagementForm(
        {
            "name": "Lead form",
            "segment": factories.make_segment().pk,
            "version": factories.make_version({"attributes": []}, ()).pk,
            "trigger": "on_entry",
            "repeat": "once",
            "time_zone": "UTC",
            "ambiguous_policy": "park",
            **fields,
        }
    )


MANY = """
    WITH people AS (
        INSERT INTO segments_profile (external_id, email, phone, attributes)
        SELECT 'many-' || n, '', '', '{}' FROM generate_series(1, 40000) n RETURNING id
    ), members AS (
        INSERT INTO segments_membership (segment_id, profile_id)
        SELECT %(segment)s, id FROM people
    )
    INSERT INTO engagements_delivery (run_id, profile_id, batch_id, state, reason)
    SELECT %(run)s, id, %(batch)s, 'sent', '' FROM people
"""


@pytest.fixture
def many(db) -> Engagement:
    """An engagement that sent to 40,000 people, all of its segment."""
    engagement: Engagement = factories.make_engagement(
        factories.make_segment(0), includes_present=True, state="draft"
    )
    run = factories.make_run(engagement, state="completed")
    batch = factories.make_batch(run, 1, state="done", delivery_state="sent")
    where = {"segment": engagement.segment_id, "run": run.pk, "batch": batch.pk}
    with connection.cursor() as cursor:
        cursor.execute(MANY, where)
        cursor.execute("ANALYZE segments_membership, engagements_delivery")
    return engagement


def test_what_takes_too_long_to_count_is_at_most_all(many, admin_page, monkeypatch):
    monkeypatch.setattr(send_again, "PATIENCE", 1)
    page = admin_page.get(f"/admin/engagements/engagement/{many.pk}/activate/")
    text = " ".join(page.text.split())
    assert "<strong>at most about 40,000</strong> people will be sent" in text
    assert "<strong>at most about 534</strong> requests needed" in text
    assert "how many that is takes too long to count" in text
    assert "0 of the segment are left out" not in text


def test_a_segment_beyond_the_databases_memory_is_counted_by_hash(many):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64kB'")
        # By hash it takes a tenth of a second, and the square of it minutes.
        cursor.execute("SET LOCAL statement_timeout = '8s'")
    assert send_again.members_left_out(many) == 40_000


def test_who_says_nothing_of_it_gets_the_usual():
    filled = form()
    assert filled.is_valid(), filled.errors
    assert filled.save().again == "usual"


@pytest.mark.parametrize("days", ["", "0", "-1", "3661", "soon", "9" * 30])
def test_again_after_days_needs_days(days):
    filled = form(again="after_days", again_after_days=days)
    assert list(filled.errors) == ["again_after_days"]


def test_days_are_kept_where_they_mean_something():
    kept = form(again="after_days", again_after_days="7").save()
    assert (kept.again, kept.again_after_days) == ("after_days", 7)
    forgotten = form(name="Other", again="once", again_after_days="7").save()
    assert forgotten.again_after_days is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Each person once."),
        (DAILY, "Each person every time."),
        ({"again": "after_days", "again_after_days": 1}, "at most once a day."),
        ({"again": "after_days", "again_after_days": 30}, "at most once in 30 days."),
    ],
)
def test_its_page_says_so(admin_page, fields, words):
    engagement = factories.make_engagement(**fields)
    assert words in admin_page.get(engagement.get_absolute_url()).text


def test_the_pages_tell_what_was_left_out(active, admin_page):
    people = factories.make_people(2)
    engagement = active(people, trigger="schedule")
    loop.work()
    enter(engagement.segment, *factories.make_people(1))

    page = admin_page.get(f"/admin/engagements/engagement/{engagement.pk}/activate/")
    text = " ".join(page.text.split())
    assert "<strong>1</strong> person will be sent" in text
    assert "2 of the segment are left out: this Engagement sent to them before." in text
    engagement.refresh_from_db()
    transitions.activate(engagement)
    loop.work()
    said = "2 repeats were left out"
    assert said in admin_page.get(engagement.get_absolute_url()).text
    run = engagement.runs.order_by("pk").last()
    assert said in admin_page.get(run.get_absolute_url()).text
