"""Approvals under races, kills and real workers: nothing before, each once after."""

from collections import Counter
from contextlib import ExitStack

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, transaction
from django.test import Client

from engagements.guards import approved
from engagements.lifecycle import approval, transitions
from engagements.models import Approval, ApprovalLimit, Batch, Engagement
from segments.models import Segment
from tests import factories
from tests.doubles import sessions
from tests.doubles.celery_processes import beat, worker
from tests.faults import invariants, working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 1_000


@pytest.fixture
def approvers():
    group = Group.objects.get(name="Approver")
    users = [factories.make_user(email=f"a{i}@example.com") for i in range(2)]
    for user in users:
        user.groups.set([group])
    return users


@pytest.fixture
def asked(draft) -> Approval:
    """A draft above the number, which its builder has asked for."""
    ApprovalLimit.objects.create(above=PEOPLE - 1)
    engagement = draft(PEOPLE)
    mia = factories.make_user(email="mia@example.com")
    assert approval.ask(engagement, mia, PEOPLE)
    return Approval.objects.get()


def press(user, asked, button="_approve", seen=""):
    """As the page's own form sends it."""
    client = Client()
    client.force_login(user)
    data = {
        button: "1",
        "most": PEOPLE,
        "why": "Because",
        "_seen": seen or asked.digest,
    }
    return client.post(asked.get_absolute_url(), data, follow=True)


def state(asked) -> tuple[str, str]:
    asked.refresh_from_db()
    asked.engagement.refresh_from_db()
    return asked.state, asked.engagement.state


@pytest.mark.parametrize("second", ["_approve", "_decline"])
def test_of_two_answers_at_once_one_counts(asked, approvers, second, sandbox):
    pages = []
    with ExitStack() as threads, transaction.atomic():
        Engagement.objects.select_for_update().get(pk=asked.engagement_id)
        for user, button in zip(approvers, ("_approve", second), strict=True):
            threads.enter_context(
                working.in_thread(
                    lambda u=user, b=button: pages.append(press(u, asked, b).text)
                )
            )
        wait_until(lambda: sessions.waiting() == 2, "both answers")
    assert sum("Nothing was done: It was" in page for page in pages) == 1
    answered, is_ = state(asked)
    assert (answered, is_) in {("approved", "active"), ("declined", "draft")}
    working.to_the_end(asked.engagement)
    runs = asked.engagement.runs.count()
    assert runs == (answered == "approved")
    assert set(invariants.received(sandbox).values()) <= {1}
    assert len(invariants.received(sandbox)) == PEOPLE * runs


def test_what_is_saved_while_somebody_approves_is_not_approved(asked, approvers):
    pages = []
    user = approvers[0]
    with ExitStack() as threads, transaction.atomic():
        # As the form does: it has the engagement until it is saved.
        one = Engagement.objects.select_for_update().get(pk=asked.engagement_id)
        before = approved.content(one)
        Engagement.objects.update(values={"Name of the User": "Changed"})
        approved.note_change(one, before, user.pk)
        threads.enter_context(
            working.in_thread(lambda: pages.append(press(user, asked).text))
        )
        wait_until(sessions.somebody_waits_for_a_lock, "the answer")
    assert state(asked) == ("waiting", "draft")
    # And who has changed it is not the second person any more.
    assert "You have changed the Engagement" in press(user, asked).text
    assert state(asked) == ("waiting", "draft")


def test_killed_between_approval_and_activation_nothing_is_lost(asked, approvers):
    """They are one transaction: approved and active, or neither."""
    died = []

    def approve() -> None:
        try:
            press(approvers[0], asked)
        except OperationalError as e:
            died.append(e)

    with ExitStack() as threads, transaction.atomic():
        Segment.objects.select_for_update().get(pk=asked.engagement.segment_id)
        threads.enter_context(working.in_thread(approve))
        wait_until(sessions.somebody_waits_for_a_lock, "the activation")
        sessions.end_waiting_sessions()
        threads.close()
    assert died
    assert state(asked) == ("waiting", "draft")
    assert not asked.engagement.runs.exists()
    press(approvers[1], asked)
    assert state(asked) == ("approved", "active")
    assert asked.engagement.runs.count() == 1


def test_with_workers_and_the_tick_nothing_arrives_before_and_each_once_after(
    draft, approvers, sandbox, settings
):
    ApprovalLimit.objects.create(above=PEOPLE // 2)
    engagement = draft(PEOPLE)
    # Whoever activates has not looked: the run itself stops.
    transitions.activate(engagement)
    with worker(), worker(), beat():
        wait_until(lambda: Approval.objects.exists(), "the question")
        asked = Approval.objects.get()
        wait_until(lambda: not _row(asked).is_asking_due, "the mail")
        assert state(asked) == ("waiting", "paused")
        assert not Batch.objects.exists()
        assert sandbox.traffic()["requests"] == 0
        press(approvers[0], asked)
        wait_until(lambda: working.is_over(engagement), "the end of the run")
        wait_until(lambda: not _row(asked).is_answer_due, "the answer's mail")
    invariants.check(engagement, sandbox, sandbox.key)
    assert Counter(invariants.received(sandbox).values()) == {1: PEOPLE}


def _row(asked) -> Approval:
    return Approval.objects.get(pk=asked.pk)
