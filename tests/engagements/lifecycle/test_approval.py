"""Ask an Approver: whoever may not activate tells somebody who may."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core import mail
from django.urls import reverse

from engagements.lifecycle import approval, transitions
from tests import factories

pytestmark = pytest.mark.django_db


def member(group, **fields):
    user = factories.make_user(**fields)
    user.groups.add(Group.objects.get(name=group))
    return user


def ask_url(engagement):
    return reverse("admin:engagements_engagement_ask", args=[engagement.pk])


@pytest.fixture
def draft():
    return factories.make_engagement(name="Welcome")


def test_a_marketer_asks_with_one_press(client, draft):
    marketer = member("Marketer", username="mia")
    approver = member("Approver")
    client.force_login(marketer)
    assert "Ask an Approver</button>" in client.get(draft.get_absolute_url()).text
    page = client.post(ask_url(draft), follow=True).text
    assert "Approvers are told" in page
    assert "Waits for an Approver." in page
    assert "Ask an Approver</button>" not in page
    assert LogEntry.objects.get().get_change_message().startswith("Asked an Approver")
    client.force_login(approver)
    home = client.get("/admin/").text
    assert "Waits for your approval" in home
    assert "mia asks you to activate it" in home
    assert "press Activate" in client.get(draft.get_absolute_url()).text


def test_who_may_activate_has_no_need_to_ask(admin_client, draft):
    assert (
        "Ask an Approver</button>"
        not in admin_client.get(draft.get_absolute_url()).text
    )


def test_nobody_asks_who_may_not_build(client, draft):
    client.force_login(member("Analyst"))
    assert client.post(ask_url(draft)).status_code == 403
    draft.refresh_from_db()
    assert draft.asked_at is None


def test_what_is_asked_for_twice_is_one_mail(client, draft):
    client.force_login(member("Marketer"))
    member("Approver", email="ada@example.com")
    member("Approver", email="ben@example.com", is_active=False)
    client.post(ask_url(draft))
    assert "already" in client.post(ask_url(draft), follow=True).text
    assert (approval.tell_approvers(), approval.tell_approvers()) == (1, 0)
    [sent] = mail.outbox
    assert sent.recipients() == ["ada@example.com"]
    assert sent.subject == "“Welcome” waits to be activated"
    assert draft.get_absolute_url() in sent.body


def test_once_active_nothing_is_asked_any_more(client, draft):
    marketer = member("Marketer")
    approval.ask(draft, marketer)
    from externalapi.connections import encryption

    encryption.set_key(draft.version.connection, "0f9e8d7c-braze")
    draft.refresh_from_db()
    draft.values = {"Name of the User": "Ann"}
    draft.save()
    transitions.activate(draft)
    draft.refresh_from_db()
    assert draft.asked_at is None
    client.force_login(member("Approver"))
    assert "Waits for your approval" not in client.get("/admin/").text


def test_an_active_engagement_is_not_asked_for(draft):
    draft.move(["draft"], "active")
    assert not approval.ask(draft, member("Marketer"))
