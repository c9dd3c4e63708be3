"""/campaigns/trigger/send and /canvas/trigger/send."""

import pytest

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.facts.contract import BAD_EMAIL_SUBSCRIPTION_STATE
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.braze.sandbox.runtime.options import (
    BadOptionError,
    parse_canvases,
)
from tests.externalapi.vendors.braze.sandbox.people import attributes

CAMPAIGN = "d8b73da7-0b7c-fc72-1d80-e59c7f20f0d3"
CANVAS = "70a7fb99-cbcb-451a-8224-5f8b8c63e03f"
ALIAS = {"alias_name": "a", "alias_label": "web"}
ADA = {"external_user_id": "ada"}
LATEST = ["unidentified", "most_recently_updated"]


def campaign(sandbox, *recipients, **body):
    body = {"campaign_id": CAMPAIGN, "recipients": list(recipients), **body}
    return sandbox.track(body, "/campaigns/trigger/send")


def canvas(sandbox, *recipients, **body):
    body = {"canvas_id": CANVAS, "recipients": list(recipients), **body}
    return sandbox.track(body, "/canvas/trigger/send")


def sends(sandbox, external_id):
    return sandbox.user(external_id)["send_list"]


def test_a_campaign_with_properties(sandbox):
    sandbox.track({"attributes": [attributes()]})
    answer = campaign(
        sandbox,
        {**ADA, "trigger_properties": {"name": "Ada", "shop": "Paris"}},
        {"external_user_id": "nobody"},
        trigger_properties={"shop": "Rome", "sale": 10},
    )
    assert (answer.status, answer.json()["message"]) == (201, "success")
    (send,) = sends(sandbox, "ada")
    assert (send["kind"], send["id"]) == ("Campaign", CAMPAIGN)
    assert send["properties"] == {"name": "Ada", "shop": "Paris", "sale": 10}
    assert send["dispatch_id"] == answer.json()["dispatch_id"]
    (received,) = sandbox.user("ada")["campaigns_received"]
    assert received["api_campaign_id"] == CAMPAIGN
    assert sandbox.user("nobody") is None
    page = sandbox.call(
        "GET", f"/users/{sandbox.user('ada')['braze_id']}"
    ).body.decode()
    assert "Campaign" in page
    assert "Paris" in page


@pytest.mark.parametrize("name", ["context", "canvas_entry_properties"])
def test_a_canvas_with_context(sandbox, name):
    sandbox.track({"attributes": [attributes()]})
    canvas(sandbox, {**ADA, name: {"size": 5}}, **{name: {"size": 1, "color": "red"}})
    (send,) = sends(sandbox, "ada")
    assert (send["kind"], send["properties"]) == ("Canvas", {"size": 5, "color": "red"})
    (received,) = sandbox.user("ada")["canvases_received"]
    assert received["api_canvas_id"] == CANVAS


def test_of_a_person_named_twice_the_last_one_counts(sandbox):
    sandbox.track({"attributes": [attributes()]})
    both = [{**ADA, "trigger_properties": {"n": n}} for n in (1, 2)]
    campaign(sandbox, *both)
    (send,) = sends(sandbox, "ada")
    assert send["properties"] == {"n": 2}


def test_recipients_by_every_identifier(sandbox):
    sandbox.track({"attributes": [attributes(email="a@b.example")]})
    sandbox.track(
        {"user_aliases": [{**ALIAS, "external_id": "ada"}]}, "/users/alias/new"
    )
    braze_id = sandbox.user("ada")["braze_id"]
    for recipient in (
        {"user_alias": ALIAS},
        {"braze_id": braze_id},
        {"email": "a@b.example", "prioritization": ["identified"]},
    ):
        assert campaign(sandbox, recipient).status == 201
    assert len(sends(sandbox, "ada")) == 3


def test_attributes_come_before_the_send(sandbox):
    sandbox.track({"attributes": [attributes()]})
    changed = {"first_name": "Ada", "visits": {"inc": 1}}
    campaign(sandbox, {**ADA, "attributes": changed})
    assert sandbox.user("ada")["first_name"] == "Ada"
    assert sandbox.user("ada")["custom_attributes"] == {"visits": 1}


def test_a_person_is_created_only_if_so_asked(sandbox):
    new = {"external_user_id": "new", "attributes": {"first_name": "New"}}
    campaign(sandbox, new)
    assert sandbox.user("new") is None
    campaign(sandbox, {**new, "send_to_existing_only": False})
    assert sandbox.user("new")["first_name"] == "New"
    assert len(sends(sandbox, "new")) == 1


def test_a_canvas_does_not_change_subscription_groups(sandbox):
    state = {"subscription_group_id": CANVAS, "subscription_state": "subscribed"}
    recipient = {**ADA, "attributes": {"subscription_groups": [state], "a": 1}}
    sandbox.track({"attributes": [attributes()]})
    canvas(sandbox, recipient)
    assert "subscription_groups" not in sandbox.user("ada")
    campaign(sandbox, recipient)
    assert sandbox.user("ada")["subscription_groups"] == [state]


