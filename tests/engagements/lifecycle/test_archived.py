"""An archived External API: nobody chooses it, and nothing begins with it."""

import pytest

from engagements.authoring.forms import EngagementForm
from engagements.lifecycle import transitions
from externalapi.definitions.archive import archive, unarchive
from tests import factories

pytestmark = pytest.mark.django_db


def offered(instance=None):
    form = EngagementForm(instance=instance)
    return set(form.fields["version"].queryset)


def test_an_archived_one_is_not_offered():
    version = factories.make_version()
    archive(version.external_api)
    assert offered() == set()
    unarchive(version.external_api)
    assert offered() == {version}


def test_an_engagement_that_has_it_keeps_it():
    engagement = factories.make_engagement()
    archive(engagement.version.external_api)
    assert offered(engagement) == {engagement.version}


def test_no_engagement_is_activated_with_it(braze):
    engagement = factories.make_engagement(
        version=factories.make_version(connection=braze)
    )
    archive(engagement.version.external_api)
    with pytest.raises(transitions.ActivationError, match="is archived"):
        transitions.activate(engagement)
    unarchive(engagement.version.external_api)
    transitions.activate(engagement)
    assert engagement.state == "active"


def test_the_address_of_a_new_engagement_does_not_choose_it(admin_page):
    version = factories.make_version()
    archive(version.external_api)
    address = "/admin/engagements/engagement/add/"
    page = admin_page.get(address, {"external_api": version.external_api_id})
    assert page.context["form"].chosen_version is None
