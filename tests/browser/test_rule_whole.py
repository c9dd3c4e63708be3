"""A whole rule by a marketer: every starting point, and one of all kinds by keyboard alone."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from segments.models import Segment
from tests.browser import looks
from tests.browser.conftest import Shot
from tests.browser.test_keyboard import walk
from tests.browser.test_rule_builder import ADD
from tests.factories import (
    make_dictionary_entry,
    make_event,
    make_profile,
    make_segment,
)

pytestmark = pytest.mark.django_db(transaction=True)

DATE, OBJECTS = [0, 0, 0, 5, 0, 0, 0, 0], [0, 0, 0, 0, 0, 5, 0, 0]
TODAY = datetime.now(UTC).date()
LEAD, CART, BOUGHT, SEEN = (
    "Lead form sent",
    "Added to cart",
    "Order completed",
    "Viewed",
)
# Title → what is chosen, one after the other, and who is taken in.
POINTS = {
    "Lead form": ((LEAD, BOUGHT), "lead"),
    "Cart abandoned": ((CART, BOUGHT), "cart"),
    "Dormant": ((SEEN,), "dormant"),
    "Birthday": (("born_on", ""), "birthday"),
    "Lapsing policy": (("policies", "lapses_on"), "lapsing"),
}


def click(_page: Page, control: Locator) -> None:
    control.click()


def press(_page: Page, control: Locator) -> None:
    control.press("Enter")


@pytest.fixture
def people():
    """One for each starting point, and one who bought after all."""
    for name in (LEAD, CART, BOUGHT, SEEN):
        make_dictionary_entry(name, kind="event")
    make_dictionary_entry("born_on", types=DATE)
    make_dictionary_entry("policies", types=OBJECTS)
    make_event(make_profile(external_id="lead"), LEAD)
    make_event(make_profile(external_id="cart"), CART)
    customer = make_profile(external_id="customer")
    for name in (LEAD, CART, BOUGHT, SEEN):
        make_event(customer, name)
    dormant = make_event(make_profile(external_id="dormant"), SEEN)
    dormant.time -= timedelta(days=100)
    dormant.save()
    make_profile(external_id="birthday", born_on=TODAY.replace(year=2000).isoformat())
    soon = (TODAY + timedelta(days=9)).isoformat()
    make_profile(external_id="lapsing", policies=[{"lapses_on": soon}])


@pytest.mark.parametrize("act", [click, press], ids=["mouse", "keyboard"])
@pytest.mark.parametrize("title", POINTS)
def test_a_starting_point_takes_in_who_it_is_about(
    page: Page, admin, people, title: str, act: Callable[[Page, Locator], None]
):
    chosen, who = POINTS[title]
    page.goto(ADD)
    act(page, page.get_by_role("button", name=title))
    expect(page.locator(".rule-wish").filter(visible=True).first).to_contain_text(
        "Choose"
    )
    for name in filter(None, chosen):
        # What has the wish offers names of the dictionary that it may be.
        act(page, page.get_by_role("button", name=f"Choose {name}").first)
    expect(page.locator(".rule-wish").filter(visible=True)).to_have_count(0)
    expect(page.get_by_text("Choose the names that are marked")).to_have_count(0)
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("1 of 6 people")
    expect(size.get_by_role("link")).to_have_text([who])


def test_a_nested_rule_of_all_kinds_without_a_mouse(page: Page, admin, people):
    page.goto(ADD)
    keys = page.keyboard

    def go(name: str, text: str = "") -> None:
        walk(page, name, limit=200)
        keys.type(text)

    def enter(name: str) -> None:
        walk(page, name, limit=200)
        keys.press("Enter")

    def choose(name: str, choice: str) -> None:
        """In a select, by what its choice begins with."""
        walk(page, name, limit=200)
        keys.type(choice)

    def pick(text: str) -> None:
        """The first choice that has the text, in the field that has the focus."""
        keys.type(text)
        expect(page.get_by_role("listbox").get_by_role("option").first).to_be_visible()
        keys.press("ArrowDown")
        keys.press("Enter")

    go("Name", "Whoever is about to leave")
    enter("Add a group")
    # The group's first condition has the focus.
    pick("view")
    # Behind it, in the group: a list of objects, and then a sequence.
    enter("Add an attribute")
    pick("polic")
    pick("laps")
    choose("Comparison", "is in the next")
    go("Days", "20")
    enter("Add something else")
    keys.press("ArrowDown")
    keys.press("Enter")
    keys.type(LEAD)
    go("Then the event", BOUGHT)
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text("3 of 6 people")
    expect(size.get_by_role("link")).to_have_text(["lapsing", "dormant", "customer"])
    expect(size).to_contain_text("Did “Viewed” at least 1 time or policies")
    enter("Edit as JSON")
    rule = json.loads(page.locator("[name=rule]").input_value())
    assert rule == {
        "all": [
            {
                "any": [
                    {"event": SEEN, "at_least": 1},
                    {
                        "attribute": "policies",
                        "items": "any",
                        "where": [
                            {"property": "lapses_on", "is": "in_next_days", "value": 20}
                        ],
                    },
                    {
                        "sequence": [{"event": LEAD}, {"event": BOUGHT}],
                        "within_hours": 24,
                    },
                ]
            }
        ]
    }
    enter("Edit as rows")
    enter("Save and continue")
    expect(page.get_by_text("was added successfully")).to_be_visible()
    segment = Segment.objects.get()
    assert (segment.rule, segment.size) == (rule, 3)


OF_ALL_KINDS = {
    "all": [
        {"event": LEAD, "between_days": [2, 30], "calendar": True, "where": [
            {"property": "form", "is": "in", "value": ["demo"], "fold": True}]},
        {"any": [
            {"sequence": [{"event": SEEN}, {"event": CART}], "without": {"event": BOUGHT}},
            {"attribute": "policies", "items": "at_least", "count": 2, "where": [
                {"property": "lapses_on", "is": "weekday_in", "value": ["sat"]}]},
            {"event": BOUGHT, "aggregate": {"of": "amount", "by": "sum", "is": "less", "value": 5}},
        ]},
        {"not": {"attribute": "city", "is": "date_between", "value": ["2026-01-01", "2026-01-31"]}},
        {"sent": None},
        {"share": 50, "salt": "s"},
        {"not": {"not": {"event": "Z"}}},
    ]
}  # fmt: skip


def test_all_kinds_are_read_aloud_and_fit(page: Page, admin, people, shot: Shot):
    looks.as_at_night(page)
    page.goto(make_segment(rule=OF_ALL_KINDS).get_absolute_url())
    page.get_by_role("button", name="Add something else …").last.click()
    page.get_by_label("The event").first.press("ArrowDown")
    expect(page.get_by_role("listbox")).to_be_visible()
    looks.assert_whole(page, shot, "rule-of-all-kinds")
    expect(page.get_by_role("listbox")).to_be_visible()
