"""Engagement Creation in a real browser: parameters, picker, live preview, report."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from engagements.models import Batch, Delivery, Engagement
from engagements.outbox import delivery_records
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_marketer_makes_an_engagement_with_the_keyboard(page: Page, admin):
    people = [
        factories.make_profile(external_id=name, first_name=name.title())
        for name in ("ann", "bea")
    ]
    segment = factories.make_segment(people)
    factories.make_version({"attributes": [{"plain": "body"}]}, [])
    version = factories.make_version()
    page.goto(f"{reverse('admin:engagements_engagement_add')}?segment={segment.pk}")

    page.get_by_label("Name", exact=False).first.fill("From the browser")
    page.get_by_role("combobox", name="External API").select_option(str(version.pk))
    page.get_by_label("Insert variable into Name of the User").press("Enter")
    page.keyboard.type("first_n")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    value = page.locator("#configure-parameters [data-value]").first
    expect(value).to_have_value("{{ profile.first_name }}")
    expect(value).to_be_focused()
    expect(page.locator("#preview")).to_contain_text('"first_name": "Bea"')

    page.get_by_label("External ID or e-mail").fill("ann")
    expect(page.locator("#preview")).to_contain_text('"first_name": "Ann"')
    expect(page.get_by_label("Name", exact=False).first).to_have_value(
        "From the browser"
    )

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is saved as a draft")).to_be_visible()
    assert Engagement.objects.get().values == {
        "Name of the User": "{{ profile.first_name }}"
    }


def test_enter_in_a_field_saves_and_nothing_else(page: Page, admin):
    engagement = factories.make_engagement()
    page.goto(engagement.get_absolute_url())
    page.get_by_label("Name", exact=False).first.fill("By Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“By Enter” is saved")).to_be_visible()
    engagement.refresh_from_db()
    assert (engagement.name, engagement.variants) == ("By Enter", {})


def test_what_is_typed_while_other_parts_come_stays(page: Page, admin):
    segment = factories.make_segment([factories.make_profile(first_name="Ann")])
    factories.make_version()
    page.goto(reverse("admin:engagements_engagement_add"))
    on_their_way: list[Route] = []

    def hold(route: Route) -> None:
        if "_configure" in (route.request.post_data or ""):
            on_their_way.append(route)
        else:
            route.continue_()

    page.route("**/engagement/add/", hold)
    with page.expect_request(lambda request: "_configure" in str(request.post_data)):
        page.get_by_role("combobox", name="Segment").select_option(str(segment.pk))
    value = page.locator("#configure-parameters [data-value]").first
    value.fill("Dear {{ profile.first_name }}")
    value.evaluate("field => field.setSelectionRange(4, 4)")
    before = page.locator("#configure-parameters h2").element_handle()
    with page.expect_response(lambda answer: "add/" in answer.url):
        on_their_way[0].continue_()
    page.wait_for_function("part => !part.isConnected", arg=before)

    expect(value).to_have_value("Dear {{ profile.first_name }}")
    expect(value).to_be_focused()
    page.keyboard.type(",")
    expect(value).to_have_value("Dear, {{ profile.first_name }}")


def test_a_value_picks_one_of_a_list(page: Page, admin, shot):
    soon, late = ({"number": n, "lapses_in": d} for n, d in (("P-7", 9), ("P-8", 90)))
    ann = factories.make_profile(external_id="ann", policies=[late, soon])
    bea = factories.make_profile(external_id="bea", policies=[late])
    engagement = factories.make_engagement(factories.make_segment([ann, bea]))
    page.goto(engagement.get_absolute_url())
    lines = (
        "{% for policy in profile.policies %}",
        "  {% if policy.lapses_in < 30 %}{{ policy.number }}{% break %}{% endif %}",
        "{% else %}none",
        "{% endfor %}",
    )
    value = page.locator("#configure-parameters [data-value]").first
    before = value.bounding_box()
    value.fill("\n".join(lines))
    after = value.bounding_box()
    assert before and after
    assert after["height"] > before["height"]

    page.get_by_label("External ID or e-mail").fill("ann")
    expect(page.locator("#preview")).to_contain_text('"first_name": "P-7"')
    shot("value-with-tags")
    # Who has none like it has no value: she is not sent a wrong one.
    page.get_by_label("External ID or e-mail").fill("bea")
    expect(page.locator("#preview")).not_to_contain_text("P-")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is saved.")).to_be_visible()
    engagement.refresh_from_db()
    (saved,) = engagement.values.values()
    assert saved.replace("\r\n", "\n") == "\n".join(lines)


def test_one_of_a_few_values_is_chosen_and_a_variable_is_typed(page: Page, admin):
    plan = factories.parameter("plan_code") | {
        "label": "The plan",
        "description": "Which one the person gets",
        "allowed": ["free", "gold"],
    }
    version = factories.make_version(
        {"attributes": [{"plan": "{{plan_code}}"}]}, [plan]
    )
    segment = factories.make_segment([factories.make_profile(plan="free")])
    engagement = factories.make_engagement(segment, version, {"plan_code": "free"})
    page.goto(engagement.get_absolute_url())
    field = page.get_by_label("The plan", exact=False).first

    expect(field).to_have_value("free")
    expect(field).to_have_accessible_description("Which one the person gets")
    expect(page.get_by_text("{{plan_code}}")).to_be_visible()
    field.select_option("gold")
    expect(page.locator("#preview")).to_contain_text('"plan": "gold"')

    # The list is left for a variable, and come back to with what was chosen.
    page.get_by_label("Insert variable into The plan").click()
    page.get_by_role("button", name="profile.plan").click()
    expect(field).to_have_value("{{ profile.plan }}")
    expect(field).to_be_focused()
    expect(page.locator("#preview")).to_contain_text('"plan": "free"')
    page.get_by_role("button", name="Choose from the list").click()
    expect(field).to_have_value("gold")
    expect(field).to_be_focused()

    field.select_option("A personalization variable…")
    expect(field).to_be_focused()
    page.keyboard.type("{{ profile.plan }}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("is saved.")).to_be_visible()
    # What is a variable is shown as one.
    expect(page.get_by_label("The plan", exact=False).first).to_have_value(
        "{{ profile.plan }}"
    )
    engagement.refresh_from_db()
    assert engagement.values == {"plan_code": "{{ profile.plan }}"}


def test_escape_closes_the_picker_and_changes_nothing(page: Page, admin):
    engagement = factories.make_engagement(factories.make_segment(people=1))
    page.goto(engagement.get_absolute_url())

    page.get_by_label("Insert variable into Plan").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#configure-parameters [data-value]").nth(1)).to_have_value("")


def test_the_report_follows_a_run_by_itself(page: Page, admin):
    engagement = factories.make_engagement(state="active")
    run = factories.make_run(engagement, state="sending")
    batch = factories.make_batch(run, people=2)
    page.goto(engagement.get_absolute_url())
    expect(page.get_by_text("0 of 2 deliveries done")).to_be_visible()

    delivery_records.settle([batch.pk], Delivery.State.SENT)
    Batch.objects.update(state=Batch.State.DONE, sent_count=2)

    expect(page.get_by_text("2 of 2 deliveries done")).to_be_visible(timeout=15_000)
