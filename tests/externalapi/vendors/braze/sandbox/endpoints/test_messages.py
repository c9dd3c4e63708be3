"""/messages/send: who gets what, and what is refused."""

import pytest

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from tests.externalapi.vendors.braze.sandbox.people import attributes

CAMPAIGN = "d8b73da7-0b7c-fc72-1d80-e59c7f20f0d3"
ALIAS = {"alias_name": "a", "alias_label": "web"}
PUSH = {"apple_push": {"alert": "hello"}}
EMAIL = {"email": {"app_id": "app", "from": "A <a@b.example>", "body": "<p>Hi</p>"}}


def sent(sandbox, messages=PUSH, **body):
    return sandbox.track({"messages": messages, **body}, "/messages/send")


def sends(sandbox, external_id):
    return sandbox.user(external_id)["send_list"]


def test_a_message_reaches_who_exists(sandbox):
    person = attributes(push_tokens=[{"app_id": "app", "token": "abc"}])
    sandbox.track({"attributes": [person]})
    sandbox.track({"user_aliases": [ALIAS]}, "/users/alias/new")
    answer = sent(sandbox, external_user_ids=["ada", "nobody"], user_aliases=[ALIAS])
    body = answer.json()
    assert (answer.status, body["message"]) == (201, "success")
    assert len(body["dispatch_id"]) == 32
    (send,) = sends(sandbox, "ada")
    assert send["kind"] == "Message"
    assert send["dispatch_id"] == body["dispatch_id"]
    assert send["properties"] == PUSH
    assert send["channels"] == {"apple_push": ""}
    assert sandbox.user("nobody") is None
    assert sandbox.requests()[-1]["external_ids"] == {
        "external_user_ids": ["ada", "nobody"],
        "user_aliases": [None],
    }


def test_a_person_named_twice_gets_one_message(sandbox):
    sandbox.track({"attributes": [attributes()]})
    sent(sandbox, external_user_ids=["ada", "ada"])
    assert len(sends(sandbox, "ada")) == 1


@pytest.mark.parametrize(
    ("values", "wanted", "outcome"),
    [
        ({}, "all", "no email address"),
        ({"email": "a@b.example"}, "subscribed", ""),
        ({"email": "a@b.example"}, "opted_in", "is subscribed"),
        (
            {"email": "a@b.example", "email_subscribe": "unsubscribed"},
            "subscribed",
            "is unsubscribed",
        ),
        ({"email": "a@b.example", "email_subscribe": "unsubscribed"}, "all", ""),
        ({"email": "a@b.example", "email_subscribe": "opted_in"}, "opted_in", ""),
    ],
)
def test_the_subscription_state_decides(sandbox, values, wanted, outcome):
    sandbox.track({"attributes": [attributes(**values)]})
    sent(
        sandbox,
        EMAIL,
        external_user_ids=["ada"],
        recipient_subscription_state=wanted,
    )
    (send,) = sends(sandbox, "ada")
    assert send["channels"] == {"email": outcome}


