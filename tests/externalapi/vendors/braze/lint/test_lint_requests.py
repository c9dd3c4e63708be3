"""The linter beyond Track Users, endpoint by endpoint, and beside the sandbox's judges."""

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.parser import parse_body
from externalapi.template.spans import path_text
from externalapi.vendors.braze.facts import endpoints
from externalapi.vendors.braze.lint.endpoint_shapes import SHAPES
from externalapi.vendors.braze.lint.lint import Severity, lint, lint_request
from externalapi.vendors.braze.presets.all import PRESETS
from externalapi.vendors.braze.sandbox.api import Api
from externalapi.vendors.braze.sandbox.endpoints.routes import ROUTES
from externalapi.vendors.braze.sandbox.runtime.options import Options
from tests.externalapi.vendors.braze.sandbox.endpoints.test_any_body import (
    KNOWN,
    LIKE_GOOD,
    asked,
)
from tests.externalapi.vendors.braze.sandbox.good_requests import GOOD

ERROR, WARNING, HINT = Severity
ID = "{{External ID}}"
UUID = "00000000-0000-4000-8000-000000000000"
ALIAS = {"alias_name": "{{Alias Name}}", "alias_label": "crm"}
RECENT = ["most_recently_updated"]
EMAIL = {"app_id": UUID, "from": "a@b.co", "body": "Hi"}


def identify(**keys):
    item = {"external_id": ID, "user_alias": ALIAS, **keys}
    return {"aliases_to_identify": [item]}


def group(**keys):
    whole = {
        "subscription_group_id": UUID,
        "subscription_state": "subscribed",
        "external_ids": [ID],
        **keys,
    }
    return {"subscription_groups": [whole]}


def message(**keys):
    return {"external_user_ids": [ID], "messages": {"email": EMAIL}, **keys}


FILE = {"file_name": "invoice.pdf", "url": "https://example.com/invoice.pdf"}


def campaign(*recipients, **keys):
    return {
        "campaign_id": UUID,
        "recipients": list(recipients) or [{"external_user_id": ID}],
        **keys,
    }


def canvas(*recipients, **keys):
    whole = campaign(*recipients, **keys)
    return {"canvas_id": whole.pop("campaign_id"), **whole}


def items(*rows):
    return {"items": list(rows)}


def without(body, key):
    return {name: value for name, value in body.items() if name != key}


