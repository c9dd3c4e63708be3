"""A segment that an engagement excludes is in use, and must know its people."""

import pytest
from django.db.models import ProtectedError
from django.urls import reverse

from engagements.lifecycle import transitions
from segments.life import states, uses
from segments.membership import readers, refresh
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def engagement(braze):
    made = factories.make_engagement(version=factories.make_version(connection=braze))
    rule = {"attribute": "complained", "is": "equals", "value": True}
    excluded = factories.make_segment(1, name="Complained", rule=rule)
    made.exclusions.create(segment=excluded)
    return made, excluded


def test_it_is_among_those_that_use_the_segment(engagement, admin_page):
    engagement, excluded = engagement
    (use,) = uses.of(excluded)
    assert (use.name, use.kind) == (engagement.name, "Engagement that excludes it")
    assert not use.is_at_work
    page = admin_page.get(reverse("admin:segments_segment_used", args=[excluded.pk]))
    assert engagement.name in words(page)


def test_at_work_it_is_not_archived_and_is_asked_about(engagement):
    engagement, excluded = engagement
    assert not readers.is_read(excluded)
    transitions.activate(engagement)
    assert readers.is_read(excluded)
    with pytest.raises(states.StillUsedError):
        states.archive(excluded, factories.make_admin())


def test_it_is_not_deleted_at_all(engagement, admin_page):
    engagement, excluded = engagement
    address = reverse("admin:segments_segment_delete", args=[excluded.pk])
    assert engagement.name in words(admin_page.get(address))
    with pytest.raises(ProtectedError):
        excluded.delete()


@pytest.mark.parametrize("why", ["archived", "not counted"])
def test_no_activation_relies_on_a_segment_that_keeps_nobody_out(engagement, why):
    engagement, excluded = engagement
    if why == "archived":
        states.archive(excluded, factories.make_admin())
    else:
        type(excluded).objects.filter(pk=excluded.pk).update(refreshed_at=None)
    with pytest.raises(transitions.ActivationError, match="“Complained”"):
        transitions.activate(engagement)
    if why == "archived":
        # It is paused then, and knows its people as before.
        states.unarchive(excluded)
    else:
        refresh.refresh(excluded.pk)
    transitions.activate(engagement)
