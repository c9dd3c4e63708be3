"""Whom a message is about, from the door to the person."""

from datetime import timedelta

import pytest

from lemnisk_braze.lib import database_clock
from segments.ingest import inbox
from segments.models import Event, Identifier, InboxRequest, Profile, RefusedMessage
from segments.tracking import replaying, validation

OK = (200, {"success": True})


@pytest.fixture
def send(post):
    """Post a message and apply it."""

    def send(path, **message):
        if path == "track":
            message.setdefault("event", "Lead")
        assert post(path, message) == OK
        assert inbox.apply().errors == 0

    return send


def people():
    return Profile.objects.filter(merged_into=None)


def named(*pairs):
    return {"externalIds": [{"type": kind, "id": value} for kind, value in pairs]}


# --- alias ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["alias", "a"])
def test_an_alias_makes_two_people_one(send, path):
    send("identify", userId="old", traits={"city": "Pune"})
    send("track", userId="old", event="Before")
    send("identify", userId="new", traits={"plan": "gold"})
    send(path, userId="new", previousId="old")
    send("track", userId="old", event="After")
    person = people().get()
    assert person.external_id == "new"
    assert person.attributes == {"city": "Pune", "plan": "gold"}
    assert set(person.events.values_list("name", flat=True)) == {"Before", "After"}


@pytest.mark.parametrize("path", ["batch", "import", "b"])
def test_an_alias_in_a_batch(post, path):
    items = [
        {"type": "track", "anonymousId": "a1", "event": "Before"},
        {"type": "alias", "previousId": "a1", "userId": "u1"},
        {"type": "alias", "userId": "u1"},
    ]
    status, answer = post(path, {"batch": items})
    assert (status, answer["accepted"]) == (200, 2)
    assert answer["refused"] == [
        {
            "index": 2,
            "code": "invalid",
            "message": "alias has a userId and a previousId.",
        }
    ]
    assert inbox.apply().messages == 2
    assert Event.objects.get().profile.external_id == "u1"


def test_an_alias_of_numbers_keeps_their_digits(send):
    send("track", userId="9007199254740993")
    send("alias", userId="u1", previousId=9007199254740993)
    assert Event.objects.get().profile.external_id == "u1"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"previousId": "a1"}, "alias has a userId and a previousId."),
        ({"userId": "u1"}, "alias has a userId and a previousId."),
        ({"userId": "u1", "previousId": " "}, "previousId is one line of visible characters."),
        ({"userId": "u1", "previousId": []}, "previousId is a text or a number."),
        ({"userId": "u1", "previousId": "p" * 988}, "previousId has at most 987 bytes."),
    ],
)  # fmt: skip
def test_an_alias_that_is_none_is_refused_and_kept(post, body, message):
    status, answer = post("alias", body)
    assert (status, answer["message"]) == (400, message)
    assert RefusedMessage.objects.get().kind == "alias"
    assert replaying.replay(RefusedMessage.objects.all()).refused == 1


# --- Without userId and anonymousId -------------------------------------------------


@pytest.mark.parametrize(
    "pair",
    [
        ("user_alias", "newsletter:ann"),
        ("braze_id", "5f1a"),
        ("crm", "0042"),
        ("crm", "CRM-7"),
    ],
)
@pytest.mark.parametrize("field", ["externalId", "externalIds"])
def test_another_identifier_alone_names_somebody(send, pair, field):
    context = {field: named(pair)["externalIds"]}
    send("identify", traits={"city": "Pune"}, context=context)
    for path in ("track", "page", "screen"):
        send(path, context=context)
    send("group", groupId="g", context=context)
    person = people().get()
    assert person.attributes == {"city": "Pune"}
    assert person.events.count() == 4
    assert Identifier.objects.get().value == pair[1]
    send("track", userId="u1", context=context)
    person = people().get()
    assert (person.external_id, person.events.count()) == ("u1", 5)


def test_the_external_id_may_be_among_the_others(send):
    send("track", context=named(("external_id", "u1")))
    assert Event.objects.get().profile.external_id == "u1"


