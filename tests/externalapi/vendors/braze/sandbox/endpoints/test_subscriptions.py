"""Subscription groups: set by both endpoints, read by two, seen in the export."""

from datetime import timedelta

import pytest

from externalapi.vendors.braze.facts import refusals
from externalapi.vendors.braze.sandbox.endpoints import routes
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.braze.sandbox.rules.registry import Group, Known
from externalapi.vendors.braze.sandbox.runtime.backlog import Accepted
from externalapi.vendors.braze.sandbox.runtime.options import (
    BadOptionError,
    parse_groups,
)
from externalapi.vendors.braze.sandbox.users.orphan_subscriptions import Orphans
from externalapi.vendors.braze.sandbox.users.store import Store
from tests.externalapi.vendors.braze.sandbox.people import NOW, attributes

NEWS = "ed06e19a-69b1-4f9b-a452-2db2c4e303a8"
TEXTS = "0c5f0a0e-9f5b-4e0e-8a37-7a52a7f0a111"
V1, V2 = "/subscription/status/set", "/v2/subscription/status/set"


def group(state="subscribed", identifier=NEWS, **people):
    return {
        "subscription_group_id": identifier,
        "subscription_state": state,
        **people,
    }


def set_states(sandbox, *groups):
    return sandbox.track({"subscription_groups": list(groups)}, V2)


def states(sandbox, external_id):
    user = sandbox.user(external_id)
    return {
        one["subscription_group_id"]: one["subscription_state"]
        for one in user.get("subscription_groups", [])
    }


def test_several_groups_in_one_request(sandbox):
    sandbox.track({"attributes": [attributes("ada"), attributes("bob")]})
    answer = set_states(
        sandbox,
        group(external_ids=["ada", "bob"]),
        group("unsubscribed", TEXTS, external_ids=["ada"]),
    )
    assert (answer.status, answer.json()) == (201, {"message": "success"})
    assert states(sandbox, "ada") == {NEWS: "subscribed", TEXTS: "unsubscribed"}
    assert states(sandbox, "bob") == {NEWS: "subscribed"}
    set_states(sandbox, group("unsubscribed", external_ids=["ada"]))
    assert states(sandbox, "ada") == {NEWS: "unsubscribed", TEXTS: "unsubscribed"}


def test_all_who_share_an_address_change(sandbox):
    shared = {"email": "a@example.com", "phone": "+442071234567"}
    sandbox.track({"attributes": [attributes(name, **shared) for name in ("a", "b")]})
    set_states(sandbox, group(emails=["A@example.com"]))
    set_states(sandbox, group(identifier=TEXTS, phones=["+442071234567"]))
    for name in ("a", "b"):
        assert states(sandbox, name) == {NEWS: "subscribed", TEXTS: "subscribed"}


@pytest.mark.parametrize(
    "people",
    [{"external_id": "ada"}, {"external_id": ["ada"]}, {"email": "a@b.example"}],
)
def test_the_first_version_takes_one_group(sandbox, people):
    sandbox.track({"attributes": [attributes(email="a@b.example")]})
    answer = sandbox.track(group(**people), V1)
    assert (answer.status, answer.json()) == (201, {"message": "success"})
    assert states(sandbox, "ada") == {NEWS: "subscribed"}


def test_a_state_waits_for_who_gets_the_address(sandbox):
    set_states(sandbox, group(emails=["later@example.com"]))
    set_states(sandbox, group("unsubscribed", TEXTS, phones=["+442071234567"]))
    assert sandbox.summary()["users"] == 0
    person = attributes(email="later@example.com", phone="+442071234567")
    sandbox.track({"attributes": [person]})
    assert states(sandbox, "ada") == {NEWS: "subscribed", TEXTS: "unsubscribed"}


def test_it_waits_for_thirty_days():
    orphans = Orphans()
    orphans.keep(("email", "a"), NEWS, "subscribed", NOW)
    later = NOW + timedelta(days=30)
    assert orphans.taken("email", "a", later) == {NEWS: "subscribed"}
    orphans.keep(("email", "a"), NEWS, "subscribed", NOW)
    assert orphans.taken("email", "a", later + timedelta(seconds=1)) == {}


