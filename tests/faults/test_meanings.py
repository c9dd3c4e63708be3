"""What an answer says, word for word, and what becomes of each person by it.

Each answer goes over the sandbox's socket through the real loop; what the rows say is
held against what the sandbox took.
"""

import json
import re

import pytest
from django.urls import reverse

from engagements.authoring.preview import preview
from engagements.models import Attempt, Delivery, Engagement
from engagements.recovery import retry_failed
from engagements.reporting import reports
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)

VALID_DATA = (
    "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
)


def named(
    index: object, array: str | None = "attributes", **fields
) -> dict[str, object]:
    """One entry of Braze's errors[]."""
    whose = {} if array is None else {"input_array": array}
    return {"type": "bad one", **whose, "index": index, **fields}


def says(status: int, body: object, **fields) -> dict[str, object]:
    """A fault: nothing is taken, and this is the answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {"kind": "status", "status": status, "body": text, **fields}


def takes_and_says(status: int, body: object, **fields) -> dict[str, object]:
    """A fault: all is taken, and this is the answer."""
    return {**says(status, body, **fields), "kind": "answer"}


def success(*errors: object, **fields) -> dict[str, object]:
    return {"message": "success", "errors": list(errors), **fields}


def reasons(engagement: Engagement) -> dict[str, list[str]]:
    """The reasons of those who were not sent, by state."""
    found: dict[str, list[str]] = {}
    rows = Delivery.objects.filter(run__engagement=engagement).exclude(state="sent")
    for state, reason in rows.values_list("state", "reason").order_by("pk"):
        found.setdefault(state, []).append(reason)
    return found


def rejected_places(engagement: Engagement) -> set[int | None]:
    rows = Delivery.objects.filter(run__engagement=engagement, state="rejected")
    return {row.batch.place_of(row) for row in rows}


# --- A status of success is no success -----------------------------------------------


@pytest.mark.parametrize(
    "message", ["failure", "Failure", VALID_DATA, "partially", "not success", "0"]
)
def test_a_success_that_does_not_say_so_has_taken_nobody(active, sandbox, message):
    engagement = active(3)
    sandbox.faults([says(200, {"message": message})])

    working.to_the_end(engagement)

    assert reasons(engagement) == {"dead": [message] * 3}
    assert working.outcomes(engagement) == {"refused": 1}
    assert len(sandbox.requests()) == 1
    assert retry_failed.failed(Delivery.objects.all()).count() == 3
    invariants.check(engagement, sandbox, sandbox.key)


def test_it_rejects_whom_it_names_and_refuses_the_others(active, sandbox):
    engagement = active(3)
    sandbox.faults([says(200, {"message": VALID_DATA, "errors": [named(0)]})])

    working.to_the_end(engagement)

    assert reasons(engagement) == {"rejected": ["bad one"], "dead": [VALID_DATA] * 2}
    assert rejected_places(engagement) == {0}
    assert retry_failed.failed(Delivery.objects.all()).count() == 3
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize(
    "word", ["success", "Success", " SUCCESS ", "queued", "Queued"]
)
@pytest.mark.parametrize("status", [200, 201, 202, 207])
def test_success_is_read_in_any_letters_and_with_any_2xx(active, sandbox, word, status):
    engagement = active(3)
    sandbox.faults([takes_and_says(status, {"message": word})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 3}
    invariants.check(engagement, sandbox, sandbox.key)


@pytest.mark.parametrize(
    "body",
    [
        {"message": ""},
        {"message": " "},
        {"message": None},
        {},
        [],
        "",
        "success",
        "<html>success</html>",
        '{"message": "succ',
    ],
    ids=repr,
)
def test_what_cannot_be_read_leaves_everybody_in_doubt(active, sandbox, body):
    engagement = active(3)
    sandbox.faults([takes_and_says(201, body)])

    working.to_the_end(engagement)
    working.once()

    ((state, found),) = reasons(engagement).items()
    assert state == "accepted_unverified"
    assert set(found) == {"The answer does not say that it is a success."}
    assert working.outcomes(engagement) == {"accepted_unverified": 1}
    assert len(sandbox.requests()) == 1
    assert retry_failed.failed(Delivery.objects.all()).count() == 3
    invariants.check(engagement, sandbox, sandbox.key)


# --- The errors of a success ----------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        named(1),
        # The body had only one array: that is the one.
        named(1, None),
        named(1, ""),
        named(1, input_array=None),
        # The same number, written otherwise.
        named("1"),
        named(1.0),
        named(1, type=None, message="bad one"),
        named(1, code=7),
    ],
    ids=repr,
)
def test_an_error_that_can_be_used_rejects_its_person(active, sandbox, error):
    engagement = active(3)
    sandbox.faults([takes_and_says(201, success(error))])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 2, "rejected": 1}
    assert reasons(engagement) == {"rejected": ["bad one"]}
    assert rejected_places(engagement) == {1}
    assert working.outcomes(engagement) == {"sent": 1}


@pytest.mark.parametrize("entry", [named(1), [named(1)]], ids=["object", "list"])
def test_one_error_need_not_stand_in_a_list(active, sandbox, entry):
    engagement = active(3)
    sandbox.faults([takes_and_says(201, {"message": "success", "errors": entry})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 2, "rejected": 1}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("something else", "something else"),
        ({"type": "something else"}, "something else"),
        (named(0, "customers"), "customers[0]: bad one"),
        # An array that Braze has, and this body had not.
        (named(0, "events"), "events[0]: bad one"),
        (named(3), "attributes[3]: bad one"),
        (named(-1), "attributes[-1]: bad one"),
        (named(True), "attributes[true]: bad one"),
        (named(0.5), "attributes[0.5]: bad one"),
        (named("one"), "attributes[one]: bad one"),
        (named(None), "attributes: bad one"),
        (named([0]), "attributes[[0]]: bad one"),
        ({"type": {"code": 7}}, "7"),
        ({}, "An error without words."),
        (None, "An error without words."),
        (12, "12"),
    ],
    ids=repr,
)
def test_an_error_that_names_nobody_leaves_the_others_in_doubt(
    active, sandbox, error, sentence
):
    engagement = active(3)
    sandbox.faults([takes_and_says(201, success(named(1), error))])

    working.to_the_end(engagement)
    working.once()

    assert reasons(engagement) == {
        "rejected": ["bad one"],
        "accepted_unverified": [sentence] * 2,
    }
    assert rejected_places(engagement) == {1}
    # One state for the attempt and its people, and its words on both.
    attempt = Attempt.objects.get()
    assert attempt.outcome == "accepted_unverified"
    assert attempt.message == f"success; {sentence}"
    assert retry_failed.failed(Delivery.objects.all()).count() == 3


def test_an_error_in_place_of_a_list_leaves_everybody_in_doubt(active, sandbox):
    engagement = active(3)
    sandbox.faults([takes_and_says(201, {"message": "success", "errors": "no room"})])

    working.to_the_end(engagement)

    assert reasons(engagement) == {"accepted_unverified": ["no room"] * 3}


@pytest.mark.parametrize("nothing", [[], {}, "", None, False, 0], ids=repr)
def test_no_errors_are_no_errors(active, sandbox, nothing):
    engagement = active(3)
    sandbox.faults([takes_and_says(201, {"message": "success", "errors": nothing})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 3}


def test_several_errors_of_one_person_are_one_rejection(active, sandbox, braze):
    version = factories.make_version(
        {
            "attributes": [{"external_id": "{{User ID}}"}],
            "events": [
                {
                    "external_id": "{{User ID}}",
                    "name": "a",
                    "time": "2025-01-01T00:00:00Z",
                }
            ],
        },
        [factories.parameter("User ID", level="identifier")],
        connection=braze,
    )
    engagement = active(3, version=version, values={})
    errors = [named(2), named(2), named(2, "events", type="bad event"), named(0)]
    sandbox.faults([takes_and_says(201, success(*errors))])

    working.to_the_end(engagement)

    found = {
        row.batch.place_of(row): row.reason
        for row in Delivery.objects.filter(state="rejected")
    }
    assert found == {0: "bad one", 2: "bad one; bad event"}
    assert working.states(engagement) == {"sent": 1, "rejected": 2}


def test_an_error_without_an_array_is_nobodys_where_the_body_had_two(
    active, sandbox, braze
):
    version = factories.make_version(
        {"attributes": [{"external_id": "{{User ID}}"}], "events": "{{Events}}"},
        [
            factories.parameter("User ID", level="identifier"),
            factories.parameter("Events", type="list"),
        ],
        connection=braze,
    )
    event = {"external_id": "x", "name": "a", "time": "2025-01-01T00:00:00Z"}
    person = factories.make_profile(events=[event])
    values = {"Events": "{{ profile.events }}"}
    engagement = active([person], version=version, values=values)
    sandbox.faults([takes_and_says(201, success(named(0, None)))])

    working.to_the_end(engagement)

    assert reasons(engagement) == {"accepted_unverified": ["[0]: bad one"]}


# --- The errors of a refusal -----------------------------------------------------------


def test_a_refusal_rejects_whom_it_can_name_also_beside_others(active, sandbox):
    engagement = active(3)
    errors = [named(0), named(2), "something else", named(7)]
    sandbox.faults([says(400, {"message": VALID_DATA, "errors": errors})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"rejected": 2, "sent": 1}
    assert rejected_places(engagement) == {0, 2}
    assert len(sandbox.requests()) == 2
    invariants.check(engagement, sandbox, sandbox.key)


def test_errors_stand_where_own_rules_say(active, sandbox, braze):
    version = factories.make_version(
        connection=braze,
        answer_rules={
            "success_path": "result.state",
            "success_values": ["done"],
            "errors_path": "result.problems.list",
            "errors_array": "at.list",
            "errors_index": "at.place",
            "errors_message": "why.text",
        },
    )
    engagement = active(3, version=version)
    problem = {"at": {"list": "attributes", "place": 2}, "why": {"text": "too old"}}
    body = {"result": {"state": "Done", "problems": {"list": [problem]}}}
    sandbox.faults([takes_and_says(200, body)])

    working.to_the_end(engagement)

    assert reasons(engagement) == {"rejected": ["too old"]}
    assert rejected_places(engagement) == {2}


def test_own_rules_say_what_is_no_success(active, sandbox, braze):
    version = factories.make_version(
        connection=braze,
        answer_rules={"success_path": "ok", "success_values": ["true"]},
    )
    engagement = active(3, version=version)
    sandbox.faults([says(200, {"ok": False})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"dead": 3}


# --- Known endpoints -------------------------------------------------------------------

ID = factories.parameter("User ID", level="identifier")
ALIAS = {"alias_name": "{{User ID}}", "alias_label": "site"}


@pytest.mark.parametrize(
    ("path", "body", "errors"),
    [
        (
            "/users/identify",
            {
                "aliases_to_identify": [
                    {"external_id": "{{User ID}}", "user_alias": ALIAS}
                ]
            },
            {"errors": [named(1, "user_identifiers")]},
        ),
        (
            "/users/alias/new",
            {"user_aliases": [{"external_id": "{{User ID}}", **ALIAS}]},
            {"errors": [named(1, "user_aliases")]},
        ),
        (
            "/users/merge",
            {
                "merge_updates": [
                    {
                        "identifier_to_merge": {"external_id": "{{User ID}}"},
                        "identifier_to_keep": {"external_id": "{{User ID}}"},
                    }
                ]
            },
            {"errors": [named(1, None)]},
        ),
        (
            "/users/delete",
            {"external_ids": ["{{User ID}}"]},
            {"errors": [named(1, "external_ids")]},
        ),
        (
            "/users/external_ids/rename",
            {
                "external_id_renames": [
                    {"current_external_id": "{{User ID}}", "new_external_id": "new"}
                ]
            },
            {"rename_errors": [[1, "bad one"]]},
        ),
        (
            "/users/external_ids/remove",
            {"external_ids": ["{{User ID}}"]},
            {"removal_errors": [[1, "bad one"]]},
        ),
        (
            "/campaigns/trigger/send",
            {"campaign_id": "c", "recipients": [{"external_user_id": "{{User ID}}"}]},
            {"errors": [named(1, "recipients")]},
        ),
        (
            "/messages/send",
            {"external_user_ids": ["{{User ID}}"], "messages": {}},
            {"errors": [named(1, None)]},
        ),
        (
            "/v2/subscription/status/set",
            {
                "subscription_groups": [
                    {
                        "subscription_group_id": "g",
                        "subscription_state": "subscribed",
                        "external_ids": ["{{User ID}}"],
                    }
                ]
            },
            {"errors": [named(1, None)]},
        ),
        (
            "/catalogs/people/items",
            {"items": [{"id": "{{User ID}}"}]},
            {"errors": [{"index": 1, "message": "bad one", "id": "invalid-fields"}]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_known_endpoint_brings_its_rules_by_its_address(
    active, sandbox, braze, path, body, errors
):
    """Also where somebody wrote the External API by hand, without rules of its own."""
    (array,) = (key for key, item in body.items() if isinstance(item, list))
    version = factories.make_version(
        body, [ID], connection=braze, path=path, batch_arrays=[array]
    )
    engagement = active(3, version=version, values={})
    sandbox.faults([takes_and_says(201, {"message": "success", **errors})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 2, "rejected": 1}
    assert reasons(engagement) == {"rejected": ["bad one"]}
    assert rejected_places(engagement) == {1}


@pytest.mark.parametrize("batching", ["one", "braze_75_combined"])
def test_also_where_it_sends_them_one_by_one(active, sandbox, braze, batching):
    version = factories.make_version(
        {"aliases_to_identify": [{"external_id": "{{User ID}}", "user_alias": ALIAS}]},
        [ID],
        connection=braze,
        path="/users/identify",
        batching=batching,
    )
    engagement = active(2, version=version, values={})
    errors = [named(0, "user_identifiers")]
    sandbox.faults([takes_and_says(201, success(*errors))])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 1, "rejected": 1}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"deleted": 2}, "sent"),
        ({"deleted": 2, "message": "success"}, "sent"),
        ({"deleted": 0, "message": "failure"}, "dead"),
        ({"message": "failure"}, "dead"),
    ],
    ids=str,
)
def test_a_deletion_may_answer_with_its_number_alone(
    active, sandbox, braze, answer, state
):
    version = factories.make_version(
        {"external_ids": ["{{User ID}}"]},
        [ID],
        connection=braze,
        path="/users/delete",
        batch_arrays=["external_ids"],
    )
    engagement = active(2, version=version, values={})
    sandbox.faults([takes_and_says(201, answer)])

    working.to_the_end(engagement)

    assert working.states(engagement) == {state: 2}


# --- What is not sent at all ---------------------------------------------------------


def purchase(person: str, product: str = "p") -> dict[str, object]:
    return {
        "external_id": person,
        "product_id": product,
        "currency": "EUR",
        "price": 1.5,
        "time": "2025-01-01T00:00:00Z",
    }


@pytest.fixture
def shop(active, braze):
    """An engagement that sends people's carts, each a whole list."""

    def make(
        carts: dict[str, object], body=None, value="{{ profile.cart }}", **fields
    ) -> Engagement:
        version = factories.make_version(
            body or {"purchases": "{{Cart}}"},
            [ID, factories.parameter("Cart", type="list", required=False)],
            connection=braze,
            **fields,
        )
        people = [
            factories.make_profile(external_id=name, cart=cart)
            for name, cart in carts.items()
        ]
        engagement: Engagement = active(people, version=version, values={"Cart": value})
        return engagement

    return make


