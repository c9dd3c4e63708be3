"""The page that moves engagements to another version of their External API."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from engagements.admin.version_upgrade import _field
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

USER = factories.parameter("User ID", level="identifier")
NAME = factories.parameter("Name")
PLAN = factories.parameter("Plan")


def body(**attributes):
    return {"attributes": [{"external_id": "{{User ID}}", **attributes}]}


@pytest.fixture
def old(braze):
    return factories.make_version(
        body(first_name="{{Name}}"), [USER, NAME], connection=braze
    )


@pytest.fixture
def new(old):
    """It asks for a plan too."""
    return factories.make_version(
        body(first_name="{{Name}}", plan="{{Plan}}"),
        [USER, NAME, PLAN],
        external_api=old.external_api,
        connection=old.connection,
    )


@pytest.fixture
def harmless(old):
    """It says more, and asks for nothing new."""
    return factories.make_version(
        body(first_name="{{Name}}", language="en"),
        [USER, NAME],
        external_api=old.external_api,
        connection=old.connection,
    )


def engaged(old, people=1, **fields):
    segment = factories.make_segment(factories.make_people(people))
    values = {"Name": "{{ profile.first_name }}"}
    return factories.make_engagement(segment, old, values=values, **fields)


def url(version):
    return reverse("admin:engagements_engagement_move", args=[version.external_api_id])


def versions(*engagements):
    for engagement in engagements:
        engagement.refresh_from_db()
    return [engagement.version.number for engagement in engagements]


def test_it_shows_what_would_change_for_a_real_person(admin_page, old, harmless):
    engagement = engaged(old)
    page = admin_page.get(url(old))
    (row,) = page.context["rows"]
    assert row.move.kept == ("Name",)
    assert row.is_chosen
    html = page.content.decode()
    person = engagement.segment.memberships.get().profile
    assert f"What {person} would get" in html
    assert "<ins>" in html
    assert "language" in html


def test_it_asks_once_more_and_then_moves_them_all(admin_page, old, harmless):
    first, second = engaged(old, 2), engaged(old, 3, state="active")
    chosen = {"engagement": [first.pk, second.pk], "version": harmless.number}
    page = admin_page.post(url(old), chosen)
    assert page.context["is_confirming"]
    assert page.context["people"] == 5
    assert "Move 2 Engagements" in page.content.decode()
    assert versions(first, second) == [1, 1]
    answer = admin_page.post(url(old), chosen | {"_confirm": "1", "why": "Language"})
    assert answer.url == reverse(
        "admin:externalapi_externalapi_used", args=[old.external_api_id]
    )
    assert versions(first, second) == [2, 2]
    said = LogEntry.objects.filter(object_id=str(first.pk)).get().get_change_message()
    assert said == "Moved from version 1 to version 2. Why: Language"


def test_a_person_of_two_segments_counts_once(admin_page, old, harmless):
    people = factories.make_people(2)
    engagements = [
        factories.make_engagement(
            factories.make_segment(people), old, values={"Name": "x"}
        )
        for _ in range(2)
    ]
    page = admin_page.post(url(old), {"engagement": [e.pk for e in engagements]})
    assert page.context["people"] == 2


def test_one_that_is_not_chosen_stays(admin_page, old, harmless):
    first, second = engaged(old), engaged(old)
    admin_page.post(url(old), {"engagement": [first.pk], "_confirm": "1"})
    assert versions(first, second) == [2, 1]


def test_choosing_none_says_so(admin_page, old, harmless):
    engaged(old)
    page = admin_page.post(url(old), {"version": 2})
    assert "Choose at least one Engagement." in page.content.decode()


def test_a_value_that_is_needed_is_asked_for_and_kept_as_it_was_typed(
    admin_page, old, new
):
    engagement, other = engaged(old, name="A"), engaged(old, name="B")
    first, _ = admin_page.get(url(old)).context["rows"]
    assert not first.is_chosen
    assert [item.parameter.name for item in first.inputs] == ["Plan"]
    chosen = {
        "engagement": [engagement.pk, other.pk],
        _field(engagement, "Plan"): "{{ profile.plan",
        _field(other, "Plan"): "gold",
    }
    page = admin_page.post(url(old), chosen | {"_confirm": "1"})
    assert versions(engagement, other) == [1, 1]
    html = page.content.decode()
    assert 'value="{{ profile.plan"' in html
    assert 'value="gold"' in html
    assert 'aria-invalid="true"' in html
    chosen[_field(engagement, "Plan")] = "silver"
    page = admin_page.post(url(old), chosen)
    assert page.context["is_confirming"]
    assert 'value="silver"' in page.content.decode()
    admin_page.post(url(old), chosen | {"_confirm": "1"})
    assert versions(engagement, other) == [2, 2]
    assert engagement.values == {"Name": "{{ profile.first_name }}", "Plan": "silver"}
    said = LogEntry.objects.get(object_id=str(engagement.pk)).get_change_message()
    assert said == "Moved from version 1 to version 2. Value given: Plan."


def test_it_moves_to_an_older_version_too(admin_page, old, harmless):
    engagement = engaged(harmless)
    page = admin_page.get(url(old), {"version": 1})
    assert page.context["version"] == old
    admin_page.post(
        url(old), {"version": 1, "engagement": [engagement.pk], "_confirm": "1"}
    )
    assert versions(engagement) == [1]


def test_ended_ones_and_those_that_have_it_are_not_on_the_page(
    admin_page, old, harmless
):
    engaged(old, state="ended")
    engaged(harmless)
    page = admin_page.get(url(old))
    assert page.context["rows"] == []
    assert "has version 2 already" in page.content.decode()


@pytest.mark.parametrize("number", ["0", "99", "9999999999999"])
def test_a_version_that_is_not_there(admin_page, old, harmless, number):
    answer = admin_page.get(url(old), {"version": number})
    assert answer.status_code == (200 if len(number) > 9 else 404)


@pytest.mark.parametrize(
    ("group", "status", "after"),
    [
        # The draft's version, the active one's
        ("Marketer", 302, [2, 1]),
        ("Approver", 302, [1, 2]),
        ("Administrator", 302, [2, 2]),
        ("Engineer", 403, [1, 1]),
        ("Analyst", 403, [1, 1]),
    ],
)
def test_what_is_live_is_moved_by_those_who_may_activate(
    client, old, harmless, group, status, after
):
    draft, active = engaged(old), engaged(old, state="active")
    user = factories.make_user()
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    assert client.get(url(old)).status_code == (200 if status == 302 else 403)
    everything = {"engagement": [draft.pk, active.pk], "_confirm": "1"}
    assert client.post(url(old), everything).status_code == status
    assert versions(draft, active) == after


def test_it_needs_the_form_that_it_is_on(old, harmless):
    engagement = engaged(old)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.make_admin())
    everything = {"engagement": [engagement.pk], "_confirm": "1"}
    assert strict.post(url(old), everything).status_code == 403
    assert versions(engagement) == [1]


def test_people_are_shown_to_those_who_may_see_people(client, old, harmless):
    engagement = engaged(old)
    person = engagement.segment.memberships.get().profile
    client.force_login(
        factories.make_user(
            "engagements.change_engagement", "engagements.view_engagement"
        )
    )
    assert str(person) not in client.get(url(old)).content.decode()


def test_an_engagement_that_is_behind_says_so(admin_page, old, harmless):
    said = "A newer version exists"
    behind, current = engaged(old), engaged(harmless)
    assert said in words(admin_page.get(behind.get_absolute_url()))
    assert said not in words(admin_page.get(current.get_absolute_url()))
    used = reverse("admin:externalapi_externalapi_used", args=[old.external_api_id])
    assert url(old) in words(admin_page.get(used))


@pytest.fixture
def renamed(old):
    """The same request; its parameter has another name."""
    return factories.make_version(
        body(first_name="{{First name}}"),
        [USER, factories.parameter("First name")],
        external_api=old.external_api,
        connection=old.connection,
    )


def test_a_renamed_parameter_brings_its_value_and_can_have_another(
    admin_page, old, renamed
):
    keeps, changes = engaged(old), engaged(old)
    page = words(admin_page.get(url(old)))
    assert "is now</span> First name, with its value" in page
    field = _field(changes, "First name")
    assert f'name="{field}" value="{{{{ profile.first_name }}}}"' in page
    data = {
        "engagement": [keeps.pk, changes.pk],
        _field(keeps, "First name"): "{{ profile.first_name }}",
        field: "Ann",
    }
    admin_page.post(url(old), {**data, "_confirm": "1"})
    for engagement, value, said in (
        (keeps, "{{ profile.first_name }}", False),
        (changes, "Ann", True),
    ):
        engagement.refresh_from_db()
        assert engagement.values == {"First name": value}
        history = LogEntry.objects.get(object_id=engagement.pk).get_change_message()
        assert "Renamed: Name is now First name." in history
        assert ("Value given" in history) is said


def test_a_value_that_goes_is_shown_before_it_goes(admin_page, old):
    factories.make_version(
        body(language="en"),
        [USER],
        external_api=old.external_api,
        connection=old.connection,
    )
    engaged(old)
    page = words(admin_page.get(url(old)))
    assert "Name, whose value goes: <code>{{ profile.first_name }}</code>" in page
