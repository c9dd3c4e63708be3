"""Saved test cases: making them, running one or all, and what they keep back."""

import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from externalapi.models import ConfigurationTest, TestCase
from externalapi.testing import cases
from externalapi.testing.runs import MAX_CASES, run_case
from tests.factories import make_admin, make_test, make_version, parameter
from tests.pages import words

BODY = '{"attributes": [{"external_id": {{User ID}}, "age": {{Age}}}]}'
PARAMETERS = [
    parameter("User ID", level="identifier"),
    parameter("Age", type="integer", required=False),
]
FORM = {
    "name": "A plain person",
    "outcome": "accepted",
    "status": "201",
    "answer_path": "message",
    "answer_value": "success",
    "p0": "u-1",
    "p1": "36",
}
JSON = {"Accept": "application/json"}


@pytest.fixture
def version(braze):
    return make_version(BODY, PARAMETERS, connection=braze)


@pytest.fixture
def make_case(version):
    def make(name="A plain person", user_id="u-1", **fields):
        return TestCase.objects.create(
            external_api=version.external_api,
            name=name,
            values={"User ID": user_id, "Age": ""},
            **fields,
        )

    return make


def url(version, page=""):
    name = f"admin:externalapi_externalapi_test_cases{page and '_'}{page}"
    return reverse(name, args=[version.external_api_id])


def newer(version, body=BODY, parameters=PARAMETERS):
    return make_version(
        body,
        parameters,
        connection=version.connection,
        external_api=version.external_api,
    )


# Making them


def test_a_case_is_saved_with_its_inputs_and_expectations(
    admin_client, admin_user, version
):
    answer = admin_client.post(url(version), FORM, follow=True)
    assert "Saved the test case “A plain person”." in answer.content.decode()
    case = TestCase.objects.get()
    assert case.values == {"User ID": "u-1", "Age": "36"}
    assert (case.status, case.answer_path, case.changed_by) == (
        *(201, "message"),
        admin_user,
    )
    assert LogEntry.objects.get().object_id == str(version.external_api_id)


def test_a_test_becomes_a_case_that_expects_the_same(admin_client, version):
    test = make_test(
        version,
        values={"User ID": "u-7", "Age": "1"},
        response={"status": 400, "outcome": "refused"},
        is_success=False,
    )
    text = admin_client.get(url(version), {"from": test.pk}).content.decode()
    assert 'value="u-7"' in text
    assert '<option value="refused" selected>' in text
    assert 'value="400"' in text


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"status": "99"}, "A status is a number from 100 to 599."),
        ({"answer_path": "a..b"}, "dots between"),
        ({"answer_path": ""}, "Say where in the answer this value stands."),
        ({"p1": "old"}, "“old” is not a whole number."),
        ({"p0": ""}, "Type a value for the test."),
    ],
)
def test_mistakes_are_shown_and_nothing_typed_is_lost(
    admin_client, version, typed, words
):
    text = admin_client.post(url(version), FORM | typed).content.decode()
    assert words in text
    assert "Nothing was saved yet." in text
    for name in ("p0", "p1", "name", "answer_value"):
        if value := (FORM | typed)[name]:
            assert f'value="{value}"' in text
    assert not TestCase.objects.exists()


def test_a_name_is_given_once(admin_client, version, make_case, braze):
    make_case()
    text = admin_client.post(url(version), FORM).content.decode()
    assert "There is a test case of this name already." in text
    other = make_version(BODY, PARAMETERS, connection=braze)
    assert admin_client.post(url(other), FORM).status_code == 302


def test_a_case_is_edited(admin_client, version, make_case):
    case = make_case()
    text = admin_client.get(url(version), {"edit": case.pk}).content.decode()
    assert "Edit “A plain person”" in text
    admin_client.post(url(version), FORM | {"case": case.pk, "p0": "u-2"})
    case.refresh_from_db()
    assert case.values["User ID"] == "u-2"


def test_a_case_is_deleted_after_a_question_and_its_tests_stay(
    admin_client, version, make_case
):
    case = make_case()
    run_case(case, version, make_admin())
    text = admin_client.get(url(version), {"delete": case.pk}).content.decode()
    assert "Delete the test case “A plain person”?" in text
    admin_client.post(url(version), {"case": case.pk, "_delete": ""})
    assert not TestCase.objects.exists()
    assert ConfigurationTest.objects.get().case is None


