"""A segment's rule in rows: built by keyboard, corrected where it is wrong, kept as JSON."""

import json

import pytest
from playwright.sync_api import Page, expect

from segments.models import Segment
from tests.factories import make_event, make_profile, make_segment

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/segments/segment/add/"


def test_a_marketer_builds_a_rule_without_json(page: Page, admin):
    make_event(make_profile(age=30), "Product viewed", form="demo")
    page.goto(ADD)
    page.get_by_label("Name").fill("Viewers")
    page.get_by_label("Did the event").fill("Product viewed")
    page.get_by_label("At least (times)").fill("once")
    page.get_by_role("button", name="Where a property").press("Enter")
    page.keyboard.type("form")
    page.get_by_label("Value").fill("demo")
    page.get_by_role("button", name="Add an attribute").press("Enter")
    page.keyboard.type("age")
    page.get_by_label("Comparison").last.select_option("between")
    page.get_by_label("From").fill("20")
    page.get_by_label("To", exact=True).fill("40")
    page.get_by_role("button", name="Save and continue editing").click()

    wrong = page.get_by_label("At least (times)")
    expect(wrong).to_have_value("once")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(
        "Condition 1, event Product viewed: “at least” is a whole number of times."
    )
    # Said once, wherever the rule is written.
    said = page.get_by_text("is a whole number of times").filter(visible=True)
    expect(said).to_have_count(1)
    page.get_by_role("button", name="Edit as JSON").click()
    expect(said).to_have_count(1)
    page.get_by_role("button", name="Edit as rows").click()
    expect(page.get_by_label("From")).to_have_value("20")
    wrong.fill("1")
    page.get_by_role("button", name="Save and continue editing").click()

    expect(
        page.get_by_text("Did “Product viewed” where form equals demo")
    ).to_be_visible()
    segment = Segment.objects.get()
    assert segment.size == 1
    assert segment.rule == {
        "all": [
            {
                "event": "Product viewed",
                "at_least": 1,
                "where": [{"property": "form", "is": "equals", "value": "demo"}],
            },
            {"attribute": "age", "is": "between", "value": [20, 40]},
        ]
    }


def test_a_condition_is_removed_and_the_focus_stays_in_the_list(page: Page, admin):
    rule = {"any": [{"event": name} for name in ("A", "B", "C")]}
    page.goto(make_segment(rule=rule).get_absolute_url())
    page.get_by_role("button", name="Remove condition 2").press("Enter")
    expect(page.get_by_label("Did the event").nth(1)).to_be_focused()
    expect(page.get_by_label("Did the event").nth(1)).to_have_value("C")
    typed = json.loads(page.locator("[name=rule]").input_value())
    assert [row["event"] for row in typed["any"]] == ["A", "C"]


def test_groups_within_groups_are_edited_as_json(page: Page, admin):
    rule = {"all": [{"event": "A"}, {"not": {"event": "B"}}]}
    page.goto(make_segment(rule=rule).get_absolute_url())
    field = page.locator("[name=rule]")
    expect(field).to_be_visible()
    page.get_by_role("button", name="Edit as rows").click()
    expect(
        page.get_by_role("status").filter(has_text="groups within groups")
    ).to_be_visible()
    field.fill('{"event": "A"}')
    page.get_by_role("button", name="Edit as rows").click()
    expect(page.get_by_label("Did the event")).to_have_value("A")
    page.get_by_role("button", name="Edit as JSON").click()
    expect(field).to_be_focused()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window(page: Page, admin, width):
    page.set_viewport_size({"width": width, "height": 900})
    rule = {
        "all": [
            {"event": "A", "where": [{"property": "p", "is": "in", "value": ["x"]}]}
        ]
    }
    page.goto(make_segment([make_profile()], rule=rule).get_absolute_url())
    expect(page.get_by_label("One value a line")).to_have_value("x")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
