"""Variants by clicking: added, compared, a winner chosen; whole at two widths."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from engagements.lifecycle import transitions, winner
from engagements.models import Engagement
from engagements.variants import plan
from engagements.variants.plan import Variant
from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot
from tests.faults import working

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "Name of the User"


@pytest.fixture
def engagement(admin: Any, braze: Any) -> Iterator[Engagement]:
    people = [
        factories.make_profile(external_id=f"p{n}", first_name=f"Ann {n}")
        for n in range(40)
    ]
    version = factories.make_version(connection=braze)
    its = plan.made(
        [
            Variant("A", "First name", 50),
            Variant(
                "B", "With a greeting", 30, {NAME: "Dear {{ profile.first_name }}"}
            ),
            Variant(
                "C", "In capitals", 20, {NAME: "{{ profile.first_name | upcase }}"}
            ),
        ]
    )
    made = factories.make_engagement(
        factories.make_segment(people, name="Leads"),
        version,
        name="Welcome",
        trigger=Engagement.Trigger.SCHEDULE,
        repeat=Engagement.Repeat.DAILY,
        variants=its.as_json(),
        holdout_share=10,
    )
    yield made


def test_the_pages_are_whole(page: Page, engagement: Engagement, shot: Shot):
    looks.as_at_night(page)
    page.goto(engagement.get_absolute_url())
    page.locator("#variants").scroll_into_view_if_needed()
    looks.assert_whole(page, shot, "variants-form")
    transitions.activate(engagement)
    working.to_the_end(engagement)
    engagement.refresh_from_db()
    run = engagement.runs.get()
    chosen = reverse("admin:engagements_engagement_winner", args=[engagement.pk])
    person = reverse("admin:engagements_engagement_person", args=[engagement.pk])
    pages = {
        "report": engagement.get_absolute_url(),
        "run": run.get_absolute_url(),
        "question": f"{chosen}?variant=B",
        "person": f"{person}?who=p1",
    }
    for name, address in pages.items():
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, name
        looks.assert_whole(page, shot, f"variants-{name}")
    page.goto(pages["report"])
    assert_labels_are_whole(page)
    winner.choose(engagement, "B", None)
    page.goto(engagement.get_absolute_url())
    looks.assert_whole(page, shot, "variants-winner")


# Of a table's cells on a phone: the label of each, and whether it runs into others.
LABELS = """[...document.querySelectorAll("main .lb-stack [data-label]")].map(cell => {
    const label = getComputedStyle(cell, "::before");
    const isOver = parseFloat(label.height) > cell.clientHeight;
    return [cell.dataset.label, isOver || label.whiteSpace === "nowrap"];
})"""


def assert_labels_are_whole(page: Page) -> None:
    labels = page.evaluate(LABELS)
    assert ["Accepted, answer unreadable", False] in labels
    assert [label for label, is_over in labels if is_over] == []


def test_a_marketer_adds_a_variant_and_an_approver_chooses_it(
    page: Page, engagement: Engagement
):
    Engagement.objects.update(variants={}, holdout_share=0)
    page.goto(engagement.get_absolute_url())
    page.get_by_role("button", name="Add variant B").click()
    part = page.get_by_role("group", name="Variant B", exact=True)
    page.get_by_label("Variant A: Name").fill("Plain")
    part.get_by_label("Name", exact=False).first.fill("Greeting")
    expect(page.get_by_label("Variant B: Share in percent")).to_have_value("50")
    page.get_by_label("Variant B: Share in percent").fill("40")
    value = part.get_by_label(NAME, exact=True)
    value.fill("Dear {{ profile.first_name }}")
    page.get_by_label("Variant", exact=True).select_option("B")
    expect(page.locator("#preview")).to_contain_text("Dear Ann")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("They are 90 % now.")).to_be_visible()
    page.get_by_label("Variant B: Share in percent").fill("50")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("“Welcome” is saved.")).to_be_visible()
    name = page.get_by_role("textbox", name="Variant B: Name")
    expect(name).to_have_value("Greeting")

    engagement.refresh_from_db()
    transitions.activate(engagement)
    working.to_the_end(engagement)
    page.goto(engagement.get_absolute_url())
    table = page.get_by_role("table", name="Deliveries by variant")
    expect(table.get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="Choose the winner B “Greeting”").click()
    expect(page.get_by_text("of 40 people in the segment now get")).to_be_visible()
    page.get_by_role("button", name="Choose B “Greeting”").click()
    expect(page.get_by_text("is the winner.").first).to_be_visible()
    page.get_by_role("link", name="Go on testing").click()
    page.get_by_role("button", name="Go on testing").click()
    expect(page.get_by_text("Testing goes on:")).to_be_visible()
