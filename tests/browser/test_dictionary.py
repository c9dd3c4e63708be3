"""The dictionary as a marketer meets it: names that came, looked up, described, picked."""

import json

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import Page, expect

from segments.dictionary import folding, shares
from segments.ingest import inbox
from segments.models import DictionaryEntry, RefusedMessage, Segment
from tests.browser import looks
from tests.browser.conftest import Shot
from tests.factories import make_segment, make_source, make_user

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/segments/dictionaryentry/"
TIME = "2026-01-31T12:00:00+00:00"


@pytest.fixture
def website():
    """A shop's first messages, as they come from its website."""
    source = make_source(name="Website")
    messages = []
    for n in range(40):
        person = {"userId": f"u{n}", "timestamp": TIME}
        traits = {
            "email": f"ann{n}@example.com",
            "first_name": f"Ann {n}",
            "plan": ("gold", "silver", "bronze")[n % 3],
            "score": n if n % 8 else str(n),
            "member_since": f"20{10 + n % 10}-05-01",
            "policies": [{"id": n, "kind": "car"}],
        }
        if n % 4 == 0:
            traits["newsletter"] = n % 8 == 0
        messages.append((f"i{n}", "identify", {**person, "traits": traits}))
        properties = {"form": "demo", "amount": n * 10, "currency": "EUR"}
        lead = {**person, "event": "Lead form submitted", "properties": properties}
        messages.append((f"t{n}", "track", lead))
        if n % 2:
            viewed = {"product_id": f"p-{n}", "product_name": "Shoe"}
            said = {**person, "event": "Product viewed", "properties": viewed}
            messages.append((f"v{n}", "track", said))
    inbox.append(source, messages)
    inbox.apply()
    folding.add()
    shares.refresh()
    return source


@pytest.fixture
def marketer(page: Page, sign_in):
    user = make_user(username="mia")
    user.groups.add(Group.objects.get(name="Marketer"))
    sign_in(user)
    return user


def test_a_marketer_finds_describes_and_expects(
    page: Page, marketer, website, shot: Shot
):
    page.goto("/admin/")
    page.get_by_role("link", name="Dictionary", exact=True).click()
    expect(page.get_by_role("link", name="Lead form submitted")).to_be_visible()
    shot("dictionary-list")
    page.get_by_role("link", name="score", exact=True).click()
    expect(page.get_by_role("heading", name="What its values are")).to_be_visible()
    expect(page.get_by_text("87.5%")).to_be_visible()
    shot("dictionary-entry")

    page.get_by_label("Description").fill("Points of the loyalty programme.")
    page.get_by_label("Owner").fill("CRM team")
    page.get_by_label("Expected type").select_option("number")
    page.get_by_label("A value of another type").select_option("refuse")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Since yesterday 5 values of “score”")).to_be_visible()
    shot("dictionary-question")
    page.get_by_role("button", name="Refuse such messages").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    entry = DictionaryEntry.objects.get(name="score")
    assert (entry.is_planned, entry.owner) == (True, "CRM team")

    said = {"userId": "u1", "timestamp": TIME, "traits": {"score": "many"}}
    inbox.append(website, [("x", "identify", said)])
    assert inbox.apply().errors == 1
    folding.add()
    assert RefusedMessage.objects.get().code == "wrong_type"
    page.goto(entry.get_absolute_url())
    expect(page.get_by_text("1 time", exact=False)).to_be_visible()


def test_the_rows_of_a_rule_offer_what_came(page: Page, marketer, website, shot: Shot):
    page.goto("/admin/segments/segment/add/")
    page.get_by_label("Name").fill("Demo")
    page.get_by_role("button", name="Add what they did").click()
    event = page.get_by_label("The event")
    options = page.get_by_role("listbox").get_by_role("option")
    event.press("ArrowDown")
    expect(options.first).to_contain_text("Lead form submitted")
    expect(options.first).to_contain_text("100 % of people · seen just now")
    event.press("Enter")
    expect(event).to_have_value("Lead form submitted")
    page.get_by_role("button", name="Where a property").click()
    prop = page.get_by_label("Property", exact=True)
    prop.press("ArrowDown")
    expect(options).to_have_count(3)
    # Another event has other properties.
    event.fill("Product viewed")
    event.press("Escape")
    prop.press("ArrowDown")
    expect(options).to_have_count(2)
    page.get_by_label("Property", exact=True).fill("color")
    page.get_by_label("Value").fill("red")
    expect(page.get_by_text("“color” came with no such event so far")).to_be_visible()
    shot("dictionary-rule")
    page.get_by_label("Property", exact=True).fill("product_name")
    expect(page.get_by_text("so far")).to_have_count(0)
    page.get_by_role("button", name="Add an attribute").click()
    page.get_by_label("Attribute", exact=True).fill("plann")
    page.get_by_label("Value").last.fill("gold")
    expect(page.get_by_text("No attribute “plann” came so far")).to_be_visible()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(
        page.get_by_text("the attribute “plann” so far. Did you mean “plan”?")
    ).to_be_visible()
    assert Segment.objects.get().rule["all"][1]["attribute"] == "plann"


def test_variables_are_offered_with_what_is_known(page: Page, marketer, website, shot):
    DictionaryEntry.objects.filter(name="newsletter").update(is_hidden=True)
    segment = make_segment(
        name="Demo",
        rule={"event": "Lead form submitted"},
        event_names=["Lead form submitted"],
    )
    from engagements.personalization.variable_catalog import known_variables

    groups = {group.name: group.variables for group in known_variables(segment)}
    people = {one.path: one.about for one in groups["Person"]}
    assert people["profile.score"].startswith("number · 100 % of people")
    assert "profile.newsletter" not in people
    events = {one.path: one.about for one in groups["Event"]}
    assert events["event.properties.amount"].startswith(
        "number · 100 % of these events"
    )


def test_its_pages_fit(page: Page, admin, website, shot: Shot):
    looks.as_at_night(page)
    DictionaryEntry.objects.filter(name="plan").update(
        description="What they pay for", expected_type="number", is_planned=True
    )
    for name, kind in (("plan", "attribute"), ("Lead form submitted", "event")):
        entry = DictionaryEntry.objects.get(name=name, kind=kind)
        page.goto(entry.get_absolute_url())
        looks.assert_whole(page, shot, f"dictionary-{kind}")
    page.goto(LIST)
    looks.assert_whole(page, shot, "dictionary-list")
    assert json.dumps(page.title())