@pytest.mark.parametrize("batching", ["one", "braze_75_combined", "braze_75_each"])
def test_who_has_nothing_to_send_is_skipped(shop, sandbox, batching):
    carts = {"ada": [purchase("ada")], "bo": [], "cy": [None], "di": None}
    engagement = shop(carts, batching=batching)

    working.to_the_end(engagement)

    assert working.states(engagement)["sent"] == 1
    assert reasons(engagement) == {
        "skipped": ["nothing_to_send: Nothing to send: the list is empty."] * 3
    }
    assert [r["external_ids"] for r in sandbox.requests()] == [{"purchases": ["ada"]}]


@pytest.mark.parametrize("batching", ["one", "braze_75_combined", "braze_75_each"])
def test_who_has_an_empty_object_is_skipped_and_costs_nobody_else(
    active, braze, sandbox, batching
):
    version = factories.make_version(
        {"attributes": ["{{Who}}"]},
        [factories.parameter("Who", type="object")],
        connection=braze,
        batching=batching,
    )
    given = {
        "ada": {"external_id": "ada", "x": 1},
        "bo": {},
        "cy": {"external_id": "cy"},
    }
    people = [
        factories.make_profile(external_id=name, given=one)
        for name, one in given.items()
    ]
    values = {"Who": "{{ profile.given }}"}
    engagement = active(people, version=version, values=values)

    shown = preview(version, values, engagement.segment, people[1], None, engagement)
    assert not shown.is_sendable
    assert "Nothing to send" in " ".join(shown.problems.values())

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 2, "skipped": 1}
    assert reasons(engagement) == {
        "skipped": ["nothing_to_send: Nothing to send: the list is empty."]
    }
    sent = [r["external_ids"]["attributes"] for r in sandbox.requests()]
    assert sorted(name for one in sent for name in one) == ["ada", "cy"]
    attempts = Attempt.objects.filter(batch__run__engagement=engagement)
    assert sum(attempts.values_list("item_count", flat=True)) == 2
    engagement.refresh_from_db()
    assert engagement.blocked_reason == ""


