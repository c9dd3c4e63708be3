"""Versions, restore, duplicate, archive: what happens to an External API over time."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from externalapi.definitions.archive import StillUsedError, archive
from externalapi.definitions.versions import Draft, duplicate, save_version
from externalapi.models import ExternalAPI
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db


def url(page: str, external_api: ExternalAPI) -> str:
    return reverse(f"admin:externalapi_externalapi_{page}", args=[external_api.pk])


def history(external_api: ExternalAPI) -> list[str]:
    entries = LogEntry.objects.filter(object_id=external_api.pk).order_by("pk")
    return [entry.get_change_message() for entry in entries]


@pytest.fixture
def api():
    """An External API with the versions 1 (/one) and 2 (/two)."""
    first = factories.make_version(path="/one")
    factories.make_version(
        path="/two", external_api=first.external_api, connection=first.connection
    )
    return first.external_api


# --- Status -------------------------------------------------------------------------


def test_it_is_a_draft_until_a_test_of_the_current_version_succeeds(api):
    old, current = api.versions.order_by("number")
    factories.make_test(old)
    factories.make_test(current, is_success=False)
    assert api.find_status() == "draft"
    factories.make_test(current)
    assert api.find_status() == "tested"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("draft", "tested"),
        ("active", "live"),
        ("paused", "tested"),
        ("blocked", "tested"),
        ("ended", "tested"),
    ],
)
def test_it_is_live_while_an_active_engagement_uses_any_version(api, state, status):
    old, current = api.versions.order_by("number")
    factories.make_test(current)
    factories.make_engagement(version=old, state=state)
    assert api.find_status() == status


def test_the_list_shows_the_status_and_hides_what_is_archived(client, api):
    client.force_login(factories.make_admin())
    gone = factories.make_version().external_api
    archive(gone)
    address = reverse("admin:externalapi_externalapi_changelist")
    listed = {
        query: {
            str(one) for one in client.get(f"{address}{query}").context["cl"].queryset
        }
        for query in ("", "?status=archived", "?status=all", "?status=draft")
    }
    assert listed == {
        "": {api.name},
        "?status=archived": {gone.name},
        "?status=all": {api.name, gone.name},
        "?status=draft": {api.name},
    }


# --- Versions -----------------------------------------------------------------------


def test_the_versions_page_says_what_each_changed_and_who_uses_it(client, api):
    client.force_login(factories.make_admin())
    old, current = api.versions.order_by("number")
    factories.make_test(old)
    engagement = factories.make_engagement(version=old, name="Spring letter")
    answer = client.get(url("versions", api))
    newest, first = answer.context["rows"]
    assert (newest.changed, newest.is_current, newest.is_tested) == (
        "Path",
        True,
        False,
    )
    assert (first.changed, first.is_current, first.is_tested) == ("", False, True)
    assert [use.name for use in first.uses] == [engagement.name]
    page = answer.content.decode()
    assert f'href="{engagement.get_absolute_url()}"' in page
    assert "<del>one</del>" in page
    assert "<ins>two</ins>" in page


def test_any_two_versions_can_be_compared(client, api):
    client.force_login(factories.make_admin())
    current = api.current_version
    factories.make_version(
        path="/three", external_api=api, connection=current.connection
    )
    answer = client.get(url("versions", api), {"old": "3", "new": "1"})
    shown = answer.context["comparison"]
    assert (shown.old.number, shown.new.number) == (3, 1)
    for nonsense in ("x", "99", "-1", ""):
        shown = client.get(url("versions", api), {"old": nonsense}).context[
            "comparison"
        ]
        assert (shown.old.number, shown.new.number) == (2, 3)


def test_the_number_of_queries_does_not_grow_with_the_versions(
    client, api, django_assert_max_num_queries
):
    client.force_login(factories.make_admin())
    for number in range(12):
        version = factories.make_version(path=f"/{number}", external_api=api)
        factories.make_engagement(version=version)
    with django_assert_max_num_queries(12):
        client.get(url("versions", api))


def test_restoring_makes_a_new_version_with_the_old_content(client, api):
    user = factories.make_admin(username="ada")
    client.force_login(user)
    address = url("restore", api)
    page = client.get(address, {"version": 1}).content.decode()
    assert "<ins>one</ins>" in page
    assert api.versions.count() == 2
    client.post(address, {"version": 1, "why": "Two was  slow."})
    api.refresh_from_db()
    version = api.current_version
    assert (version.number, version.path) == (3, "/one")
    assert version.created_by == user
    assert version.note == "Version 1 restored. Why: Two was slow."
    assert history(api) == ["Version 3: Version 1 restored. Why: Two was slow."]


def test_restoring_what_is_there_already_makes_no_version(client, api):
    client.force_login(factories.make_admin())
    save_version(api, Draft.of(api.current_version), None)
    number = api.versions.count()
    current = api.current_version.number
    answer = client.post(url("restore", api), {"version": current}, follow=True)
    assert api.versions.count() == number
    assert "says the same already" in answer.content.decode()
    assert history(api) == []


@pytest.mark.parametrize("number", ["99", "9999999999999999999"])
def test_a_version_that_is_not_there_cannot_be_restored(client, api, number):
    client.force_login(factories.make_admin())
    client.post(url("restore", api), {"version": number})
    assert api.versions.count() == 2


# --- Duplicate ----------------------------------------------------------------------


def test_a_copy_has_all_of_the_current_version_and_a_name_of_its_own(client, api):
    user = factories.make_admin()
    client.force_login(user)
    ExternalAPI.objects.filter(pk=api.pk).update(
        description="About leads", channel="crm", channel_identifier="email"
    )
    assert client.get(url("duplicate", api)).status_code == 200
    assert ExternalAPI.objects.count() == 1
    api.test_cases.create(name="Ann", values={"Name": "Ann"}, outcome="refused")
    client.post(url("duplicate", api), {"why": "For the US"})
    copy = ExternalAPI.objects.get(name=f"Copy of {api.name}")
    assert (copy.description, copy.channel, copy.channel_identifier) == (
        "About leads",
        "crm",
        "email",
    )
    assert copy.current_version.number == 1
    assert Draft.of(copy.current_version) == Draft.of(api.current_version)
    assert copy.find_status() == "draft"
    case = copy.test_cases.get()
    assert (case.name, case.values, case.outcome) == ("Ann", {"Name": "Ann"}, "refused")
    assert history(copy) == [f"Duplicated from “{api.name}”. Why: For the US"]


def test_the_name_of_a_copy_is_free_and_fits(api):
    ExternalAPI.objects.filter(pk=api.pk).update(name="x" * 255)
    api.refresh_from_db()
    names = [duplicate(api, None).name for _ in range(3)]
    assert names == [
        "Copy of " + "x" * 247,
        "Copy of " + "x" * 243 + " (2)",
        "Copy of " + "x" * 243 + " (3)",
    ]


# --- Archive ------------------------------------------------------------------------


def test_archiving_is_undone_by_unarchiving(client, api):
    client.force_login(factories.make_admin())
    factories.make_engagement(version=api.current_version, state="ended")
    client.post(url("archive", api), {"why": "Old"})
    assert api.find_status() == "archived"
    page = client.get(api.get_absolute_url()).content.decode()
    assert "until somebody unarchives it" in page
    client.post(url("archive", api))
    client.post(url("unarchive", api))
    assert api.find_status() == "draft"
    assert history(api) == ["Archived. Why: Old", "Unarchived."]


@pytest.mark.parametrize("state", ["active", "paused", "blocked"])
def test_what_engagements_are_at_work_with_cannot_be_archived(client, api, state):
    client.force_login(factories.make_admin())
    engagement = factories.make_engagement(
        version=api.versions.get(number=1), state=state
    )
    page = words(client.get(url("archive", api)))
    assert engagement.get_absolute_url() in page
    assert '<button type="submit" class="lb-button' not in page
    answer = client.post(url("archive", api), follow=True)
    assert "Nothing was archived." in answer.content.decode()
    with pytest.raises(StillUsedError) as caught:
        archive(api)
    assert [use.name for use in caught.value.uses] == [engagement.name]
    assert api.find_status() != "archived"


def test_where_it_is_used(client, api):
    client.force_login(factories.make_admin())
    assert "No Engagement uses it yet" in words(client.get(url("used", api)))
    engagement = factories.make_engagement(version=api.versions.get(number=1))
    page = words(client.get(url("used", api)))
    assert engagement.name in page
    assert "the current one is 2" in page


# --- History ------------------------------------------------------------------------


def test_a_save_is_in_the_history_in_words(client, api):
    client.force_login(factories.make_admin())
    form = client.get(api.get_absolute_url()).context["adminform"].form
    posted = {
        name: form.fields[name].prepare_value(form[name].value())
        for name in form.fields
        if name != "parameters" and form[name].value() is not None
    }
    posted |= {"description": "Leads", "path": "/three", "note": "Asked by CRM"}
    client.post(api.get_absolute_url(), posted)
    api.refresh_from_db()
    assert api.current_version.note == "Asked by CRM"
    assert history(api) == ["Changed: Description. Version 3: Path. Why: Asked by CRM"]
    page = client.get(url("history", api)).content.decode()
    assert "Version 3: Path. Why: Asked by CRM" in page
