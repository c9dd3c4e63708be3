"""Lemnisk's own REST source: `POST /v3/data` with its pair of keys."""

import json

import pytest

from segments.ingest import inbox
from segments.models import (
    Erasure,
    Event,
    Identifier,
    InboxRequest,
    Profile,
    RefusedMessage,
    SourceWarning,
)
from segments.tracking import replaying, validation, write_keys
from tests.inbox import the_only_one
from tests.segments.tracking.conftest import basic

TRACK = {
    "type": "track",
    "userid": "u1",
    "eventname": "Lead form submitted",
    "properties": {"form": "demo"},
}
IDENTIFY = {
    "type": "identify",
    "userid": "u1",
    "eventname": "Signed up",
    "properties": {"email": "Ann@Example.com", "city": "Pune"},
}


@pytest.fixture
def pair(source):
    return write_keys.issue_pair(source, "CRM")


@pytest.fixture
def send(client, pair):
    """Send a JSON value with the pair of keys; (status, answer)."""

    def send(body, method="POST", key=pair[0], passkey=pair[1], **headers):
        headers |= {"x-api-key": key, "x-api-passkey": passkey}
        headers = {name: value for name, value in headers.items() if value is not None}
        data = body if isinstance(body, str) else json.dumps(body)
        response = client.generic(
            method, "/v3/data", data, "application/json", headers=headers
        )
        return response.status_code, response.json()

    return send


def test_what_is_sent_becomes_a_person_and_an_event(send):
    for body in (IDENTIFY, TRACK):
        status, answer = send(body)
        assert (status, answer.keys()) == (200, {"message", "id"})
        assert answer["message"] == "Success"
    assert inbox.apply().messages == 2
    person = Profile.objects.get()
    assert (person.external_id, person.email) == ("u1", "ann@example.com")
    assert person.attributes == {"city": "Pune"}
    event = person.events.get()
    assert (event.name, event.properties) == ("Lead form submitted", {"form": "demo"})
    assert event.message_id == answer["id"]


def test_what_is_sent_again_with_its_id_is_there_once(send):
    body = {**TRACK, "messageId": "m1", "timestamp": "2026-01-31T12:00:00Z"}
    assert send(body) == send(body) == (200, {"message": "Success", "id": "m1"})
    inbox.apply()
    assert Event.objects.count() == 1


def test_what_the_clients_of_it_send(send):
    """RudderStack's destination, and the library of HCL's CDP."""
    rudder = {
        "type": "track",
        "userId": "u1",
        "email": "ann@example.com",
        "eventname": "Lead",
        "properties": {"n": 1},
        "WriteKey": "w",
        "srcid": "s",
    }
    hcl = {
        "type": "track",
        "eventname": "Lead",
        "properties": {},
        "otherIds": {"crm": 42, "email": "ann@example.com", "odd kind": "x"},
        "context": {"library": {"name": "x", "version": "1"}},
    }
    for body in (rudder, hcl):
        assert send(body)[0] == 200
    inbox.apply()
    person = Profile.objects.get(merged_into=None)
    assert (person.external_id, person.email) == ("u1", "ann@example.com")
    assert person.events.count() == 2
    assert Identifier.objects.filter(kind="crm", value="42").exists()


@pytest.mark.parametrize("digits", ["9007199254740993", "5.0", "1e21", "9" * 30])
def test_a_userid_that_is_a_number_keeps_its_digits(send, digits):
    assert send(f'{{"type":"identify","userid":{digits}}}')[0] == 200
    assert the_only_one().payload["userId"] == digits


def test_warnings_are_counted_and_the_answer_stays_the_same(send):
    status, answer = send({**TRACK, "timestamp": "2150-01-01T00:00:00Z"})
    assert (status, answer.keys()) == (200, {"message", "id"})
    assert SourceWarning.objects.get().code == "future_time"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "page"}, "type is identify or track."),
        ({"type": ["track"]}, "type is identify or track."),
        ({"userid": ["u1"]}, "userid is a text or a number."),
        ({"userid": "u" * 988}, "userid has at most 987 bytes."),
        ({"userid": None, "userId": "u\n"}, "userId is one line of visible characters."),
        ({"userid": ""}, validation.NOBODY),
        ({"eventname": " "}, "eventname is a name of 1 to 255 characters."),
        ({"eventname": "a\nb"}, "eventname is one line of visible characters."),
        ({"properties": []}, "properties is a JSON object."),
        ({"properties": {"": 1}}, "Names in properties have 1 to 255 characters."),
        ({"otherIds": []}, "otherIds is a JSON object."),
        ({"otherIds": {"email": 5}}, "otherIds.email is a text of at most 320 characters."),
        ({"email": "a" * 321}, "email is a text of at most 320 characters."),
        ({"properties": {"a": "\0"}}, r"The character \u0000 cannot be stored."),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_by_its_own_names(send, fields, message):
    status, answer = send(TRACK | fields)
    assert (status, answer["message"]) == (400, message)
    assert not InboxRequest.objects.exists()
    assert RefusedMessage.objects.get().message == message