def test_there_are_twenty_at_most(admin_client, version, make_case):
    for number in range(MAX_CASES):
        make_case(name=f"c{number}")
    text = admin_client.post(url(version), FORM).content.decode()
    assert "There are 20 test cases, which is the most." in text
    assert TestCase.objects.count() == MAX_CASES


# Running them


def test_one_case_is_run_and_its_result_kept(admin_client, version, make_case, sandbox):
    case = make_case(status=201, answer_path="message", answer_value="success")
    answer = admin_client.post(url(version, "run"), {"case": case.pk}, follow=True)
    assert "Passed" in answer.content.decode()
    test = ConfigurationTest.objects.get()
    assert (test.case, test.version, test.has_passed) == (case, version, True)
    assert sandbox.user("u-1")


def test_what_is_not_as_expected_is_said(admin_client, version, make_case):
    case = make_case(status=202)
    answer = admin_client.post(url(version, "run"), {"case": case.pk}, follow=True)
    assert "The status is 201, not 202." in answer.content.decode()
    assert ConfigurationTest.objects.get().is_success, "the test itself was fine"


def test_a_case_of_values_that_make_no_request_fails(
    admin_client, version, make_case, sandbox
):
    case = make_case()
    newer(version, parameters=[PARAMETERS[0], parameter("Age", type="integer")])
    answer = admin_client.post(url(version, "run"), {"case": case.pk}, follow=True)
    assert "No request can be made: “Age” has no value." in answer.content.decode()
    assert sandbox.requests() == []
    assert not ConfigurationTest.objects.get().has_passed


def test_scripts_run_one_after_the_other_as_one_round(
    admin_client, version, make_case, sandbox
):
    made = [make_case(name=f"c{n}", user_id=f"u-{n}") for n in range(15)]
    round_id = str(uuid.uuid4())
    for case in made:
        answer = admin_client.post(
            url(version, "run"),
            {"case": case.pk, "round": round_id},
            headers=JSON,
        )
        assert answer.status_code == 200
        assert answer.json()["passed"] is True
        assert answer.json()["badge"] == "201 Created"
    assert len(sandbox.requests()) == 15


def test_a_round_runs_each_case_once_and_the_rest_counts(
    admin_client, version, make_case, sandbox
):
    case = make_case()
    data = {"case": case.pk, "round": str(uuid.uuid4())}
    statuses = [
        admin_client.post(url(version, "run"), data, headers=JSON).status_code
        for _ in range(12)
    ]
    assert statuses == [200] * 10 + [429] * 2
    assert len(sandbox.requests()) == 10


def test_nobody_goes_on_with_somebody_elses_round(version, make_case):
    round_id = uuid.uuid4()
    run_case(make_case("a"), version, make_admin(), round_id)
    test = run_case(make_case("b"), version, make_admin(), round_id)
    assert test.round is None


def test_eleven_rounds_a_minute_are_one_too_many(
    admin_client, version, make_case, sandbox
):
    made = [make_case("a"), make_case("b", user_id="u-2")]
    for _ in range(10):
        round_id = str(uuid.uuid4())
        for case in made:
            data = {"case": case.pk, "round": round_id}
            admin_client.post(url(version, "run"), data, headers=JSON)
    assert len(sandbox.requests()) == 20
    answer = admin_client.post(url(version, "run"), data | {"round": ""}, headers=JSON)
    assert answer.status_code == 429
    assert "10 tests in the last minute" in answer.json()["error"]


def test_without_scripts_one_press_runs_all(admin_client, version, make_case, sandbox):
    make_case("a")
    make_case("b", user_id="u-2", outcome="refused")
    answer = admin_client.post(
        url(version, "run"), {"round": str(uuid.uuid4())}, follow=True
    )
    text = words(answer)
    assert "1 of 2 passed." in text
    assert "Run all again" in text
    assert len(sandbox.requests()) == 2


