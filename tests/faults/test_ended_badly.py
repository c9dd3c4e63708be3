"""A run that ended before anyone could stop it, and mostly failed, is named and told."""

import pytest
from django.core import mail
from django.urls import reverse

from engagements import retrying, runs
from engagements.models import Delivery, Engagement, Run
from engagements.tick import tick
from tests import factories
from tests.faults import drains

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "olga@example.com"
REJECTED = [{"kind": "partial_errors", "indexes": None, "times": None}]


@pytest.fixture
def owner():
    return factories.make_user(email=OWNER)


def ended(engagement: Engagement) -> Engagement:
    drains.to_the_end(engagement)
    tick()
    tick()
    engagement.refresh_from_db()
    return engagement


def test_it_is_as_loud_as_one_that_was_stopped(active, sandbox, owner, admin_client):
    sandbox.faults(REJECTED)
    engagement = ended(active(1_300, created_by=owner))

    assert engagement.state == Engagement.State.ENDED
    said = "1,300 of 1,300 people"
    assert said in engagement.blocked_reason
    assert "1,300 rejected" in engagement.blocked_reason
    (letter,) = mail.outbox
    assert letter.to == [OWNER] and said in letter.body
    assert "mostly failed" in letter.subject
    assert "was stopped" not in letter.body
    run = engagement.runs.get()
    for url in (
        engagement.get_absolute_url(),
        run.get_absolute_url(),
        reverse("admin:index"),
    ):
        assert said in admin_client.get(url).content.decode(), url


@pytest.mark.parametrize("repeat", ["once", "daily"])
@pytest.mark.parametrize(
    ("failing", "people", "is_named"),
    [
        (3, 4, True),
        (2, 4, False),
        (1, 1, True),
        (250, 1_000, True),
        (190, 1_000, False),
    ],
)
def test_what_mostly_means(active, sandbox, owner, repeat, failing, people, is_named):
    """Who has no name is skipped: it is required."""
    members = factories.make_people(people)
    for person in members[:failing]:
        person.attributes = {}
    type(members[0]).objects.bulk_update(members[:failing], ["attributes"], 500)
    engagement = ended(active(members, repeat=repeat, created_by=owner))

    assert bool(engagement.blocked_reason) == is_named
    assert len(mail.outbox) == is_named
    if is_named:
        # One that repeats is paused for it, where it may be.
        assert f"{failing:,} of " in engagement.blocked_reason


def test_a_good_retry_takes_it_back(active, sandbox, owner):
    sandbox.faults(REJECTED)
    engagement = ended(active(3, created_by=owner))
    assert engagement.blocked_reason
    sandbox.clear_faults()

    retrying.retry(Delivery.objects.all())
    assert ended(engagement).blocked_reason == ""
    assert len(mail.outbox) == 1


def test_a_run_that_cannot_begin_is_told_as_well(active, sandbox, owner):
    """Its engagement stops; so far only its page said so."""
    engagement = active(3, created_by=owner)
    runs.fail(Run.objects.get().pk, "Its address has no host.")
    tick()
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    (letter,) = mail.outbox
    assert "has no host" in letter.body