@pytest.mark.parametrize(
    ("traits", "again"),
    [
        ({"email": "Ann@Example.com"}, {"email": " ann@example.COM"}),
        ({"phone": "+44 7700 900123"}, {"phone": "+447700900123"}),
        ({"phone": 447700900123}, {"phone": "+447700900123"}),
    ],
)
def test_an_address_alone_names_somebody(send, traits, again):
    send("identify", traits={**traits, "city": "Pune"})
    send("identify", traits={**again, "plan": "gold"})
    send("track", context={"traits": again})
    person = people().get()
    assert person.attributes == {"city": "Pune", "plan": "gold"}
    assert person.events.count() == 1
    send("identify", userId="u1", traits=again)
    assert people().get().external_id == "u1"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"traits": {"city": "Pune"}},
        {"traits": {"email": "no address"}},
        {"traits": {"email": " "}},
        {"traits": {"phone": "12345"}},
        {"context": {"externalIds": [{"type": "crm", "id": ""}]}},
        {"context": {"externalIds": [{"type": "placeholder", "id": "x"}]}},
        {"context": {"externalIds": {"type": "crm", "id": "x"}}},
        {"context": {"externalIds": [["crm", "x"]]}},
    ],
)
def test_who_is_nobody_is_told_at_once(post, body):
    """And never accepted first, to be refused while it is applied."""
    status, answer = post("identify", body)
    assert (status, answer["message"]) == (400, validation.NOBODY)
    assert not InboxRequest.objects.exists()


def test_an_address_that_may_not_join_names_nobody(post, settings):
    settings.IDENTITY_JOINS = ["anonymous_id"]
    body = {"traits": {"email": "ann@example.com"}}
    assert post("identify", body)[0] == 400
    assert post("identify", {**body, "anonymousId": "a1"}) == OK


def test_a_placeholder_alone_is_kept_and_names_nobody(send, post):
    """TRAPS 9: two programs that know nobody are not one person with a name."""
    for value in ("undefined", "[object Object]", "null", "0", "anonymous"):
        send("track", context=named(("crm", value)))
        status, answer = post("track", {"userId": value, "event": "Lead"})
        assert (status, answer["warnings"]) == (
            200,
            [
                {
                    "index": 0,
                    "code": "placeholder_id",
                    "message": f"userId: “{value}” names nobody.",
                }
            ],
        )
    inbox.apply()
    assert Event.objects.count() == 10
    assert not Profile.objects.exclude(external_id=None).exists()
    assert not Identifier.objects.filter(kind="crm").exists()


# --- As the traps have it -----------------------------------------------------------


def test_numbers_that_a_float_cannot_tell_apart_are_two_people(post):
    for digits in ("9007199254740992", "9007199254740993"):
        assert post("track", f'{{"userId":{digits},"event":"Lead"}}') == OK
    inbox.apply()
    assert people().count() == 2


def test_a_trait_of_the_future_does_not_win_for_ever(post):
    ahead = (database_clock.now() + timedelta(days=2)).isoformat()
    body = {"userId": "u1", "traits": {"plan": "wrong"}, "timestamp": ahead}
    status, answer = post("identify", body)
    assert (status, answer["warnings"][0]["code"]) == (200, "future_time")
    assert post("identify", {"userId": "u1", "traits": {"plan": "right"}}) == OK
    inbox.apply()
    assert people().get().attributes == {"plan": "right"}


def test_nobody_has_attributes_without_end(post):
    """FOUND S8: what is too much is refused by name, and all before it stays."""
    items = [
        {
            "type": "identify",
            "userId": "u1",
            "messageId": f"m{n}",
            "traits": {f"n{n}-{k}": "x" * 60 for k in range(200)},
        }
        for n in range(60)
    ]
    for n in range(0, 60, 20):
        assert post("batch", {"batch": items[n : n + 20]}) == OK
    done = inbox.apply()
    assert (done.messages, done.errors) == (5, 55)
    assert len(people().get().attributes) == 1_000
    assert RefusedMessage.objects.filter(stage="applying").count() == 55
