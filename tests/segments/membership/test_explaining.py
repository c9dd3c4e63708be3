"""Why a person is in a segment or not: condition by condition, with what decided."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from segments.membership.explaining import explain
from segments.rules import tree
from tests.factories import make_event, make_profile, make_segment

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
LEAD = {
    "event": "Lead",
    "at_least": 2,
    "where": [{"property": "form", "is": "equals", "value": "demo"}],
}


def test_values_that_decided():
    person = make_profile(city="Goa", first_name="")
    for form in ("demo", "demo", "other"):
        make_event(person, "Lead", form=form)
    make_event(make_profile(), "Lead", form="demo")
    verdict = explain(
        {"all": [PUNE, LEAD, {"attribute": "first_name", "is": "is_missing"}]}, person
    )
    city, lead, name = verdict.parts
    assert (verdict.holds, city.holds, lead.holds, name.holds) == (
        False,
        False,
        True,
        True,
    )
    assert city.shown == 'Theirs is "Goa".'
    assert name.shown == "They have no such value."
    assert lead.shown.startswith("Done 2 times, the last on ")


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        (
            {"event": "Sale", "aggregate": {"of": "amount", "by": "average", "is": "greater", "value": 2}},
            "Average: 2.5.",
        ),
        (
            {"event": "Sale", "aggregate": {"of": "amount", "by": "sum", "is": "greater", "value": 2}},
            "Sum: 1,000.",
        ),
        (
            {"event": "Sale", "aggregate": {"of": "x", "by": "largest", "is": "greater", "value": 2}},
            "Largest: there is no value.",
        ),
        ({"event": "Sale", "pick": "first"}, "The first one of all was on "),
        ({"event": "Sale", "at_most": 2}, "Done 400 times, the last on "),
        ({"event": "Visit", "pick": "last"}, "Never done."),
        ({"sequence": [{"event": "Sale"}, {"event": "Sale"}]}, "Done like that, the last time on "),
        ({"sequence": [{"event": "Sale"}, {"event": "Visit"}]}, "Never done like that: “Sale” 400 times, “Visit” never."),
    ],
)  # fmt: skip
def test_what_was_worked_out_of_events(rule, shown):
    person = make_profile()
    for number in range(400):
        make_event(person, "Sale", amount=2 + number % 2)
    assert explain(rule, person).shown.startswith(shown)


@pytest.mark.parametrize(
    "rule",
    [
        PUNE,
        {"not": PUNE},
        {"not": {"any": [PUNE, {"event": "Sale"}]}},
        {"not": {"all": [PUNE, {"event": "Lead"}]}},
        {"any": [{"all": [{"not": PUNE}, {"event": "Sale"}]}, {"not": {"not": LEAD}}]},
        {"all": [{"attribute": "email", "is": "contains", "value": "@EXAMPLE"}]},
    ],
)
def test_the_whole_says_what_the_rule_says(rule):
    people = [make_profile(city="Pune"), make_profile(city="Goa"), make_profile()]
    for person, name in zip(people, ("Lead", "Sale", "Lead"), strict=True):
        make_event(person, name, form="demo")
        make_event(person, "Lead", form="demo")
    matching = set(tree.people(rule).values_list("pk", flat=True))
    for person in people:
        assert explain(rule, person).holds is (person.pk in matching)


def test_a_figure_of_very_many_digits_is_shown():
    person = make_profile()
    make_event(person, "Sale", amount=10**29)
    make_event(person, "Sale", amount="0.5")
    aggregate = {"of": "amount", "by": "sum", "is": "greater", "value": 2}
    shown = explain({"event": "Sale", "aggregate": aggregate}, person).shown
    assert shown == f"Sum: {10**29:,}.5."


def test_groups_are_named():
    none = explain({"not": {"any": [PUNE, LEAD]}}, make_profile())
    assert (none.text, none.holds, len(none.parts)) == ("None of these", True, 2)
    assert explain({"not": {"all": [PUNE]}}, make_profile()).text == "Not: all of these"


def test_the_page(client, admin_client, django_user_model):
    ann, bob = (
        make_profile(external_id="ann", city="Pune"),
        make_profile(external_id="bob"),
    )
    make_profile(external_id="bobby")
    segment = make_segment([ann], rule=PUNE)
    url = reverse("admin:segments_segment_explanation", args=[segment.pk])
    page = admin_client.get(url, {"person": "ann"}).content.decode()
    assert "is in it, since" in page
    assert "Theirs is &quot;Pune&quot;." in page
    assert "is not in it" in admin_client.get(url, {"id": bob.pk}).content.decode()
    assert "is not in it" in admin_client.get(url, {"person": "bob"}).content.decode()
    assert (
        "Several are found" in admin_client.get(url, {"person": "bo"}).content.decode()
    )
    assert "Nobody is found" in admin_client.get(url, {"person": "x"}).content.decode()
    assert admin_client.get(url, {"id": "9" * 30}).status_code == 200

    ann.attributes = {"city": "Goa"}
    ann.save()
    assert (
        "leave at the next count"
        in admin_client.get(url, {"id": ann.pk}).content.decode()
    )
    segment.is_active = False
    segment.save()
    page = admin_client.get(url, {"id": ann.pk}).content.decode()
    assert "The segment is paused: nobody enters or leaves" in page
    segment.is_draft = True
    segment.save()
    page = admin_client.get(url, {"id": ann.pk}).content.decode()
    assert "The segment is a draft" in page

    user = django_user_model.objects.create_user("s", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_segment"))
    client.force_login(user)
    assert client.get(url).status_code == 403


def test_what_is_not_to_hold_is_one_sentence():
    found = explain({"not": {"event": "Lead"}}, make_profile())
    assert (found.text, found.holds, found.parts) == ("did not do “Lead”", True, ())
    assert found.shown == "Never done like that."
    assert not explain({"not": PUNE}, make_profile(city="Pune")).holds