def test_the_other_channels_need_somewhere_to_go(sandbox):
    sandbox.track({"attributes": [attributes()]})
    messages = {**PUSH, "sms": {"body": "hi"}, "webhook": {"url": "https://a.example"}}
    sent(sandbox, messages, external_user_ids=["ada"])
    assert sends(sandbox, "ada")[0]["channels"] == {
        "apple_push": "no push token",
        "sms": "no phone number",
        "webhook": "",
    }
    page = sandbox.call("GET", f"/users/{sandbox.user('ada')['braze_id']}").body
    assert b"Sms: not sent, no phone number" in page


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, refusals.NO_RECIPIENTS),
        ({"external_user_ids": []}, refusals.NO_RECIPIENTS),
        ({"external_user_ids": "ada"}, refusals.RECIPIENTS_NOT_VALID),
        ({"segment_id": "s"}, refusals.BROADCAST_REQUIRED),
        ({"audience": {"AND": []}, "broadcast": False}, refusals.BROADCAST_REQUIRED),
        (
            {"external_user_ids": ["ada"], "broadcast": True},
            refusals.RECIPIENTS_IN_BROADCAST,
        ),
        (
            {
                "external_user_ids": [f"p{n}" for n in range(50)],
                "user_aliases": [ALIAS],
            },
            refusals.TOO_MANY_IDS_AND_ALIASES,
        ),
        (
            {"external_user_ids": ["ada"], "recipient_subscription_state": "none"},
            refusals.RECIPIENT_STATE_NOT_VALID,
        ),
        ({"external_user_ids": ["ada"], "messages": {}}, refusals.NO_MESSAGE),
        ({"external_user_ids": ["ada"], "messages": {"fax": {}}}, refusals.NO_MESSAGE),
        ({"external_user_ids": ["ada"], "send_id": "s"}, refusals.SEND_ID_ALONE),
        (
            {"external_user_ids": ["ada"], "campaign_id": "non-existing"},
            refusals.UNKNOWN_CAMPAIGN,
        ),
        (
            {"external_user_ids": ["ada"], "campaign_id": CAMPAIGN},
            refusals.VARIANT_UNSPECIFIED,
        ),
        (
            {
                "external_user_ids": ["ada"],
                "messages": {"apple_push": {"alert": "a" * 1912}},
            },
            refusals.APPLE_PUSH_TOO_LONG,
        ),
        (
            {
                "external_user_ids": ["ada"],
                "messages": {"android_push": {"alert": "a" * 4000}},
            },
            refusals.ANDROID_PUSH_TOO_LONG,
        ),
        (
            {
                "external_user_ids": ["ada"],
                "messages": {"android_push": {"alert": "a", "extra": "x"}},
            },
            refusals.EXTRA_NOT_VALID,
        ),
        (
            {"external_user_ids": ["ada"], "messages": {"email": {"body": "a"}}},
            refusals.EMAIL_NOT_VALID,
        ),
    ],
)
def test_a_request_that_is_refused(sandbox, body, refusal):
    sandbox.track({"attributes": [attributes()]})
    answer = sent(sandbox, **{"messages": PUSH, **body})
    assert (answer.status, answer.json()) == (400, {"message": refusal.text})
    assert sends(sandbox, "ada") == []


def test_a_campaign_with_a_variant_counts_as_received(sandbox):
    sandbox.track({"attributes": [attributes()]})
    push = {"apple_push": {"alert": "hello", "message_variation_id": "v"}}
    sent(sandbox, push, external_user_ids=["ada"], campaign_id=CAMPAIGN)
    (received,) = sandbox.user("ada")["campaigns_received"]
    assert received["api_campaign_id"] == CAMPAIGN


def test_a_wrong_recipient_is_named_and_the_others_get_it(sandbox):
    sandbox.track({"attributes": [attributes()]})
    answer = sent(sandbox, external_user_ids=["", "ada"])
    assert answer.status == 201
    (error,) = answer.json()["errors"]
    assert (error["input_array"], error["index"]) == ("external_user_ids", 0)
    assert len(sends(sandbox, "ada")) == 1
    assert sent(sandbox, external_user_ids=[""]).status == 400


def test_broadcasts_have_limits_of_their_own():
    arguments = ("--limit", "audience=2", "--limit", "broadcast=3")
    with SandboxProcess(*arguments) as sandbox:
        one = {"segment_id": "one", "broadcast": True}
        answers = [sent(sandbox, **one) for _ in range(3)]
        answers += [
            sent(sandbox, segment_id=name, broadcast=True) for name in ("two", "three")
        ]
        statuses = [answer.status for answer in answers]
        # The minute may turn in between, and then there is room again.
        assert statuses == [201, 201, 429, 201, 429] or 429 not in statuses[:2]
        assert answers[0].headers["X-RateLimit-Limit"] == "3"
        named = sent(sandbox, external_user_ids=["ada"])
        assert (named.status, named.headers["X-RateLimit-Limit"]) == (201, "250000")
