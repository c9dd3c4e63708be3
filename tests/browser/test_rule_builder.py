"""A segment's rule in rows: built by keyboard, corrected where it is wrong, kept as JSON."""

import json
import re

import pytest
from django.db import connection
from playwright.sync_api import Locator, Page, expect

from segments.models import Segment
from tests.factories import (
    make_dictionary_entry,
    make_event,
    make_profile,
    make_segment,
)

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "/admin/segments/segment/add/"


def named(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def press(page: Page, name: str) -> None:
    named(page, name).press("Enter")


def test_a_marketer_builds_a_rule_without_json(page: Page, admin):
    make_event(make_profile(age=30), "Product viewed", form="demo")
    page.goto(ADD)
    page.get_by_label("Name").fill("Viewers")
    page.get_by_role("button", name="Add what they did").press("Enter")
    page.keyboard.type("Product viewed")
    page.get_by_label("They").select_option("did at least … times")
    page.get_by_label("Times").fill("once")
    page.get_by_role("button", name="Where a property").press("Enter")
    page.keyboard.type("form")
    page.get_by_label("Value").fill("demo")
    page.get_by_role("button", name="Add an attribute").press("Enter")
    page.keyboard.type("age")
    page.get_by_label("Comparison").last.select_option("between")
    page.get_by_label("From", exact=True).fill("20")
    page.get_by_label("To", exact=True).fill("40")
    page.get_by_role("button", name="Save and continue editing").click()

    wrong = page.get_by_label("Times")
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
    expect(page.get_by_label("From", exact=True)).to_have_value("20")
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
            {
                "attribute": "age",
                "is": "between",
                "value": [20, 40],
                "numbers_in_text": True,
            },
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
    field.fill('{"all": ')
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
    page.get_by_role("button", name="Add what they did").press("Enter")
    page.keyboard.type("A")
    page.get_by_role("button", name="Add a group").press("Enter")
    page.get_by_label("The event").nth(1).fill("B")
    page.get_by_label("They").nth(1).select_option("did not do")
    press(page, "Move down condition 1")
    expect(named(page, "Move down condition 1.1")).to_be_focused()
    a = {"event": "A", "at_least": 1}
    b = {"not": {"event": "B", "at_least": 1}}
    assert json.loads(rule.input_value()) == {"all": [{"any": [a, b]}]}
    press(page, "Move up condition 1.1")
    assert json.loads(rule.input_value()) == {"all": [a, {"any": [b]}]}
    press(page, "Duplicate condition 2.1")
    assert json.loads(rule.input_value()) == {"all": [a, {"any": [b, b]}]}
    press(page, "Remove condition 2")
    assert json.loads(rule.input_value()) == {"all": [a]}
    press(page, "Undo")
    assert json.loads(rule.input_value()) == {"all": [a, {"any": [b, b]}]}
    expect(page.get_by_label("The event")).to_have_count(3)
    press(page, "Redo")
    assert json.loads(rule.input_value()) == {"all": [a]}
    # What was typed in one go is taken back in one go.
    page.get_by_label("The event").press_sequentially("nother")
    press(page, "Undo")
    assert json.loads(rule.input_value()) == {"all": [a]}


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
    page.get_by_role("button", name="Add what they did").click()
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
    page.get_by_role("button", name="Add an attribute").click()
    page.keyboard.type("age")
    page.get_by_label("Comparison").select_option("greater")
    page.get_by_label("Number or date").fill("25")
    expect(size).to_contain_text("2 of 3 people")
    expect(size).to_contain_text("Age is greater than 25 (numbers in texts too).")
    expect(size.get_by_role("link")).to_have_text(["p40", "p30"])
    page.get_by_label("Number or date").fill("35")
    expect(size).to_contain_text("1 of 3 people")
    page.get_by_role("combobox", name="Attribute").fill("agee")
    expect(size).to_contain_text("0 of 3 people")
    expect(size.locator("[data-warning]")).to_contain_text("agee")


# What conditions cannot draw: not twice, a value in two lines, a number that JavaScript
# would round; and a group in a group.
UNTOUCHED = [
    '{"not": {"not": {"event": "A"}}}',
    '{"all": [{"event": "A"}, {"any": [{"event": "B", "within_days": null}, {"all": [{"event": "C"}, {"event": "D"}]}]}]}',
    '{"attribute": "a", "is": "equals", "value": "two\\nlines"}',
    '{"any": [{"attribute": "a", "is": "greater", "value": 12345678901234567890123}, {"attribute": "b", "is": "less", "value": 1.0}]}',
    '{"not": {"attribute": "a", "is": "is_present", "value": null}}',
    '{"event": "A", "where": []}',
]


def written(segment: Segment) -> str:
    """The rule as PostgreSQL has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rule::text FROM segments_segment WHERE id = %s", [segment.pk]
        )
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("text", UNTOUCHED)
def test_a_rule_that_is_opened_and_saved_stays_as_it_is(page: Page, admin, text):
    segment = make_segment()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE segments_segment SET rule = %s WHERE id = %s", [text, segment.pk]
        )
    was = written(segment)
    page.goto(segment.get_absolute_url())
    expect(page.get_by_role("button", name="Edit as JSON")).to_be_visible()
    before = page.locator("[name=rule]").input_value()
    page.get_by_role("button", name="Edit as JSON").click()
    page.get_by_role("button", name="Edit as rows").click()
    assert page.locator("[name=rule]").input_value() == before
    page.get_by_label("Name").fill("Renamed")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/segment/")
    segment.refresh_from_db()
    assert segment.name == "Renamed"
    assert written(segment) == was


def test_what_cannot_be_drawn_is_shown_and_kept_beside_a_change(page: Page, admin):
    strange = {"not": {"not": {"event": "S"}}}
    big = {"attribute": "a", "is": "greater", "value": 12345678901234567890123}
    page.goto(
        make_segment(rule={"all": [strange, {"event": "A"}, big]}).get_absolute_url()
    )
    expect(page.get_by_label("This part as JSON")).to_contain_text('"event": "S"')
    expect(page.get_by_label("Number or date")).to_have_value("12345678901234567890123")
    page.get_by_label("The event").fill("B")
    press(page, "Move down condition 1")
    typed = page.locator("[name=rule]").input_value()
    assert json.loads(typed) == {"all": [{"event": "B"}, strange, big]}


def test_a_long_number_that_is_typed_keeps_its_digits(page: Page, admin):
    rule = {"all": [{"attribute": "a", "is": "greater", "value": 1}]}
    page.goto(make_segment(rule=rule).get_absolute_url())
    field = page.get_by_label("Number or date")
    for number in ("9007199254740993", "-0.1234567890123456789", "15"):
        field.fill(number)
        written_rule = page.locator("[name=rule]").input_value()
        assert f'"value": {number}' in written_rule
        assert json.loads(written_rule)["all"][0]["is"] == "greater"


def test_whom_a_comparison_takes_in_besides_is_said_beside_it(page: Page, admin):
    """Who has no value, who never did it, and when 29 February is."""
    born = {"attribute": "born_on", "is": "anniversary_in", "value": 0}
    other = {"attribute": "stage", "is": "not_equals", "value": "a"}
    seldom = {"event": "Lead", "exactly": 1, "within_days": 30}
    is_open = {"property": "open", "is": "equals", "value": True}
    none = {"attribute": "policies", "items": "none", "where": [is_open]}
    rule = {"all": [other, seldom, born, none]}
    page.goto(make_segment(rule=rule).get_absolute_url())
    rows = page.locator(".rule-rows > li")
    missing = rows.nth(0).get_by_text("Also where there is no value.")
    expect(missing).to_be_visible()
    rows.nth(0).get_by_label("Comparison").select_option("equals")
    expect(missing).to_be_hidden()
    never = rows.nth(1).get_by_text("Also whoever never did it, and who is new.")
    expect(never).to_be_hidden()
    rows.nth(1).get_by_label("Times").fill("0")
    expect(never).to_be_visible()
    rows.nth(1).get_by_label("They").select_option("not")
    expect(never).to_be_visible()
    rows.nth(1).get_by_label("They").select_option("did")
    expect(never).to_be_hidden()
    expect(rows.nth(2)).to_contain_text("29 February is 28 February")
    rows.nth(2).get_by_label("Comparison").select_option("in_last_days")
    hours = rows.nth(2).get_by_text("Days of 24 hours, to the second.")
    expect(hours).to_be_visible()
    rows.nth(2).get_by_role("button", name="Options").click()
    rows.nth(2).get_by_label("Whole calendar days, not 24 hours each").check()
    expect(hours).to_be_hidden()
    expect(rows.nth(3)).to_contain_text("Also whoever has no items.")
    rows.nth(3).get_by_label("How many items").select_option("all")
    expect(rows.nth(3)).not_to_contain_text("Also whoever has no items.")


def test_a_list_of_values_is_pasted(page: Page, admin):
    rule = {"all": [{"attribute": "city", "is": "in", "value": ["Pune"]}]}
    page.goto(make_segment(rule=rule).get_absolute_url())
    area = page.get_by_label("One value a line")
    area.focus()
    page.keyboard.press("ControlOrMeta+A")
    paste(page, "Pune\tDelhi\r\nBonn, Köln\nPune")
    lines = page.get_by_role("listitem").filter(has=area)
    expect(lines).to_contain_text("4 values, 1 of them more than once")
    page.get_by_role("button", name="Split at commas").click()
    typed = json.loads(page.locator("[name=rule]").input_value())
    assert typed["all"][0]["value"] == ["Pune", "Delhi", "Bonn", "Köln", "Pune"]


def paste(page: Page, text: str) -> None:
    """Paste as if it came from another program."""
    page.evaluate(
        """text => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            const event = new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true});
            const isTaken = !document.activeElement.dispatchEvent(event);
            if (!isTaken) document.execCommand("insertText", false, text);
        }""",
        text,
    )


def test_names_are_picked_with_what_is_known_of_them(page: Page, admin):
    make_dictionary_entry(
        "city", people=1, people_asked=2, description="Where they live"
    )
    make_dictionary_entry("visits", types=[0, 9, 0, 0, 0, 0, 0, 0])
    make_profile(city="Pune")
    page.goto(ADD)
    press(page, "Add an attribute")
    name = page.get_by_role("combobox", name="Attribute")
    page.keyboard.type("live")
    option = page.get_by_role("listbox").get_by_role("option")
    expect(option).to_have_count(1)
    expect(option).to_contain_text("50 % of people · seen just now")
    page.keyboard.press("ArrowDown")
    expect(name).to_have_attribute("aria-activedescendant", re.compile("."))
    page.keyboard.press("Enter")
    expect(name).to_have_value("city")
    expect(name).to_have_accessible_description(re.compile("text · 50 % of people"))
    # An example is seen when one comes back to it, and offered as a value.
    page.get_by_label("Comparison").focus()
    name.focus()
    expect(name).to_have_accessible_description(re.compile("such as Pune"))
    page.get_by_label("Value").press("ArrowDown")
    option.filter(has_text="Pune").click()
    expect(page.get_by_label("Value")).to_have_value("Pune")
    # The comparisons begin with those that fit the values that came.
    groups = page.get_by_label("Comparison").locator("optgroup")
    expect(groups.first).to_have_attribute("label", "For a text")
    name.fill("vis")
    name.press("ArrowDown")
    name.press("Enter")
    expect(groups.first).to_have_attribute("label", "For a number")
    name.fill("vist")
    expect(name).to_have_accessible_description("No attribute “vist” came so far.")
    name.fill("City")
    expect(name).to_have_accessible_description(re.compile("but “city” did"))
    name.press("Escape")
    expect(option).to_have_count(0)


def test_a_starting_point_says_what_is_to_be_chosen(page: Page, admin):
    make_dictionary_entry("Lead form sent", kind="event")
    make_dictionary_entry("Order completed", kind="event")
    make_event(make_profile(), "Lead form sent")
    page.goto(ADD)
    page.get_by_role("button", name="Lead form").press("Enter")
    event = page.get_by_label("The event")
    expect(event.first).to_be_focused()
    expect(
        page.get_by_text("Choose the event that comes when a lead form is sent")
    ).to_be_visible()
    page.get_by_role("button", name="Choose Lead form sent").press("Enter")
    expect(event.first).to_have_value("Lead form sent")
    expect(page.get_by_text("Choose the event that comes")).to_have_count(0)
    page.get_by_role("button", name="Choose Order completed").click()
    expect(page.get_by_role("region", name="Who would be in it")).to_contain_text(
        "1 of 1 person"
    )
    typed = json.loads(page.locator("[name=rule]").input_value())
    assert typed == {
        "all": [
            {"event": "Lead form sent", "at_least": 1, "within_days": 30},
            {"not": {"event": "Order completed", "at_least": 1, "within_days": 30}},
        ]
    }
    expect(page.get_by_text("Start from")).to_be_hidden()
    # Taken back as a whole, the others are there again.
    for _ in range(3):
        page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Start from")).to_be_visible()


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
