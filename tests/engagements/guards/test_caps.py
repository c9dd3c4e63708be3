"""Frequency caps: what counts, for how long, and that there is never one too many."""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection

from engagements import retention
from engagements.audience import expansion
from engagements.delivery import claims, writing
from engagements.guards import caps, plenty
from engagements.guards.asking import Asked
from engagements.guards.site import look
from engagements.lifecycle import transitions
from engagements.models import (
    Delivery,
    Engagement,
    FrequencyCap,
    Run,
    SentLately,
    channel_number,
)
from engagements.outbox.claim import Claim
from lemnisk_braze.lib import database_clock
from segments.models import Profile
from tests import factories
from tests.doubles.sessions import row_locked, somebody_waits_for_a_lock
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db

Make = Callable[..., Engagement]
OURS, CRM = map(channel_number, ("customer_data", "crm"))


def cap(most: int = 1, **fields: object) -> FrequencyCap:
    name = f"Cap {FrequencyCap.objects.count()}"
    made: FrequencyCap = FrequencyCap.objects.create(name=name, most=most, **fields)
    return made


def states(engagement: Engagement) -> Counter[str]:
    rows = Delivery.objects.filter(run__engagement=engagement)
    return Counter(rows.values_list("state", flat=True))


def reasons(engagement: Engagement) -> set[str]:
    rows = Delivery.objects.filter(run__engagement=engagement).exclude(reason="")
    return {
        reason.partition(":")[0] for reason in rows.values_list("reason", flat=True)
    }


@pytest.fixture
def send(sandbox, braze) -> Callable[..., Engagement]:
    """Send an engagement to these people, to its end."""

    def make(people, **fields) -> Engagement:
        version = fields.pop("version", None) or factories.make_version(
            connection=braze
        )
        segment = fields.pop("segment", None) or factories.make_segment(people)
        engagement = factories.make_engagement(
            segment, version, trigger="schedule", **fields
        )
        transitions.activate(engagement)
        working.to_the_end(engagement)
        return engagement

    return make


@pytest.fixture
def people() -> list[Profile]:
    return factories.make_people(3)


def test_the_second_engagement_finds_no_room(send, people, sandbox):
    cap()
    first, second = send(people), send(people)
    assert states(first) == {"sent": 3}
    assert states(second) == {"skipped": 3}
    assert reasons(second) == {"frequency_cap"}
    assert set(invariants.received(sandbox).values()) == {1}
    reason = Delivery.objects.filter(run__engagement=second).first().reason
    assert "“Cap 0”: at most 1 a day" in reason


def test_what_was_not_sent_takes_no_room(send, people, sandbox):
    cap()
    refusal = {"kind": "partial_errors", "indexes": None, "times": 1}
    sandbox.faults([refusal])
    first = send(people)
    assert states(first) == {"rejected": 3}
    assert states(send(people)) == {"sent": 3}


@pytest.mark.parametrize("was_sent", [True, False])
def test_a_cap_counts_the_same_after_the_deliveries_are_deleted(
    send, people, sandbox, was_sent
):
    """Of half a year, where deliveries are kept for 90 days."""
    cap(every=6, period="month")
    if not was_sent:
        sandbox.faults([{"kind": "partial_errors", "indexes": None, "times": 1}])
    first = send(people)
    assert states(first) == {"sent" if was_sent else "rejected": 3}
    later = database_clock.now() + timedelta(days=1)
    assert retention.clean_deliveries(later, time.monotonic() + 60) == 1
    assert not Delivery.objects.exists()
    second = send(people)
    assert states(second) == {"skipped" if was_sent else "sent": 3}


def test_a_retry_is_the_same_delivery(send, people, sandbox):
    cap()
    sandbox.faults([{"kind": "status", "status": 503, "times": 1}])
    assert states(send(people)) == {"sent": 3}
    assert [len(one.sends) for one in SentLately.objects.all()] == [1, 1, 1]


def test_a_batch_that_is_halved_counts_each_once(send, people, sandbox):
    cap()
    sandbox.faults([{"kind": "status", "status": 400, "body": "{}", "times": 1}])
    assert states(send(people)) == {"sent": 3}
    assert [len(one.sends) for one in SentLately.objects.all()] == [1, 1, 1]


