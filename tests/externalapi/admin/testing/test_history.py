"""The tests of an External API: all of them, one again, and two side by side."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from externalapi.connections.encryption import set_key
from externalapi.models import ConfigurationTest
from tests.factories import make_test, make_version, parameter

BODY = '{"attributes": [{"external_id": {{User ID}}, "first_name": {{Name}}}]}'
PARAMETERS = [parameter("User ID", level="identifier"), parameter("Name")]
VALUES = {"p0": "u-1", "p1": "Ada"}


@pytest.fixture
def version(braze):
    return make_version(BODY, PARAMETERS, connection=braze)


def url(version, page=""):
    name = f"admin:externalapi_externalapi_test{page and '_'}{page}"
    return reverse(name, args=[version.external_api_id])


def send(admin_client, version, **values):
    admin_client.post(url(version), VALUES | values)
    return ConfigurationTest.objects.latest("pk")


def page(client, address, **query):
    answer = client.get(address, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_history_says_who_when_what_and_how_it_went(admin_client, version):
    test = send(admin_client, version)
    text = page(admin_client, url(version, "history"))
    assert f"?test={test.pk}#answer" in text
    assert "User ID = u-1, Name = Ada" in text
    assert "201 Created" in text
    assert ">admin<" in text


def test_the_history_has_pages(admin_client, version):
    for number in range(45):
        make_test(version, values={"Name": f"n{number}"}, request={}, response={})
    first = page(admin_client, url(version, "history"))
    assert "n44" in first
    assert "n24" not in first
    assert 'aria-label="Page 3"' in first
    assert "45 tests." in first
    last = page(admin_client, url(version, "history"), page="3")
    assert "n4<" in last
    for odd in ("x", "999", "-1"):
        page(admin_client, url(version, "history"), page=odd)


@pytest.mark.parametrize(
    ("result", "there", "gone"),
    [("successful", "good", "bad"), ("failed", "bad", "good")],
)
def test_the_history_is_filtered_by_success(admin_client, version, result, there, gone):
    make_test(version, values={"Name": "good"})
    make_test(version, values={"Name": "bad"}, is_success=False)
    text = page(admin_client, url(version, "history"), result=result)
    assert f"Name = {there}" in text
    assert f"Name = {gone}" not in text


def test_an_empty_filter_says_so_and_leads_back(admin_client, version):
    make_test(version)
    text = page(admin_client, url(version, "history"), result="failed")
    assert "No test is failed." in text
    assert "Show all" in text
    page(admin_client, url(version, "history"), result="nonsense")


def test_other_external_apis_tests_are_not_in_it(admin_client, version, braze):
    make_test(
        make_version(BODY, PARAMETERS, connection=braze), values={"Name": "other"}
    )
    assert "other" not in page(admin_client, url(version, "history"))


# One again


def test_a_test_is_sent_again_with_the_current_version(admin_client, version, sandbox):
    first = send(admin_client, version)
    newer = make_version(
        BODY.replace("first_name", "last_name"),
        PARAMETERS,
        connection=version.connection,
        external_api=version.external_api,
    )
    answer = admin_client.post(url(version, "rerun"), {"test": first.pk})
    again = ConfigurationTest.objects.latest("pk")
    assert answer.url == f"{url(version)}?test={again.pk}#answer"
    assert (again.version, again.values) == (newer, first.values)
    assert sandbox.user("u-1")["last_name"] == "Ada"


def test_a_test_is_sent_again_with_its_own_version(admin_client, version, sandbox):
    first = send(admin_client, version)
    make_version(
        BODY.replace("first_name", "last_name"),
        PARAMETERS,
        connection=version.connection,
        external_api=version.external_api,
    )
    data = {"test": first.pk, "version": "own"}
    text = admin_client.post(url(version, "rerun"), data, follow=True).content.decode()
    assert ConfigurationTest.objects.latest("pk").version == version
    assert "last_name" not in sandbox.user("u-1")
    assert "with version 1" in text


def test_inputs_that_fit_no_more_are_explained_and_stay(admin_client, version, sandbox):
    first = send(admin_client, version)
    make_version(
        BODY.replace("{{Name}}", "{{City}}"),
        [PARAMETERS[0], parameter("City")],
        connection=version.connection,
        external_api=version.external_api,
    )
    data = {"test": first.pk}
    text = admin_client.post(url(version, "rerun"), data, follow=True).content.decode()
    assert "Nothing was sent. “City” has no value." in text
    assert 'value="u-1"' in text
    assert ConfigurationTest.objects.count() == 1


def test_ten_reruns_a_minute_are_enough(admin_client, version, sandbox):
    first = send(admin_client, version)
    for _ in range(11):
        last = admin_client.post(
            url(version, "rerun"), {"test": first.pk}, follow=True
        ).content.decode()
    assert "10 tests in the last minute" in last
    assert len(sandbox.requests()) == 10


@pytest.mark.parametrize("wanted", ["", "x", "0", "9" * 30])
def test_a_test_that_is_not_there_is_not_sent(admin_client, version, sandbox, wanted):
    answer = admin_client.post(url(version, "rerun"), {"test": wanted})
    assert answer.url == url(version, "history")
    assert sandbox.requests() == []


# Two side by side


def test_two_tests_are_compared_part_by_part(admin_client, version):
    first = send(admin_client, version)
    second = send(admin_client, version, p1="Grace")
    # The order in which they are ticked does not matter.
    text = page(admin_client, url(version, "compare"), test=[second.pk, first.pk])
    assert "<del>Ada</del>" in text
    assert "<ins>Grace</ins>" in text
    assert text.index("<del>Ada</del>") < text.index("<ins>Grace</ins>")
    assert "No difference:</strong> Address, Headers of the request, Status" in text


def test_no_key_is_in_history_or_comparison(admin_client, version):
    first = send(admin_client, version)
    set_key(version.connection, "another-key-987654321")
    second = send(admin_client, version, p1="another-key-987654321")
    both = page(admin_client, url(version, "compare"), test=[first.pk, second.pk])
    assert "Bearer ••••" in both
    assert "another-key-987654321" not in str(second.response)
    # A key that somebody types as a value is what they typed, and is masked when sent.
    assert "another-key-987654321" not in str(second.request)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_other_than_two_tests_are_not_compared(admin_client, version, count):
    tests = [make_test(version).pk for _ in range(count)]
    answer = admin_client.get(url(version, "compare"), {"test": tests}, follow=True)
    assert answer.redirect_chain == [(url(version, "history"), 302)]
    assert "Choose two tests to compare." in answer.content.decode()


def test_a_test_is_not_compared_with_itself_or_another_external_api(
    admin_client, version, braze
):
    own = make_test(version)
    foreign = make_test(make_version(BODY, PARAMETERS, connection=braze))
    for pair in ([own.pk, own.pk], [own.pk, foreign.pk]):
        answer = admin_client.get(url(version, "compare"), {"test": pair})
        assert answer.status_code == 302


# Who may


@pytest.mark.parametrize("name", ["history", "compare", "rerun"])
def test_the_pages_are_for_testers(client, user_with, version, name):
    client.force_login(user_with("view_externalapi", "change_externalapi"))
    assert client.get(url(version, name)).status_code == 403
    assert client.post(url(version, name)).status_code == 403
    client.logout()
    assert client.get(url(version, name)).status_code == 302


def test_sending_again_is_a_post_with_a_token(admin_client, admin_user, version):
    test = make_test(version)
    assert admin_client.get(url(version, "rerun")).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    answer = strict.post(url(version, "rerun"), {"test": test.pk})
    assert answer.status_code == 403
    assert not LogEntry.objects.exists()