E = endpoints
# (endpoint, body, severity, place, words)
RULES = [
    # /users/identify
    (E.IDENTIFY, {}, ERROR, "", "None of aliases_to_identify, emails_to_identify"),
    (E.IDENTIFY, [], ERROR, "", "The body is not an object"),
    (E.IDENTIFY, {"alias_to_identify": []}, WARNING, "alias_to_identify", "Did you mean"),
    (E.IDENTIFY, identify(external_id=""), ERROR, "aliases_to_identify[0].external_id", "missing"),
    (E.IDENTIFY, identify(external_id=[]), ERROR, "aliases_to_identify[0].external_id", "missing"),
    (E.IDENTIFY, identify(external_id=True), ERROR, "aliases_to_identify[0].external_id", "a text"),
    (E.IDENTIFY, identify(external_id="me"), WARNING, "aliases_to_identify[0].external_id", "the same for everybody"),
    (E.IDENTIFY, identify(user_alias="n"), ERROR, "aliases_to_identify[0].user_alias", "alias_name"),
    (E.IDENTIFY, identify(user_alias={"alias_name": ID}), ERROR, "aliases_to_identify[0].user_alias", "alias_label"),
    (E.IDENTIFY, {"aliases_to_identify": [{"external_id": ID}]}, ERROR, "aliases_to_identify[0]", "user_alias"),
    (E.IDENTIFY, {"emails_to_identify": [{"external_id": ID, "email": "{{E}}"}]}, ERROR, "emails_to_identify[0]", "“prioritization” is missing"),
    (E.IDENTIFY, {"emails_to_identify": [{"external_id": ID, "email": "{{E}}", "prioritization": ["newest"]}]}, ERROR, "emails_to_identify[0].prioritization[0]", "no prioritization"),
    (E.IDENTIFY, {"emails_to_identify": [{"external_id": ID, "email": "{{E}}", "prioritization": ["identified", "unidentified"]}]}, ERROR, "emails_to_identify[0].prioritization", "Keep one"),
    (E.IDENTIFY, {"aliases_to_identify": identify()["aliases_to_identify"] * 51}, ERROR, "", "There are 51; Braze takes 50"),
    # /users/alias/new and /users/alias/update
    (E.NEW_ALIAS, {}, ERROR, "", "“user_aliases” is missing"),
    (E.NEW_ALIAS, {"user_alias": []}, WARNING, "user_alias", "“user_aliases”"),
    (E.NEW_ALIAS, {"user_aliases": {}}, ERROR, "user_aliases", "missing"),
    (E.NEW_ALIAS, {"user_aliases": "x"}, ERROR, "user_aliases", "a list of objects"),
    (E.NEW_ALIAS, {"user_aliases": [{"external_id": ID, "alias_name": ID}]}, ERROR, "user_aliases[0]", "alias_label"),
    (E.NEW_ALIAS, {"user_aliases": [{"external_id": ID, "alias_name": 5, "alias_label": "l"}]}, ERROR, "user_aliases[0].alias_name", "a text"),
    (E.NEW_ALIAS, {"user_aliases": [{"external_id": ID, **ALIAS}] * 51}, ERROR, "user_aliases", "51"),
    (E.NEW_ALIAS, {"user_aliases": [{"external_id": ID, "user_alias": ALIAS}]}, None, "", ""),
    (E.UPDATE_ALIAS, {"alias_updates": [{"alias_label": "l", "old_alias_name": ID}]}, ERROR, "alias_updates[0]", "new_alias_name"),
    # /users/delete
    (E.DELETE_USERS, {}, ERROR, "", "None of external_ids"),
    (E.DELETE_USERS, {"external_id": [ID]}, WARNING, "external_id", "“external_ids”"),
    (E.DELETE_USERS, {"external_ids": [ID], "braze_ids": ["{{B}}"]}, ERROR, "braze_ids", "takes one of them"),
    (E.DELETE_USERS, {"external_ids": ID}, None, "", ""),
    (E.DELETE_USERS, {"external_ids": [ID] * 51}, ERROR, "external_ids", "51"),
    (E.DELETE_USERS, {"external_ids": ["me"]}, WARNING, "external_ids[0]", "the same for everybody"),
    (E.DELETE_USERS, {"external_ids": [{}]}, ERROR, "external_ids[0]", "a text"),
    (E.DELETE_USERS, {"email_addresses": ["{{E}}"]}, None, "", ""),
    (E.DELETE_USERS, {"email_addresses": ["a@b.co"]}, ERROR, "email_addresses[0]", "not an object"),
    (E.DELETE_USERS, {"email_addresses": [{"email": "{{E}}", "prioritization": ["least_recently_updated"]}]}, ERROR, "email_addresses[0].prioritization[0]", "no prioritization"),
    # /users/merge
    (E.MERGE_USERS, {"merge_updates": [{"identifier_to_keep": {"external_id": ID}}]}, ERROR, "merge_updates[0]", "identifier_to_merge"),
    (E.MERGE_USERS, {"merge_updates": [{"identifier_to_merge": {"external_id": ID}, "identifier_to_keep": {"external_id": "{{B}}"}, "more": 1}]}, ERROR, "merge_updates[0].more", "alone"),
    (E.MERGE_USERS, {"merge_updates": [{"identifier_to_merge": {}, "identifier_to_keep": {"external_id": ID}}]}, ERROR, "merge_updates[0].identifier_to_merge", "missing"),
    (E.MERGE_USERS, {"merge_updates": [{"identifier_to_merge": {"external_id": ID, "email": "{{E}}"}, "identifier_to_keep": {"external_id": ID}}]}, ERROR, "merge_updates[0].identifier_to_merge.email", "one of them"),
    (E.MERGE_USERS, {"merge_updates": [{"identifier_to_merge": {"email": "{{E}}"}, "identifier_to_keep": {"external_id": ID}}]}, ERROR, "merge_updates[0].identifier_to_merge", "prioritization"),
    (E.MERGE_USERS, {"merge_updates": [{"identifier_to_merge": {"external_id": ID}, "identifier_to_keep": {"external_id": "me"}}]}, WARNING, "merge_updates[0].identifier_to_keep.external_id", "the same for everybody"),
    # /users/external_ids
    (E.RENAME_EXTERNAL_IDS, {"external_id_renames": [{"current_external_id": ID}]}, ERROR, "external_id_renames[0]", "new_external_id"),
    (E.RENAME_EXTERNAL_IDS, {"external_id_renames": [{"current_external_id": "a", "new_external_id": "a"}]}, ERROR, "external_id_renames[0].new_external_id", "the same"),
    (E.REMOVE_EXTERNAL_IDS, {}, ERROR, "", "“external_ids” is missing"),
    (E.REMOVE_EXTERNAL_IDS, {"external_ids": [ID] * 51}, ERROR, "external_ids", "51"),
    # Subscription groups
    (E.SET_SUBSCRIPTIONS, {}, ERROR, "", "“subscription_groups” is missing"),
    (E.SET_SUBSCRIPTIONS, group(subscription_group_id=None), ERROR, "subscription_groups[0].subscription_group_id", "missing"),
    (E.SET_SUBSCRIPTIONS, group(subscription_group_id="abc"), ERROR, "subscription_groups[0].subscription_group_id", "dashboard"),
    (E.SET_SUBSCRIPTIONS, group(subscription_state="opted_in"), ERROR, "subscription_groups[0].subscription_state", "subscribed, unsubscribed"),
    (E.SET_SUBSCRIPTIONS, group(external_ids=[]), ERROR, "subscription_groups[0]", "None of external_ids"),
    (E.SET_SUBSCRIPTIONS, group(external_id=[ID]), WARNING, "subscription_groups[0].external_id", "“external_ids”"),
    (E.SET_SUBSCRIPTIONS, group(emails=["{{E}}"], phones=["{{P}}"]), ERROR, "subscription_groups[0].phones", "one of them"),
    (E.SET_SUBSCRIPTIONS, group(phones=["0171 123"]), ERROR, "subscription_groups[0].phones[0]", "E.164"),
    (E.SET_SUBSCRIPTIONS, group(external_ids=[f"{{{{P{n}}}}}" for n in range(51)]), ERROR, "subscription_groups[0]", "51"),
    (E.SET_SUBSCRIPTION, {"subscription_group_id": UUID, "subscription_state": "subscribed"}, ERROR, "", "None of external_id"),
    (E.SET_SUBSCRIPTION, {"subscription_group_id": UUID, "subscription_state": "subscribed", "external_id": [ID]}, None, "", ""),
    (E.SET_EMAIL_STATUS, {"email": "{{E}}", "subscription_state": "gone"}, ERROR, "subscription_state", "opted_in, subscribed"),
    (E.SET_EMAIL_STATUS, {"subscription_state": "subscribed"}, ERROR, "", "“email” is missing"),
    # /messages/send
    (E.SEND_MESSAGES, without(message(), "messages"), ERROR, "", "“messages” is missing"),
    (E.SEND_MESSAGES, message(messages={"emails": EMAIL}), ERROR, "messages", "no message to send"),
    (E.SEND_MESSAGES, message(messages={"emails": EMAIL}), WARNING, "messages.emails", "“email”"),
    (E.SEND_MESSAGES, message(messages={"email": {**EMAIL, "from": ""}}), ERROR, "messages.email.from", "missing"),
    (E.SEND_MESSAGES, message(messages={"email": without(EMAIL, "body")}), ERROR, "messages.email", "no text"),
    (E.SEND_MESSAGES, without(message(), "external_user_ids"), ERROR, "", "Nobody is named"),
    (E.SEND_MESSAGES, message(broadcast=True), ERROR, "broadcast", "one of them"),
    (E.SEND_MESSAGES, {"broadcast": True, "messages": {"email": EMAIL}}, ERROR, "", "segment_id or audience"),
    (E.SEND_MESSAGES, {"broadcast": True, "segment_id": UUID, "messages": {"email": EMAIL}}, WARNING, "broadcast", "again for each person"),
    (E.SEND_MESSAGES, message(recipient_subscription_state="any"), ERROR, "recipient_subscription_state", "all, opted_in"),
    (E.SEND_MESSAGES, message(campaign_id=UUID), ERROR, "messages.email", "message_variation_id"),
    (E.SEND_MESSAGES, message(send_id="s"), ERROR, "send_id", "campaign_id"),
    (E.SEND_MESSAGES, message(external_user_ids=[ID] * 30, user_aliases=[ALIAS] * 21), ERROR, "", "51"),
    (E.SEND_MESSAGES, message(external_user_id=ID), WARNING, "external_user_id", "“external_user_ids”"),
    # Triggers
    (E.TRIGGER_CAMPAIGN, without(campaign(), "campaign_id"), ERROR, "", "“campaign_id” is missing"),
    (E.TRIGGER_CAMPAIGN, campaign(campaign_id="x"), ERROR, "campaign_id", "dashboard"),
    (E.TRIGGER_CAMPAIGN, without(campaign(), "recipients"), ERROR, "", "Nobody is named"),
    (E.TRIGGER_CAMPAIGN, campaign({"external_user_id": ID, "trigger_property": {}}), WARNING, "recipients[0].trigger_property", "“trigger_properties”"),
    (E.TRIGGER_CAMPAIGN, campaign({"external_id": ID}), ERROR, "recipients[0]", "None of external_user_id"),
    (E.TRIGGER_CAMPAIGN, campaign({"external_user_id": ID, "email": "{{E}}"}), ERROR, "recipients[0].email", "one of them"),
    (E.TRIGGER_CAMPAIGN, campaign({"email": "{{E}}"}), ERROR, "recipients[0]", "prioritization"),
    (E.TRIGGER_CAMPAIGN, campaign({"email": "{{E}}", "prioritization": RECENT}), None, "", ""),
    (E.TRIGGER_CAMPAIGN, campaign({"external_user_id": ID, "trigger_properties": "x"}), ERROR, "recipients[0].trigger_properties", "an object"),
    (E.TRIGGER_CAMPAIGN, campaign({"external_user_id": "me"}), WARNING, "recipients[0].external_user_id", "the same for everybody"),
    (E.TRIGGER_CAMPAIGN, campaign({"external_user_id": ID, "send_to_existing_only": False}), ERROR, "recipients[0]", "needs attributes"),
    (E.TRIGGER_CAMPAIGN, campaign({"user_alias": ALIAS, "send_to_existing_only": False}), ERROR, "recipients[0].send_to_existing_only", "user alias"),
    (E.TRIGGER_CAMPAIGN, campaign(*[{"external_user_id": ID}] * 51), ERROR, "recipients", "51"),
    (E.TRIGGER_CAMPAIGN, campaign(broadcast=True), ERROR, "broadcast", "one of them"),
    (E.TRIGGER_CAMPAIGN, campaign(attachments=[FILE]), None, "", ""),
    (E.TRIGGER_CAMPAIGN, campaign(attachments=[FILE], broadcast=True), ERROR, "attachments", "no attachments with broadcast"),
    (E.TRIGGER_CAMPAIGN, campaign({"email": "{{E}}", "prioritization": ["most_recently_updated", "least_recently_updated"]}), ERROR, "recipients[0].prioritization", "Keep one"),
    (E.TRIGGER_CANVAS, without(canvas(), "canvas_id"), ERROR, "", "“canvas_id” is missing"),
    (E.TRIGGER_CANVAS, {**canvas(), "campaign_id": UUID}, WARNING, "campaign_id", "Braze ignores"),
    (E.TRIGGER_CANVAS, canvas({"external_user_id": ID, "context": [1]}), ERROR, "recipients[0].context", "an object"),
    # Catalogs
    (E.ADD_ITEMS, {}, ERROR, "", "“items” is missing"),
    (E.ADD_ITEMS, {"item": []}, WARNING, "item", "“items”"),
    (E.ADD_ITEMS, items({"Name": "x"}), ERROR, "items[0]", "“id” is missing"),
    (E.ADD_ITEMS, items({"id": 5}), ERROR, "items[0].id", "letters, digits"),
    (E.ADD_ITEMS, items({"id": "a b"}), ERROR, "items[0].id", "letters, digits"),
    (E.ADD_ITEMS, items({"id": "a" * 251}), ERROR, "items[0].id", "250"),
    (E.ADD_ITEMS, items({"id": "a"}, {"id": "a"}), ERROR, "items[1].id", "twice"),
    (E.UPDATE_ITEMS, items(*({"id": f"i{n}"} for n in range(51))), ERROR, "items", "51"),
    (E.REPLACE_ITEMS, items("x"), ERROR, "items[0]", "not an object"),
    (E.DELETE_ITEMS, items({"id": ID, "Name": "x"}), WARNING, "items[0].Name", "Braze ignores"),
    (E.CREATE_ITEM, items({"Name": "a"}, {"Name": "b"}), ERROR, "items", "Braze takes 1"),
    (E.CREATE_CATALOG, {"catalogs": [{"name": "a b", "fields": [{"name": "id", "type": "string"}]}]}, ERROR, "catalogs[0].name", "letters, digits"),
    (E.CREATE_CATALOG, {"catalogs": [{"name": "a", "fields": [{"name": "id", "type": "text"}]}]}, ERROR, "catalogs[0].fields[0].type", "string"),
    # Anywhere
    (E.TRIGGER_CAMPAIGN, campaign(api_key="x"), WARNING, "api_key", "the connection signs in"),
    (E.TRIGGER_CAMPAIGN, campaign({"external_user_id": "<user_id>"}), WARNING, "recipients[0].external_user_id", "still missing"),
]  # fmt: skip

