"""One gate for every way a version goes live: its External API's test cases."""

import re
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.urls import reverse

from engagements.authoring import version_upgrade
from engagements.delivery import suspension
from engagements.lifecycle import pause_all, transitions
from engagements.lifecycle.transitions import ActivationError
from engagements.models import Delivery, Engagement, Run
from engagements.recovery import retry_failed, retry_now
from engagements.recovery.selection import Choice
from externalapi.models import ExternalAPI, TestCase
from lemnisk_braze.lib import database_clock
from tests import factories
from tests.doubles.sessions import somebody_waits_for_a_lock
from tests.faults import working
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

State = Engagement.State
GATE = "must pass its test cases"


@pytest.fixture
def guarded(braze):
    """Make an engagement whose version was never run."""

    def make(state=State.DRAFT, **fields) -> Engagement:
        version = factories.make_version(connection=braze)
        ExternalAPI.objects.update(must_pass_cases=True)
        TestCase.objects.create(external_api=version.external_api, name="Ann")
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        fields.setdefault("activated_at", database_clock.now() - timedelta(days=1))
        made: Engagement = factories.make_engagement(
            factories.make_segment(2), version, state=state, **fields
        )
        made.refresh_from_db()
        return made

    return make


def state(engagement: Engagement) -> str:
    engagement.refresh_from_db()
    return engagement.state


def over(engagement: Engagement, **fields) -> Run:
    return factories.make_run(
        engagement,
        state=Run.State.COMPLETED,
        ended_at=database_clock.now(),
        **fields,
    )


@pytest.mark.parametrize(
    ("begin", "act"),
    [
        (State.DRAFT, transitions.activate),
        (State.ENDED, transitions.activate),
        (State.PAUSED, transitions.resume),
        (State.BLOCKED, transitions.resume),
    ],
)
def test_activate_and_resume_ask(guarded, begin, act):
    engagement = guarded(begin)
    with pytest.raises(ActivationError, match=GATE):
        act(engagement)
    assert state(engagement) == begin


@pytest.mark.parametrize("begin", [State.ACTIVE, State.PAUSED, State.BLOCKED])
def test_a_move_asks_where_it_goes_live(guarded, braze, begin):
    engagement = guarded(begin)
    version = factories.make_version(
        connection=braze, external_api=engagement.version.external_api, number=2
    )
    with pytest.raises(version_upgrade.VersionUpgradeError, match="on version 2"):
        version_upgrade.upgrade(engagement, version, {})
    engagement.refresh_from_db()
    assert engagement.version.number == 1


def test_a_draft_moves_and_is_asked_when_it_is_activated(guarded, braze):
    engagement = guarded()
    version = factories.make_version(
        connection=braze, external_api=engagement.version.external_api, number=2
    )
    version_upgrade.upgrade(engagement, version, {})
    with pytest.raises(ActivationError, match="on version 2"):
        transitions.activate(engagement)


def test_resume_all_leaves_it_and_its_page_says_why(guarded):
    engagement = guarded(State.PAUSED, is_held=True)
    assert pause_all.resume_all() == []
    assert state(engagement) == State.PAUSED
    assert GATE in engagement.blocked_reason


def test_a_new_key_does_not_resume_it_and_others_go_on(guarded, braze):
    engagement = guarded(State.BLOCKED, blocked_key_version=braze.key_version - 1)
    other = factories.make_engagement(
        factories.make_segment(1),
        factories.make_version(connection=braze),
        state=State.BLOCKED,
        blocked_key_version=braze.key_version - 1,
    )
    assert suspension.resume_with_new_keys() == 1
    assert (state(engagement), state(other)) == (State.BLOCKED, State.ACTIVE)
    assert GATE in engagement.blocked_reason


@pytest.mark.parametrize("begin", [State.ACTIVE, State.PAUSED, State.ENDED])
def test_a_retry_asks(guarded, begin):
    engagement = guarded(begin)
    run = over(engagement)
    factories.make_batch(run, 2, state="dead", delivery_state="dead")
    deliveries = Delivery.objects.all()
    (share,) = retry_failed.shares(deliveries)
    assert GATE in share.problem
    assert retry_failed.retry(deliveries).people == 0
    assert engagement.runs.count() == 1


def test_resending_does_not_reopen_what_may_not_go_live(guarded):
    engagement = guarded(State.ENDED)
    run = over(engagement)
    batch = factories.make_batch(run, 2, state="uncertain", delivery_state="uncertain")
    with pytest.raises(ActivationError, match=GATE):
        transitions.decide(batch, "resend")
    settled = retry_now.settle(Choice(), "resend")
    assert (settled.people, settled.refused) == (0, 2)
    assert state(engagement) == State.ENDED


def test_whoever_changes_it_meanwhile_is_waited_for(guarded, braze):
    engagement = guarded()
    asks, free = engagement.version, factories.make_version(connection=braze)
    Engagement.objects.update(version=free)
    engagement.refresh_from_db()
    refused = []

    def activate() -> None:
        try:
            transitions.activate(engagement)
        except ActivationError as e:
            refused.append(str(e))

    with ExitStack() as beside, transaction.atomic():
        Engagement.objects.update(version=asks)
        beside.enter_context(working.in_thread(activate))
        wait_until(somebody_waits_for_a_lock, "the activation")

    assert len(refused) == 1 and GATE in refused[0]
    assert state(engagement) == State.DRAFT


def test_what_was_saved_since_it_was_read_goes_live(guarded):
    engagement = guarded(trigger=Engagement.Trigger.ON_ENTRY, activated_at=None)
    ExternalAPI.objects.update(must_pass_cases=False)
    saved = {"Name of the User": "Ann"}
    Engagement.objects.update(values=saved)
    transitions.activate(engagement)
    assert engagement.runs.get().values == saved


def test_the_resume_button_says_what_to_do(guarded, admin_client):
    engagement = guarded(State.PAUSED)
    url = reverse("admin:engagements_engagement_resume", args=[engagement.pk])
    answer = admin_client.post(url, follow=True)
    text = answer.content.decode()
    assert GATE in text and "Show what is missing" in text
    assert state(engagement) == State.PAUSED


def test_nobody_goes_live_by_another_way():
    """Only `go_live` moves an engagement to active."""
    root = Path(__file__).parents[3] / "engagements"
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in root.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"move\(\S+, \S*ACTIVE\)|update\(.*state=\S*ACTIVE", line)
    ]
    assert found == [
        "lifecycle/transitions.py: if not engagement.move(states, State.ACTIVE):"
    ]
