"""What somebody has changed, as a table, and on a phone as cards with labels."""

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.urls import reverse
from playwright.sync_api import Page

from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

LABELS = """[...document.querySelectorAll("tbody [data-label]")].map(cell => {
    const label = getComputedStyle(cell, "::before"), style = getComputedStyle(cell);
    if (label.display === "none") return "";
    return `${label.content} ${style.columnGap} ${label.textTransform}`;
})"""


@pytest.mark.parametrize(("width", "has_labels"), [(1280, False), (390, True)])
def test_each_value_has_its_label_once(page: Page, admin, width, has_labels):
    engagement = factories.make_engagement()
    what = "The same person is sent: Once a person → Every time. " * 3
    LogEntry.objects.log_actions(admin.pk, [engagement], CHANGE, what)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(reverse("admin:engagements_engagement_history", args=[engagement.pk]))
    shown = page.evaluate(LABELS)
    labels = [f'"{label}" 16px none' for label in ("Date/time", "User", "Action")]
    assert shown == (labels if has_labels else [""] * 3)
    is_wider = "document.documentElement.scrollWidth > window.innerWidth"
    assert not page.evaluate(is_wider)
