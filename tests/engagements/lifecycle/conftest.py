"""What a marketer has built and asks an Approver for."""

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from engagements.lifecycle import approval
from engagements.models import Approval, ApprovalLimit, Engagement
from externalapi.connections import encryption
from tests import factories

PEOPLE = 12


def member(*groups, **fields):
    user = factories.make_user(**fields)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def limit(above):
    ApprovalLimit.objects.all().delete()
    ApprovalLimit.objects.create(above=above)


def asked_of(engagement) -> Approval:
    return Approval.objects.get(engagement=engagement, state="waiting")


def seen(page) -> str:
    found = re.search(r'name="_seen" value="(\w+)"', page.content.decode())
    assert found
    return found[1]


def answer(client, asked, button="_approve", **typed):
    """Press a button of the page as it is shown."""
    page = client.get(asked.get_absolute_url())
    data = {button: "1", "_seen": seen(page), "most": 20, **typed}
    return client.post(asked.get_absolute_url(), data, follow=True)


@pytest.fixture
def mia():
    return member("Marketer", username="mia", email="mia@example.com")


@pytest.fixture
def vera():
    return member("Approver", username="vera", email="vera@example.com")


@pytest.fixture
def draft(mia) -> Engagement:
    """What Mia has built: it may be activated, and sends to twelve on a schedule."""
    segment = factories.make_segment(PEOPLE, name="Leads")
    engagement = factories.make_engagement(
        segment,
        name="Welcome",
        trigger="schedule",
        created_by=mia,
        changed_by=[mia.pk],
    )
    encryption.set_key(engagement.version.connection, "0f9e8d7c-braze")
    return engagement


@pytest.fixture
def asked(draft, mia) -> Approval:
    limit(10)
    assert approval.ask(draft, mia, PEOPLE)
    return asked_of(draft)
