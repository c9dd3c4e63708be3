"""One object is refused with a sentence of Braze's, and the others go through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.rules.track import arrays_of, judge
from externalapi.vendors.braze.sandbox.rules.verdicts import refused_as_well
from tests.externalapi.vendors.braze.sandbox.people import attributes, event, purchase

LIMIT = contract.OBJECT_LIMITS["combined_75"]
ALIAS = {"alias_name": "a-1", "alias_label": "web"}
GROUP = {
    "subscription_group_id": "6f2e1c3a-52b4-4c7e-9a39-0a1b2c3d4e5f",
    "subscription_state": "subscribed",
}
TOKEN = {"app_id": "app", "token": "abc", "device_id": "12345678"}

ACCEPTED = [
    ("attributes", {"external_id": "a"}),
    ("attributes", {"external_id": 1}),  # recorded: Braze takes integers
    ("attributes", {"external_id": "a" * 987}),
    ("attributes", {"user_alias": ALIAS}),
    ("attributes", {"braze_id": "5eea769d45bb2e1467418f92"}),
    ("attributes", {"email": "ada@example.com"}),
    ("attributes", {"phone": "+442071234567"}),
    ("attributes", attributes(email=None)),
    ("attributes", attributes(email="ada@example.com", phone="+442071234567")),
    ("attributes", attributes(email_subscribe="opted_in", push_subscribe="subscribed")),
    ("attributes", attributes(current_location={"longitude": 1, "latitude": 2.5})),
    ("attributes", attributes(subscription_groups=[GROUP])),
    ("attributes", attributes(push_tokens=[TOKEN])),
    ("attributes", {"push_token_import": True, "push_tokens": [TOKEN]}),
    ("attributes", attributes(country="nowhere", time_zone="Mars", gender="X")),
    ("events", event()),
    ("events", event(time="2019-02-15 00:00:00 -0500")),
    ("events", event(properties={"n": 1, "at": "2026-01-02", "deep": {"a": [1]}})),
    ("purchases", purchase()),
    ("purchases", purchase(product_id=1)),  # recorded as well
    ("purchases", purchase(quantity=100, price=0)),
]

REFUSED = [
    ("attributes", {"first_name": "Ada"}, contract.IDENTIFIER_REQUIRED),
    ("attributes", {"external_id": ""}, contract.IDENTIFIER_REQUIRED),
    ("attributes", {"external_id": None}, contract.IDENTIFIER_REQUIRED),
    ("attributes", "ada", contract.IDENTIFIER_REQUIRED),
    ("attributes", None, contract.IDENTIFIER_REQUIRED),
    ("attributes", attributes(user_alias=ALIAS), contract.ONE_PRIMARY_IDENTIFIER),
    ("attributes", attributes(braze_id="x"), contract.ONE_PRIMARY_IDENTIFIER),
    (
        "attributes",
        {"user_alias": ALIAS, "braze_id": "x"},
        contract.ONE_PRIMARY_IDENTIFIER,
    ),
    ("attributes", {"external_id": ["a"]}, contract.EXTERNAL_ID_NOT_VALID),
    ("attributes", {"external_id": True}, contract.EXTERNAL_ID_NOT_VALID),
    # 247 characters of four bytes each are 988 bytes.
    ("attributes", {"external_id": "😀" * 247}, contract.EXTERNAL_USER_ID_TOO_LARGE),
    ("attributes", {"external_id": "a" * 988}, contract.EXTERNAL_USER_ID_TOO_LARGE),
    ("attributes", {"user_alias": "a"}, contract.ALIAS_NOT_VALID),
    ("attributes", {"user_alias": {"alias_name": "a"}}, contract.ALIAS_NOT_VALID),
    (
        "attributes",
        {"user_alias": {"alias_name": "a" * 237, "alias_label": "b"}},
        contract.ALIAS_NOT_VALID,
    ),
    ("attributes", attributes(email="ada"), contract.EMAIL_BAD_FORMAT),
    ("attributes", attributes(email="ada@example"), contract.EMAIL_BAD_FORMAT),
    ("attributes", attributes(email="a b@example.com"), contract.EMAIL_BAD_FORMAT),
    ("attributes", attributes(email=5), contract.EMAIL_BAD_FORMAT),
    (
        "attributes",
        attributes(email_subscribe="yes"),
        contract.BAD_EMAIL_SUBSCRIPTION_STATE,
    ),
    (
        "attributes",
        attributes(email_subscribe=["subscribed"]),
        contract.BAD_EMAIL_SUBSCRIPTION_STATE,
    ),
    (
        "attributes",
        attributes(push_subscribe=True),
        contract.BAD_PUSH_SUBSCRIPTION_STATE,
    ),
    (
        "attributes",
        attributes(current_location={"longitude": 1}),
        contract.BAD_LOCATION_UPDATE,
    ),
    (
        "attributes",
        attributes(current_location={"longitude": "1", "latitude": "2"}),
        contract.BAD_LOCATION_UPDATE,
    ),
    (
        "attributes",
        attributes(current_location={"longitude": 0, "latitude": 91}),
        contract.BAD_LOCATION_UPDATE,
    ),
    ("attributes", attributes(push_tokens="t"), contract.BAD_PUSH_TOKEN_VALUE),
    ("attributes", attributes(push_tokens=["t"]), contract.BAD_PUSH_TOKEN_VALUE),
    (
        "attributes",
        attributes(push_tokens=[{**TOKEN, "app_id": None}]),
        contract.BAD_PUSH_TOKEN_APP_ID,
    ),
    (
        "attributes",
        attributes(push_tokens=[{**TOKEN, "token": 5}]),
        contract.BAD_PUSH_TOKEN_STRING,
    ),
    (
        "attributes",
        attributes(push_tokens=[{**TOKEN, "device_id": "short"}]),
        contract.BAD_DEVICE_ID,
    ),
    (
        "attributes",
        attributes(push_token_import=True, push_tokens=[TOKEN]),
        contract.BAD_PUSH_TOKEN_IMPORT,
    ),
    ("attributes", {"push_token_import": True}, contract.BAD_PUSH_TOKEN_IMPORT),
    (
        "attributes",
        attributes(subscription_groups={}),
        contract.BAD_SUBSCRIPTION_GROUP_ARRAY,
    ),
    (
        "attributes",
        attributes(subscription_groups=[{"subscription_state": "subscribed"}]),
        contract.BAD_SUBSCRIPTION_GROUP_HASH,
    ),
    (
        "attributes",
        attributes(subscription_groups=[{**GROUP, "subscription_group_id": "7"}]),
        contract.BAD_SUBSCRIPTION_GROUP_ID,
    ),
    (
        "attributes",
        attributes(subscription_groups=[{**GROUP, "subscription_state": "opted_in"}]),
        contract.BAD_SUBSCRIPTION_GROUP_STATE,
    ),
    (
        "attributes",
        attributes(email_subscription_info={}),
        contract.EMAIL_SUBSCRIPTION_INFO,
    ),
    ("events", {"name": "a", "time": "2026-01-01"}, contract.IDENTIFIER_REQUIRED),
    ("events", event(name=""), contract.NAME_REQUIRED),
    ("events", event(name=None), contract.NAME_REQUIRED),
    ("events", event(time="yesterday"), contract.TIME_NOT_VALID),
    ("events", event(time=None), contract.TIME_NOT_VALID),
    ("events", event(time=1767225600), contract.TIME_NOT_VALID),
    ("events", event(properties=[]), contract.PROPERTIES_NOT_VALID),
    ("events", event(properties={"": 1}), contract.PROPERTIES_NOT_VALID),
    ("events", event(properties={"$a": 1}), contract.PROPERTIES_NOT_VALID),
    ("events", event(properties={"a" * 256: 1}), contract.PROPERTIES_NOT_VALID),
    ("events", event(properties={"time": 1}), contract.PROPERTIES_NOT_VALID),
    ("events", event(properties={"event_name": 1}), contract.PROPERTIES_NOT_VALID),
    (
        "events",
        event(properties={"a": ["x" * 200] * 600}),
        contract.PROPERTIES_NOT_VALID,
    ),
    ("purchases", purchase(product_id=""), contract.PRODUCT_ID_NOT_VALID),
    ("purchases", purchase(product_id="a" * 256), contract.PRODUCT_ID_NOT_VALID),
    ("purchases", purchase(currency="euro"), contract.CURRENCY_NOT_VALID),
    ("purchases", purchase(currency=None), contract.CURRENCY_NOT_VALID),
    ("purchases", purchase(price="4.50"), contract.PRICE_NOT_VALID),
    ("purchases", purchase(price=True), contract.PRICE_NOT_VALID),
    ("purchases", purchase(quantity=0), contract.QUANTITY_NOT_VALID),
    ("purchases", purchase(quantity=101), contract.QUANTITY_NOT_VALID),
    ("purchases", purchase(quantity=1.5), contract.QUANTITY_NOT_VALID),
    ("purchases", purchase(time="soon"), contract.TIME_NOT_VALID),
]

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = [
    *contract.IDENTIFIERS,
    *contract.STANDARD_ATTRIBUTES,
    *contract.CONTROL_FLAGS,
    "name",
    "time",
    "properties",
    "product_id",
    "price",
    "quantity",
    "own",
]


@pytest.mark.parametrize(("array", "item"), ACCEPTED)
def test_it_accepts(array, item):
    verdict = judge({array: [item]}, LIMIT)
    assert verdict.status == 201
    assert verdict.answer == {f"{array}_processed": 1, "message": "success"}
    assert verdict.accepted == {array: [item]}


@pytest.mark.parametrize(("array", "item", "error"), REFUSED)
def test_it_refuses_and_the_good_one_beside_it_goes_through(array, item, error):
    good = {"attributes": attributes(), "events": event(), "purchases": purchase()}
    verdict = judge({array: [good[array], item]}, LIMIT)
    assert verdict.status == 201
    assert verdict.answer == {
        f"{array}_processed": 1,
        "errors": [{"type": error.sentence, "input_array": array, "index": 1}],
        "message": "success",
    }
    assert verdict.accepted == {array: [good[array]]}
    assert verdict.refused == {array: [1]}


def test_the_measured_answer_of_five_objects_with_three_refused():
    body = {
        "attributes": [
            attributes(),
            attributes(email_subscribe="sometimes"),
            attributes(),
            attributes(push_subscribe="sometimes"),
            attributes(braze_id="b"),
        ]
    }
    assert judge(body, LIMIT).answer == {
        "attributes_processed": 2,
        "errors": [
            {
                "index": 1,
                "input_array": "attributes",
                "type": "'email_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
            },
            {
                "index": 3,
                "input_array": "attributes",
                "type": "'push_subscribe' must be 'subscribed', 'unsubscribed', or 'opted_in'",
            },
            {
                "index": 4,
                "input_array": "attributes",
                "type": "You must specify only one of 'external_id', 'user_alias' or 'braze_id'",
            },
        ],
        "message": "success",
    }


def test_when_all_are_refused_the_request_is():
    verdict = judge({"attributes": [{}], "events": [{"name": "a"}]}, LIMIT)
    assert verdict.status == 400
    assert verdict.answer["message"] == contract.NO_VALID_DATA.text
    assert verdict.answer["errors"] == verdict.errors
    assert verdict.refused == {"attributes": [0], "events": [0]}
    assert not verdict.accepted


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "text",
        {"attributes": []},
        {"attributes": [], "events": None},
        {"attributes": {"external_id": "a"}},
        {"other": [1]},
    ],
)
def test_a_body_without_data_is_refused(body):
    verdict = judge(body, LIMIT)
    assert (verdict.status, verdict.answer) == (
        400,
        {"message": contract.NO_VALID_DATA.text},
    )


def test_unknown_keys_of_the_body_are_ignored():
    assert judge({"partner": "X", "attributes": [attributes()]}, LIMIT).status == 201


def test_only_arrays_that_were_sent_are_counted():
    body = {"attributes": [attributes()], "events": [], "purchases": None}
    assert judge(body, LIMIT).answer == {
        "attributes_processed": 1,
        "events_processed": 0,
        "message": "success",
    }


def test_further_objects_can_be_refused_on_request():
    body = {"attributes": [attributes(), {}, attributes("bob")]}
    arrays = arrays_of(body)
    verdict = refused_as_well(judge(body, LIMIT), arrays, "attributes", [1, 2, 9], "no")
    assert verdict.accepted == {"attributes": [attributes()]}
    assert verdict.answer["attributes_processed"] == 1
    assert verdict.refused == {"attributes": [1, 2]}
    everything = refused_as_well(judge(body, LIMIT), arrays, "attributes", None, "no")
    assert everything.status == 400
    assert everything.refused == {"attributes": [1, 0, 2]}


@given(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON))
def test_no_object_confuses_the_judge(item):
    body = {"attributes": [item], "events": [item], "purchases": [item]}
    verdict = judge(body, LIMIT)
    refused = sum(map(len, verdict.refused.values()))
    assert refused + sum(map(len, verdict.accepted.values())) == 3