KINDS = {
    "a list": Parameter(name="External ID", type=ParameterType.LIST),
    "an object": Parameter(name="E", type=ParameterType.OBJECT),
}


def found_in(endpoint, body, parameters=()):
    path = endpoint.path.replace("{catalog_name}", "{{Catalog}}").replace(
        "{item_id}", "{{Item}}"
    )
    return lint(body, parameters, path=path, method=endpoint.method)


@pytest.mark.parametrize(
    ("endpoint", "body", "severity", "place", "words"),
    RULES,
    ids=[f"{at} {row[0].path} {row[4][:30]}" for at, row in enumerate(RULES)],
)
def test_a_rule(endpoint, body, severity, place, words):
    known = list(KINDS.values()) if endpoint is E.DELETE_USERS and not severity else ()
    found = found_in(endpoint, body, known)
    if severity is None:
        assert found == []
        return
    said = [
        f"{one.message} {one.advice}"
        for one in found
        if path_text(one.path) == place and one.severity is severity
    ]
    assert any(words in one for one in said), found
    assert all(one.page.startswith("https://www.braze.com/docs/") for one in found)


def test_every_endpoint_has_a_rule_of_its_own():
    assert {row[0].page for row in RULES} >= {
        endpoint.page
        for endpoint, _ in SHAPES
        if endpoint not in (E.UPDATE_ITEM, E.REPLACE_ITEM)
    }


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_presets_are_clean(preset):
    assert lint_request(preset.method, preset.path, preset.headers) == []
    if preset.body:
        body = parse_body(preset.body)
        found = lint(body, preset.parameters, path=preset.path, method=preset.method)
        assert found == []