def test_who_is_uncertain_counts(send, people, sandbox):
    cap()
    sandbox.faults([{"kind": "reset_after", "times": 1}])
    assert states(send(people)) == {"uncertain": 3}
    assert states(send(people)) == {"skipped": 3}


def test_scopes(send, people, braze):
    api = factories.make_version(connection=braze)
    other = factories.make_version(connection=braze)
    other.external_api.channel = "crm"
    other.external_api.save()
    segment = factories.make_segment(people)
    of_channel = cap(1, channel="crm")
    assert states(send(people)) == {"sent": 3}
    assert states(send(people, version=other)) == {"sent": 3}
    assert states(send(people, version=other)) == {"skipped": 3}
    of_channel.delete()

    of_segment = cap(1, segment=segment)
    assert states(send(people, segment=segment, version=api)) == {"sent": 3}
    assert states(send(people, segment=segment, version=other)) == {"skipped": 3}
    assert states(send(people)) == {"sent": 3}
    of_segment.delete()

    engagement = send(people, repeat="daily")
    cap(1, engagement=engagement)
    assert states(send(people)) == {"sent": 3}


def test_an_engagement_that_heeds_none_is_counted_all_the_same(send, people):
    cap()
    assert states(send(people, heeds_caps=False)) == {"sent": 3}
    assert states(send(people, heeds_caps=False)) == {"sent": 3}
    assert states(send(people)) == {"skipped": 3}


def test_the_last_room_is_for_those_that_go_first(send, people):
    cap(2, kept=1)
    assert states(send(people)) == {"sent": 3}
    assert states(send(people)) == {"skipped": 3}
    assert states(send(people, has_priority=True)) == {"sent": 3}
    assert states(send(people, has_priority=True)) == {"skipped": 3}


def test_a_cap_out_of_force_counts_nothing(send, people):
    cap(is_active=False)
    send(people)
    assert states(send(people)) == {"sent": 3}
    assert not SentLately.objects.exists()


