"""A parameter by another name keeps its settings, and everybody's value for it."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from externalapi.definitions.renames import by_place, places, renames
from tests import factories

pytestmark = pytest.mark.django_db


def version(body, external_api=None, **fields):
    text = body if isinstance(body, str) else json.dumps(body)
    return factories.make_version(text, [], external_api=external_api, **fields)


@pytest.mark.parametrize(
    ("before", "after", "renamed"),
    [
        ({"a": "{{A}}"}, {"a": "{{A}}"}, {}),
        ({"a": "{{A}}"}, {"a": "{{B}}"}, {"B": "A"}),
        ('{"a": {{A}}}', '{"a": {{B}}}', {"B": "A"}),
        # Elsewhere it is another one: one was deleted, and one was added.
        ({"a": "{{A}}"}, {"b": "{{B}}"}, {}),
        ({"a": "{{A}}", "b": "x"}, {"a": "x", "b": "{{B}}"}, {}),
        # One that is still there was not renamed.
        ({"a": "{{A}}", "b": "{{A}}"}, {"a": "{{B}}", "b": "{{A}}"}, {}),
        ({"a": "{{A}}", "b": "{{A}}"}, {"a": "{{B}}", "b": "{{B}}"}, {"B": "A"}),
        # Two that change places keep their names.
        ({"a": "{{A}}", "b": "{{B}}"}, {"a": "{{B}}", "b": "{{A}}"}, {}),
        # Of two that became one, the first.
        ({"a": "{{A}}", "b": "{{B}}"}, {"a": "{{C}}", "b": "{{C}}"}, {"C": "A"}),
        ({"a": "{{A}}", "b": "{{A}}"}, {"a": "{{B}}", "b": "{{C}}"}, {"B": "A"}),
        ({"a": "Hi {{A}} {{B}}"}, {"a": "Hi {{C}} {{B}}"}, {"C": "A"}),
        ({"a": "Hi {{A}} {{B}}"}, {"a": "Hi {{B}} {{C}}"}, {}),
        ({"a": [{"b": "{{A}}"}]}, {"a": [{"b": "{{B}}"}]}, {"B": "A"}),
    ],
)
def test_the_same_place_is_the_same_parameter(before, after, renamed):
    assert by_place(places(version(before)), places(version(after))) == renamed


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/users/{}"},
        {"query": [["id", "{}"]]},
        {"headers": {"X-Id": "{}"}},
        {"body_kind": "form", "body": "id = {}"},
        {"body_kind": "text", "body": "Dear {},"},
    ],
    ids=repr,
)
def test_every_part_of_a_request_has_places(fields):
    def named(name):
        text = json.dumps(fields).replace("{}", f"{{{{{name}}}}}")
        return version(**{"body": "{}", **json.loads(text)})

    assert by_place(places(named("A")), places(named("B"))) == {"B": "A"}


def test_a_name_that_was_changed_twice_leads_to_the_first():
    first = version({"a": "{{A}}"})
    version({"a": "{{B}}"}, first.external_api)
    last = version({"c": "{{B}}", "a": "{{D}}"}, first.external_api)
    assert renames(first, last) == {"B": "A"}
    assert renames(last, first) == {"A": "B"}


# --- On the pages -------------------------------------------------------------------

PLAN = factories.parameter("Plan", required=False, default="free") | {
    "label": "The plan",
    "allowed": ["free", "gold"],
}


@pytest.fixture
def old(braze):
    return factories.make_version(
        {"attributes": [{"external_id": "{{User ID}}", "plan": "{{Plan}}"}]},
        [factories.parameter("User ID", level="identifier"), PLAN],
        connection=braze,
    )


def saved(client, old, plan, **fields):
    """Save the External API with another body; return its page."""
    url = reverse("admin:externalapi_externalapi_change", args=[old.external_api_id])
    body = {"attributes": [{"external_id": "{{User ID}}", **plan}]}
    data = {
        "channel": "customer_data",
        "channel_identifier": "external_id",
        "connection": old.connection_id,
        "method": "POST",
        "path": "/users/track",
        "headers": "Content-Type: application/json",
        "body_kind": "json",
        "body": json.dumps(body),
        "batching": "braze_75_combined",
        **fields,
    }
    return client.post(url, data, follow=True).content.decode()


def test_the_settings_go_along(admin_client, old):
    text = saved(admin_client, old, {"plan": "{{Tariff}}"})
    assert (
        "“Plan” is now “Tariff”. Its settings, and the values of Engagements, go with"
        in text
    )
    old.external_api.refresh_from_db()
    _, tariff = old.external_api.current_version.parameters
    assert tariff == {**PLAN, "name": "Tariff"}
    history = LogEntry.objects.latest("pk").get_change_message()
    assert "“Plan” is now “Tariff”." in history


def test_what_was_typed_in_the_table_at_once_goes_along(admin_client, old):
    rows = {
        "parameters-count": 1,
        "parameters-0-name": "Plan",
        "parameters-0-type": "text",
        "parameters-0-level": "engagement",
        "parameters-0-label": "Just typed",
    }
    saved(admin_client, old, {"plan": "{{Tariff}}"}, **rows)
    old.external_api.refresh_from_db()
    _, tariff = old.external_api.current_version.read_parameters()
    assert (tariff.label, tariff.required) == ("Just typed", False)


def test_one_deleted_and_one_added_are_two(admin_client, old):
    factories.make_engagement(version=old, values={"Plan": "gold"}, name="Lead form")
    text = saved(admin_client, old, {"tariff": "{{Tariff}}"})
    assert "is now" not in text
    assert (
        "No longer asked: “Plan”. These Engagements were made with it: “Lead form”."
        in text
    )
    old.external_api.refresh_from_db()
    _, tariff = old.external_api.current_version.parameters
    assert tariff == factories.parameter("Tariff")


def test_nobody_is_warned_of_what_nobody_uses(admin_client, old):
    assert "No longer asked" not in saved(admin_client, old, {"plan": "gold"})


def test_a_parameter_fixed_now_is_no_longer_asked(admin_client, old):
    factories.make_engagement(version=old, values={"Plan": "gold"}, name="Lead form")
    rows = {
        "parameters-count": 1,
        "parameters-0-name": "Plan",
        "parameters-0-type": "text",
        "parameters-0-level": "fixed",
        "parameters-0-value": "gold",
    }
    text = saved(admin_client, old, {"plan": "{{Plan}}"}, **rows)
    assert "No longer asked: “Plan”." in text


def test_test_cases_and_the_last_test_have_the_new_name_too(admin_client, old, sandbox):
    values = {"User ID": "u-1", "Plan": "gold"}
    case = old.external_api.test_cases.create(name="Gold", values=values)
    page = reverse("admin:externalapi_externalapi_test", args=[old.external_api_id])
    admin_client.post(page, {"p0": "u-1", "p1": "gold"})

    saved(admin_client, old, {"plan": "{{Tariff}}"})

    case.refresh_from_db()
    assert case.values == {**values, "Tariff": "gold"}
    form = admin_client.get(page).context["form"]
    assert form["p1"].value() == "gold"
    run = reverse(
        "admin:externalapi_externalapi_test_cases_run", args=[old.external_api_id]
    )
    admin_client.post(run, {"case": case.pk})
    assert sandbox.user("u-1")["custom_attributes"] == {"plan": "gold"}