def test_a_parameter_of_another_type_and_one_that_may_be_missing():
    number = Parameter(name="External ID", type=ParameterType.BOOLEAN)
    optional = Parameter(name="Campaign ID", required=False)
    body = campaign(campaign_id="{{Campaign ID}}")
    (one,) = found_in(E.TRIGGER_CAMPAIGN, body, [optional])
    assert (one.severity, path_text(one.path)) == (WARNING, "campaign_id")
    assert "Make the parameter required" in one.advice
    properties = Parameter(name="P", type=ParameterType.INTEGER)
    body = campaign({"external_user_id": ID, "trigger_properties": "{{P}}"})
    (one,) = found_in(E.TRIGGER_CAMPAIGN, body, [number, properties])
    assert (one.severity, one.message) == (ERROR, "“trigger_properties” is an object.")
    assert one.advice == "The parameter “P” is of the type Whole number."


def test_a_fixed_parameter_is_its_value():
    fixed = Parameter(name="Campaign ID", level=Level.FIXED, value="spring")
    body = campaign(campaign_id="{{Campaign ID}}")
    (one,) = found_in(E.TRIGGER_CAMPAIGN, body, [fixed])
    assert one.severity is ERROR


@pytest.mark.parametrize(
    ("method", "path", "advice"),
    [
        ("GET", "/campaigns/trigger/send", "Choose POST."),
        ("POST", "/catalogs/{{Catalog}}", "Choose DELETE."),
        ("PUT", "/catalogs", "Choose POST or GET."),
        ("POST", "/subscription/status/get?x=1", "Choose GET."),
    ],
)
def test_a_method_that_the_path_has_not(method, path, advice):
    (found,) = lint_request(method, path, {})
    assert (found.field, found.advice) == ("method", advice)


