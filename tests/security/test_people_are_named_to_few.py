"""Who may not see people reads numbers where others read names; walked page by page."""

import json
from copy import deepcopy
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models.functions import Now
from django.urls import reverse

from engagements.models import Attempt, Delivery, Destination
from externalapi.models import ConfigurationTest, Connection
from lemnisk_braze import groups
from segments import naming
from segments.models import (
    BadRow,
    DictionaryEntry,
    Event,
    Identifier,
    Import,
    InboxRequest,
    LatestMessages,
    MergeLog,
    Profile,
    RefusedMessage,
    Source,
    SourceWarning,
)
from tests import factories, kept
from tests.security.test_permissions import pages
from tests.site.world import World

pytestmark = pytest.mark.django_db

SHY = ("shy-id", "shy@example.com", "+4915112345678", "Shyname")
# Whatever of theirs is anywhere has one of these in it.
CANARIES = (*SHY, "shy-device", "Shystreet", "shycard", "SHY@Example.com")
REASON = "template_error: “email”: shy@example.com is too long."
# Who sees people's data, and who sees them masked or not at all.
RIGHTS = ("segments.view_personal_data", "segments.view_profile")


@pytest.fixture(scope="module")
def first(django_db_setup, django_db_blocker):
    with kept.rows(django_db_blocker):
        yield with_a_shy_person(World())


@pytest.fixture
def world(db, first):
    return deepcopy(first)


def with_a_shy_person(world):
    person = world.rows[Profile]
    Profile.objects.filter(pk=person.pk).update(
        external_id=SHY[0],
        email=SHY[1],
        phone=SHY[2],
        attributes={"first_name": SHY[3], "home": {"street": "Shystreet 7"}},
        attribute_times={"email": [1, "m", 0, "SHY@Example.com"]},
    )
    leave_traces(world, Profile.objects.get(pk=person.pk))
    return world


def leave_traces(world, person):
    """What else is kept of them, on every page that may show it."""
    for kind, value in (("anonymous_id", "shy-device"), ("loyalty_card", "shycard-1")):
        Identifier.objects.create(kind=kind, value=value, profile=person)
    MergeLog.objects.create(
        kind="merge", profile=person, part=person, reason="Both said shy-device."
    )
    said = {"userId": SHY[0], "traits": {"email": SHY[1], "street": "Shystreet 7"}}
    body = json.dumps(said).encode()
    Event.objects.update(properties={"form": {"mail": SHY[1]}, "street": "Shystreet 7"})
    source = world.rows[Source]
    waiting = json.dumps([["m", "identify", said]]).encode()
    # For so long that there is an alarm, which says why.
    InboxRequest.objects.update(
        body=waiting,
        note=f"Because of {SHY[1]}",
        received_at=Now() - timedelta(minutes=1),
    )
    RefusedMessage.objects.create(
        source=source, code="x", message=f"{SHY[1]} is odd.", body=body
    )
    SourceWarning.objects.create(source=source, code="w", message=f"{SHY[1]} is odd.")
    latest = json.dumps({"type": "identify", "receivedAt": "2026-01-01T00:00Z", **said})
    LatestMessages.objects.create(source=source, messages=[latest], last_at=Now())
    Import.objects.update(
        columns=[{"name": "id", "filled": 1, "examples": [SHY[1]], "may_be": []}]
    )
    world.upload.lines.update(value=SHY[0], reason=SHY[1])
    imported = world.rows[Import]
    BadRow.objects.create(of=imported, line=2, reason=SHY[1], cells=f'["{SHY[0]}"]')
    shown = {"method": "POST", "url": f"https://x.example/{SHY[0]}", "body": SHY[1]}
    shown |= {"headers": {}, "size": 1, "mask": "", "username": "", "is_cut": False}
    answer = {"status": 400, "body": SHY[1], "headers": {}, "explanation": SHY[1]}
    answer |= {"outcome": "refused", "duration_ms": 1, "faults": [], "phrase": "Bad"}
    ConfigurationTest.objects.update(
        values={"User ID": SHY[0]}, request=shown, response=answer
    )
    Delivery.objects.update(reason=REASON)
    Attempt.objects.update(
        message=f"{SHY[1]} is unknown", response_head=SHY[1], note=f"Odd: {SHY[1]}"
    )
    Destination.objects.create(
        connection=world.rows[Connection], last_problem=f"400: {SHY[1]}"
    )
    LogEntry.objects.create(
        user=factories.make_user(),
        content_type=ContentType.objects.get_for_model(Profile),
        object_id=person.pk,
        object_repr=SHY[0],
        action_flag=CHANGE,
        change_message="Looked at them.",
    )