def test_who_is_asked_by_sms_first_is_not_subscribed_yet(sandbox):
    sandbox.track({"attributes": [attributes(phone="+442071234567")]})
    asked = group(phones=["+442071234567"], use_double_opt_in_logic=True)
    assert set_states(sandbox, asked).status == 201
    assert states(sandbox, "ada") == {}
    by_id = group(external_ids=["ada"], use_double_opt_in_logic=True)
    set_states(sandbox, by_id)  # no SMS group, as far as anybody knows
    assert states(sandbox, "ada") == {NEWS: "subscribed"}


@pytest.mark.parametrize(
    ("item", "refusal"),
    [
        ("ada", refusals.NO_GROUPS),
        (group(identifier="nonsense", external_ids=["ada"]), refusals.UNKNOWN_GROUP),
        (group(identifier=None, external_ids=["ada"]), refusals.UNKNOWN_GROUP),
        (group("opted_in", external_ids=["ada"]), refusals.GROUP_STATE_NOT_VALID),
        (group(None, external_ids=["ada"]), refusals.GROUP_STATE_NOT_VALID),
        (group(), refusals.NOBODY_TO_SUBSCRIBE),
        (group(external_ids=[]), refusals.NOBODY_TO_SUBSCRIBE),
        (
            group(emails=["a@b.example"], phones=["+442071234567"]),
            refusals.EMAIL_AND_PHONE,
        ),
        (group(["subscribed"], external_ids=["a"]), refusals.GROUP_STATE_NOT_VALID),
        (group(external_ids=[None]), refusals.SUBSCRIBER_NOT_VALID),
        (group(emails=[5]), refusals.SUBSCRIBER_NOT_VALID),
        (group(phones=["02071234567"]), refusals.PHONE_NOT_VALID),
        (
            group(external_ids=[f"p{n}" for n in range(51)]),
            refusals.TOO_MANY_IDS_AND_ALIASES,
        ),
    ],
)
def test_a_wrong_object_refuses_the_request(sandbox, item, refusal):
    sandbox.track({"attributes": [attributes()]})
    answer = set_states(sandbox, group(external_ids=["ada"]), item)
    assert (answer.status, answer.json()) == (400, {"message": refusal.text})
    assert states(sandbox, "ada") == {}


def test_addresses_and_numbers_are_never_in_one_request(sandbox):
    emails, phones = group(emails=["a@b.example"]), group(phones=["+442071234567"])
    answer = set_states(sandbox, emails, phones)
    assert answer.json() == {"message": refusals.EMAIL_AND_PHONE.text}


def test_fifty_people_in_two_groups(sandbox):
    people = [f"p{n}" for n in range(50)]
    groups = [group(external_ids=people), group(identifier=TEXTS, external_ids=people)]
    assert set_states(sandbox, *groups).status == 201


def test_only_groups_that_were_named_exist():
    options = [f"{NEWS}:Newsletter:email", f"{TEXTS}:Texts:sms"]
    arguments = [part for one in options for part in ("--subscription-group", one)]
    with SandboxProcess(*arguments) as sandbox:
        sandbox.track({"attributes": [attributes()]})
        other = group(identifier="6f2e1c3a-52b4-4c7e-9a39-0a1b2c3d4e5f")
        unknown = set_states(sandbox, {**other, "external_ids": ["ada"]})
        assert unknown.json() == {"message": "Invalid subscription group ID"}
        assert set_states(sandbox, group(external_ids=["ada"])).status == 201
        for wrong in (
            group(phones=["+442071234567"]),
            group(identifier=TEXTS, emails=["a@b.example"]),
        ):
            assert set_states(sandbox, wrong).json()["message"] == (
                refusals.WRONG_CHANNEL.text
            )
        path = f"/users/{sandbox.user('ada')['braze_id']}"
        page = sandbox.call("GET", path).body.decode()
        assert "Newsletter" in page
        assert "Subscribed" in page


