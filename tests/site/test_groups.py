"""The groups that a new installation starts with."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.urls import reverse

from lemnisk_braze import groups
from tests import factories

pytestmark = pytest.mark.django_db


def names(group: str) -> set[str]:
    permissions = Group.objects.get(name=group).permissions
    return {
        f"{app}.{codename}"
        for app, codename in permissions.values_list(
            "content_type__app_label", "codename"
        )
    }


def migrate_again():
    call_command("migrate", verbosity=0)


def test_whoever_saw_people_s_data_before_an_upgrade_goes_on_to():
    """As migration 0010 found a site of 0.1.0."""
    keep_in_sight = import_module("segments.migrations.0010_erasures").keep_in_sight
    seeing = Permission.objects.get(codename="view_profile")
    clear = Permission.objects.get(codename="view_personal_data")
    clear.delete()
    analyst, other = Group.objects.get(name="Analyst"), Group.objects.create(name="x")
    user = factories.make_user()
    user.user_permissions.add(seeing)
    keep_in_sight(apps, None)
    assert "segments.view_personal_data" in names(analyst.name)
    assert names(other.name) == set()
    assert user.has_perm("segments.view_personal_data")
    assert {
        g.name for g in Group.objects.filter(permissions__codename="view_personal_data")
    } == {g.name for g in Group.objects.filter(permissions=seeing)}


def test_every_group_exists_after_migrate():
    found = set(Group.objects.values_list("name", flat=True))
    assert found == {"Marketer", "Approver", "Engineer", "Analyst", "Administrator"}


@pytest.mark.parametrize(
    ("permission", "who"),
    [
        # Building and testing
        ("externalapi.change_externalapi", "Marketer Engineer"),
        ("externalapi.test_externalapi", "Marketer Engineer"),
        ("segments.change_segment", "Marketer"),
        ("segments.add_import", "Marketer Engineer"),
        ("engagements.change_engagement", "Marketer"),
        # Going live, and stopping
        ("engagements.activate_engagement", "Approver"),
        ("engagements.pause_engagement", "Approver Engineer"),
        ("engagements.resend_engagement", "Approver Engineer"),
        # The engine as a whole
        ("engagements.operate_delivery", "Engineer"),
        # Connections, keys and sources
        ("externalapi.change_connection", "Engineer"),
        ("externalapi.use_secret", "Engineer"),
        ("segments.add_source", "Engineer"),
        # Reading
        ("segments.view_profile", "Marketer Approver Engineer Analyst"),
        ("engagements.view_delivery", "Marketer Approver Engineer Analyst"),
        # People's data, unmasked; and what few should do with them
        ("segments.view_personal_data", "Marketer Engineer"),
        ("segments.export_profile", ""),
        ("segments.erase_profile", ""),
        ("engagements.export_delivery", "Marketer"),
        # People's accounts
        ("auth.change_user", ""),
        ("auth.change_group", ""),
    ],
)
def test_a_permission_belongs_to_these_groups(permission, who):
    having = {name for name in groups.GROUPS if permission in names(name)}
    assert having == {*who.split(), "Administrator"}


def test_an_administrator_may_do_all_that_the_others_may():
    others = [names(name) for name in groups.GROUPS if name != "Administrator"]
    assert names("Administrator") >= set().union(*others)


def test_every_name_in_the_table_is_a_permission():
    for name, wanted in groups.GROUPS.items():
        assert names(name) == set(wanted)


def test_an_analyst_only_reads():
    assert all(".view_" in name for name in names("Analyst"))


def test_nobody_who_activates_may_change_what_is_activated():
    """Four eyes: of all groups but the administrators', none has both."""
    for name in groups.GROUPS.keys() - {"Administrator"}:
        both = {"engagements.change_engagement", "engagements.activate_engagement"}
        assert not both <= names(name), name


def test_nobody_who_resumes_may_change_values_during_a_pause():
    for name in groups.GROUPS.keys() - {"Administrator"}:
        both = {"engagements.change_engagement", "engagements.pause_engagement"}
        assert not both <= names(name), name


def test_what_an_administrator_changed_stays_after_the_next_migrate():
    group = Group.objects.get(name="Analyst")
    kept = Permission.objects.get(codename="view_segment")
    group.permissions.set([kept])
    migrate_again()
    assert list(group.permissions.all()) == [kept]


def test_what_a_version_brings_is_given_to_the_groups_that_are_there():
    """As a site from before there was an export of a segment's people."""
    before = {name: names(name) for name in groups.GROUPS}
    Permission.objects.get(codename="export_members").delete()
    approver = Group.objects.get(name="Approver")
    approver.permissions.remove(Permission.objects.get(codename="view_event"))
    own = Group.objects.create(name="Braze team")
    migrate_again()
    assert "segments.export_members" in names("Marketer")
    assert names("Approver") == before["Approver"] - {"segments.view_event"}
    for name in ("Marketer", "Engineer", "Analyst", "Administrator"):
        assert names(name) == before[name]
    assert names(own.name) == set()


def test_a_group_that_is_gone_is_made_again():
    before = names("Engineer")
    Group.objects.get(name="Engineer").delete()
    migrate_again()
    assert names("Engineer") == before


# --- Users ----------------------------------------------------------------------


@pytest.fixture
def administrator(client):
    user = factories.make_user()
    user.groups.add(Group.objects.get(name="Administrator"))
    client.force_login(user)
    return user


def user_data(user, **fields):
    return {"username": user.username, "is_active": "on", "is_staff": "on", **fields}


def test_an_administrator_puts_a_person_into_a_group(client, administrator):
    user = factories.make_user()
    marketer = Group.objects.get(name="Marketer")
    url = reverse("admin:auth_user_change", args=[user.pk])
    client.post(url, user_data(user, groups=[marketer.pk]))
    assert list(user.groups.all()) == [marketer]


def test_an_administrator_cannot_make_a_superuser(client, administrator):
    url = reverse("admin:auth_user_change", args=[administrator.pk])
    answer = client.post(
        url,
        user_data(
            administrator,
            is_superuser="on",
            groups=[group.pk for group in administrator.groups.all()],
        ),
    )
    administrator.refresh_from_db()
    assert answer.status_code == 302
    assert not administrator.is_superuser


def test_an_administrator_cannot_touch_a_superuser(client, administrator):
    superuser = factories.make_admin(password="secret")
    change = reverse("admin:auth_user_change", args=[superuser.pk])
    delete = reverse("admin:auth_user_delete", args=[superuser.pk])
    password = reverse("admin:auth_user_password_change", args=[superuser.pk])
    new = {"password1": "a-new-Pa55word", "password2": "a-new-Pa55word"}
    assert client.post(change, user_data(superuser)).status_code == 403
    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert client.post(password, new).status_code == 403
    superuser.refresh_from_db()
    assert superuser.check_password("secret")


def test_an_administrator_cannot_delete_a_superuser_among_others(client, administrator):
    superuser, user = factories.make_admin(), factories.make_user()
    client.post(
        reverse("admin:auth_user_changelist"),
        {
            "action": "delete_selected",
            "_selected_action": [superuser.pk, user.pk],
            "post": "yes",
        },
    )
    superuser.refresh_from_db()
    assert superuser.is_active
