"""A list from a paste to a segment that asks for it: with nothing but the keyboard."""

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from segments.membership import counting, refresh
from segments.models import UploadedList
from tests import factories
from tests.browser import axe, looks
from tests.browser.conftest import Shot
from tests.browser.test_first_steps import press
from tests.segments.lists.conftest import folder

__all__ = ["folder"]

pytestmark = pytest.mark.django_db(transaction=True)

PASTED = "ana@x.example\nBo@x.example\n\nzoe@x.example\nana@x.example\nnobody"


def made(rule, name):
    """A segment as its form saves it, counted."""
    segment = factories.make_segment(rule=rule, name=name)
    with transaction.atomic():
        counting.mark_changed(segment)
        segment.save()
    refresh.refresh(segment.pk)
    return segment


def test_a_list_is_pasted_looked_at_and_written(page: Page, admin, shot: Shot):
    for name in ("ana", "bo"):
        factories.make_profile(external_id=name, email=f"{name}@x.example")
    looks.as_at_night(page)

    def look(name: str) -> None:
        looks.assert_whole(page, shot, f"list-{name}")

    page.goto("/admin/segments/uploadedlist/add/")
    look("upload")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Guests")
    page.get_by_label("Identifiers are").select_option("email")
    page.get_by_label("Or paste them").fill(PASTED)
    press(page, "Look through it")
    expect(page.get_by_text("6 rows, each of them one of these.")).to_be_visible()
    look("ready")
    press(page, "Add to the list")
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    look("done")
    press(page, "Back to the list")
    expect(page.get_by_text("3 identifiers, each of the kind")).to_be_visible()

    of = UploadedList.objects.get()
    segment = made({"list": of.pk}, "Guests of the fair")
    made({"not": {"segment": segment.pk}}, "All the others")
    factories.make_engagement(segment, state="active", name="Welcome")
    page.reload()
    look("list")
    press(page, "Add to it, or replace it")
    page.get_by_label("Or paste them").fill("bo@x.example\ncy@x.example")
    replace = page.get_by_label("Replace the list")
    replace.focus()
    page.keyboard.press("Space")
    look("more")
    press(page, "Look through it")
    expect(page.get_by_text("0 enter, 1 leave")).to_be_visible()
    expect(page.get_by_text("Welcome")).to_be_visible()
    look("asked")
    press(page, "Replace the list")
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    page.goto(segment.get_absolute_url())
    expect(page.get_by_text("Guests").first).to_be_visible()
    look("segment")
    assert segment.memberships.count() == 1


def test_the_column_is_chosen(page: Page, admin, shot: Shot):
    page.goto("/admin/segments/uploadedlist/add/")
    page.get_by_label("Name", exact=True).fill("Guests")
    page.get_by_label("Identifiers are").select_option("email")
    page.get_by_label("Or paste them").fill("first,second\nx,ana@x.example")
    press(page, "Look through it")
    expect(page.get_by_text("Which column has the identifiers?")).to_be_visible()
    shot("list-column")
    assert axe.violations(page, axe.source()) == []
    page.get_by_label("second").focus()
    page.keyboard.press("Space")
    press(page, "Look through it")
    expect(page.get_by_text("1 row, each of them one of these.")).to_be_visible()