def test_beside_something_else_an_empty_list_is_only_left_out(shop, sandbox):
    body = {
        "attributes": [{"external_id": "{{User ID}}", "x": 1}],
        "purchases": "{{Cart}}",
    }
    engagement = shop({"ada": [purchase("ada")], "bo": []}, body)

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 2}
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_null_among_the_purchases_is_not_sent(shop, sandbox):
    cart = [purchase("ada", "a"), None, purchase("ada", "b")]
    engagement = shop({"ada": cart})

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 1}
    (request,) = sandbox.requests()
    assert request["objects"] == 2
    assert request["refused"] == {}


SHORTEN = (
    "Shorten what fills “purchases”, for example with the filter “slice: 0, 75”, which"
    " takes the first 75."
)


@pytest.mark.parametrize(
    ("batching", "words"),
    [
        (
            "braze_75_combined",
            f"76 objects (purchases) are too many: one request takes 75. {SHORTEN}",
        ),
        (
            "braze_75_each",
            f"76 objects in “purchases” are too many: one request takes 75. {SHORTEN}",
        ),
    ],
)
def test_more_than_one_request_takes_is_refused_at_once(shop, sandbox, batching, words):
    carts = {"ada": [purchase("ada")] * 76, "bo": [purchase("bo")] * 75}
    engagement = shop(carts, batching=batching)

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 1, "skipped": 1}
    assert reasons(engagement) == {"skipped": [f"too_big: {words}"]}
    assert [r["objects"] for r in sandbox.requests()] == [75]
    assert retry_failed.failed(Delivery.objects.all()).count() == 1


