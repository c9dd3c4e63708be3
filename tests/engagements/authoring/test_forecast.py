"""What Activate foretells is what becomes of everybody."""

from collections import Counter
from datetime import UTC, datetime, time

import pytest
from django.urls import reverse

from engagements.authoring import forecast
from engagements.authoring.value_widgets import with_fallback
from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement
from segments.models import Membership
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

NAME = "Name of the User"
LONG_AGO = datetime(2020, 1, 1, 3, 7, 11, tzinfo=UTC)
FAR_AWAY = datetime(2900, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """However much else the machine has to do, all are looked at."""
    monkeypatch.setattr(forecast, "SECONDS", 60)


def of_members(people, version=None, **fields) -> Engagement:
    return factories.make_engagement(
        factories.make_segment(people), version, includes_present=True, **fields
    )


def mixed_people():
    return [
        *(factories.make_profile(first_name=f"Ann {n}") for n in range(60)),
        *(factories.make_profile(city="Pune") for n in range(9)),
        *(factories.make_profile(external_id=None, first_name="Bo") for n in range(7)),
        factories.make_profile(first_name={"not": "a text"}),
    ]


def test_it_counts_who_will_be_sent_and_who_skipped_and_why():
    engagement = of_members(mixed_people(), values={NAME: "{{ profile.first_name }}"})

    impact = forecast.activation_impact(engagement)

    assert (impact.people, impact.sends, impact.requests) == (77, 60, 2)
    seen = impact.forecast
    assert seen.is_whole
    counts = {reason.words: reason.count for reason in seen.skipped}
    assert counts == {
        f"“{NAME}” has no value": 9,
        "The person has no external_id": 7,
        f"“{NAME}” has a value that cannot be sent": 1,
    }
    missing = seen.skipped[0]
    assert (missing.is_missing, missing.parameter) == (True, NAME)
    assert len(missing.examples) == forecast.EXAMPLES


@pytest.mark.parametrize(
    ("people", "fields", "requests", "is_about"),
    [
        # All in one request, and nobody at another time.
        (75, {}, 1, False),
        # Nobody is skipped: each batch has somebody, and there are as many requests.
        (76, {}, 2, False),
        (300, {}, 4, False),
        (3, {"trigger": "schedule", "zone_attribute": "zone"}, 1, True),
        (3, {"quiet_from": time(21), "quiet_to": time(8)}, 1, True),
        (0, {"zone_attribute": "zone"}, 0, False),
    ],
)
def test_how_many_requests_it_takes_is_an_estimate_where_it_is_one(
    admin_client, people, fields, requests, is_about
):
    engagement = of_members(factories.make_people(people), **fields)
    impact = forecast.activation_impact(engagement)
    assert (impact.requests, impact.requests_are_about) == (requests, is_about)
    url = reverse("admin:engagements_engagement_activate", args=[engagement.pk])
    about = "about " if is_about else ""
    needed = "request needed" if requests == 1 else "requests needed"
    said = words(admin_client.get(url))
    assert f"<strong>{about}{requests}</strong> {needed}" in said


def test_small_requests_are_counted_as_well():
    version = factories.make_version(batch_combined=2)
    impact = forecast.activation_impact(of_members(factories.make_people(50), version))
    assert (impact.requests, impact.requests_are_about) == (25, False)


@pytest.mark.parametrize(
    ("people", "skipped", "requests", "is_about"),
    [
        (160, 9, 3, False),
        # Who is skipped has a place in a batch all the same: all of the last's may be.
        (160, 10, 3, True),
        (70, 69, 1, False),
    ],
)
def test_who_is_skipped_makes_an_estimate_where_a_batch_may_have_nobody_left(
    people, skipped, requests, is_about
):
    named = [factories.make_profile(first_name="Ann") for _ in range(people - skipped)]
    nameless = [factories.make_profile() for _ in range(skipped)]
    impact = forecast.activation_impact(
        of_members([*named, *nameless], values={NAME: "{{ profile.first_name }}"})
    )
    assert (impact.people, impact.sends) == (people, people - skipped)
    assert (impact.requests, impact.requests_are_about) == (requests, is_about)


@pytest.mark.parametrize(
    ("fields", "is_later"),
    [
        ({"repeat": "once"}, False),
        ({"repeat": "daily"}, False),
        ({"repeat": "daily", "starts_at": LONG_AGO}, True),
        ({"repeat": "once", "starts_at": LONG_AGO}, False),
        ({"repeat": "once", "starts_at": FAR_AWAY}, True),
        ({"repeat": "cron", "cron": "0 9 29 2 *"}, True),
        ({"trigger": "on_entry", "includes_present": True}, False),
    ],
)
def test_it_says_so_where_nothing_is_sent_at_once(admin_client, fields, is_later):
    fields = {"trigger": "schedule", **fields}
    segment = factories.make_segment(people=2)
    engagement = factories.make_engagement(segment, **fields)
    url = reverse("admin:engagements_engagement_activate", args=[engagement.pk])
    said = words(admin_client.get(url))
    assert ("people will be sent, if it ran now" in said) is is_later
    assert "people will be sent" in said


@pytest.mark.parametrize(("ceiling", "is_above"), [(76, True), (77, False)])
def test_a_ceiling_counts_whom_a_run_takes_in_and_not_who_is_sent(
    admin_client, ceiling, is_above
):
    engagement = of_members(
        mixed_people(), values={NAME: "{{ profile.first_name }}"}, ceiling=ceiling
    )
    url = reverse("admin:engagements_engagement_activate", args=[engagement.pk])
    said = words(admin_client.get(url))
    assert "<strong>60</strong> people will be sent" in said
    above = f"It would take in 77 people, above its ceiling of {ceiling}."
    assert (above in said) is is_above


def test_who_is_skipped_leaves_a_request_with_room(braze, sandbox):
    people = [
        factories.make_profile(**({"first_name": "Ann"} if n % 2 else {}))
        for n in range(150)
    ]
    engagement = of_members(
        people,
        factories.make_version(connection=braze),
        values={NAME: "{{ profile.first_name }}"},
    )
    impact = forecast.activation_impact(engagement)
    transitions.activate(engagement)
    loop.work()
    assert (impact.sends, impact.requests) == (75, len(sandbox.requests())) == (75, 2)


def test_what_it_foretells_is_what_happens(braze):
    version = factories.make_version(connection=braze)
    engagement = of_members(
        mixed_people(), version, values={NAME: "{{ profile.first_name }}"}
    )
    impact = forecast.activation_impact(engagement)

    transitions.activate(engagement)
    loop.work()

    states = Counter(Delivery.objects.values_list("state", flat=True))
    assert states == {"sent": impact.sends, "skipped": impact.forecast.skips}
    reasons = Counter(
        reason.partition(":")[0]
        for reason in Delivery.objects.values_list("reason", flat=True)
        if reason
    )
    assert reasons == {"missing_parameter": 9, "no_identifier": 7, "template_error": 1}


def test_who_is_more_than_one_request_takes_is_one_line_that_says_what_to_do():
    carts = [[{"product_id": "pen"}] * size for size in (75, 76, 80, 100)]
    version = factories.make_version(
        {"purchases": "{{Cart}}"}, [factories.parameter("Cart", type="list")]
    )
    engagement = of_members(
        [factories.make_profile(cart=cart) for cart in carts],
        version,
        values={"Cart": "{{ profile.cart }}"},
    )

    (reason,) = forecast.activation_impact(engagement).forecast.skipped

    assert reason.count == 3
    assert reason.words == (
        "More than one request takes (the filters “slice” and “truncate” shorten it)"
    )
    assert "“slice: 0, 75”" in reason.said


def test_of_a_large_audience_a_sample_is_looked_at_and_said_so():
    people = factories.make_people(3 * forecast.SAMPLE)
    # Each third has no name, all over the table.
    for n in range(0, len(people), 3):
        people[n].attributes = {}
    type(people[0]).objects.bulk_update(people[::3], ["attributes"])
    engagement = of_members(people, values={NAME: "{{ profile.first_name }}"})

    seen = forecast.activation_impact(engagement)

    assert not seen.forecast.is_whole
    assert forecast.SAMPLE * 0.8 < seen.forecast.looked_at <= forecast.SAMPLE
    assert seen.people == len(people)
    # A third is skipped; a sample of 2,000 misses it by no more than 5 in a hundred.
    assert abs(seen.sends / len(people) - 2 / 3) < 0.05


def test_what_takes_too_long_is_told_from_those_looked_at_by_then(monkeypatch):
    monkeypatch.setattr(forecast, "SECONDS", 0)
    monkeypatch.setattr(forecast, "STEP", 10)
    engagement = of_members(30, values={NAME: "{{ profile.first_name }}"})

    seen = forecast.activation_impact(engagement)

    assert not seen.forecast.is_whole
    assert seen.people == 30
    assert seen.forecast.looked_at <= 10


def test_a_sample_has_people_of_all_ages():
    people = factories.make_people(2 * forecast.SAMPLE - 1)
    newest = people[forecast.SAMPLE :]
    for person in newest:
        person.attributes = {}
    type(people[0]).objects.bulk_update(newest, ["attributes"])
    engagement = of_members(people, values={NAME: "{{ profile.first_name }}"})

    seen = forecast.activation_impact(engagement)

    assert not seen.forecast.is_whole
    assert abs(seen.sends / len(people) - 1 / 2) < 0.05


def test_the_few_whom_it_has_not_sent_to_are_found_among_many():
    people = factories.make_people(forecast.SAMPLE + 10)
    engagement = of_members(people)
    run = factories.make_run(engagement)
    factories.make_batch(
        run, people[: forecast.SAMPLE], delivery_state="sent", state="done"
    )

    impact = forecast.activation_impact(engagement)

    assert (impact.people, impact.left_out, impact.sends) == (10, forecast.SAMPLE, 10)
    assert impact.forecast.is_whole


def test_whom_it_sends_to_no_more_is_neither_sent_nor_skipped(braze):
    version = factories.make_version(connection=braze)
    ann, bo = factories.make_profile(first_name="A"), factories.make_profile()
    engagement = of_members([ann], version, values={NAME: "{{ profile.first_name }}"})
    transitions.activate(engagement)
    loop.work()
    transitions.end(engagement)
    Membership.objects.create(segment=engagement.segment, profile=bo)

    impact = forecast.activation_impact(engagement)

    assert (impact.people, impact.left_out, impact.sends) == (1, 1, 0)
    assert [reason.examples for reason in impact.forecast.skipped] == [[bo]]


def test_an_entry_engagement_without_those_present_sends_nobody_at_once():
    engagement = factories.make_engagement(factories.make_segment(5))
    assert forecast.activation_impact(engagement).forecast == forecast.NOBODY


def test_a_configuration_that_cannot_be_read_still_opens_the_page():
    engagement = of_members(3, values={NAME: "{{ profile.first_name | nonsense }}"})
    impact = forecast.activation_impact(engagement)
    assert (impact.people, impact.forecast) == (3, forecast.NOBODY)


def test_a_fallback_is_prepared_with_one_click(client):
    engagement = of_members(
        [factories.make_profile()], values={NAME: "{{ profile.first_name }}"}
    )
    factories.make_test(engagement.version)
    client.force_login(factories.make_admin())
    page = client.get(f"/admin/engagements/engagement/{engagement.pk}/activate/")
    text = page.content.decode()
    assert "1 of 1" in text
    link = f"{engagement.get_absolute_url()}?fallback=Name%20of%20the%20User"
    assert link in text

    form = client.get(link).context["form"]

    (field,) = (it for it in form.parameter_inputs if it.parameter.name == NAME)
    assert field.field.value() == '{{ profile.first_name | default: "" }}'
    assert "autofocus" in str(field.field)


@pytest.mark.parametrize(
    ("value", "prepared"),
    [
        ("{{ profile.a }}", '{{ profile.a | default: "" }}'),
        ("{{profile.a|upcase}}", '{{profile.a|upcase | default: "" }}'),
        ('{{ profile.a | default: "x" }}', '{{ profile.a | default: "x" }}'),
        ("Dear {{ profile.a }}", 'Dear {{ profile.a | default: "" }}'),
        ("{{ profile.a }} {{ profile.b }}", "{{ profile.a }} {{ profile.b }}"),
        ("", ""),
    ],
)
def test_where_a_fallback_goes(value, prepared):
    assert with_fallback(value) == prepared
