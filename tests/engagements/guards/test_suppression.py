"""Nobody who is in a suppression segment is sent anything, by any engagement."""

import pytest
from django.db import transaction
from django.db.models import ProtectedError
from django.test import Client, TestCase
from django.urls import reverse

from engagements.audience import expansion
from engagements.authoring import forecast
from engagements.delivery import loop
from engagements.guards import pipeline
from engagements.guards.asking import Asked
from engagements.guards.site import look
from engagements.lifecycle import transitions
from engagements.models import Delivery, SuppressedChannels, Suppression
from engagements.personalization.renderer import Skip
from lemnisk_braze.lib import database_clock
from segments.life import states
from segments.membership import refresh
from segments.models import Profile, Segment
from tests import factories
from tests.faults import invariants, working
from tests.pages import words

pytestmark = pytest.mark.django_db

PRO = {"attribute": "plan", "is": "equals", "value": "pro"}
NO = {"attribute": "unsubscribed", "is": "equals", "value": True}


def url(segment):
    return reverse("admin:segments_segment_suppression", args=[segment.pk])


@pytest.fixture
def never():
    made = factories.make_segment(rule=NO, name="Unsubscribed", is_suppression=True)
    refresh.refresh(made.pk)
    return made


@pytest.fixture
def engagement(braze):
    for name in ("ana", "bo"):
        factories.make_profile(external_id=name, first_name=name, plan="pro")
    segment = factories.make_segment(rule=PRO)
    version = factories.make_version(connection=braze)
    return factories.make_engagement(segment, version)


def unsubscribe(name):
    person = Profile.objects.get(external_id=name)
    person.attributes = {**person.attributes, "unsubscribed": True}
    person.save()
    refresh.evaluate([person.pk])


def stopped(engagement, person, part_of=None):
    """The code of the guard that stops them; "" where none does."""
    asked = Asked(
        engagement=engagement,
        site=look(),
        people={person.pk: (part_of or person).pk},
        now=database_clock.now(),
    )
    found = pipeline.stopped(asked).get(person.pk)
    return found.code if isinstance(found, Skip) else ""


def outcomes():
    rows = Delivery.objects.order_by("profile__external_id")
    found = rows.values_list("profile__external_id", "state", "reason")
    return [(name, state, reason.split(":")[0]) for name, state, reason in found]


def test_who_unsubscribes_while_they_wait_is_not_sent(engagement, never):
    transitions.activate(engagement)
    refresh.refresh(engagement.segment_id)
    while expansion.expand(expansion.expandable_runs()):
        pass
    unsubscribe("bo")
    loop.work()
    assert outcomes() == [("ana", "sent", ""), ("bo", "skipped", "suppressed")]
    reason = Delivery.objects.get(state="skipped").reason
    assert f"The person is in “{never}”, whose people" in reason


def test_the_forecast_counts_who_is_suppressed(engagement, never):
    unsubscribe("bo")
    refresh.refresh(engagement.segment_id)
    found = forecast.forecast(engagement, 2)
    assert (found.sends, found.skips) == (1, 1)
    assert "never sent anything" in found.skipped[0].words


def test_paused_it_still_suppresses_and_it_cannot_be_archived(engagement, never):
    unsubscribe("bo")
    Segment.objects.filter(pk=never.pk).update(is_active=False)
    bo = Profile.objects.get(external_id="bo")
    assert stopped(engagement, bo) == "suppressed"
    with pytest.raises(states.StillUsedError):
        states.archive(never, factories.make_admin())


def test_its_changes_are_asked_about_while_engagements_are_at_work(
    admin_page, engagement, never
):
    pause = reverse("admin:segments_segment_pause", args=[never.pk])
    assert admin_page.post(pause).status_code == 302
    Segment.objects.filter(pk=never.pk).update(is_active=True)
    transitions.activate(engagement)
    page = admin_page.post(pause)
    assert page.status_code == 200
    assert "who leaves may be sent again" in words(page)


def test_a_marketer_marks_it_and_an_approver_ends_it(engagement):
    segment = factories.make_segment(rule=NO)
    marketer, approver = Client(), Client()
    rights = ("segments.view_segment", "segments.change_segment")
    marketer.force_login(factories.make_user(*rights))
    approver.force_login(
        factories.make_user(*rights, "engagements.activate_engagement")
    )
    for client, status, after in (
        (marketer, 302, True),
        (marketer, 403, True),
        (approver, 302, False),
    ):
        with TestCase.captureOnCommitCallbacks(execute=True):
            assert client.post(url(segment)).status_code == status
        segment.refresh_from_db()
        assert segment.is_suppression is after


def test_it_is_not_deleted_before_that_is_ended(admin_page, never):
    address = reverse("admin:segments_segment_delete", args=[never.pk])
    assert "End the suppression first" in words(admin_page.get(address))
    admin_page.post(address, {"post": "yes"})
    with pytest.raises(ProtectedError), transaction.atomic():
        never.delete()
    assert Segment.objects.get().is_suppression
    Segment.objects.update(is_suppression=False)
    admin_page.post(address, {"post": "yes"})
    assert not Segment.objects.exists()


def test_who_became_part_of_somebody_suppressed_is_not_sent(engagement, never):
    unsubscribe("bo")
    ana, bo = (Profile.objects.get(external_id=name) for name in ("ana", "bo"))
    Profile.objects.filter(pk=ana.pk).update(merged_into=bo)
    assert stopped(engagement, ana, part_of=bo) == "suppressed"


def test_who_is_suppressed_in_other_channels_is_sent(engagement, never, sandbox):
    """As members of a segment, and by an identifier on the list."""
    refresh.refresh(engagement.segment_id)
    SuppressedChannels.objects.create(segment=never, channels=["messaging"])
    unsubscribe("ana")
    bo = Profile.objects.get(external_id="bo")
    Suppression.objects.create(kind="email", value=bo.email, channels=["crm"])
    # Of nobody.
    Suppression.objects.create(kind="phone", value="+4930123456")
    engagement.includes_present = True
    engagement.save()
    transitions.activate(engagement)
    working.to_the_end(engagement)
    assert set(invariants.received(sandbox)) == {"ana", "bo"}
