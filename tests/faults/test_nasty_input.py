"""4,000 messages and 5,000 people that mean harm: nothing stops, nothing is unaccounted.

NASTY_SEED=… makes the same again, NASTY_MESSAGES=… so many.
"""

import gc
import json
import os
import time
from collections import Counter
from datetime import timedelta
from random import Random

import psutil
import pytest
from django.db import connection
from django.test import Client

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery
from segments.ingest import inbox
from segments.membership import refresh
from segments.models import Profile, RefusedMessage, Segment
from segments.tracking import write_keys
from tests import factories
from tests.faults import invariants, nasty, working
from tests.faults.nasty import Verdict
from tests.inbox import waiting
from tests.segments.tracking.conftest import basic

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = int(os.environ.get("NASTY_MESSAGES") or 4_000)
PEOPLE = 5_000
IN_A_BATCH = 40


# In seconds of work: nothing takes longer. Mostly it is a half, and three times that on
# a machine with too much to do; what grows without bounds takes minutes.
LONGEST = 3.0


def worked() -> float:
    """Seconds that this process and its session in the database have worked.

    However much else the machine has to do.
    """
    connection.ensure_connection()
    session = psutil.Process(connection.connection.info.backend_pid).cpu_times()
    return time.process_time() + session.user + session.system


COMPARISONS = (
    ("equals", 5),
    ("equals", "5.0"),
    ("not_equals", "Ann"),
    ("contains", "e"),
    ("starts_with", "9"),
    ("ends_with", "0"),
    ("greater", 5),
    ("greater", "2026-01-01"),
    ("less", 1e20),
    ("less", "2026-02-01T00:00:00Z"),
    ("between", [0, 10]),
    ("between", ["2025-01-01", "2027-01-01"]),
    ("in", [1, "5", True, "Pune"]),
    ("is_present", None),
    ("is_missing", None),
    ("in_last_days", 30),
)


