"""A run that ended before anyone could stop it, and mostly failed, is named and told."""

import pytest
from django.core import mail
from django.urls import reverse

from engagements.audience import expansion
from engagements.lifecycle import completion
from engagements.models import Delivery, Engagement, Run, Suppression
from engagements.recovery import retry_failed
from engagements.tick import tick
from segments.models import Transition
from tests import factories
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "olga@example.com"
REJECTED = [{"kind": "partial_errors", "indexes": None, "times": None}]


@pytest.fixture
def owner():
    return factories.make_user(email=OWNER)


def ended(engagement: Engagement) -> Engagement:
    working.to_the_end(engagement)
    tick()
    tick()
    engagement.refresh_from_db()
    return engagement


def test_it_is_as_loud_as_one_that_was_stopped(active, sandbox, owner, admin_client):
    # All but one of each request: what everybody is refused for would stop it.
    others = list(range(1, 75))
    sandbox.faults([{"kind": "partial_errors", "indexes": others, "times": None}])
    engagement = ended(active(17 * 75, created_by=owner))

    assert engagement.state == Engagement.State.ENDED
    said = "1,258 of 1,275 people"
    assert said in engagement.blocked_reason
    assert "1,258 rejected" in engagement.blocked_reason
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


def test_whom_guards_kept_out_are_told_apart(active):
    """Of those who were left two had no name; the run had more people than that."""
    members = factories.make_people(6)
    for person in members[:2]:
        person.attributes = {}
        person.save()
    for person in members[3:]:
        Suppression.objects.create(kind=Suppression.PERSON, profile=person)
    engagement = ended(active(members))
    assert engagement.blocked_reason.startswith("2 of 3 people in the run of ")
    assert ", beside 3 who were left out as wished, were not sent: 2 skipped." in (
        engagement.blocked_reason
    )


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


def test_who_left_the_segment_did_not_fail(active, sandbox, owner):
    engagement = active(10, created_by=owner)
    while expansion.expand(expansion.expandable_runs()):
        pass
    for member in engagement.segment.memberships.order_by("pk")[:7]:
        Transition.objects.create(
            segment=engagement.segment,
            profile=member.profile,
            kind=Transition.Kind.EXIT,
        )
        member.delete()

    assert ended(engagement).blocked_reason == ""
    assert working.states(engagement) == {"sent": 3, "skipped": 7}
    assert not mail.outbox


def test_a_good_retry_takes_it_back(active, sandbox, owner):
    sandbox.faults(REJECTED)
    engagement = ended(active(3, created_by=owner))
    assert engagement.blocked_reason
    sandbox.clear_faults()

    retry_failed.retry(Delivery.objects.all())
    assert ended(engagement).blocked_reason == ""
    assert len(mail.outbox) == 1


def test_a_run_that_cannot_begin_is_told_as_well(active, sandbox, owner):
    """Its engagement stops; so far only its page said so."""
    engagement = active(3, created_by=owner)
    completion.fail(Run.objects.get().pk, "Its address has no host.")
    tick()
    engagement.refresh_from_db()
    assert engagement.state == Engagement.State.BLOCKED
    (letter,) = mail.outbox
    assert "has no host" in letter.body