@pytest.fixture(params=RIGHTS)
def blind(client, request):
    """May do all but see people's data, or people at all."""
    everything = groups.EVERYTHING - {request.param}
    client.force_login(factories.make_user(*everything))
    return client


def pages_naming(client, world) -> set[str]:
    """The pages on which the person is named in any way."""
    urls = {page: url for page, (url, _) in pages(world).items()}
    search = reverse("admin:search")
    people = reverse("admin:segments_profile_changelist")
    urls["search by ID"] = f"{search}?s={SHY[0]}"
    urls["search by name"] = f"{search}?s={SHY[3]}"
    urls["people by ID"] = f"{people}?q={SHY[0]}"
    test = ConfigurationTest.objects.get()
    api = reverse(
        "admin:externalapi_externalapi_test", args=[test.version.external_api_id]
    )
    urls["an older test"] = f"{api}?test={test.pk}"
    named = set()
    for page, url in urls.items():
        answer = client.get(url)
        text = b"".join(answer).decode()
        # What was typed is said again: it is no news.
        typed = url.rpartition("=")[2]
        for quoted in (f"“{typed}”", f'value="{typed}"', f"q%3D{typed}"):
            text = text.replace(quoted, "")
        if any(word in text for word in CANARIES):
            named.add(page)
    return named


def test_nobody_is_named_to_who_may_not_see_people(blind, world):
    assert pages_naming(blind, world) == set()


def test_the_same_pages_name_them_to_others(admin_client, world):
    assert pages_naming(admin_client, world) >= {
        "engagements_delivery_changelist",
        "engagements_delivery_change",
        "engagements_delivery_export",
        "engagements_batch_change",
        "segments_event_changelist",
        "segments_event_change",
        "segments_profile_changelist",
        "segments_segment_change",
        "search by ID",
    }


def test_the_lists_name_people_by_number_and_tell_two_apart(blind, world):
    person = world.rows[Profile]
    for page in ("engagements_delivery", "segments_event"):
        text = blind.get(reverse(f"admin:{page}_changelist")).text
        assert f"Person {person.pk}" in text
    delivery = blind.get(world.url("engagements_delivery_change")).text
    assert f"Person {person.pk}" in delivery
    assert "A value could not be worked out" in delivery
    assert person.get_absolute_url() not in delivery
    assert (
        f"Person {person.pk}" in blind.get(world.url("engagements_batch_change")).text
    )


@pytest.mark.parametrize(
    ("query", "status"),
    [(f"q={SHY[0]}", 200), (f"q={SHY[1]}", 200), (f"why={SHY[1]}", 400)],
)
@pytest.mark.parametrize("is_theirs", [True, False])
def test_no_question_to_the_list_tells_whether_somebody_is_in_it(
    blind, world, query, status, is_theirs
):
    if not is_theirs:
        Profile.objects.update(external_id="other", email="other@example.com")
        Delivery.objects.update(reason="")
    url = reverse("admin:engagements_delivery_changelist")
    page = blind.get(f"{url}?{query}", follow=True)
    assert page.status_code == status
    assert (f"Person {world.rows[Profile].pk}" in page.text) is (status == 200)


# --- Masked ---------------------------------------------------------------------------