def test_a_contact_of_an_identify_is_named_as_it_was_sent(send):
    answer = send({**IDENTIFY, "properties": {"email": 5}})[1]
    assert answer["message"] == (
        "properties.email is a text of at most 320 characters."
    )


def test_what_was_refused_is_sent_in_again(send, source):
    body = json.dumps({**TRACK, "messageId": "m1"}).encode()
    RefusedMessage.objects.create(
        source=source, code="old", kind="v3/data", body=body, message_id="m1"
    )
    assert replaying.replay(RefusedMessage.objects.all()).taken == 1
    assert the_only_one().payload["event"] == "Lead form submitted"


@pytest.mark.parametrize(
    "headers",
    [
        {"key": None},
        {"passkey": None},
        {"key": "wrong"},
        {"passkey": "wrong"},
        {"key": "", "passkey": ""},
        {"key": None, "passkey": None, "Authorization": basic("x")},
    ],
)
def test_without_the_pair_nothing_is_taken(send, headers):
    status, answer = send(TRACK, **headers)
    assert (status, answer["code"]) == (401, "unauthorized")
    assert "x-api-key and x-api-passkey" in answer["message"]


def test_a_write_key_is_no_pair_and_a_pair_is_no_write_key(send, post, pair, write_key):
    for passkey in (None, "", "x"):
        assert send(TRACK, key=write_key, passkey=passkey)[0] == 401
    assert post("identify", {"userId": "u1"}, key=pair[0])[0] == 401


def test_a_pair_is_revoked_like_any_key(send, source):
    write_keys.revoke(source.write_keys.get())
    assert send(TRACK)[0] == 401


# --- DELETE -------------------------------------------------------------------------


@pytest.fixture
def ann(send):
    assert send(IDENTIFY)[0] == send(TRACK)[0] == 200
    inbox.apply()
    return Profile.objects.get()


@pytest.mark.parametrize(
    "named",
    [
        {"userid": "u1"},
        {"userId": "u1", "type": "identify"},
        {"email": " ANN@example.com"},
        {"otherIds": {"email": "ann@example.com"}},
    ],
)
def test_a_person_is_erased_and_kept_out(send, ann, named, source):
    status, answer = send(named, method="DELETE")
    assert (status, answer["message"]) == (200, "Success")
    assert not Profile.objects.exists()
    assert not Event.objects.exists()
    erasure = Erasure.objects.get(pk=answer["id"])
    assert erasure.asked_through == f"DELETE /v3/data, {source}"
    assert send(TRACK)[0] == 200
    inbox.apply()
    assert not Profile.objects.exists()
    assert RefusedMessage.objects.get().code == "erased"


def test_attributes_are_removed_and_the_person_stays(send, ann):
    body = {"userid": "u1", "properties": {"city": "whatever", "email": 1}}
    status, answer = send(body, method="DELETE")
    assert (status, answer.keys()) == (200, {"message", "id"})
    inbox.apply()
    ann.refresh_from_db()
    assert (ann.attributes, ann.email, ann.events.count()) == ({}, "", 1)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "Say who it is: userid, email or otherIds."),
        ({"userid": ""}, 400, "Say who it is: userid, email or otherIds."),
        ({"otherIds": {"email": " "}}, 400, "Say who it is: userid, email or otherIds."),
        ({"userid": []}, 400, "userid is a text or a number."),
        ({"userid": "u1", "type": "track"}, 400, "type is identify, or left out."),
        ({"userid": "u1", "properties": []}, 400, "properties is a JSON object."),
        (
            {"userid": "u1", "properties": {}},
            400,
            "Name the properties to remove, or leave properties out: that erases the person.",
        ),
        ("{", 400, "The body is not valid JSON, or holds a number without a value."),
    ],
)  # fmt: skip
def test_nobody_is_erased_by_mistake(send, ann, body, status, message):
    answered, answer = send(body, method="DELETE")
    assert (answered, answer["message"]) == (status, message)
    assert Profile.objects.exists()
    assert not Erasure.objects.exists()


def test_an_identifier_of_several_erases_nobody(send, ann):
    assert send({**IDENTIFY, "userid": "u2"})[0] == 200
    inbox.apply()
    status, answer = send({"email": "ann@example.com"}, method="DELETE")
    assert (status, answer["code"]) == (409, "several_people")
    assert Profile.objects.count() == 2


def test_without_the_pair_nobody_is_erased(send, ann):
    assert send({"userid": "u1"}, method="DELETE", passkey="x")[0] == 401
    assert Profile.objects.exists()
