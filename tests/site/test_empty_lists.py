"""Each list without rows: its own words, and one thing to do."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from lemnisk_braze.dashboard import empty_lists
from tests import factories

pytestmark = pytest.mark.django_db
LISTS = [model for model in admin.site._registry if model._meta.app_label != "auth"]


def list_url(model):
    return reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")


@pytest.mark.parametrize("model", LISTS)
def test_each_list_has_words_and_one_way_of_its_own(admin_client, model):
    words = empty_lists.WORDS[model._meta.label]
    page = admin_client.get(list_url(model)).text.split("site-empty", 1)[1]
    assert words.title in page
    assert words.text[:40] in page
    assert page.split("</div>")[0].count("<a ") == 1


def test_no_two_lists_say_the_same():
    said = [words.title for words in empty_lists.WORDS.values()]
    assert len({*said}) == len(said)


@pytest.mark.parametrize("model", [*admin.site._registry])
def test_a_search_without_a_result_is_no_empty_list(admin_client, model):
    found = admin_client.get(f"{list_url(model)}?q=zzz")
    if not admin.site.get_model_admin(model).get_search_fields(found.wsgi_request):
        return
    part = found.text.split("site-empty", 1)[1]
    assert "Nothing is found for “zzz”. The search takes: " in part
    assert f"Show all {model._meta.verbose_name_plural}" in part


def test_who_may_not_do_it_reads_who_does(client):
    user = factories.make_user()
    user.groups.add(Group.objects.get(name="Analyst"))
    client.force_login(user)
    page = client.get("/admin/segments/segment/").text
    assert "Somebody in the group Marketer builds it." in page
    assert "/segments/segment/add/" not in page


def test_archived_external_apis_are_a_press_away(admin_client):
    api = factories.make_external_api(archived_at=timezone.now())
    page = admin_client.get("/admin/externalapi/externalapi/").text
    assert "All External APIs are archived." in page
    assert (
        api.name in admin_client.get("/admin/externalapi/externalapi/?status=all").text
    )


def test_beyond_its_end_a_list_leads_back(admin_client):
    run = factories.make_run()
    page = admin_client.get(f"/admin/engagements/run/?older={run.pk}").text
    assert "There is nothing on this page" in page