@pytest.fixture
def masked(client):
    """May see people, and not their data."""
    everything = groups.EVERYTHING - {"segments.view_personal_data"}
    client.force_login(factories.make_user(*everything))
    return client


def test_the_list_and_the_page_show_people_masked(masked, world):
    person = world.rows[Profile]
    listed = masked.get(reverse("admin:segments_profile_changelist")).text
    page = masked.get(person.get_absolute_url()).text
    for text in (listed, page):
        assert "s…@example.com" in text
        assert "+49…78" in text
        assert ">S…<" in text.replace("\n", "").replace(" ", "")
    assert "Their data are masked" in page
    assert "&quot;street&quot;: &quot;S… 7…&quot;" in page
    export = reverse("admin:segments_profile_export", args=[person.pk])
    assert masked.get(export).status_code == 403


def test_masked_people_are_found_by_a_whole_identifier_alone(masked, world):
    person = world.rows[Profile]
    people = reverse("admin:segments_profile_changelist")
    found = [SHY[0], SHY[1], SHY[2], "SHY@example.com", "shy-device", "shycard-1"]
    for typed in found:
        page = masked.get(people, {"q": typed})
        assert [p.pk for p in page.context["cl"].result_list] == [person.pk], typed
    for typed in ("shy", "shy@", "+49", "Shyname", "shy-devic"):
        assert not masked.get(people, {"q": typed}).context["cl"].result_list, typed
    search = reverse("admin:search")
    assert person.get_absolute_url() in masked.get(search, {"s": SHY[0]}).text
    assert person.get_absolute_url() not in masked.get(search, {"s": "shy"}).text


def test_what_the_dictionary_calls_not_personal_is_shown(masked, world):
    person = world.rows[Profile]
    Profile.objects.filter(pk=person.pk).update(
        attributes={"plan": "gold", "x": "Zircon"}
    )
    Event.objects.update(properties={"form": "demo", "mail": "Zircon"})
    kinds = (("attribute", "", "plan"), ("property", "Lead", "form"))
    for kind, event, name in kinds:
        DictionaryEntry.objects.update_or_create(
            {"is_personal": False}, kind=kind, event=event, name=name
        )
    page = masked.get(person.get_absolute_url()).text
    event = masked.get(world.url("segments_event_change")).text
    assert ("gold" in page, "demo" in page, "demo" in event) == (True, True, True)
    assert ("Zircon" in page, "Zircon" in event) == (False, False)


def test_nothing_masked_is_ever_saved(masked, world):
    """A page that shows masked rows is posted to, and pressed on."""
    person = Profile.objects.get(pk=world.rows[Profile].pk)
    masked.get(person.get_absolute_url())
    masked.post(person.get_absolute_url(), {"email": "x"})
    again = Profile.objects.get(pk=person.pk)
    assert (again.email, again.attributes) == (person.email, person.attributes)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ann@example.com", "a…@example.com"),
        ("+493089455512", "+49…12"),
        ("+49 (30) 8945-5512", "+49…12"),
        ("Ann Marie de la Cruz", "A… M… d…"),
        ("customer-4711", "c…"),
        ("", ""),
        (" ", " "),
        (4711, "…"),
        (True, True),
        (None, None),
        ({"a": ["Ann", 1, False]}, {"a": ["A…", "…", False]}),
    ],
)
def test_of_a_masked_value_too_little_is_left(value, shown):
    assert naming.masked(value) == shown


def test_what_is_nested_too_deeply_is_masked_as_well():
    deep: object = "shy"
    for _ in range(5_000):
        deep = [deep]
    assert naming.masked_values({"x": deep, "y": "z"}, set()) == {"x": "…", "y": "…"}


def test_words_are_scrubbed(db):
    said = "“ann@example.com” (+49 30 8945-5512): ann@x.example, 3 times."
    user = factories.make_user()
    shown = "“a…@example.com” (+49…12): a…@x.example, 3 times."
    assert naming.scrubbed(said, user) == shown
    user = factories.make_user(*RIGHTS)
    assert naming.scrubbed(said, user) == said