def make_older(days: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE engagements_sentlately SET sends = (SELECT array_agg(ARRAY[sends[n][1]"
            " - %s] || ARRAY(SELECT unnest(sends[n:n][2:])) ORDER BY n) FROM"
            " generate_subscripts(sends, 1) n),"
            " last_at = last_at - make_interval(secs => %s)",
            [int(days * 86_400_000), days * 86_400],
        )


def test_room_comes_back_when_the_time_is_over(send, people):
    cap(1, every=2)
    send(people)
    make_older(1.9)
    assert states(send(people)) == {"skipped": 3}
    make_older(0.2)
    assert states(send(people)) == {"sent": 3}


def test_merged_people_are_one(send, people):
    cap()
    send(people[:1])
    Profile.objects.filter(pk=people[0].pk).update(merged_into=people[1])
    engagement = send(people[1:])
    assert states(engagement) == {"skipped": 1, "sent": 1}
    skipped = Delivery.objects.get(run__engagement=engagement, state="skipped")
    assert skipped.profile_id == people[1].pk


ROLLING, CALENDAR = FrequencyCap.Window
AT = datetime(2026, 3, 4, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "zone", "begins"),
    [
        ({"period": "day"}, "UTC", "2026-03-03T01:30:00+00:00"),
        ({"period": "week", "every": 2}, "UTC", "2026-02-18T01:30:00+00:00"),
        ({"period": "month"}, "UTC", "2026-02-02T01:30:00+00:00"),
        ({"window": CALENDAR}, "UTC", "2026-03-04T00:00:00+00:00"),
        ({"window": CALENDAR}, "America/Lima", "2026-03-03T00:00:00-05:00"),
        ({"window": CALENDAR, "every": 3}, "UTC", "2026-03-02T00:00:00+00:00"),
        ({"window": CALENDAR, "period": "week"}, "UTC", "2026-03-02T00:00:00+00:00"),
        (
            {"window": CALENDAR, "period": "week", "every": 2},
            "UTC",
            "2026-02-23T00:00:00+00:00",
        ),
        ({"window": CALENDAR, "period": "month"}, "UTC", "2026-03-01T00:00:00+00:00"),
        (
            {"window": CALENDAR, "period": "month", "every": 3},
            "UTC",
            "2026-01-01T00:00:00+00:00",
        ),
        (
            {"window": CALENDAR, "period": "month", "every": 15},
            "UTC",
            "2025-01-01T00:00:00+00:00",
        ),
    ],
)
def test_since_when_a_cap_counts(fields, zone, begins):
    found = FrequencyCap(most=1, **fields).begins(AT, ZoneInfo(zone))
    assert found.isoformat() == begins


def test_a_day_is_the_persons_own(send):
    """Where it is tomorrow already there is room again."""
    now = database_clock.now()
    ahead, behind = "Pacific/Kiritimati", "Pacific/Niue"
    people = [
        factories.make_profile(zone=zone, first_name="Ann")
        for zone in (ahead, behind, "Mars/Olympus", None)
    ]
    cap(1, window=CALENDAR, zone_attribute="zone", time_zone=behind)
    send(people)
    midnight = now.astimezone(ZoneInfo(ahead)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    ours = now.astimezone(ZoneInfo(behind)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    # To a moment before midnight there, and after it here.
    make_older((now - midnight).total_seconds() / 86_400 + 0.0001)
    expected = {"sent": 1, "skipped": 3} if ours < midnight else {"sent": 4}
    assert states(send(people)) == expected


@pytest.mark.parametrize(
    ("fields", "ends_as"),
    [
        ({"window": CALENDAR, "zone_attribute": "zone"}, "sent"),
        ({"window": CALENDAR, "time_zone": "day"}, "sent"),
        ({"window": ROLLING}, "skipped"),
        # By the clock of the day before, such as a server's, both are of one day.
        ({"window": CALENDAR, "time_zone": "other day"}, "skipped"),
    ],
)
def test_an_hour_before_midnight_is_another_day_of_the_calendar(send, fields, ends_as):
    """TRAPS 19: cap 1 a day; 23:00 and 00:00 where the person is."""
    zones = {"day": just_after(0), "other day": just_after(12)}
    if zone := fields.get("time_zone"):
        fields = {**fields, "time_zone": zones[zone]}
    ann = factories.make_profile(first_name="Ann", zone=zones["day"])
    cap(1, **fields)
    send([ann])
    make_older(1 / 24)
    assert states(send([ann])) == {ends_as: 1}


def just_after(hour: int) -> str:
    """A zone where it is so late now, or up to an hour later."""
    behind = (database_clock.now().hour - hour) % 24
    return f"Etc/GMT+{behind}" if behind <= 12 else f"Etc/GMT-{24 - behind}"


def claim_of(run: Run, profile_ids: list[int]) -> Claim:
    return Claim(
        batch_id=0,
        run_id=run.pk,
        token=uuid.uuid4(),
        profile_ids=profile_ids,
        event_ids=[],
        transition_ids=[],
        left_out=[],
        stamp="",
        is_suspect=False,
        is_standing=False,
        now=database_clock.now(),
    )


# --- Plenty ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_who_has_plenty_is_told_from_who_is_counted(seed):
    """Whatever was sent when and by whom: each gets what a plain count allows."""
    chance = Random(seed)
    people = factories.make_people(40)
    engagement = factories.make_engagement(factories.make_segment(people))
    other = factories.make_engagement()
    scopes: list[dict[str, object]] = [
        {},
        {"channel": "customer_data"},
        {"channel": "crm"},
        {"segment": engagement.segment},
        {"engagement": engagement},
        {"engagement": other},
    ]
    for scope in chance.sample(scopes, 2):
        window = chance.choice([ROLLING, CALENDAR])
        cap(chance.randint(1, 4), every=2, window=window, **scope)
    # Keeps all that was sent.
    cap(every=1, period="month", is_active=False)
    now = database_clock.now()
    hours = [0.1, 1, 23, 30, 49, 70, 100]
    history: dict[int, list[list[Any]]] = {}
    for person in people:
        ago = sorted(chance.choices(hours, k=chance.randint(0, 6)), reverse=True)
        history[person.pk] = [
            [
                round((now - timedelta(hours=one)).timestamp() * 1_000),
                its.pk,
                its.segment_id,
                chance.choice([OURS, CRM]),
                0,
                n,
            ]
            for n, one in enumerate(ago)
            for its in [chance.choice([engagement, other])]
        ]
    SentLately.objects.bulk_create(
        SentLately(profile_id=id, sends=sends)
        for id, sends in history.items()
        if sends or chance.random() < 0.5
    )

    def has_room(id: int) -> bool:
        for one in FrequencyCap.objects.filter(is_active=True):
            begins = one.begins(now, ZoneInfo("UTC")).timestamp() * 1_000
            covers = (
                one.channel in ("", "customer_data")
                and one.segment_id in (None, engagement.segment_id)
                and one.engagement_id in (None, engagement.pk)
            )
            counted = [
                send
                for send in history[id]
                if send[0] >= begins
                and channel_number(one.channel) in (0, send[3])
                and one.segment_id in (None, send[2])
                and one.engagement_id in (None, send[1])
            ]
            if covers and len(counted) >= one.most:
                return False
        return True

    run = factories.make_run(engagement)
    ids = [person.pk for person in people]
    asked = Asked(
        engagement=engagement,
        site=look(),
        people={id: id for id in ids},
        now=now,
        run=run,
    )
    over = caps.reserve(asked, [claim_of(run, ids)], ()).over

    expected = {place for place, id in enumerate(ids) if not has_room(id)}
    assert set(over.get(0, {})) == expected
    covered = bool(caps.covering(asked))
    kept = dict(SentLately.objects.values_list("profile_id", "sends"))
    for place, id in enumerate(ids):
        taken = int(covered and place not in expected)
        assert len(kept.get(id, [])) == len(history[id]) + taken
    # The same deliveries once more: each has its place already.
    again = caps.reserve(asked, [claim_of(run, ids)], ()).over
    assert set(again.get(0, {})) == expected
    assert dict(SentLately.objects.values_list("profile_id", "sends")).keys() >= (
        kept.keys()
    )
    for id, sends in SentLately.objects.values_list("profile_id", "sends"):
        assert len(sends) == len(kept.get(id, []))


def test_a_list_that_has_grown_long_is_made_shorter(send, people):
    cap(300)
    old = round(database_clock.now().timestamp() * 1_000) - (caps.DAYS + 1) * 86_400_000
    for person in people:
        sends = [[old + n, 0, 0, 0, 0, n] for n in range(plenty.LONG)]
        SentLately.objects.create(profile=person, sends=sends)
    assert states(send(people)) == {"sent": 3}
    assert [len(one.sends) for one in SentLately.objects.all()] == [1, 1, 1]


@pytest.mark.parametrize(("other", "kept"), [(None, 1), (2, plenty.LONG + 1)])
def test_it_keeps_what_the_longest_cap_may_count(send, people, other, kept):
    cap(300)
    if other:
        cap(9, every=other, period="month", is_active=False)
    at = round(database_clock.now().timestamp() * 1_000) - 40 * 86_400_000
    sends = [[at + n, 0, 0, 0, 0, n] for n in range(plenty.LONG)]
    SentLately.objects.create(profile=people[0], sends=sends)
    assert states(send(people[:1])) == {"sent": 1}
    assert len(SentLately.objects.get().sends) == kept


def test_what_was_kept_as_json_is_the_same_in_numbers():
    migration = import_module("engagements.migrations.0018_sends_are_numbers")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE engagements_sentlately (profile_id int, sends jsonb)"
            " ON COMMIT DROP"
        )
        cursor.execute(
            "INSERT INTO engagements_sentlately VALUES (1, '[]'),"
            """ (2, '[[5, 1, 2, "crm", 3, 4], [6, 1, 2, "", 3, 0]]')"""
        )
        for statement in (
            migration.ADD, migration.FILL, migration.DROP, migration.RENAME
        ):  # fmt: skip
            cursor.execute(statement)
        cursor.execute("SELECT profile_id, sends FROM engagements_sentlately")
        found = dict(cursor.fetchall())
    assert found == {1: [], 2: [[5, 1, 2, CRM, 3, 4], [6, 1, 2, 0, 3, 0]]}


# --- Together -------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 3], ids=["plenty", "counted"])
@pytest.mark.django_db(transaction=True)
def test_eight_at_once_take_no_more_than_there_is(braze, before):
    """Also of those who have to be counted, as what they were sent is of another channel."""
    people = factories.make_people(40)
    cap(3, channel="customer_data")
    now = round(database_clock.now().timestamp() * 1_000)
    sends = [[now, 0, 0, CRM, 0, n] for n in range(before)]
    SentLately.objects.bulk_create(
        SentLately(profile=person, sends=sends) for person in people if sends
    )
    version = factories.make_version(connection=braze)
    engagements = [
        factories.make_engagement(factories.make_segment(people), version)
        for _ in range(8)
    ]
    runs = [factories.make_run(engagement) for engagement in engagements]

    def ask(number: int) -> int:
        try:
            run = runs[number]
            asked = Asked(
                engagement=engagements[number],
                site=look(),
                people={person.pk: person.pk for person in people},
                now=database_clock.now(),
                run=run,
            )
            claim = claim_of(run, [person.pk for person in people])
            over = caps.reserve(asked, [claim], ()).over
            return len(people) - sum(map(len, over.values()))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(ask, range(8)))

    assert taken == 3 * len(people)
    assert {len(one.sends) for one in SentLately.objects.all()} == {before + 3}


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_the_same_person_a_hundred_times(braze, sandbox):
    """TRAPS 18: cap 1; one is sent, and one is capped, always."""
    people = factories.make_people(100)
    cap()
    version = factories.make_version(connection=braze, batching="one")
    both = [
        factories.make_engagement(
            factories.make_segment(people), version, trigger="schedule"
        )
        for _ in range(2)
    ]
    for engagement in both:
        transitions.activate(engagement)
    with working.in_thread(working.once), working.in_thread(working.once):
        pass
    for engagement in both:
        working.to_the_end(engagement)

    assert set(invariants.received(sandbox).values()) == {1}
    for person in people:
        ended = person.deliveries.values_list("state", flat=True)
        assert sorted(ended) == ["sent", "skipped"]
    assert reasons(both[0]) | reasons(both[1]) == {"frequency_cap"}


@pytest.mark.django_db(transaction=True)
def test_who_dies_between_asking_and_sending_took_its_own_room_only(send, people):
    """The same delivery asks again, and finds the place that it has."""
    cap()
    first = send(people)
    run = first.runs.get()
    asked = Asked(
        engagement=first,
        site=look(),
        people={person.pk: person.pk for person in people},
        now=database_clock.now(),
        run=run,
    )
    claim = claim_of(run, [person.pk for person in people])
    assert caps.reserve(asked, [claim], ()).over == {}
    assert [len(one.sends) for one in SentLately.objects.all()] == [1, 1, 1]


def test_retention_keeps_what_a_cap_may_count(send, people):
    cap()
    send(people)
    now = database_clock.now()
    assert caps.forget(now - timedelta(days=caps.DAYS), float("inf")) == 0
    make_older(caps.DAYS + 31)
    assert caps.forget(now - timedelta(days=caps.DAYS), float("inf")) == 3


# --- What is not sent takes no room, and what is sent does ------------------------------


@pytest.mark.parametrize("is_unchanged", [True, False], ids=["unchanged", "no value"])
def test_who_has_nothing_to_be_sent_leaves_the_room_to_others(
    send, people, braze, is_unchanged
):
    """At once, and not only when that is written down."""
    segment, version = (
        factories.make_segment(people),
        factories.make_version(connection=braze),
    )
    values = None if is_unchanged else {"Name of the User": "{{ profile.nothing }}"}
    mode = "changed" if is_unchanged else "everyone"
    first = factories.make_engagement(
        segment, version, values, trigger="schedule", sync_mode=mode, again="always"
    )
    if is_unchanged:
        transitions.activate(first)
        working.to_the_end(first)
    cap()
    transitions.activate(first)
    expansion.expand(expansion.expandable_runs())
    (prepared,) = writing.write(claims.claim(8))
    assert len(prepared.skipped) == 3

    assert states(send(people)) == {"sent": 3}


@pytest.mark.django_db(transaction=True)
def test_what_another_took_meanwhile_for_the_same_delivery_is_not_given_back(
    send, people
):
    """Who stood still for longer than a lease gives back nothing of the next one's."""
    cap()
    run = send(people).runs.get()
    one = SentLately.objects.get(profile=people[0])
    caps.give_back(
        run.pk, caps.Reserved({}, {one.sends[0][0] - 1}), [(people[0].pk, 0)]
    )
    assert SentLately.objects.get(profile=people[0]).sends == one.sends


@pytest.mark.django_db(transaction=True)
def test_what_another_takes_while_one_gives_back_is_kept(send, people):
    """Both write the same list: who waited for it looks at what it is then."""
    cap(2)
    run = send(people).runs.get()
    ann = people[0]
    (own,) = SentLately.objects.get(profile=ann).sends
    theirs = [own[0], 1, 1, OURS, run.pk + 1, 0]
    reserved = caps.Reserved({}, {own[0]})
    with (
        row_locked("engagements_sentlately", "profile_id", ann.pk) as other,
        working.in_thread(lambda: caps.give_back(run.pk, reserved, [(ann.pk, 0)])),
    ):
        wait_until(somebody_waits_for_a_lock, "who gives back")
        keep(other, ann, [own, theirs])
    assert SentLately.objects.get(profile=ann).sends == [theirs]


@pytest.mark.parametrize(
    "entries", [[0], [1], [1, 2]], ids=["plenty", "each their own", "counted"]
)
@pytest.mark.django_db(transaction=True)
def test_what_another_takes_while_one_waits_is_counted(people, entries):
    """Who is there with two entries is counted; all find the last room taken."""
    cap()
    ann = people[0]
    SentLately.objects.create(profile=ann)
    run = factories.make_run()
    asked = Asked(
        engagement=run.engagement,
        site=look(),
        people={ann.pk: ann.pk},
        now=database_clock.now(),
        run=run,
    )
    claim = claim_of(run, [ann.pk for _ in entries])._replace(transition_ids=entries)
    now = plenty.milliseconds(asked.now)
    theirs = [now, 8, 8, OURS, 9, 0]
    found = []
    with (
        row_locked("engagements_sentlately", "profile_id", ann.pk) as other,
        working.in_thread(lambda: found.append(caps.reserve(asked, [claim], ()))),
    ):
        wait_until(somebody_waits_for_a_lock, "who counts")
        keep(other, ann, [theirs])
    assert found[0].over[0].keys() == set(range(len(entries)))
    assert SentLately.objects.get(profile=ann).sends == [theirs]


@pytest.mark.parametrize("entries", [[0, 0], [1, 2]], ids=["all", "each their own"])
@pytest.mark.django_db(transaction=True)
def test_room_is_taken_in_the_order_of_people(people, entries):
    """However their rows lie: whoever waits holds nobody that another would wait for."""
    cap()
    first, last = sorted(person.pk for person in people)[:2]
    for id in (last, first):
        SentLately.objects.create(profile_id=id)
    run = factories.make_run()
    asked = Asked(
        engagement=run.engagement,
        site=look(),
        people={id: id for id in (last, first)},
        now=database_clock.now(),
        run=run,
    )
    claim = claim_of(run, [last, first])._replace(transition_ids=entries)
    with (
        row_locked("engagements_sentlately", "profile_id", first) as other,
        working.in_thread(lambda: caps.reserve(asked, [claim], ())),
    ):
        wait_until(somebody_waits_for_a_lock, "who takes room")
        other.execute(
            "SELECT FROM engagements_sentlately WHERE profile_id = %s FOR UPDATE NOWAIT",
            [last],
        )
        other.commit()
    assert [len(one.sends) for one in SentLately.objects.all()] == [1, 1]


def keep(session: psycopg.Connection, person: Profile, sends: list[list[Any]]) -> None:
    session.execute(
        "UPDATE engagements_sentlately SET sends = %s WHERE profile_id = %s",
        [sends, person.pk],
    )
    session.commit()


@pytest.mark.django_db(transaction=True)
def test_two_names_of_one_person_at_once_take_one_room(braze, people):
    """What was written to the other name while a worker waited for the person counts."""
    cap()
    root, first, second = people
    Profile.objects.filter(pk__in=[first.pk, second.pk]).update(merged_into=root)
    SentLately.objects.create(profile=root)
    run = factories.make_run()
    asked = Asked(
        engagement=run.engagement,
        site=look(),
        people={first.pk: root.pk},
        now=database_clock.now(),
        run=run,
    )
    found = []
    ask = partial(caps.reserve, asked, [claim_of(run, [first.pk])], ())
    with (
        row_locked("engagements_sentlately", "profile_id", root.pk) as theirs,
        ExitStack() as worker,
    ):
        worker.enter_context(working.in_thread(lambda: found.append(ask())))
        wait_until(somebody_waits_for_a_lock, "the worker")
        now = round(database_clock.now().timestamp() * 1_000)
        theirs.execute(
            "INSERT INTO engagements_sentlately (profile_id, sends) VALUES (%s, %s)",
            [second.pk, [[now, 1, 1, OURS, 1, 0]]],
        )
        theirs.commit()
    assert found[0].over