def test_who_sends_as_few_as_the_reason_says_is_sent(shop, sandbox):
    body = {
        "attributes": [{"external_id": "{{User ID}}", "is_customer": True}],
        "purchases": "{{Cart}}",
    }
    refused = shop({"ada": [purchase("ada")] * 76}, body=body)
    working.to_the_end(refused)
    ((reason,),) = reasons(refused).values()
    (advice,) = re.findall(r"slice: 0, \d+", reason)

    carts = {"bo": [purchase("bo")] * 76}
    followed = shop(carts, body=body, value=f"{{{{ profile.cart | {advice} }}}}")
    working.to_the_end(followed)

    assert working.states(followed) == {"sent": 1}
    assert [r["objects"] for r in sandbox.requests()] == [75]


def test_who_is_too_large_alone_does_not_split_the_others(active, sandbox, braze):
    people = [factories.make_profile(first_name="Ann") for _ in range(10)]
    people[4] = factories.make_profile(first_name="Bea", bio="x" * 95_000)
    body = {
        "attributes": [
            {
                "external_id": "{{User ID}}",
                "first_name": "{{Name of the User}}",
                # 3.9 MB of it.
                **{f"bio {n}": "{{Bio}}" for n in range(41)},
            }
        ]
    }
    version = factories.make_version(
        body,
        [
            *factories.PARAMETERS[:2],
            factories.parameter("Bio", required=False),
        ],
        connection=braze,
    )
    values = {
        "Name of the User": "{{ profile.first_name }}",
        "Bio": "{{ profile.bio }}",
    }
    engagement = active(people, version=version, values=values)

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 9, "skipped": 1}
    ((reason,),) = reasons(engagement).values()
    assert reason.startswith("too_big: ")
    assert reason.endswith("Send less of this person, for example with “truncate”.")
    assert len(sandbox.requests()) == 1


