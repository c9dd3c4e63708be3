"""Every page and every button of the admin, walked by every group.

The tables say who may; everybody else signed in gets 403, and who is not signed in is
led to the sign-in page. A page that is in no table fails the test.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, reverse

from engagements.authoring.forms import EngagementForm
from engagements.models import (
    Attempt,
    Batch,
    Delivery,
    Engagement,
    FrequencyCap,
    Run,
    Suppression,
)
from externalapi.definitions.archive import archive
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from lemnisk_braze import groups
from segments.membership import rule_changes
from segments.models import (
    DictionaryEntry,
    Erasure,
    Event,
    Import,
    InboxRequest,
    Profile,
    Segment,
    Source,
    SourceQuery,
    UploadedList,
    WatchedFolder,
)
from tests import factories, kept
from tests.site.world import World, prefix

pytestmark = pytest.mark.django_db

# Marketer, approVer, Engineer, Analyst, aDministrator, and "-": staff without a group.
LETTERS = {
    "M": "Marketer",
    "V": "Approver",
    "E": "Engineer",
    "A": "Analyst",
    "D": "Administrator",
    "-": None,
}

# Who may look at the list, a row and its history; who may add, change and delete.
MODELS: dict[type[Model], tuple[str, str, str, str]] = {
    #               look     add    change delete
    Connection: ("MVEAD", "ED", "ED", "ED"),
    ExternalAPI: ("MVEAD", "MED", "MED", "ED"),
    Segment: ("MVEAD", "MD", "MD", "MD"),
    Source: ("ED", "ED", "ED", "ED"),
    Engagement: ("MVEAD", "MD", "MD", "MD"),
    # Whoever builds adds; to take somebody off lets engagements send to them.
    Suppression: ("MVEAD", "MD", "", "VD"),
    FrequencyCap: ("MVEAD", "VD", "VD", "VD"),
    SourceQuery: ("ED", "ED", "ED", "ED"),
    WatchedFolder: ("ED", "ED", "ED", "ED"),
    Import: ("MED", "MED", "", ""),
    UploadedList: ("MVEAD", "MED", "", "MD"),
    Erasure: ("D", "D", "", ""),
    # What is said of a name; the names come by themselves.
    DictionaryEntry: ("MVEAD", "", "MED", ""),
    User: ("D", "D", "D", "D"),
    Group: ("D", "D", "D", "D"),
    # What happened is only ever read.
    Profile: ("MVEAD", "", "", ""),
    Event: ("MVEAD", "", "", ""),
    InboxRequest: ("ED", "", "", ""),
    Run: ("MVEAD", "", "", ""),
    Batch: ("MVEAD", "", "", ""),
    Delivery: ("MVEAD", "", "", ""),
    Attempt: ("MVEAD", "", "", ""),
}
# Further pages of a row, which show or ask and change nothing.
PAGES = {
    "externalapi_connection_key": "ED",
    "externalapi_externalapi_test": "MED",
    "externalapi_externalapi_versions": "MVEAD",
    "externalapi_externalapi_used": "MVEAD",
    "externalapi_externalapi_restore": "MED",
    "externalapi_externalapi_export": "MVEAD",
    "externalapi_externalapi_duplicate": "MED",
    "externalapi_externalapi_archive": "MED",
    "externalapi_externalapi_unarchive": "MED",
    "externalapi_externalapi_test_history": "MED",
    "externalapi_externalapi_test_cases": "MED",
    "segments_source_add_key": "ED",
    "segments_source_now": "ED",
    "segments_source_test": "ED",
    "segments_profile_erase": "D",
    "segments_profile_export": "D",
    "segments_segment_proposal": "MVEAD",
    "segments_segment_explanation": "MED",
    "segments_segment_live": "MD",
    "segments_segment_pause": "MD",
    "segments_segment_archive": "MD",
    "segments_segment_unarchive": "MD",
    "segments_segment_restore": "MD",
    "segments_segment_suppression": "MD",
    "segments_segment_duplicate": "MD",
    "segments_segment_fixed": "MD",
    "segments_segment_versions": "MVEAD",
    "segments_segment_used": "MVEAD",
    "segments_segment_sizes": "MVEAD",
    "segments_segment_export": "MD",
    "segments_import_now": "MED",
    "segments_import_bad": "MED",
    "segments_uploadedlist_upload": "MED",
    "segments_uploadedlist_read": "MVEAD",
    "segments_uploadedlist_now": "MVEAD",
    "segments_uploadedlist_unmatched": "MED",
    "engagements_engagement_report": "MVEAD",
    "engagements_engagement_resend_all": "ED",
    "engagements_engagement_mark_all_sent": "ED",
    "engagements_engagement_person": "MED",
    "engagements_engagement_activate": "VD",
    # Answered by whoever may activate: tests/engagements/lifecycle/test_approval.py
    "engagements_engagement_approval": "MVEAD",
    "engagements_engagement_duplicate": "MD",
    # Nobody of these asked for it.
    "engagements_engagement_withdraw": "MD",
    "engagements_engagement_go_on": "VD",
    "engagements_engagement_pause": "VED",
    "engagements_engagement_resume": "VED",
    "engagements_engagement_resync": "VD",
    "engagements_engagement_winner": "VD",
    "engagements_engagement_end": "VED",
    "engagements_run_cancel": "VED",
    "engagements_batch_resend": "VED",
    "engagements_batch_mark_sent": "VED",
    "auth_user_password_change": "D",
}
# Buttons: who may press, and the row's state before and after.
ACTS = {
    "engagements_engagement_activate": ("VD", "draft", "active"),
    "engagements_engagement_pause": ("VED", "active", "paused"),
    "engagements_engagement_resume": ("VED", "paused", "active"),
    "engagements_engagement_end": ("VED", "active", "ended"),
    "engagements_run_cancel": ("VED", "sending", "cancelled"),
    "engagements_batch_resend": ("VED", "uncertain", "pending"),
    "engagements_batch_mark_sent": ("VED", "uncertain", "done"),
}
# Who may is led back to the row's page: a draft has nothing to pause, and nobody said
# which version to restore.
LED_BACK = {
    "externalapi_externalapi_restore",
    "segments_source_test",
    # It is live, and not archived.
    "segments_segment_live",
    "segments_segment_unarchive",
    "segments_segment_restore",
    "engagements_engagement_pause",
    "engagements_engagement_resume",
    # One that compares nothing has nothing to forget.
    "engagements_engagement_resync",
    # And one without variants has no winner.
    "engagements_engagement_winner",
    "engagements_engagement_go_on",
    "engagements_engagement_end",
}
# Of the world's connection.
KEY = b"0f9e8d7c-braze"
# Pages that belong to no row. The preview answers to POST alone.
SITE = {
    "index": "MVEAD-",
    "search": "MVEAD-",
    "jsi18n": "MVEAD-",
    "password_change": "MVEAD-",
    "password_change_done": "MVEAD-",
    "segments_segment_overlap": "MVEAD",
    "segments_segment_warehouse": "D",
    "engagements_calendar": "MVEAD",
    "engagements_operations": "ED",
    "engagements_operations_now": "ED",
    "engagements_guards": "MVEAD",
    "engagements_pause_all": "ED",
    "engagements_resume_all": "ED",
    "engagements_retry_now": "ED",
    "externalapi_externalapi_import": "MED",
    "engagements_delivery_retry": "VED",
    "engagements_delivery_export": "MD",
    "externalapi_externalapi_paste": "MED",
}
# Reached by other tests: signing in and out, the preview, what the Test API page
# compares and sends, and Django's own machinery.
ELSEWHERE = {
    "login",
    "logout",
    "autocomplete",
    "view_on_site",
    "app_list",
    "engagements_engagement_preview",
    # tests/segments/membership/test_live_size.py
    "segments_segment_size",
    # tests/segments/builder/test_examples.py
    "segments_segment_examples",
    # tests/segments/lists/test_asking.py
    "segments_segment_feed",
    # tests/segments/admin/test_erasures.py
    "segments_erasure_act",
    # tests/segments/admin/test_permissions.py
    "segments_source_revoke_key",
    # tests/segments/sources/test_source_page.py
    "segments_source_try_again",
    # tests/engagements/management/test_commands.py
    "engagements_drain",
    # tests/engagements/guards/test_pages.py
    "engagements_suppression_channels",
    # tests/engagements/lifecycle/test_approval.py
    "engagements_engagement_ask",
    # tests/engagements/schedules/test_form.py
    "engagements_engagement_times",
    # tests/engagements/admin/test_version_upgrade.py
    "engagements_engagement_move",
    "externalapi_externalapi_test_compare",
    "externalapi_externalapi_test_rerun",
    "externalapi_externalapi_test_cases_run",
    # tests/engagements/authoring/test_sample_values.py
    "engagements_engagement_test_people",
    "externalapi_externalapi_check_body",
    # tests/engagements/payload/test_form.py
    "engagements_engagement_check_payload",
    # tests/segments/imports/test_pages.py
    "segments_import_act",
    # tests/segments/lists/test_pages.py
    "segments_uploadedlist_act",
    "segments_sourcequery_run",
    # tests/segments/imports/test_queries.py
    "segments_sourcequery_preview",
}


SESSION = settings.SESSION_COOKIE_NAME
SignIn = Callable[[str], Client]


@pytest.fixture(scope="module")
def site(django_db_setup, django_db_blocker) -> Iterator[tuple[World, dict[str, str]]]:
    """What there is, and the session of somebody of each letter."""
    with kept.rows(django_db_blocker):
        yield World(), {letter: session(letter) for letter in LETTERS}


@pytest.fixture
def world(db, site: tuple[World, dict[str, str]]) -> World:
    return deepcopy(site[0])


@pytest.fixture
def signed_in(db, site) -> SignIn:
    def sign_in(letter: str) -> Client:
        client = Client()
        client.cookies[SESSION] = site[1][letter]
        return client

    return sign_in


def session(letter: str) -> str:
    user = factories.make_user()
    if name := LETTERS[letter]:
        user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client.cookies[SESSION].value


def pages(world: World) -> dict[str, tuple[str, str]]:
    """{page: (address, who may open it)}"""
    found = {}
    for model, (look, add, _, delete) in MODELS.items():
        name = prefix(model)
        found[f"{name}changelist"] = (reverse(f"admin:{name}changelist"), look)
        found[f"{name}add"] = (reverse(f"admin:{name}add"), add)
        for page, who in (("change", look), ("history", look), ("delete", delete)):
            found[f"{name}{page}"] = (world.url(f"{name}{page}"), who)
    for page, who in PAGES.items():
        found[page] = (world.url(page), who)
    for page, who in SITE.items():
        found[page] = (reverse(f"admin:{page}"), who)
    return found


def test_every_address_of_the_admin_is_in_a_table():
    names = {p.name for p in admin.site.get_urls() if isinstance(p, URLPattern)}
    for model_admin in admin.site._registry.values():
        names |= {pattern.name for pattern in model_admin.get_urls()}
    known = {*PAGES, *ACTS, *SITE, *ELSEWHERE}
    known |= {
        f"{prefix(model)}{page}"
        for model in MODELS
        for page in ("changelist", "add", "change", "history", "delete")
    }
    assert names - {None} == known


# The page that says no is asked of each button below.
@pytest.mark.urls("tests.security.short_refusals")
@pytest.mark.parametrize("letter", LETTERS)
def test_a_group_opens_its_pages_and_no_other(world, signed_in, letter):
    """And the whole key is on none of them."""
    client = signed_in(letter)
    expected, found = {}, {}
    for page, (url, who) in pages(world).items():
        allowed = 302 if page in LED_BACK else 200
        expected[page] = allowed if letter in who else 403
        answer = client.get(url)
        found[page] = answer.status_code
        assert KEY not in b"".join(answer), page
    assert found == expected


def test_who_is_not_signed_in_is_led_to_the_sign_in_page(client, world):
    for page, (url, _) in pages(world).items():
        for answer in (client.get(url), client.post(url)):
            assert answer.status_code == 302, page
            assert answer.url.startswith(reverse("admin:login")), page


def test_who_is_in_no_group_is_led_to_the_sign_in_page(client, world):
    """Whatever else they were given: it is the group that lets in."""
    user = User.objects.create_user("customer")
    user.user_permissions.set(groups.permissions())
    client.force_login(user)
    for page, (url, _) in pages(world).items():
        assert client.get(url).status_code == 302, page


# --- Buttons ------------------------------------------------------------------------


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("name", ACTS)
def test_a_button_works_for_those_who_may_press_it(world, signed_in, name, letter):
    who, before, after = ACTS[name]
    row, url = _prepared(world, name, before)
    client = signed_in(letter)
    assert client.get(url).status_code == (200 if letter in who else 403)
    row.refresh_from_db()
    assert row.state == before, "looking changes nothing"
    assert client.post(url).status_code == (302 if letter in who else 403)
    row.refresh_from_db()
    assert row.state == (after if letter in who else before)


@pytest.mark.parametrize("name", ACTS)
def test_a_button_needs_the_form_that_it_is_on(world, name):
    _, before, _ = ACTS[name]
    row, url = _prepared(world, name, before)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(factories.make_admin())
    assert strict.post(url).status_code == 403
    row.refresh_from_db()
    assert row.state == before


def _prepared(world: World, name: str, state: str) -> tuple[Any, str]:
    """The row that the button is about, in the state that the button is for."""
    model = next(m for m in MODELS if name.startswith(prefix(m)))
    row = world.rows[model]
    model._default_manager.filter(pk=row.pk).update(state=state)
    if model is Batch:
        Run.objects.filter(pk=world.rows[Run].pk).update(state="sending")
    return row, world.url(name)


# --- Forms --------------------------------------------------------------------------


def _connection_data(world: World) -> dict[str, Any]:
    return {
        "name": "Renamed",
        "base_url": "https://rest.iad-01.braze.com",
        "auth": "bearer",
        "requests_per_burst": 3000,
        "burst_seconds": 3,
    }


def _source_data(world: World) -> dict[str, Any]:
    return {"name": "Renamed", "is_active": "on"}


def _segment_data(world: World, rule: object = None) -> dict[str, Any]:
    """Without a rule, its own: who is in stays the same, and nobody is asked."""
    segment = world.rows[Segment]
    assert isinstance(segment, Segment)
    rule = rule or segment.rule
    return {"name": "Renamed", "rule": json.dumps(rule), "is_active": "on"}


def _engagement_data(world: World) -> dict[str, Any]:
    engagement = world.rows[Engagement]
    assert isinstance(engagement, Engagement)
    return {
        "name": "Renamed",
        "segment": engagement.segment_id,
        "version": engagement.version_id,
        "trigger": "on_entry",
        "repeat": "once",
        "time_zone": "UTC",
        "ambiguous_policy": "park",
        **_parameter_values(engagement),
    }


def _parameter_values(engagement: Engagement) -> dict[str, str]:
    form = EngagementForm(instance=engagement)
    return {item.field.html_name: "Ann" for item in form.parameter_inputs}


FORMS: dict[type[Model], Callable[[World], dict[str, Any]]] = {
    Connection: _connection_data,
    Source: _source_data,
    Segment: _segment_data,
    Engagement: _engagement_data,
    Group: lambda world: {"name": "Renamed"},
}


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("model", FORMS, ids=lambda model: model.__name__)
def test_a_form_saves_for_those_who_may_change(world, signed_in, model, letter):
    client = signed_in(letter)
    url = world.url(f"{prefix(model)}change")
    answer = client.post(url, FORMS[model](world))
    may_change = letter in MODELS[model][2]
    assert answer.status_code == (302 if may_change else 403)
    assert model._default_manager.filter(name="Renamed").exists() is may_change


OTHERS = {"event": "Sale"}


@pytest.mark.parametrize("letter", LETTERS)
def test_who_is_sent_to_is_changed_by_those_who_may_change_and_activate(
    world, signed_in, letter
):
    """The world's segment is read by an active engagement."""
    segment = world.rows[Segment]
    assert isinstance(segment, Segment)
    before, url = segment.rule, segment.get_absolute_url()
    client = signed_in(letter)
    typed = _segment_data(world, OTHERS)
    yes = {**typed, "_confirm": "1", "_seen": rule_changes.fingerprint(segment)}
    for data, who_may, saved_by in ((typed, "MD", ""), (yes, "D", "D")):
        asked = {302: letter in saved_by, 200: letter in who_may, 403: True}
        expected = next(status for status, is_it in asked.items() if is_it)
        assert client.post(url, data).status_code == expected
        segment.refresh_from_db()
        assert segment.rule == (OTHERS if letter in saved_by else before)


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("button", ["_accept", "_reject"])
def test_a_proposal_is_decided_by_those_who_may_activate(
    world, signed_in, letter, button
):
    segment, proposal = world.proposal.segment, world.proposal
    before = segment.rule
    client = signed_in(letter)
    data = {button: "1", "_seen": rule_changes.fingerprint(segment)}
    answer = client.post(proposal.get_absolute_url(), data)
    may_decide = letter in "VD"
    assert answer.status_code == (302 if may_decide else 403)
    proposal.refresh_from_db()
    segment.refresh_from_db()
    assert (proposal.state == "open") is not may_decide
    is_changed = may_decide and button == "_accept"
    assert segment.rule == (OTHERS if is_changed else before)


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize(
    "model", [Segment, Source, Engagement, Group], ids=lambda model: model.__name__
)
def test_a_row_is_deleted_by_those_who_may(world, signed_in, model, letter):
    row = world.rows[model]
    Engagement.objects.exclude(pk=world.rows[Engagement].pk).delete()
    if model is Segment:
        Engagement.objects.all().delete()
    if model is Source:
        InboxRequest.objects.all().delete()
        Event.objects.all().delete()
    client = signed_in(letter)
    answer = client.post(world.url(f"{prefix(model)}delete"), {"post": "yes"})
    may_delete = letter in MODELS[model][3]
    assert answer.status_code == (302 if may_delete else 403)
    assert model._default_manager.filter(pk=row.pk).exists() is not may_delete