@pytest.fixture(autouse=True)
def looked_through():
    """As a worker's process begins: no circles are looked for among what was there.

    After thousands of tests that is more work than what is measured here.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def seed():
    return int(os.environ.get("NASTY_SEED") or Random().getrandbits(32))


@pytest.fixture
def segments():
    """Each comparison, of an attribute and of a property."""
    for operator, value in COMPARISONS:
        compared = {"is": operator, "value": value}
        did = {
            "event": "Lead",
            "at_least": 2,
            "where": [{"property": "v", **compared}],
        }
        factories.make_segment(
            rule={"any": [{"attribute": "v", **compared}, did]}, event_names=["Lead"]
        )
    factories.make_segment(rule={"attribute": "email", "is": "contains", "value": "İ"})
    return Segment.objects.all()


@pytest.fixture
def door():
    """The tracking API; (status, answer) of a body that is JSON text."""
    source = factories.make_source()
    authorization = basic(write_keys.issue(source))
    client = Client(raise_request_exception=False)

    def send(path, text):
        response = client.generic(
            "POST",
            f"/v1/{path}",
            text.encode(),
            "application/json",
            headers={"Authorization": authorization},
        )
        return response.status_code, response.content

    return send


def test_nasty_messages_stop_nothing(door, segments, seed):
    random, note = Random(seed), f"seed {seed}"
    taken = 0
    for found in in_bodies(random):
        taken += send(door, found, note)
    accepted = Counter(message.message_id for message in waiting())
    assert accepted.total() <= taken

    rounds = []
    while inbox.is_waiting():
        before = worked()
        assert inbox.apply_some(), note
        rounds.append(worked() - before)
    assert max(rounds) < LONGEST, note
    # Message IDs are nasty too, so some say something else under one that came before.
    same_ids = RefusedMessage.objects.filter(code="different_message")
    for name in same_ids.values_list("message_id", flat=True):
        assert accepted[name] > 1, f"{note}: {name} came once"
    kept_out = RefusedMessage.objects.filter(stage="applying").difference(same_ids)
    refused = {one.message_id: one.message for one in kept_out}
    assert not refused, f"{note}: the door took what cannot be kept: {refused}"
    for segment in segments:
        assert segment.problem == "", note
        before = set(segment.memberships.values_list("profile_id", flat=True))
        refresh.refresh(segment.pk)
        after = set(segment.memberships.values_list("profile_id", flat=True))
        assert before == after, f"{note}: {segment.rule}"


def in_bodies(random):
    """The messages: some alone, others in batches of which each can be read."""
    alone, together = [], []
    for _ in range(MESSAGES):
        one = nasty.message(random)
        lot = together if one.is_readable and random.random() < 0.9 else alone
        lot.append(one)
    yield from ([one] for one in alone)
    for first in range(0, len(together), IN_A_BATCH):
        yield together[first : first + IN_A_BATCH]


def send(door, found, note):
    """Send the messages, check that the answer names the right ones; return how many
    were taken."""
    before = worked()
    if len(found) == 1:
        [one] = found
        kind = (
            "identify" if '"type":"identify"' in one.text.replace(" ", "") else "track"
        )
        status, content = door(kind, one.text)
        assert status in (200, 400, 413), f"{note}: {status} for {one.text[:2000]}"
        is_taken = [status == 200]
    else:
        body = '{"batch":[' + ",".join(one.text for one in found) + "]}"
        status, content = door("batch", body)
        if status == 413:
            half = len(found) // 2
            return send(door, found[:half], note) + send(door, found[half:], note)
        assert status == 200, f"{note}: {status} {content[:500]}"
        refused = {r["index"] for r in json.loads(content).get("refused", ())}
        is_taken = [index not in refused for index in range(len(found))]
    assert worked() - before < LONGEST, note
    for one, was_taken in zip(found, is_taken, strict=True):
        expected = Verdict.TAKEN if was_taken else Verdict.REFUSED
        assert one.verdict in (expected, Verdict.EITHER), (
            f"{note}: {expected} {content[:300]!r}: {one.text[-1000:]}"
        )
    return sum(is_taken)


def test_nasty_people_stop_nothing(braze, sandbox, draft, seed):
    random, note = Random(seed), f"seed {seed}"
    values, plain = {}, set()
    for number in range(PEOPLE):
        name = f"p{number}"
        if number % 10 == 0:
            plain.add(name)
            values[name] = {"v": "Ann", "w": "free"}
        else:
            values[name] = {"v": nasty.value(random), "w": nasty.value(random)}
    source = factories.make_source()
    bodies = (
        (name, "identify", {"userId": name, "traits": parsed(traits), "timestamp": AT})
        for name, traits in values.items()
    )
    inbox.append(source, bodies)
    segment = factories.make_segment(
        rule={"attribute": "external_id", "is": "starts_with", "value": "p"}
    )
    assert inbox.apply().messages == PEOPLE, note
    assert segment.memberships.count() == PEOPLE, note

    engagement = draft(
        segment,
        values={"Name of the User": "{{ profile.v }}", "Plan": "{{ profile.w }}"},
    )
    transitions.activate(engagement)
    pieces, is_more = [], True
    while is_more:
        before = worked()
        is_more = loop.work(timedelta(seconds=0.1))
        pieces.append(worked() - before)
    assert max(pieces) < LONGEST, note

    working.to_the_end(engagement)
    invariants.check(engagement, sandbox, sandbox.key, note)
    sent = Delivery.objects.filter(run__engagement=engagement, state="sent")
    reached = set(sent.values_list("profile__external_id", flat=True))
    assert plain <= reached, f"{note}: {sorted(plain - reached)[:5]}"
    left_out = Delivery.objects.filter(run__engagement=engagement).exclude(state="sent")
    assert not left_out.filter(reason="").exists(), f"{note}: left out without a word"
    assert Profile.objects.count() == PEOPLE


AT = "2026-01-31T12:00:00+00:00"


def parsed(traits):
    """As the door would hand it on."""
    return json.loads(nasty.dump(traits))
