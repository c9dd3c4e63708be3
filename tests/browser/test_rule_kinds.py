"""Each kind of condition in the rows of a rule, drawn as it is and built by keyboard."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from playwright.sync_api import Locator, Page, expect

from segments.life import snapshots
from segments.models import Segment
from tests.browser import looks
from tests.browser.conftest import Shot
from tests.browser.test_rule_builder import ADD, press
from tests.factories import (
    make_dictionary_entry,
    make_engagement,
    make_event,
    make_list,
    make_profile,
    make_segment,
)

pytestmark = pytest.mark.django_db(transaction=True)

WHERE = [{"property": "form", "is": "equals", "value": "demo"}]
DRAWN = [
    {"event": "A", "at_most": 2, "within_hours": 12},
    {"event": "A", "exactly": 3, "before_days": 9, "where": WHERE},
    {"not": {"event": "A", "at_least": 2}},
    {"event": "A", "pick": "first", "between_days": [2, 9], "calendar": True, "zone": "Asia/Kolkata"},
    {"event": "A", "pick": "last", "from": "2026-01-01", "until": "2026-01-31", "zone": "Asia/Kolkata"},
    {"event": "A", "from": "2026-01-01T10:00:00Z"},
    {"event": "A", "aggregate": {"of": "amount", "by": "sum", "is": "greater", "value": 10}},
    {"event": "A", "within_days": 3, "aggregate": {"of": "amount", "by": "distinct", "is": "between", "value": [2, 3]}},
    {"sequence": [{"event": "A", "where": WHERE}, {"event": "B"}], "within_hours": 2, "without": {"event": "C"}, "within_days": 30},
    {"not": {"sequence": [{"event": "A"}, {"event": "B"}, {"event": "C"}]}},
]  # fmt: skip

ATTRIBUTES = [
    {"attribute": "a", "is": "equals", "value": "x", "fold": True},
    {"attribute": "a", "is": "not_in", "value": ["x", 5, True]},
    {"attribute": "a", "is": "matches", "value": "^a+$", "fold": False},
    {"attribute": "a", "is": "between", "value": [1, 2.5], "numbers_in_text": True},
    {"attribute": "a", "is": "date_is", "value": "2026-01-31"},
    {"attribute": "a", "is": "date_between", "value": ["2026-01-01", "2026-01-31"], "zone": "Asia/Kolkata"},
    {"attribute": "a", "is": "in_next_days", "value": 3, "calendar": True, "zone": "Asia/Kolkata"},
    {"attribute": "a", "is": "anniversary_in", "value": 0},
    {"attribute": "a", "is": "anniversary_within", "value": 7},
    {"attribute": "a", "is": "weekday_in", "value": ["mon", "sun"]},
    {"attribute": "a", "is": "has_all", "value": ["x", "y"]},
    {"attribute": "a", "is": "size_at_least", "value": 2},
    {"attribute": "a", "items": "any", "where": [{"property": "b", "is": "in_next_days", "value": 30}]},
    {"attribute": "a", "items": "at_most", "count": 2, "where": [{"property": "b", "is": "is_present"}, {"property": "c", "is": "greater", "value": 2}]},
]  # fmt: skip

WHOM = [
    {"everybody": True},
    {"not": {"everybody": True}},
    {"sent": None},
    {"not": {"sent": None, "within_days": 30}},
]


def typed(page: Page) -> object:
    return json.loads(page.locator("[name=rule]").input_value())


def rows(page: Page) -> Locator:
    return page.locator(".rule-rows > li")


@pytest.mark.parametrize(
    "kinds", [DRAWN, ATTRIBUTES, WHOM], ids=["events", "attributes", "people"]
)
def test_they_are_drawn_and_stay_as_they_are_beside_a_change(page: Page, admin, kinds):
    other = {"event": "Z"}
    page.goto(make_segment(rule={"all": [other, *kinds]}).get_absolute_url())
    expect(rows(page)).to_have_count(len(kinds) + 1)
    expect(page.get_by_label("This part as JSON")).to_have_count(0)
    press(page, "Move down condition 1")
    first, *others = kinds
    assert typed(page) == {"all": [first, other, *others]}
    # A copy of each is drawn, and the same.
    for number in (*range(len(kinds) + 1, 2, -1), 1):
        press(page, f"Duplicate condition {number}")
    expect(rows(page)).to_have_count(2 * len(kinds) + 1)
    expect(page.get_by_label("This part as JSON")).to_have_count(0)
    copies = [rule for rule in others for _ in range(2)]
    assert typed(page) == {"all": [first, first, other, *copies]}


def test_how_often_and_when(page: Page, admin):
    page.goto(ADD)
    press(page, "Add what they did")
    page.keyboard.type("A")
    they, when = page.get_by_label("They"), page.get_by_label("When")
    for choice, expected in (
        ("did at most … times", {"at_most": 1}),
        ("did exactly … times", {"exactly": 1}),
        ("did for the first time", {"pick": "first"}),
        ("did for the last time", {"pick": "last"}),
        ("did", {"at_least": 1}),
    ):
        they.select_option(choice)
        expect(they).to_be_focused()
        assert typed(page) == {"all": [{"event": "A", **expected}]}
    windows: dict[str, dict[str, object]] = {
        "in the last … hours": {"within_hours": 24},
        "more than … days ago": {"before_days": 30},
        "between … and … days ago": {"between_days": [30, 60]},
        "in the last … days": {"within_days": 30},
    }
    for choice, window in windows.items():
        when.select_option(choice)
        expect(when).to_be_focused()
        assert typed(page) == {"all": [{"event": "A", "at_least": 1, **window}]}
    press(page, "Options")
    page.get_by_label("Whole calendar days").check()
    zone = page.get_by_label("Days begin in the time zone")
    zone.fill("paris")
    zone.press("ArrowDown")
    zone.press("Enter")
    calendar = {"within_days": 30, "calendar": True, "zone": "Europe/Paris"}
    assert typed(page) == {"all": [{"event": "A", "at_least": 1, **calendar}]}
    when.select_option("between two dates")
    page.get_by_label("From", exact=True).fill("2026-01-01")
    page.get_by_label("Until, that day included").fill("2026-01-31")
    found = {"zone": "Europe/Paris", "from": "2026-01-01", "until": "2026-01-31"}
    assert typed(page) == {"all": [{"event": "A", "at_least": 1, **found}]}
    when.select_option("ever")
    assert typed(page) == {"all": [{"event": "A", "at_least": 1}]}


def test_what_comes_together_in_a_property(page: Page, admin):
    person = make_profile()
    for amount in (10, "20"):
        make_event(person, "Bought", amount=amount)
    make_event(make_profile(), "Bought", amount=5)
    make_dictionary_entry("Bought", kind="event")
    make_dictionary_entry("amount", kind="property", event="Bought")
    page.goto(ADD)
    press(page, "Add what they did")
    page.keyboard.type("Bought")
    press(page, "Add up a property …")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_label("Number").fill("25")
    assert typed(page) == {
        "all": [
            {
                "event": "Bought",
                "aggregate": {
                    "of": "amount",
                    "by": "sum",
                    "is": "greater",
                    "value": 25,
                },
            }
        ]
    }
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("1 of 2 people")
    page.get_by_label("Comparison").select_option("between")
    page.get_by_label("To", exact=True).fill("26")
    expect(size).to_contain_text("0 of 2 people")


def test_a_sequence_is_built_by_keyboard(page: Page, admin):
    now = datetime.now(UTC)
    for steps in ("AB", "ACB", "BA"):
        person = make_profile()
        for minute, name in enumerate(steps):
            make_event(person, name, time=now - timedelta(minutes=30 - minute))
    page.goto(ADD)
    press(page, "Add something else …")
    expect(
        page.get_by_role("button", name="A list of objects")
        .or_(page.get_by_role("button", name="Several events in order"))
        .first
    ).to_be_focused()
    press_like(page, "Several events in order")
    first = page.get_by_label("First the event")
    expect(first).to_be_focused()
    page.keyboard.type("A")
    page.get_by_label("Then the event").fill("B")
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("2 of 3 people")
    press(page, "And not between them …")
    page.keyboard.type("C")
    expect(size).to_contain_text("1 of 3 people")
    press(page, "Then another event …")
    page.keyboard.type("D")
    expect(size).to_contain_text("0 of 3 people")
    press(page, "Remove step 3")
    press(page, "Then another event …")
    press(page, "Remove step 2")
    assert typed(page) == {
        "all": [
            {
                "sequence": [{"event": "A"}, {"event": ""}],
                "within_hours": 24,
                "without": {"event": "C"},
            }
        ]
    }
    press(page, "Remove what is not between them")
    page.get_by_label("From first to last within (hours)").fill("")
    assert typed(page) == {"all": [{"sequence": [{"event": "A"}, {"event": ""}]}]}
    # The message is at the row, at what is wrong with it.
    page.get_by_label("Name").fill("In order")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".rule-wrong")).to_contain_text("enter the name of an event")
    expect(page.get_by_label("Then the event")).to_have_attribute(
        "aria-invalid", "true"
    )
    assert not Segment.objects.exists()


def press_like(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).press("Enter")


def test_a_list_of_objects_is_asked_for_its_items(page: Page, admin):
    make_dictionary_entry("policies", types=[0, 0, 0, 0, 0, 3, 0, 0])
    soon = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()
    make_profile(policies=[{"lapses_on": soon, "kind": "car"}])
    make_profile(policies=[{"lapses_on": soon, "kind": "life"}, {"kind": "car"}])
    make_profile(policies=[{"lapses_on": "2020-01-01", "kind": "car"}])
    page.goto(ADD)
    press(page, "Add an attribute")
    page.keyboard.type("poli")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    # A list of objects has items: the focus is where to say which.
    field = page.get_by_label("Field of the item")
    expect(field).to_be_focused()
    page.keyboard.type("laps")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    # A date is compared as one.
    expect(page.get_by_label("Comparison")).to_have_value("in_last_days")
    page.get_by_label("Comparison").select_option("in_next_days")
    page.get_by_label("Days", exact=True).fill("30")
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("2 of 3 people")
    press(page, "And where …")
    page.keyboard.type("kind")
    page.get_by_label("Value").fill("car")
    expect(size).to_contain_text("1 of 3 people")
    page.get_by_label("How many items").select_option("at least … of them")
    page.get_by_label("Items", exact=True).fill("2")
    expect(size).to_contain_text("0 of 3 people")
    assert typed(page) == {
        "all": [
            {
                "attribute": "policies",
                "items": "at_least",
                "where": [
                    {"property": "lapses_on", "is": "in_next_days", "value": 30},
                    {"property": "kind", "is": "equals", "value": "car"},
                ],
                "count": 2,
            }
        ]
    }


def test_options_of_a_comparison(page: Page, admin):
    make_profile(city="PUNE", born="2000-02-03", score="12")
    page.goto(ADD)
    press(page, "Add an attribute")
    page.keyboard.type("city")
    value = page.get_by_label("Value")
    value.fill("pune")
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("0 of 1 person")
    press(page, "Options")
    page.get_by_label("Upper and lower case, and accents").check()
    expect(size).to_contain_text("1 of 1 person")
    compare = page.get_by_label("Comparison")
    name = page.get_by_role("combobox", name="Attribute")
    name.fill("score")
    compare.select_option("greater")
    page.get_by_label("Number or date").fill("9")
    # A new comparison of numbers takes those in texts, and says so.
    expect(page.get_by_label("A text such as “10”")).to_be_checked()
    number = {"attribute": "score", "is": "greater", "value": 9}
    assert typed(page) == {"all": [{**number, "numbers_in_text": True}]}
    expect(size).to_contain_text("1 of 1 person")
    page.get_by_label("A text such as “10”").uncheck()
    expect(size).to_contain_text("0 of 1 person")
    name.fill("born")
    compare.select_option("weekday_in")
    for day in ("Sun", "Thu"):
        page.get_by_label(day).check()
    assert typed(page) == {
        "all": [{"attribute": "born", "is": "weekday_in", "value": ["thu", "sun"]}]
    }
    expect(size).to_contain_text("1 of 1 person")
    compare.select_option("date_between")
    page.get_by_label("From", exact=True).fill("2000-01-01")
    page.get_by_label("To, that day included").fill("2000-02-03")
    zone = page.get_by_label("Days begin in the time zone")
    zone.fill("Europe/Paris")
    zone.press("Escape")
    born = {
        "attribute": "born",
        "is": "date_between",
        "value": ["2000-01-01", "2000-02-03"],
    }
    assert typed(page) == {"all": [{**born, "zone": "Europe/Paris"}]}
    expect(size).to_contain_text("1 of 1 person")


def test_people_are_taken_by_where_they_are(page: Page, admin):
    people = [make_profile() for _ in range(4)]
    other = make_segment(people[:3], name="Leads", size=3)
    make_segment(name="Put away", is_active=False, archived_at=datetime.now(UTC))
    uploaded = make_list(*(str(p.external_id) for p in people[1:]), name="Guests")
    page.goto(ADD)
    press(page, "Add something else …")
    press_like(page, "In another segment")
    segment = page.get_by_role("combobox", name="The segment")
    expect(segment).to_be_focused()
    page.keyboard.press("ArrowDown")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options).to_have_count(1)
    expect(options).to_contain_text("3 people")
    page.keyboard.press("Enter")
    expect(segment).to_have_value("Leads")
    way = rows(page).first.get_by_role("link", name="Open “Leads”")
    expect(way).to_have_attribute("href", other.get_absolute_url())
    expect(way.locator("..")).to_contain_text("3 people")
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("3 of 4 people")
    press(page, "Add something else …")
    press_like(page, "In an uploaded list")
    page.keyboard.type("gue")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(size).to_contain_text("2 of 4 people")
    page.get_by_label("They").first.select_option("are not in")
    expect(size).to_contain_text("1 of 4 people")
    press(page, "Add something else …")
    press_like(page, "A random share")
    page.get_by_label("A random share of people (%)").fill("100")
    press(page, "Add something else …")
    press_like(page, "Everybody")
    expect(size).to_contain_text("1 of 4 people")
    rule = page.evaluate("JSON.parse(document.querySelector('[name=rule]').value)")
    salt = rule["all"][2].pop("salt")
    assert len(salt) == 8
    assert rule == {
        "all": [
            {"not": {"segment": other.pk}},
            {"list": uploaded.pk},
            {"share": 100},
            {"everybody": True},
        ]
    }
    # What is typed and is none is not taken.
    segment.fill("Nobody knows it")
    segment.blur()
    expect(segment).to_have_value("Leads")


def test_a_fixed_list_is_a_row_with_how_many_it_has(page: Page, admin, shot: Shot):
    leads = make_segment([make_profile(), make_profile()], name="Leads", size=2)
    with transaction.atomic():
        kept = snapshots.keep(leads, admin)
    kept.rule = {"all": [kept.rule, {"event": "A"}]}
    kept.save()
    page.goto(kept.get_absolute_url())
    expect(rows(page)).to_have_count(2)
    expect(page.get_by_label("This part as JSON")).to_have_count(0)
    row = rows(page).first
    expect(row).to_contain_text("the segment “Leads” on ")
    expect(row).to_contain_text("2 people")
    way = row.get_by_role("link", name="Open the segment as it is now")
    expect(way).to_have_attribute("href", leads.get_absolute_url())
    looks.assert_whole(page, shot, "fixed-list-row")
    row.get_by_label("They").select_option("were not in")
    snapshot = kept.rule["all"][0]
    assert typed(page) == {"all": [{"not": snapshot}, {"event": "A"}]}
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("Was not in the segment “Leads” on ")


def test_what_is_typed_instead_of_chosen_is_taken_where_it_can_be_but_one(
    page: Page, admin
):
    leads, old = make_segment(name="Leads"), make_segment(name="Leads of May")
    page.goto(ADD)
    press(page, "Add something else …")
    press_like(page, "In another segment")
    segment = page.get_by_role("combobox", name="The segment")
    page.keyboard.type("leads")
    page.keyboard.press("Tab")
    expect(segment).to_have_value("Leads")
    assert typed(page) == {"all": [{"segment": leads.pk}]}
    segment.fill("of may")
    segment.press("Enter")
    expect(segment).to_have_value("Leads of May")
    assert typed(page) == {"all": [{"segment": old.pk}]}
    # It may be either.
    segment.fill("lea")
    segment.blur()
    expect(segment).to_have_value("Leads of May")


def test_what_there_is_none_of_yet_is_said(page: Page, admin):
    page.goto(ADD)
    press(page, "Add what they did")
    expect(page.get_by_text("No event came so far: type the name")).to_be_visible()
    press(page, "Add something else …")
    press_like(page, "In an uploaded list")
    expect(page.get_by_text("upload one under Lists")).to_be_visible()


def test_a_copied_share_takes_other_people(page: Page, admin):
    share = {"share": 12.5, "salt": "autumn"}
    page.goto(make_segment(rule={"all": [share, {"event": "A"}]}).get_absolute_url())
    press(page, "Duplicate condition 1")
    rule = page.evaluate("JSON.parse(document.querySelector('[name=rule]').value)")
    assert rule["all"][0] == share
    assert rule["all"][1]["share"] == 12.5
    assert rule["all"][1]["salt"] != "autumn"


def test_a_segment_that_is_not_there_is_said_to_be_gone(page: Page, admin):
    page.goto(make_segment(rule={"segment": 987_654}).get_absolute_url())
    expect(page.get_by_text("none with the number 987654 any more")).to_be_visible()


def test_who_was_sent_an_engagement(page: Page, admin):
    make_profile()
    engagement = make_engagement(name="Welcome")
    page.goto(ADD)
    press(page, "Add something else …")
    press_like(page, "Sent an Engagement")
    picker = page.get_by_role("combobox", name="The Engagement")
    expect(picker).to_have_value("any Engagement")
    page.get_by_label("They").select_option("were not sent")
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("1 of 1 person")
    picker.fill("wel")
    picker.press("ArrowDown")
    picker.press("Enter")
    page.get_by_label("In the last (days)").fill("7")
    assert typed(page) == {"all": [{"not": {"sent": engagement.pk, "within_days": 7}}]}


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        ({"event": "A", "exactly": "x"}, "Times"),
        ({"event": "A", "within_hours": 0}, "Hours"),
        ({"event": "A", "before_days": -1}, "Days ago"),
        ({"attribute": "a", "items": "exactly", "count": "x", "where": WHERE}, "Items"),
        ({"share": 101, "salt": "s"}, "A random share of people (%)"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_at_its_field(page: Page, admin, rule, label):
    page.goto(ADD)
    page.get_by_label("Name").fill("Wrong")
    page.get_by_role("button", name="Edit as JSON").click()
    page.locator("[name=rule]").fill(json.dumps({"all": [{"event": "Z"}, rule]}))
    page.get_by_role("button", name="Save and continue editing").click()
    field = page.get_by_label(label, exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("^Condition 2"))