@pytest.mark.parametrize("letter", LETTERS)
@pytest.mark.parametrize("page", ["restore", "duplicate", "archive", "unarchive"])
def test_an_external_api_lives_on_by_those_who_may_change_it(
    world, signed_in, page, letter
):
    Engagement.objects.all().update(state="draft")
    external_api = world.rows[ExternalAPI]
    assert isinstance(external_api, ExternalAPI)
    old = external_api.current_version
    assert old is not None
    factories.make_version(external_api=external_api, path="/another")

    def look() -> object:
        return (
            list(ExternalAPI.objects.order_by("pk").values("pk", "archived_at")),
            ExternalAPIVersion.objects.count(),
        )

    if page == "unarchive":
        archive(external_api)
    before = look()
    client = signed_in(letter)
    url = world.url(f"externalapi_externalapi_{page}")
    answer = client.post(url, {"version": old.number})
    may_change = letter in "MED"
    assert answer.status_code == (302 if may_change else 403)
    assert (look() != before) is may_change


def test_a_key_is_set_by_those_who_may_use_secrets(client, world):
    """Changing a connection is not enough: its key has a permission of its own."""
    connection = world.rows[Connection]
    assert isinstance(connection, Connection)
    look_and_change = ("externalapi.view_connection", "externalapi.change_connection")
    data = _connection_data(world) | {"base_url": connection.base_url}
    for permissions, version in (
        (look_and_change, 1),
        ((*look_and_change, "externalapi.use_secret"), 2),
    ):
        client.force_login(factories.make_user(*permissions))
        client.post(
            world.url("externalapi_connection_change"), {**data, "key": "another-key-1"}
        )
        connection.refresh_from_db()
        assert connection.key_version == version


@pytest.mark.parametrize("letter", LETTERS)
def test_a_preview_is_for_those_who_may_see_people_and_engagements(
    world, signed_in, letter
):
    client = signed_in(letter)
    answer = client.post(
        reverse("admin:engagements_engagement_preview"), _engagement_data(world)
    )
    assert answer.status_code == (200 if letter in "MVEAD" else 403)


@pytest.mark.parametrize("letter", LETTERS)
def test_a_body_is_checked_for_those_who_may_write_one(signed_in, letter):
    answer = signed_in(letter).post(
        reverse("admin:externalapi_externalapi_check_body"), {}
    )
    assert answer.status_code == (200 if letter in "MED" else 403)
