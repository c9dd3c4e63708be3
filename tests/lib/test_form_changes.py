"""Histories: before and after, in words."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.urls import reverse

from tests import factories

pytestmark = pytest.mark.django_db


def said():
    return LogEntry.objects.latest("pk").get_change_message()


def url(obj):
    name = obj._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{name}_change", args=[obj.pk])


def test_a_source_says_what_was_switched(admin_client):
    source = factories.make_source(name="Website")
    admin_client.post(url(source), {"name": "Shop"})
    assert "Name: Website → Shop." in said()
    assert "Active: yes → no." in said()


def test_a_user_says_the_groups_and_no_password(admin_client):
    user = factories.make_user(username="mia")
    marketer = Group.objects.get(name="Marketer")
    form = {"username": "mia", "is_active": "on", "groups": [marketer.pk]}
    admin_client.post(url(user), form)
    assert "Groups: empty → Marketer." in said()
    assert "assword" not in said()


def test_an_engagement_says_each_value(admin_client):
    engagement = factories.make_engagement(name="Welcome")
    page = admin_client.get(url(engagement))
    form = page.context["form"]
    data = {
        field.html_name: field.value()
        for field in form
        if field.value() not in (None, False)
    }
    admin_client.post(url(engagement), {**data, "name": "Hello"})
    assert "Name: Welcome → Hello." in said()
