"""Somebody asks to be forgotten: what a privacy officer does on their first day."""

import json
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db.models.functions import Now
from playwright.sync_api import Page, expect

from lemnisk_braze import groups
from segments.models import Identifier, Profile, RefusedMessage
from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot

pytestmark = pytest.mark.django_db(transaction=True)

OFFICER = ("segments.view_profile", "segments.view_personal_data", *groups.PRIVACY)


def ann() -> Profile:
    person = factories.make_profile(
        external_id="ann-4711",
        email="ann@example.com",
        phone="+493089455512",
        first_name="Ann",
        last_name="Berg",
        city="Pune",
    )
    Identifier.objects.create(
        kind="anonymous_id", value="device-7", profile=person, time=Now()
    )
    event = factories.make_event(person, "Lead form submitted", form="demo")
    body = b'{"userId":"ann-4711","traits":{"email":"ann@example.com","n":1e999}}'
    RefusedMessage.objects.create(
        source=event.source, code="x", message="n is no number.", body=body
    )
    return person


@pytest.fixture
def officer(sign_in):
    user = factories.make_user(*OFFICER, "segments.view_event", username="pia")
    user.groups.add(Group.objects.create(name="Privacy"))
    sign_in(user)
    return user


def test_somebody_is_exported_and_erased(page: Page, officer, shot: Shot):
    ann()
    looks.as_at_night(page)
    page.goto("/admin/segments/erasure/")
    expect(page.get_by_text("Nobody was erased yet")).to_be_visible()
    looks.assert_whole(page, shot, "erasures-empty")
    page.get_by_role("main").get_by_role("link", name="Erase a person").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Erase a person")
    page.get_by_label("Identifier").select_option("email")
    page.get_by_label("Value").fill("Ann@Example.com")
    looks.assert_whole(page, shot, "erase-who")
    page.get_by_role("button", name="Look what goes").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Erase “ann@example.com” for good?")
    expect(page.get_by_text("It cannot be undone.")).to_be_visible()
    looks.assert_whole(page, shot, "erase-question")
    page.get_by_role("button", name="Erase them for good").click()
    expect(page.get_by_role("heading", name="What went")).to_be_visible()
    looks.assert_whole(page, shot, "erase-report")
    expect(page.get_by_role("main")).to_contain_text("refused messages")
    expect(page.get_by_role("main")).not_to_contain_text("ann")
    page.goto("/admin/segments/erasure/")
    looks.assert_whole(page, shot, "erasures")
    assert not Profile.objects.exists()


def test_their_data_are_given_to_them(page: Page, officer, shot: Shot):
    page.goto(ann().get_absolute_url())
    shot("person-officer")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as JSON").click()
    found = json.loads(Path(download.value.path()).read_text())
    assert found["person"]["email"] == "ann@example.com"
    assert [event["name"] for event in found["events"]] == ["Lead form submitted"]
    assert len(found["refused_messages"]) == 1


def test_who_may_not_see_their_data_sees_them_masked(page: Page, sign_in, shot):
    person = ann()
    sign_in(factories.make_user("segments.view_profile", "segments.view_event"))
    looks.as_at_night(page)
    page.goto("/admin/segments/profile/")
    expect(page.get_by_text("a…@example.com")).to_be_visible()
    looks.assert_whole(page, shot, "people-masked")
    page.goto(person.get_absolute_url())
    expect(page.get_by_role("heading", level=1)).to_have_text("A… B…")
    looks.assert_whole(page, shot, "person-masked")