def test_the_rest_of_the_request():
    fields = [
        one.field
        for one in lint_request("POST", "/users/merge/", {"Content-Type": "text/plain"})
    ]
    assert fields == ["path", "headers"]
    # Nothing is sent, so nothing is said of its type.
    assert lint_request("GET", "/catalogs", {"Content-Type": "text/plain"}) == []


# Beside the sandbox: errors are its refusals

SHAPED = dict(SHAPES)
JUDGED = [route for route in ROUTES if route.endpoint in SHAPED]


def reply_to(endpoint, body):
    api = Api(Options(known=KNOWN))
    route = next(one for one in ROUTES if one.endpoint is endpoint)
    reply = asked(api, route, body)
    answer = orjson.loads(reply.body)
    partly = any(answer.get(f"{name}errors") for name in ("", "rename_", "removal_"))
    return reply.status >= 400 or partly


ERRORS = [row for row in RULES if row[2] is ERROR]


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [row[:2] for row in ERRORS],
    ids=[f"{at} {row[0].path}" for at, row in enumerate(ERRORS)],
)
def test_the_sandbox_refuses_what_is_an_error(endpoint, body):
    assert reply_to(endpoint, body)


@pytest.mark.parametrize("route", JUDGED, ids=lambda one: one.endpoint.key)
def test_what_the_sandbox_takes_has_no_error(route):
    found = found_in(route.endpoint, GOOD[route.endpoint])
    assert [one for one in found if one.severity is ERROR] == []


@pytest.mark.parametrize("route", JUDGED, ids=lambda one: one.endpoint.key)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_body_with_an_error_is_refused(route, data):
    body = data.draw(LIKE_GOOD[route.endpoint])
    errors = [one for one in found_in(route.endpoint, body) if one.severity is ERROR]
    if errors:
        assert reply_to(route.endpoint, body), errors
