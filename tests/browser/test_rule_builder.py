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
    page.get_by_label("The event").fill("Product viewed")
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
    expect(page.get_by_label("The event").nth(1)).to_be_focused()
    expect(page.get_by_label("The event").nth(1)).to_have_value("C")
    typed = json.loads(page.locator("[name=rule]").input_value())
    assert [row["event"] for row in typed["any"]] == ["A", "C"]


def test_what_is_no_rule_is_edited_as_json(page: Page, admin):
    page.goto(make_segment().get_absolute_url())
    page.get_by_role("button", name="Edit as JSON").click()
    field = page.locator("[name=rule]")
    field.fill('{"all": {"event": "A"}}')
    page.get_by_role("button", name="Edit as rows").click()
    expect(page.get_by_role("status").filter(has_text="no rule")).to_be_visible()
    field.fill('{"event": "A"}')
    page.get_by_role("button", name="Edit as rows").click()
    expect(page.get_by_label("The event")).to_have_value("A")
    page.get_by_role("button", name="Edit as JSON").click()
    expect(field).to_be_focused()


@pytest.mark.parametrize(
    "rule",
    [
        {"all": [{"event": "A", "at_least": 1}]},
        {"all": [{"not": {"event": "A", "at_least": 2, "within_days": 3}}]},
        {"not": {"any": [{"attribute": "a", "is": "equals", "value": "1"}]}},
        {"not": {"all": [{"attribute": "a", "is": "is_present"}]}},
        {
            "any": [
                {"attribute": "a", "is": "in", "value": ["x", "y"]},
                {
                    "all": [
                        {"attribute": "b", "is": "between", "value": [1, 2]},
                        {"not": {"any": [{"event": "B", "at_least": 1}]}},
                    ]
                },
            ]
        },
    ],
)
def test_a_rule_with_groups_stays_what_it_was(page: Page, admin, rule):
    page.goto(make_segment(rule=rule).get_absolute_url())
    # Written again after a change that is taken back.
    group = page.locator("[data-name=group]").first
    was = group.input_value()
    group.select_option("none" if was != "none" else "any")
    group.select_option(was)
    assert json.loads(page.locator("[name=rule]").input_value()) == rule


def test_groups_are_built_moved_and_taken_back_by_keyboard(page: Page, admin):
    page.goto(ADD)
    rule = page.locator("[name=rule]")
    page.get_by_label("The event").fill("A")
    page.get_by_role("button", name="Add a group").press("Enter")
    expect(page.get_by_label("The event").nth(1)).to_be_focused()
    page.keyboard.type("B")
    page.get_by_label("They").nth(1).select_option("did not do")
    page.get_by_role("button", name="Move down condition 1", exact=True).press("Enter")
    expect(
        page.get_by_role("button", name="Move down condition 1.1", exact=True)
    ).to_be_focused()
    a = {"event": "A", "at_least": 1}
    b = {"not": {"event": "B", "at_least": 1}}
    assert json.loads(rule.input_value()) == {"all": [{"any": [a, b]}]}
    page.get_by_role("button", name="Move up condition 1.1", exact=True).press("Enter")
    assert json.loads(rule.input_value()) == {"all": [a, {"any": [b]}]}
    page.get_by_role("button", name="Duplicate condition 2.1", exact=True).press(
        "Enter"
    )
    assert json.loads(rule.input_value()) == {"all": [a, {"any": [b, b]}]}
    page.get_by_role("button", name="Remove condition 2", exact=True).press("Enter")
    assert json.loads(rule.input_value()) == {"all": [a]}
    page.get_by_role("button", name="Undo").press("Enter")
    assert json.loads(rule.input_value()) == {"all": [a, {"any": [b, b]}]}
    expect(page.get_by_label("The event")).to_have_count(3)


def test_a_condition_is_dragged_into_a_group(page: Page, admin):
    a, b, c = ({"event": name, "at_least": 1} for name in "ABC")
    page.goto(make_segment(rule={"all": [a, {"any": [b, c]}]}).get_absolute_url())
    place = page.get_by_role("group", name="Condition 2.2", exact=True)
    page.set_viewport_size({"width": 1280, "height": 2400})
    page.locator(".rule-handle").first.hover()
    page.mouse.down()
    box = place.bounding_box()
    assert box
    for inside in (8, 4):
        page.mouse.move(box["x"] + 200, box["y"] + box["height"] - inside)
    page.mouse.up()
    typed = json.loads(page.locator("[name=rule]").input_value())
    assert typed == {"all": [{"any": [b, c, a]}]}


def test_a_problem_is_said_beside_the_condition_of_a_group(page: Page, admin):
    page.goto(ADD)
    page.get_by_label("Name").fill("Nested")
    page.get_by_label("The event").fill("A")
    page.get_by_role("button", name="Add a group").click()
    page.get_by_label("For whom").last.select_option("none of these")
    page.get_by_role("button", name="Save and continue editing").click()
    wrong = page.get_by_label("The event").nth(1)
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("The event").first).not_to_have_attribute(
        "aria-invalid", "true"
    )


def test_the_size_is_shown_while_the_rule_is_written(page: Page, admin):
    for age in (20, 30, 40):
        make_profile(external_id=f"p{age}", age=age)
    page.goto(ADD)
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("Not whole yet: Rule: add at least one condition")
    page.get_by_role("button", name="Remove condition 1").click()
    page.get_by_role("button", name="Add an attribute").click()
    page.keyboard.type("age")
    page.get_by_label("Comparison").select_option("greater")
    page.get_by_label("Number or date").fill("25")
    expect(size).to_contain_text("2 of 3 people")
    expect(size).to_contain_text("Age is greater than 25.")
    expect(size.get_by_role("link")).to_have_text(["p40", "p30"])
    page.get_by_label("Number or date").fill("35")
    expect(size).to_contain_text("1 of 3 people")
    page.get_by_label("Attribute").fill("agee")
    expect(size).to_contain_text("0 of 3 people")
    expect(size.locator("[data-warning]")).to_contain_text("agee")


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
