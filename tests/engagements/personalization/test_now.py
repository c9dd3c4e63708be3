"""`{{ now }}`: when a person's request is written for the first time."""

import json
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from engagements.authoring.preview import NOW_NOTE, preview, what_was_sent
from engagements.delivery import claims, loop
from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from tests import factories

pytestmark = pytest.mark.django_db

BODY = {"attributes": [{"external_id": "{{ID}}", "written": "{{When}}"}]}
VALUES = {"When": "{{ now }} {{ 'now' | date: '%s' }}"}


@pytest.fixture
def engagement(braze):
    """An active engagement whose run began yesterday, with somebody in line."""
    version = factories.make_version(
        BODY,
        [factories.parameter("ID", level="identifier"), factories.parameter("When")],
        connection=braze,
    )
    engagement = factories.make_engagement(
        factories.make_segment(0),
        version,
        values=VALUES,
        trigger=Engagement.Trigger.ON_ENTRY,
    )
    transitions.activate(engagement)
    Run.objects.update(started_at=timezone.now() - timedelta(days=1))
    factories.enter(engagement.segment, factories.make_profile(external_id="ana"))
    return engagement


def database_now():
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def make_due():
    Batch.objects.filter(state__in=Batch.DUE).update(
        next_attempt_at=timezone.now() - timedelta(seconds=1)
    )


def written(sandbox):
    text = sandbox.user("ana")["custom_attributes"]["written"]
    moment, _, seconds = text.partition(" ")
    found = datetime.fromisoformat(moment)
    assert int(found.timestamp()) == int(seconds)
    return found


def test_it_is_the_time_of_writing_and_not_of_activation(engagement, sandbox):
    before = database_now()
    loop.work()
    # Written with milliseconds.
    assert before - timedelta(milliseconds=1) < written(sandbox) < database_now()


def test_it_is_kept_when_the_request_is_tried_again(engagement, sandbox):
    sandbox.faults([{"kind": "status", "status": 500}])
    loop.work(timedelta(seconds=1))
    first = Batch.objects.get().written_at
    make_due()
    loop.work()

    requests = Attempt.objects.values_list("request_sha256", flat=True)
    assert len(requests) == 2
    assert len(set(requests)) == 1
    assert Batch.objects.get().written_at == first
    assert abs(written(sandbox) - first) < timedelta(milliseconds=1)


def test_a_request_that_was_not_written_has_no_time_yet(engagement, sandbox):
    loop.expansion.expand(loop.expansion.expandable_runs())
    (held,) = claims.claim(1)
    claims.put_back([held], timedelta(0))
    assert Batch.objects.get().written_at is None
    (later,) = claims.claim(1)
    assert later.now > held.now


def test_the_halves_of_a_request_keep_its_time(engagement, sandbox):
    factories.enter(engagement.segment, factories.make_profile(external_id="bo"))
    sandbox.faults([{"kind": "status", "status": 400, "body": '{"message": "no"}'}])
    loop.work()
    times = Batch.objects.values_list("written_at", flat=True)
    assert len(times) == 3
    assert len(set(times)) == 1


def test_the_delivery_shows_the_time_that_was_sent(engagement, sandbox):
    loop.work()
    shown = json.loads(what_was_sent(Delivery.objects.get()).body)
    sent = sandbox.user("ana")["custom_attributes"]["written"]
    assert shown["attributes"][0]["written"] == sent


def test_a_preview_follows_the_same_rule_and_says_so(engagement):
    ana = engagement.segment.memberships.get().profile
    before = database_now()
    shown = preview(engagement.version, VALUES, engagement.segment, ana)
    text = json.loads(shown.body)["attributes"][0]["written"]
    at = datetime.fromisoformat(text.partition(" ")[0])
    assert before - timedelta(milliseconds=1) < at < database_now()
    assert shown.notes == (NOW_NOTE,)
    without = preview(engagement.version, {"When": "x"}, engagement.segment, ana)
    assert without.notes == ()
