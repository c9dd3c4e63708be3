"""A frequency cap as an Approver makes it."""

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from engagements.models import FrequencyCap
from tests.browser.conftest import Shot
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_approver_caps_everything_to_two_a_week(page: Page, sign_in, shot: Shot):
    user = make_user(username="vera")
    user.groups.add(Group.objects.get(name="Approver"))
    sign_in(user)
    page.goto("/admin/")
    page.get_by_role("link", name="Frequency caps", exact=True).click()
    expect(page.get_by_text("Without one there is no limit.")).to_be_visible()
    page.get_by_role("link", name="Add a frequency cap").click()
    page.get_by_label("Name").fill("Two a week")
    page.get_by_label("At most").fill("2")
    shot("cap-form")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("At most 2 a week")).to_be_visible()
    shot("cap-list")
    assert FrequencyCap.objects.get().in_words == "at most 2 a week"