# --- What is odd about a success ------------------------------------------------------


@pytest.mark.parametrize(
    ("says_also", "note"),
    [
        ({"attributes_processed": 1}, "attributes_processed is 1 where 6 were sent."),
        ({"notice": "The Canvas is paused."}, "The Canvas is paused."),
    ],
    ids=str,
)
def test_what_is_odd_stands_on_the_attempt_and_in_the_report(
    active, sandbox, admin_client, says_also, note
):
    engagement = active(6)
    sandbox.faults([takes_and_says(201, {"message": "success", **says_also})])

    working.to_the_end(engagement)

    assert working.states(engagement) == {"sent": 6}
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.note) == ("sent", note)
    for report in (
        reports.engagement_report(engagement),
        reports.run_report(engagement.runs.get()),
    ):
        assert report.noted == 1
        listed = admin_client.get(report.noted_url)
        assert list(listed.context["cl"].queryset) == [attempt]
    page = admin_client.get(engagement.runs.get().get_absolute_url())
    assert "1 request</a>" in page.content.decode()
    shown = admin_client.get(
        reverse("admin:engagements_attempt_change", args=[attempt.pk])
    )
    assert note in shown.content.decode()


def test_nothing_is_odd_about_what_the_sandbox_says_itself(active, sandbox, braze):
    for path, body in (
        ("/users/track", {"attributes": [{"external_id": "{{User ID}}", "x": 1}]}),
        ("/users/delete", {"external_ids": ["{{User ID}}"]}),
        (
            "/users/identify",
            {
                "emails_to_identify": [
                    {
                        "external_id": "{{User ID}}",
                        "email": "a@b.de",
                        "prioritization": ["unidentified"],
                    }
                ]
            },
        ),
        (
            "/users/alias/new",
            {"user_aliases": [{"external_id": "{{User ID}}", **ALIAS}]},
        ),
    ):
        (array,) = body
        version = factories.make_version(
            body, [ID], connection=braze, path=path, batch_arrays=[array]
        )
        engagement = active(3, version=version, values={})
        working.to_the_end(engagement)
        assert working.states(engagement) == {"sent": 3}
    assert not Attempt.objects.exclude(note="").exists()