@pytest.mark.parametrize(
    ("recipient", "sentence"),
    [
        ("ada", refusals.RECIPIENT_REQUIRED.sentence),
        ({}, refusals.RECIPIENT_REQUIRED.sentence),
        ({"external_user_id": ""}, refusals.RECIPIENT_REQUIRED.sentence),
        ({**ADA, "user_alias": ALIAS}, refusals.ONE_RECIPIENT.sentence),
        ({"user_alias": "a"}, refusals.RECIPIENT_NOT_VALID.sentence),
        ({"external_user_id": ["a"]}, refusals.RECIPIENT_NOT_VALID.sentence),
        ({"email": "a@b.example"}, refusals.PRIORITIZATION_NOT_VALID.sentence),
        (
            {**ADA, "trigger_properties": [1]},
            refusals.RECIPIENT_PROPERTIES_NOT_VALID.sentence,
        ),
        (
            {**ADA, "send_to_existing_only": False},
            refusals.ATTRIBUTES_REQUIRED.sentence,
        ),
        (
            {"user_alias": ALIAS, "send_to_existing_only": False, "attributes": {}},
            refusals.EXISTING_ONLY_WITH_ALIAS.sentence,
        ),
        (
            {**ADA, "attributes": {"email_subscribe": "x"}},
            BAD_EMAIL_SUBSCRIPTION_STATE.sentence,
        ),
    ],
)
def test_a_wrong_recipient_is_named_and_the_others_get_it(sandbox, recipient, sentence):
    sandbox.track({"attributes": [attributes()]})
    answer = campaign(sandbox, recipient, ADA)
    assert answer.status == 201
    assert answer.json()["errors"] == [
        {"type": sentence, "input_array": "recipients", "index": 0}
    ]
    assert len(sends(sandbox, "ada")) == 1
    alone = campaign(sandbox, recipient)
    assert (alone.status, alone.json()["message"]) == (400, "No Recipients")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"campaign_id": None}, refusals.CAMPAIGN_ID_NOT_VALID),
        ({"campaign_id": "non-existing"}, refusals.CAMPAIGN_ID_NOT_VALID),
        ({"recipients": []}, refusals.NO_RECIPIENTS),
        ({"recipients": None}, refusals.NO_RECIPIENTS),
        ({"recipients": ADA}, refusals.RECIPIENTS_NOT_VALID),
        ({"recipients": [ADA] * 51}, refusals.TOO_MANY_IDS_AND_ALIASES),
        ({"broadcast": True}, refusals.RECIPIENTS_IN_BROADCAST),
        (
            {"broadcast": True, "recipients": None, "attachments": [{"url": "u"}]},
            refusals.ATTACHMENTS_IN_BROADCAST,
        ),
        ({"trigger_properties": [1]}, refusals.PROPERTIES_NOT_OBJECT),
    ],
)
def test_a_request_that_is_refused(sandbox, body, refusal):
    answer = campaign(sandbox, **{"recipients": [ADA], **body})
    assert (answer.status, answer.json()) == (400, {"message": refusal.text})


def test_what_a_canvas_refuses(sandbox):
    wrong = canvas(sandbox, ADA, canvas_id="non-existing")
    assert wrong.json() == {"message": refusals.CANVAS_ID_NOT_VALID.text}
    large = canvas(sandbox, ADA, context={"text": "a" * 50 * 1024})
    assert large.json() == {"message": refusals.CONTEXT_TOO_LARGE.text}


def test_a_broadcast_needs_no_recipients(sandbox):
    answer = campaign(sandbox, recipients=None, broadcast=True)
    assert answer.status == 201
    assert answer.headers["X-RateLimit-Limit"] == "250"


def test_only_campaigns_and_canvases_that_were_named_exist():
    other = "6f2e1c3a-52b4-4c7e-9a39-0a1b2c3d4e5f"
    arguments = [
        "--campaign",
        f"{CAMPAIGN}:Welcome",
        "--canvas",
        f"{CANVAS}:Hello:paused",
    ]
    with SandboxProcess(*arguments) as sandbox:
        sandbox.track({"attributes": [attributes()]})
        campaign(sandbox, ADA)
        unknown = campaign(sandbox, ADA, campaign_id=other)
        assert (unknown.status, unknown.json()) == (
            400,
            {"message": "Invalid Campaign ID"},
        )
        assert canvas(sandbox, ADA, canvas_id=other).json() == {
            "message": refusals.UNKNOWN_CANVAS.text
        }
        paused = canvas(sandbox, ADA)
        assert (paused.status, paused.json()["notice"]) == (
            201,
            refusals.CANVAS_NOTICES["paused"],
        )
        (send,) = sends(sandbox, "ada")
        assert (send["kind"], send["name"]) == ("Campaign", "Welcome")


def test_a_canvas_that_cannot_be_read():
    with pytest.raises(BadOptionError, match="Unknown state 'gone'"):
        parse_canvases([f"{CANVAS}:Hello:gone"])


def test_sends_survive_a_restart(tmp_path):
    with SandboxProcess("--journal", str(tmp_path / "journal")) as sandbox:
        sandbox.track({"attributes": [attributes()]})
        campaign(sandbox, {**ADA, "trigger_properties": {"n": 1}})
        sandbox.track({"external_ids": ["ada", "bob"]}, "/users/delete")
        sandbox.track({"attributes": [attributes()]})
        canvas(sandbox, ADA)
        before = sandbox.user("ada")
        assert len(before["send_list"]) == 1
        sandbox.restart()
        assert sandbox.user("ada") == before
