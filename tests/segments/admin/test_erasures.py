"""Erasing and exporting somebody on pages and by commands."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from engagements.erasing import ELSEWHERE
from externalapi.connections import encryption
from externalapi.models import Connection
from externalapi.vendors.braze.facts.endpoints import DELETE_USERS
from segments.ingest import inbox
from segments.models import Erasure, Event, Profile, RefusedMessage, Tombstone
from segments.privacy import erasure
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

ADD = "/admin/segments/erasure/add/"
LIST = "/admin/segments/erasure/"


@pytest.fixture
def ann():
    person = factories.make_profile(
        external_id="ann-4711", email="ann@example.com", city="Pune"
    )
    factories.make_event(person, "Lead", form="demo")
    return person


def api(connection: Connection, **fields):
    """An External API as the preset makes it."""
    return factories.make_version(
        body={"external_ids": ["{{External ID}}"]},
        parameters=[factories.parameter("External ID", level="identifier")],
        connection=connection,
        path=DELETE_USERS.path,
        **fields,
    ).external_api


def test_somebody_is_erased_from_their_page(admin_client, admin_user, ann):
    page = admin_client.get(ann.get_absolute_url()).text
    url = reverse("admin:segments_profile_erase", args=[ann.pk])
    assert f'href="{url}"' in page
    asked = words(admin_client.get(url))
    assert "Erase “ann-4711” for good?" in asked
    assert "<dt>events</dt><dd>1</dd>" in asked
    assert "It cannot be undone." in asked
    assert Profile.objects.filter(pk=ann.pk).exists()

    report = words(admin_client.post(url, {"may_return": "on"}, follow=True))

    assert not Profile.objects.filter(pk=ann.pk).exists()
    assert not Event.objects.exists()
    done = Erasure.objects.get()
    assert (done.by, done.state, done.may_return) == (admin_user, "done", True)
    assert "<dt>events</dt><dd>1</dd>" in report
    assert "They may return as a new person." in report
    listed = admin_client.get(LIST).text
    for page in (report, listed):
        assert "ann-4711" not in page
        assert "ann@example" not in page


def test_somebody_is_erased_by_an_identifier(admin_client, ann):
    who = {"kind": "email", "value": " ANN@example.com"}
    assert "Nothing is erased yet" in admin_client.get(ADD).text
    asked = words(admin_client.post(ADD, who))
    assert "Erase “ann@example.com” for good?" in asked
    assert "It is about ann-4711, ann@example.com, known since" in asked
    assert "<dt>identifiers</dt><dd>2</dd>" in asked
    assert 'name="value" value="ann@example.com"' in asked
    assert Profile.objects.filter(pk=ann.pk).exists()
    report = words(admin_client.post(ADD, {**who, "_sure": "1"}, follow=True))
    assert not Profile.objects.filter(pk=ann.pk).exists()
    assert "They are kept out." in report


def test_who_is_not_there_is_kept_out(admin_client):
    who = {"kind": "external_id", "value": "nobody"}
    assert "Nobody has “nobody”" in words(admin_client.post(ADD, who))
    admin_client.post(ADD, {**who, "_sure": "1"})
    assert Tombstone.objects.count() == 1


def test_an_identifier_of_two_people_is_an_error_at_its_field(admin_client):
    for name in ("a", "b"):
        factories.make_profile(external_id=name, email="home@example.com")
    page = admin_client.post(ADD, {"kind": "email", "value": "home@example.com"})
    assert "2 people have the email" in page.context["form"].errors["value"][0]
    for bad in ({"kind": "email", "value": " "}, {"kind": "x", "value": "a"}):
        assert admin_client.post(ADD, bad).context["form"].errors
    assert not Erasure.objects.exists()


def test_who_may_only_look_neither_erases_nor_exports(client, ann):
    seeing = ("segments.view_profile", "segments.view_personal_data")
    client.force_login(factories.make_user(*seeing))
    page = client.get(ann.get_absolute_url()).text
    assert "Erase…" not in page
    assert "Export as JSON" not in page
    for name in ("erase", "export"):
        url = reverse(f"admin:segments_profile_{name}", args=[ann.pk])
        assert client.post(url).status_code == 403
    assert Profile.objects.filter(pk=ann.pk).exists()


def test_one_that_waits_is_tried_again_or_left(admin_client, ann):
    at_work = erasure.erase([("email", ann.email)], asked_through="a", seconds=0)
    page = words(admin_client.get(at_work.get_absolute_url()))
    assert "It goes on by itself" in page
    again, close = (
        reverse("admin:segments_erasure_act", args=[at_work.pk, act])
        for act in ("again", "close")
    )
    assert admin_client.get(again).status_code == 405
    admin_client.post(again)
    at_work.refresh_from_db()
    assert (at_work.state, at_work.keys) == ("done", [])
    other = erasure.erase([("email", "x@example.com")], asked_through="a", seconds=0)
    page = words(admin_client.post(close, follow=True))
    admin_client.post(reverse("admin:segments_erasure_act", args=[other.pk, "close"]))
    other.refresh_from_db()
    assert (other.state, other.keys) == ("done", [])
    assert "closed it before all was done" in other.problem


# --- In Braze -------------------------------------------------------------------------


def test_they_are_deleted_in_braze_too(admin_client, ann, braze, sandbox):
    sandbox.track({"attributes": [{"external_id": "ann-4711", "city": "Pune"}]})
    external_api = api(braze)
    url = reverse("admin:segments_profile_erase", args=[ann.pk])
    assert external_api.name in admin_client.get(url).text

    page = admin_client.post(url, {"also_at": str(external_api.pk)}, follow=True)

    assert "201: success" in words(page)
    done = Erasure.objects.get()
    assert (done.state, done.also_at) == ("done", external_api.name)
    assert sandbox.user("ann-4711") is None


def test_braze_is_asked_again_until_it_takes_it(ann, braze, sandbox):
    external_api = api(braze)
    body = '{"message": "ann-4711 later"}'
    sandbox.faults([{"kind": "status", "status": 500, "body": body}])
    at_work = erasure.erase(
        [("external_id", "ann-4711")],
        asked_through="a",
        also_at=(external_api.pk, external_api.name),
    )
    assert (at_work.state, at_work.answer) == ("working", "500: (erased) later")
    assert at_work.next_at > at_work.at
    erasure.try_now(at_work)
    at_work.refresh_from_db()
    assert (at_work.state, at_work.problem) == ("done", "")
    assert at_work.answer.startswith("201")


def test_a_request_that_cannot_be_made_says_why(ann, braze, sandbox):
    external_api = api(braze)
    encryption.set_key(braze, "")
    answer = ELSEWHERE.delete(external_api.pk, "ann-4711")
    assert not answer.is_done
    assert ELSEWHERE.delete(0, "x").words == "The External API is gone."


def test_only_what_deletes_and_may_be_used_is_offered(braze):
    factories.make_version(connection=braze)
    limited = factories.make_connection(name="Limited")
    limited.groups.create(name="Others")
    offered, hidden = api(braze), api(limited)
    names = [name for _, name in ELSEWHERE.choices(factories.make_user())]
    assert names == [offered.name]
    assert (hidden.pk, hidden.name) in ELSEWHERE.choices(None)


# --- Export ---------------------------------------------------------------------------


def exported(client, person):
    url = reverse("admin:segments_profile_export", args=[person.pk])
    answer = client.get(url)
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    return json.loads(b"".join(answer))


def test_all_that_is_held_of_somebody_is_in_their_export(admin_client):
    source = factories.make_source(name="Shop")
    time = "2026-01-31T12:00:00.000000+00:00"
    calls = [
        (
            "a",
            "track",
            {"anonymousId": "d7", "event": "Viewed", "properties": {"n": 1}},
        ),
        ("b", "identify", {"userId": "ann", "anonymousId": "d7", "traits": {"c": [1]}}),
        ("c", "track", {"userId": "ann", "event": "Bought", "properties": {}}),
        ("d", "track", {"userId": "bob", "event": "Bought", "properties": {}}),
    ]
    inbox.append(source, [(id, k, {**p, "timestamp": time}) for id, k, p in calls])
    inbox.apply()
    ann = Profile.objects.get(external_id="ann")
    batch = b'{"batch": [{"userId": "ann", "x": 1}, {"userId": "bob", "x": 2}]}'
    RefusedMessage.objects.create(source=source, code="x", message="odd", body=batch)
    segment = factories.make_segment([ann], name="Buyers")
    run = factories.make_run(factories.make_engagement(segment, name="Welcome"))
    sent = factories.make_batch(run, [ann], delivery_state="sent")
    factories.make_attempt(sent, message="success")
    several = factories.make_batch(run, 2, delivery_state="sent")
    factories.make_attempt(several, message="bob is odd")
    test = {"User ID": "ann"}
    factories.make_test(factories.make_version(), values=test)

    found = exported(admin_client, ann)

    assert found["person"]["external_id"] == "ann"
    assert {i["value"] for i in found["identifiers"]} >= {"d7"}
    [attribute] = [a for a in found["attributes"] if a["name"] == "c"]
    assert (attribute["value"], attribute["source"]) == ([1], "Shop")
    events = [(e["name"], e["properties"], e["source"]) for e in found["events"]]
    assert sorted(events) == [("Bought", {}, "Shop"), ("Viewed", {"n": 1}, "Shop")]
    assert [s["segment"] for s in found["segments"]] == ["Buyers"]
    assert [m["what"] for m in found["entries_and_exits"]] == ["entry"]
    assert len(found["merges"]) <= 1
    [refused] = found["refused_messages"]
    assert refused["message"] == [{"userId": "ann", "x": 1}]
    [delivery] = found["deliveries"]
    assert (delivery["engagement"], delivery["answer"]) == ("Welcome", "success")
    assert [t["values"] for t in found["tests_of_external_apis"]] == [test]
    assert "bob" not in json.dumps(found)


def test_the_history_says_who_exported_and_not_whom(admin_client, ann):
    exported(admin_client, ann)
    url = reverse("admin:segments_profile_history", args=[ann.pk])
    assert "Exported all that is known of them." in admin_client.get(url).text


def test_commands_export_and_erase(ann, capsys, monkeypatch):
    call_command("export_person", "email", "ANN@example.com")
    assert json.loads(capsys.readouterr().out)["person"]["external_id"] == "ann-4711"
    monkeypatch.setattr("builtins.input", lambda question: "n")
    call_command("erase_person", "external_id", "ann-4711")
    assert "Nothing was done." in capsys.readouterr().out
    call_command("erase_person", "external_id", "ann-4711", "--yes")
    assert "1 events" in capsys.readouterr().out
    assert not Profile.objects.exists()
    for wrong in (["export_person", "email", "x@y.z"], ["erase_person", "email"]):
        with pytest.raises(CommandError):
            call_command(*wrong)
    with pytest.raises(CommandError, match="no External API “x”"):
        call_command("erase_person", "email", "x@y.z", "--also-at", "x")


def test_whoever_a_restore_brought_back_is_erased_again(ann, capsys):
    erasure.erase([("external_id", "back")], asked_through="a test")
    erasure.erase([("external_id", "free")], asked_through="a test", may_return=True)
    # As a restore writes them: past everything.
    for name in ("back", "free"):
        factories.make_profile(external_id=name)
    call_command("erase_person", "--again", "--yes")
    assert "1 person who was erased before came back" in capsys.readouterr().out
    people = Profile.objects.order_by("external_id")
    assert [p.external_id for p in people] == ["ann-4711", "free"]
