"""A connection that is limited to a group: every way to use it, walked by everybody.

Each way is a press of a button that changes something. Who may use the connection gets
it done; who is outside changes nothing and is told who may.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from engagements.authoring.forms import EngagementForm
from engagements.models import Engagement
from externalapi.connections import encryption
from externalapi.definitions import versions
from externalapi.definitions.archive import archive
from externalapi.definitions.versions import Draft
from externalapi.forms.external_api import ExternalAPIForm
from externalapi.models import (
    ConfigurationTest,
    Connection,
    ExternalAPI,
    ExternalAPIVersion,
    TestCase,
)
from externalapi.testing.runs import run_case, run_test
from externalapi.transfer.export_file import export
from lemnisk_braze.groups import EVERYTHING
from segments.membership import rule_changes
from segments.models import Proposal, Segment
from tests import factories, kept

pytestmark = pytest.mark.django_db

NAME = {"Name of the User": "Ann", "User ID": "u-1"}
TOLD = "is limited to the group “Retail”"
PEOPLE = ("superuser", "member", "outsider", "outsider of an open one")


class World:
    """A connection and all that stands on it, with an older version on another one."""

    def __init__(self, braze: Connection) -> None:
        self.group = Group.objects.create(name="Retail")
        # The sandbox's own key is too short for its end to be shown.
        Connection.objects.filter(pk=braze.pk).update(key_last_four="9z8y")
        self.connection = Connection.objects.get(pk=braze.pk)
        self.open = factories.make_connection()
        self.spare = factories.make_connection()
        self.limit(self.connection, self.spare)
        self.api = factories.make_external_api()
        # The oldest version was on it, the one before on another connection.
        for number, connection in enumerate((braze, self.open, braze)):
            self.version = factories.make_version(
                external_api=self.api, connection=connection, path=f"/users/{number}"
            )
        self.elsewhere = factories.make_version(connection=self.open).external_api
        factories.make_version(
            external_api=self.elsewhere,
            connection=braze,
            number=9,
        )
        self.back_to_open()
        self.test = factories.make_test(
            self.elsewhere.versions.get(number=9), values=NAME
        )
        self.case = self.api.test_cases.create(name="Ann", values=NAME)
        self.other_case = self.elsewhere.test_cases.create(name="Ann", values=NAME)
        segment = factories.make_segment(1, rule={"event": "Lead"})
        self.draft = factories.make_engagement(segment, self.version)
        self.paused = factories.make_engagement(segment, self.version, state="paused")
        self.proposal = Proposal.objects.create(
            segment=segment, rule={"event": "Sale"}, is_active=True
        )
        self.behind = factories.make_engagement(
            segment, self.api.versions.get(number=2)
        )
        self._users = {who: self._user(who) for who in PEOPLE}

    def limit(self, *connections: Connection) -> None:
        for connection in connections:
            connection.groups.set([self.group])

    def back_to_open(self) -> None:
        """An External API whose current version may be used by everybody."""
        first = self.elsewhere.versions.get(number=1)
        ExternalAPI.objects.filter(pk=self.elsewhere.pk).update(current_version=first)

    def user(self, who: str) -> User:
        if who == "outsider of an open one":
            for connection in (self.connection, self.spare):
                connection.groups.clear()
        return self._users[who]

    def _user(self, who: str) -> User:
        if who == "superuser":
            return factories.make_admin()
        user = factories.make_user(*EVERYTHING)
        name = "Retail" if who == "member" else "Travel"
        user.groups.add(Group.objects.get_or_create(name=name)[0])
        return user

    def look(self) -> list[object]:
        """All that a way could change, but for who looked."""
        models: tuple[type[Model], ...] = (
            Connection,
            Connection.groups.through,
            ExternalAPI,
            ExternalAPIVersion,
            ConfigurationTest,
            TestCase,
            Engagement,
            Segment,
        )
        return [list(m._default_manager.order_by("pk").values()) for m in models]


def at(page: str, *args: object) -> str:
    return reverse(f"admin:{page}", args=args)


def api_page(page: str, external_api: ExternalAPI) -> str:
    return at(f"externalapi_externalapi_{page}", external_api.pk)


def connection_data(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Renamed",
        "base_url": "https://rest.iad-01.braze.com",
        "auth": "bearer",
        "requests_per_burst": 3000,
        "burst_seconds": 3,
        **fields,
    }


def api_data(connection: Connection, **fields: Any) -> dict[str, Any]:
    return {
        "name": "New",
        "channel": "customer_data",
        "channel_identifier": "external_id",
        "connection": connection.pk,
        "method": "POST",
        "path": "/users/track",
        "headers": "Content-Type: application/json",
        "body_kind": "json",
        "body": '{"attributes": [{"external_id": "{{User ID}}"}]}',
        "batching": "braze_75_combined",
        **fields,
    }


def imported(client: Client, world: World, external_api: ExternalAPI) -> Any:
    """Take over a file: an External API of another path on the connection."""
    document = json.loads(export([external_api]))
    (entry,) = document["external_apis"]
    entry["connection"] = world.connection.name
    entry["version"]["path"] = "/users/imported"
    raw = json.dumps(document)
    url = at("externalapi_externalapi_import")
    upload = SimpleUploadedFile("a.json", raw.encode())
    preview = client.post(url, {"file": upload})
    confirmed = {
        "content": raw,
        "seen": preview.context["seen"],
        "connection-0": str(world.connection.pk),
        "_confirm": "1",
    }
    client.post(url, confirmed, follow=True)
    return preview


def moved(client: Client, world: World) -> Any:
    url = at("engagements_engagement_move", world.api.pk)
    chosen = {"engagement": world.behind.pk, "version": 3}
    preview = client.post(url, chosen)
    client.post(url, {**chosen, "_confirm": "1"}, follow=True)
    return preview


def post(client: Client, url: str, **data: Any) -> Any:
    return client.post(url, data, follow=True)


# What somebody does, and what is pressed.
WAYS: dict[str, Callable[[Client, World], Any]] = {
    "change it": lambda c, w: post(
        c, at("externalapi_connection_change", w.spare.pk), **connection_data()
    ),
    "limit it otherwise": lambda c, w: post(
        c,
        at("externalapi_connection_change", w.spare.pk),
        **connection_data(groups=[]),
    ),
    "delete it": lambda c, w: post(
        c, at("externalapi_connection_delete", w.spare.pk), post="yes"
    ),
    "check it": lambda c, w: post(
        c, at("externalapi_connection_key", w.connection.pk), act="check"
    ),
    "set its key": lambda c, w: post(
        c,
        at("externalapi_connection_key", w.connection.pk),
        act="set",
        key="another-key-0001",
    ),
    "build on it": lambda c, w: post(
        c, at("externalapi_externalapi_add"), **api_data(w.connection)
    ),
    "change what is on it": lambda c, w: post(
        c, api_page("change", w.api), **api_data(w.connection)
    ),
    "take it off": lambda c, w: post(c, api_page("change", w.api), **api_data(w.open)),
    "put it on": lambda c, w: post(
        c, api_page("change", w.elsewhere), **api_data(w.connection)
    ),
    "restore a version on it": lambda c, w: post(
        c, api_page("restore", w.elsewhere), version=9
    ),
    "restore an open version": lambda c, w: post(
        c, api_page("restore", w.api), version=2
    ),
    "duplicate": lambda c, w: post(c, api_page("duplicate", w.api)),
    "archive": lambda c, w: post(c, api_page("archive", w.api)),
    "unarchive": lambda c, w: post(c, api_page("unarchive", w.api)),
    "delete what is on it": lambda c, w: post(c, api_page("delete", w.api), post="yes"),
    "import onto it": lambda c, w: imported(c, w, w.elsewhere),
    "import over it": lambda c, w: imported(c, w, w.api),
    "test": lambda c, w: post(c, api_page("test", w.api), p0="u-1", p1="Ann"),
    "test again": lambda c, w: post(
        c, api_page("test_rerun", w.elsewhere), test=w.test.pk, version="own"
    ),
    "run a test case": lambda c, w: post(
        c, api_page("test_cases_run", w.api), case=w.case.pk
    ),
    "run all test cases": lambda c, w: post(c, api_page("test_cases_run", w.api)),
    "run test cases on another version": lambda c, w: post(
        c,
        api_page("test_cases_run", w.elsewhere),
        version=9,
        case=w.other_case.pk,
    ),
    "delete a test case": lambda c, w: post(
        c, api_page("test_cases", w.api), case=w.case.pk, _delete="1"
    ),
    "ask for test cases": lambda c, w: post(
        c, api_page("test_cases", w.api), _gate="on"
    ),
    "activate": lambda c, w: post(c, at("engagements_engagement_activate", w.draft.pk)),
    "resume": lambda c, w: post(c, at("engagements_engagement_resume", w.paused.pk)),
    "move": moved,
    # The paused engagement on it sends to whom the segment takes in.
    "change whom it sends to": lambda c, w: post(
        c,
        w.paused.segment.get_absolute_url(),
        name=w.paused.segment.name,
        rule='{"event": "Sale"}',
        is_active="on",
        _seen=rule_changes.fingerprint(w.paused.segment),
        _confirm="1",
    ),
    "accept who is sent": lambda c, w: post(
        c,
        w.proposal.get_absolute_url(),
        _seen=rule_changes.fingerprint(w.paused.segment),
        _accept="1",
    ),
}


# What has to be so before.
PREPARED: dict[str, Callable[[World], object]] = {
    "archive": lambda w: Engagement.objects.update(state="draft"),
    "unarchive": lambda w: Engagement.objects.update(state="draft") and archive(w.api),
    "delete what is on it": lambda w: Engagement.objects.all().delete(),
}


@pytest.fixture(scope="module")
def first(django_db_setup, django_db_blocker, sandbox_process) -> Iterator[World]:
    with kept.rows(django_db_blocker):
        connection = factories.make_connection(base_url=sandbox_process.url)
        encryption.set_key(connection, sandbox_process.key)
        yield World(connection)


@pytest.fixture
def world(db, first: World, sandbox) -> World:
    return deepcopy(first)


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("way", WAYS)
def test_a_limited_connection_is_used_by_its_groups(client, world, way, who):
    client.force_login(world.user(who))
    PREPARED.get(way, lambda w: None)(world)
    before = world.look()
    response = WAYS[way](client, world)
    assert (TOLD in response.content.decode()) is (who == "outsider")
    assert (world.look() != before) is (who != "outsider")


# Pages that show or ask: what an outsider gets to see of the connection.
ASKING = {
    "externalapi_connection_key": 403,
    "externalapi_connection_history": 403,
    "externalapi_connection_delete": 403,
    "externalapi_connection_change": 200,
    "externalapi_externalapi_change": 200,
    "externalapi_externalapi_test": 403,
    "externalapi_externalapi_test_history": 403,
    "externalapi_externalapi_test_cases": 403,
    "externalapi_externalapi_duplicate": 403,
    "externalapi_externalapi_archive": 403,
    "externalapi_externalapi_delete": 403,
    "engagements_engagement_activate": 200,
    "engagements_engagement_resume": 200,
}


@pytest.mark.parametrize("page", ASKING)
def test_a_page_says_who_may_and_shows_no_details(client, world, page):
    client.force_login(world.user("outsider"))
    pk = {
        "engagements_engagement_activate": world.draft.pk,
        "engagements_engagement_resume": world.paused.pk,
    }.get(page, world.connection.pk if "connection" in page else world.api.pk)
    response = client.get(at(page, pk))
    assert response.status_code == ASKING[page]
    text = response.content.decode()
    assert TOLD in text
    assert world.connection.base_url not in text
    assert "9z8y" not in text


@pytest.mark.parametrize("who", ["member", "outsider"])
@pytest.mark.parametrize("what", ["connection", "externalapi"])
def test_the_list_deletes_no_other_s(client, world, what, who):
    Engagement.objects.all().delete()
    row: Model = world.spare if what == "connection" else world.api
    client.force_login(world.user(who))
    chosen = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    response = client.post(at(f"externalapi_{what}_changelist"), chosen)
    assert response.status_code == (302 if who == "member" else 403)
    is_there = type(row)._default_manager.filter(pk=row.pk).exists()
    assert is_there is (who == "outsider")


def test_what_is_sent_is_shown_without_the_address(client, world):
    """To those who build and follow engagements, and may not use the connection."""
    delivery = factories.make_delivery(run=factories.make_run(world.draft))
    form = EngagementForm(instance=world.draft)
    values = {item.field.html_name: "Ann" for item in form.parameter_inputs}
    typed = {"segment": world.draft.segment_id, "version": world.version.pk, **values}
    pages = (
        lambda: client.post(at("engagements_engagement_preview"), typed),
        lambda: client.get(at("engagements_delivery_change", delivery.pk)),
        lambda: client.get(at("engagements_engagement_move", world.api.pk)),
    )
    for who in ("member", "outsider"):
        client.force_login(world.user(who))
        for page in pages:
            # A comparison marks what differs within the address.
            text = strip_tags(page().content.decode())
            assert "/users/2" in text
            assert (world.connection.base_url in text) is (who == "member")


def test_the_list_names_it_and_who_may_use_it(client, world):
    client.force_login(world.user("outsider"))
    text = client.get(at("externalapi_connection_changelist")).content.decode()
    assert world.connection.name in text
    assert "Retail" in text
    assert world.connection.base_url not in text
    assert "9z8y" not in text
    assert world.open.base_url in text


def test_neither_a_search_nor_an_order_finds_out_more(client, world):
    client.force_login(world.user("outsider"))
    Connection.objects.filter(pk=world.connection.pk).update(
        base_url="https://secret.braze.com"
    )
    url = at("externalapi_connection_changelist")
    found = client.get(url, {"q": "secret.braze"}).context["cl"].result_list
    assert list(found) == []
    for column in (2, 3, 4):
        ordered = client.get(url, {"o": column}).context["cl"].result_list
        assert [one.name for one in ordered] == sorted(one.name for one in ordered)


def test_the_form_shows_it_and_does_not_let_it_be_chosen(client, world):
    client.force_login(world.user("outsider"))
    text = client.get(at("externalapi_externalapi_add")).content.decode()
    label = f"{world.connection} (limited to Retail)"
    assert f'<option value="{world.connection.pk}" disabled>{label}' in text
    assert f'<option value="{world.open.pk}">{world.open}' in text


def test_the_engine_itself_asks_who_it_is(world):
    """Whatever page comes to it."""
    outsider = world.user("outsider")
    draft = Draft.of(world.version)
    for act in (
        lambda: run_test(world.version, NAME, outsider),
        lambda: run_case(world.case, world.version, outsider),
        lambda: versions.save_version(world.elsewhere, draft, outsider),
        lambda: versions.duplicate(world.api, outsider),
    ):
        with pytest.raises(PermissionDenied, match="limited to the group “Retail”"):
            act()
    assert not ConfigurationTest.objects.filter(user=outsider).exists()


def test_a_form_that_nobody_has_opened_takes_only_what_is_open(world):
    for connection, is_valid in ((world.open, True), (world.connection, False)):
        form = ExternalAPIForm(api_data(connection))
        assert form.is_valid() is is_valid, form.errors


def test_nobody_locks_themselves_out(client, world):
    user = world.user("member")
    client.force_login(user)
    travel = Group.objects.get(name="Travel")
    url = at("externalapi_connection_change", world.spare.pk)
    response = client.post(url, connection_data(groups=[travel.pk]))
    (error,) = response.context["adminform"].form.errors["groups"]
    assert error == "You would lose this connection yourself. Your groups are “Retail”."
    client.post(url, connection_data(groups=[travel.pk, world.group.pk]))
    assert world.spare.groups.count() == 2


def test_a_group_that_limits_a_connection_is_not_deleted(client, world):
    """With it gone, the connection would be everybody's."""
    client.force_login(factories.make_admin())
    url = at("auth_group_delete", world.group.pk)
    page = client.get(url).content.decode()
    assert f"Connection: {world.spare} is limited to this group" in page
    client.post(url, {"post": "yes"})
    assert world.spare.groups.get() == world.group


def test_who_is_outside_proposes_and_rejects(client, world):
    """Neither sends anything; the pages offer no more than that, and say why."""
    client.force_login(world.user("outsider"))
    segment, proposal = world.paused.segment, world.proposal
    typed = {"name": segment.name, "rule": '{"event": "Sale"}', "is_active": "on"}
    asked = client.post(segment.get_absolute_url(), typed).content.decode()
    assert TOLD in asked
    assert 'name="_propose"' in asked
    assert 'name="_confirm"' not in asked
    shown = client.get(proposal.get_absolute_url()).content.decode()
    assert TOLD in shown
    assert 'name="_accept"' not in shown
    client.post(proposal.get_absolute_url(), {"_reject": "1"})
    proposal.refresh_from_db()
    assert proposal.state == "rejected"


def test_the_page_of_an_engagement_names_who_activates_it(client, world):
    client.force_login(world.user("outsider"))
    page = client.get(at("engagements_engagement_change", world.draft.pk))
    assert f"{world.api} (version 3, limited to Retail)" in page.content.decode()