def test_without_scripts_a_long_round_goes_on_with_the_next_press(
    admin_client, version, make_case, sandbox, monkeypatch
):
    monkeypatch.setattr("externalapi.admin.testing.cases.ROUND_SECONDS", 0)
    make_case("a")
    make_case("b", user_id="u-2")
    round_id = str(uuid.uuid4())
    data = {"round": round_id}
    first = words(admin_client.post(url(version, "run"), data, follow=True))
    assert "Run the other 1" in first
    assert f'value="{round_id}"' in first
    second = words(admin_client.post(url(version, "run"), data, follow=True))
    assert "2 of 2 passed." in second
    assert len(sandbox.requests()) == 2


def test_cases_are_run_on_an_older_version_too(
    admin_client, version, make_case, sandbox
):
    case = make_case()
    newer(version, BODY.replace("age", "years"))
    data = {"case": case.pk, "version": "1"}
    answer = admin_client.post(url(version, "run"), data, follow=True)
    assert "Results on version 1" in answer.content.decode()
    assert ConfigurationTest.objects.get().version == version


def test_a_case_that_is_not_there_is_not_run(admin_client, version, braze, make_case):
    other = make_version(BODY, PARAMETERS, connection=braze)
    data = {"case": make_case().pk}
    answer = admin_client.post(url(other, "run"), data, headers=JSON)
    assert answer.status_code == 404
    assert not ConfigurationTest.objects.exists()


# What they keep back


@pytest.fixture
def gated(version):
    version.external_api.must_pass_cases = True
    version.external_api.save()
    return version


def test_nothing_is_kept_back_unless_it_is_asked_for(version, make_case):
    make_case()
    assert cases.why_not(version) == ""


def test_without_a_case_nothing_passes(gated):
    assert "has none yet. Add one under Test API > Test cases" in cases.why_not(gated)


def test_every_case_must_have_passed_on_the_version(gated, make_case, sandbox):
    good, bad = make_case("good"), make_case("bad", status=202)
    words = cases.why_not(gated)
    assert "on version 1 first" in words
    assert "Not run on it yet: “bad”, “good”." in words
    user = make_admin()
    run_case(good, gated, user)
    run_case(bad, gated, user)
    assert "Failed: “bad”." in cases.why_not(gated)
    bad.delete()
    assert cases.why_not(gated) == ""
    after = newer(gated)
    assert "on version 2 first. Not run on it yet: “good”." in cases.why_not(after)
    assert cases.why_not(gated) == "", "the older version is as good as it was"


def test_a_result_from_before_the_case_was_changed_does_not_count(
    admin_client, gated, make_case
):
    case = make_case()
    run_case(case, gated, make_admin())
    admin_client.post(url(gated), FORM | {"case": case.pk})
    assert "Not run on it yet" in cases.why_not(gated)


def test_the_last_run_counts_and_an_unfinished_one_has_not_passed(gated, make_case):
    case = make_case()
    run_case(case, gated, make_admin())
    assert cases.why_not(gated) == ""
    make_test(gated, case=case, response={}, is_success=False)
    assert "Failed" in cases.why_not(gated)


def test_the_switch_is_for_who_may_edit_and_is_logged(
    admin_client, client, user_with, version
):
    admin_client.post(url(version), {"_gate": "on"})
    version.external_api.refresh_from_db()
    assert version.external_api.must_pass_cases
    assert "must pass" in LogEntry.objects.get().get_change_message()
    client.force_login(user_with("view_externalapi", "test_externalapi"))
    assert client.post(url(version), {"_gate": "off"}).status_code == 403
    assert "Do not ask for it" not in words(client.get(url(version)))
    admin_client.post(url(version), {"_gate": "off"})
    version.external_api.refresh_from_db()
    assert not version.external_api.must_pass_cases


# Who may


@pytest.mark.parametrize("name", ["", "run"])
def test_cases_are_for_testers(client, user_with, version, make_case, name):
    case = make_case()
    client.force_login(user_with("view_externalapi", "change_externalapi"))
    assert client.get(url(version, name)).status_code == 403
    assert client.post(url(version, name), {"case": case.pk}).status_code == 403
    assert not ConfigurationTest.objects.exists()


def test_running_is_a_post_with_a_token(admin_client, admin_user, version, make_case):
    assert admin_client.get(url(version, "run")).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    data = {"case": make_case().pk}
    assert strict.post(url(version, "run"), data).status_code == 403
    assert strict.post(url(version), FORM).status_code == 403
    assert not ConfigurationTest.objects.exists()
