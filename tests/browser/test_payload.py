"""A payload written in the engagement, by keyboard: checked, previewed, sent."""

import json

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from engagements.models import Engagement
from segments.membership import refresh
from tests import factories
from tests.browser import axe
from tests.engagements.payload.conftest import payload_version
from tests.engagements.sync.conftest import requests
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)

ADD = reverse("admin:engagements_engagement_add")
FINE = """{
  "attributes": [
    {
      "external_id": {{ profile.external_id }},
      "first_name": "{{ profile.first_name | default: "you" }}",
      "tier": "{% if profile.points > 5 %}gold{% else %}basic{% endif %}",
      "points": {{ profile.points }}
    }
  ]
}"""


@pytest.fixture
def leads(braze):
    for name, points in (("ana", 7), ("bo", 3)):
        factories.make_profile(
            external_id=name, first_name=name.title(), points=points, vip="yes"
        )
    rule = {"attribute": "vip", "is": "equals", "value": "yes"}
    segment = factories.make_segment(rule=rule, name="Leads")
    refresh.refresh(segment.pk)
    return segment


def editor(page: Page):
    return page.get_by_role("textbox", name="Payload", exact=True)


def verdict(page: Page):
    return page.locator("[data-verdict]")


def test_it_is_written_by_keyboard_and_arrives_as_previewed(
    page: Page, admin, braze, leads, shot, sandbox
):
    version = payload_version(connection=braze)
    factories.make_test(version)
    page.goto(f"{ADD}?segment={leads.pk}")
    page.get_by_label("Name").first.fill("Leads to Braze")
    page.get_by_role("radio", name="On a schedule", exact=True).check()
    area = editor(page)
    # With the keyboard alone, brackets and all.
    area.focus()
    page.keyboard.type('{"attributes": [{"external_id": {{ profile.ext')
    expect(page.get_by_role("option", name="profile.external_id")).to_be_visible()
    page.keyboard.press("Enter")
    expect(area).to_contain_text("{{ profile.external_id }}")
    page.keyboard.type(',"frist_name": {{ profile.frist_name }}')
    expect(verdict(page)).to_contain_text("1 error")
    expect(page.locator(".cm-lintRange-error").first).to_be_visible()
    found = page.get_by_role("region", name="What the check found")
    expect(found).to_contain_text("has “frist_name”. Did you mean “first_name”?")
    shot("payload-mistake")

    page.get_by_role("button", name="Save", exact=True).click()
    error = page.get_by_role("listitem").filter(has_text="Line 1: Nobody in “Leads”")
    expect(error).to_be_visible()
    expect(editor(page)).to_be_focused()

    editor(page).fill(FINE)
    expect(verdict(page)).to_have_text("Valid JSON, 4 variables.")
    tree = page.get_by_role("region", name="The body as a tree")
    tree.get_by_role("button", name="tier").click()
    expect(editor(page)).to_be_focused()
    expect(page.locator(".cm-activeLine")).to_contain_text("tier")
    tree.get_by_role("button", name="points profile").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".cm-activeLine")).to_contain_text("points")
    expect(tree.get_by_role("button", name="points profile")).to_have_attribute(
        "aria-current", "true"
    )
    preview = page.locator("#preview")
    expect(preview).to_contain_text('"tier": "basic"')
    assert axe.violations(page, axe.source()) == []
    shot("payload-written")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved as a draft")).to_be_visible()
    shown = json.loads(page.locator("#preview pre").last.inner_text())

    page.get_by_role("link", name="Activate").click()
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("Active", exact=True).first).to_be_visible()
    working.to_the_end(Engagement.objects.get())
    (body,) = requests(sandbox)
    assert body["attributes"] == [
        {"external_id": "ana", "first_name": "Ana", "tier": "gold", "points": 7},
        {"external_id": "bo", "first_name": "Bo", "tier": "basic", "points": 3},
    ]
    assert shown == {"attributes": body["attributes"][1:]}

    # What is at work is read, and not written.
    Engagement.objects.update(state=Engagement.State.ACTIVE)
    page.goto(Engagement.objects.get().get_absolute_url())
    expect(editor(page)).to_have_attribute("contenteditable", "false")
    expect(verdict(page)).to_have_text("Valid JSON, 4 variables.")


def test_a_variable_is_picked_into_the_place_of_the_cursor(
    page: Page, admin, braze, leads
):
    payload_version(connection=braze)
    page.goto(f"{ADD}?segment={leads.pk}")
    editor(page).fill('{"attributes": [{"external_id": }]}')
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Insert variable into the payload").click()
    page.get_by_label("Find a variable").fill("external_id")
    page.keyboard.press("Enter")
    text = '{"attributes": [{"external_id": {{ profile.external_id }}}]}'
    expect(page.locator("textarea[name=payload]")).to_have_value(text)
    expect(editor(page)).to_be_focused()
    page.keyboard.type(', "a": 1')
    expect(page.locator("textarea[name=payload]")).to_have_value(
        text.replace("}}}]", '}}, "a": 1}]')
    )


def test_the_editor_comes_and_goes_with_the_external_api(
    page: Page, admin, braze, leads
):
    own = payload_version(connection=braze)
    same = factories.make_version(connection=braze)
    page.goto(f"{ADD}?segment={leads.pk}")
    choice = page.get_by_role("combobox", name="External API")
    choice.select_option(str(own.pk))
    expect(editor(page)).to_be_visible()
    editor(page).fill('{"attributes": []}')
    choice.select_option(str(same.pk))
    expect(editor(page)).to_have_count(0)
    expect(page.get_by_role("textbox", name="Name of the User")).to_be_visible()
    choice.select_option(str(own.pk))
    expect(editor(page)).to_contain_text('{"attributes": []}')