def test_a_group_that_cannot_be_read():
    assert parse_groups([NEWS]) == {NEWS: Group(id=NEWS)}
    with pytest.raises(BadOptionError, match="Unknown channel 'fax'"):
        parse_groups([f"{NEWS}:News:fax"])


def test_an_sms_group_asks_first_by_external_id_too():
    known = Known(groups={TEXTS: Group(id=TEXTS, channel="sms")})
    store = Store(known)
    store.apply({"attributes": [attributes()]}, NOW)
    body = b'{"subscription_groups":[{"subscription_group_id":"%s",' % TEXTS.encode()
    body += b'"subscription_state":"subscribed","external_ids":["ada"],'
    body += b'"use_double_opt_in_logic":true}]}'
    routes.apply(store, Accepted(1.0, body, {}, f"POST {V2}"))
    assert "subscription_groups" not in store.people.by_external_id["ada"].values


# --- The global state of an address ---------------------------------------------------


@pytest.mark.parametrize("email", ["a@b.example", ["A@b.example", "c@b.example"]])
def test_the_state_of_an_address(sandbox, email):
    people = [attributes(name, email="a@b.example") for name in ("ada", "bob")]
    sandbox.track({"attributes": people})
    body = {"email": email, "subscription_state": "unsubscribed"}
    answer = sandbox.track(body, "/email/status")
    assert (answer.status, answer.json()) == (201, {"message": "success"})
    for name in ("ada", "bob"):
        assert sandbox.user(name)["email_subscribe"] == "unsubscribed"


def test_the_state_of_an_address_waits_for_its_person(sandbox):
    body = {"email": "a@b.example", "subscription_state": "opted_in"}
    assert sandbox.track(body, "/email/status").status == 201
    sandbox.track({"attributes": [attributes(email="a@b.example")]})
    assert sandbox.user("ada")["email_subscribe"] == "opted_in"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "", "subscription_state": "subscribed"},
        {"email": [], "subscription_state": "subscribed"},
        {"email": [5], "subscription_state": "subscribed"},
        {"email": ["a@b.example"] * 51, "subscription_state": "subscribed"},
        {"email": "a@b.example", "subscription_state": "maybe"},
        {"email": "a@b.example"},
    ],
)
def test_a_wrong_state_of_an_address_is_refused(sandbox, body):
    assert sandbox.track(body, "/email/status").status == 400


# --- Reading --------------------------------------------------------------------------


def got(sandbox, query):
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    return sandbox.call("GET", query, headers=headers)


def test_one_group_of_several_people(sandbox):
    sandbox.track(
        {"attributes": [attributes("a", email="a@b.example"), attributes("b")]}
    )
    set_states(sandbox, group(external_ids=["a"]))
    query = f"/subscription/status/get?subscription_group_id={NEWS}"
    answer = got(sandbox, f"{query}&external_id[]=a&external_id[]=b&email=x@b.example")
    assert (answer.status, answer.json()) == (
        200,
        {"status": {"a": "Subscribed", "b": "unknown"}, "message": "success"},
    )
    by_email = got(sandbox, f"{query}&email=a@b.example").json()
    assert by_email["status"] == {"a@b.example": "Subscribed"}
    both = got(sandbox, f"{query}&email=a@b.example&phone=%2B442071234567")
    assert both.json() == {"message": refusals.EMAIL_AND_PHONE.text}
    assert got(sandbox, query).status == 400


def test_the_groups_of_people_page_by_page(sandbox):
    shared = {"email": "a@b.example"}
    sandbox.track({"attributes": [attributes(name, **shared) for name in "abc"]})
    query = "/subscription/user/status?email=a@b.example"
    everybody = got(sandbox, query).json()
    assert [one["external_id"] for one in everybody["users"]] == ["a", "b", "c"]
    second = got(sandbox, f"{query}&limit=1&offset=1").json()
    assert [one["external_id"] for one in second["users"]] == ["b"]
    assert second["total_count"] == 3
    many = "&".join(f"external_id[]={n}" for n in range(51))
    assert got(sandbox, f"/subscription/user/status?{many}").status == 400
