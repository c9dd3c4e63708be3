import re

import pytest
from django.urls import reverse

from externalapi.models import ConfigurationTest
from tests.externalapi.raw_server import RawServer, always, response
from tests.factories import make_connection, make_version, parameter

BODY = """{
  "attributes": [{"external_id": {{User ID}}, "first_name": "Dear {{Name}}", "age": {{Age}}}],
  "events": [{"external_id": "{{User ID}}", "name": "x", "time": {{At}}}]
}"""
PARAMETERS = [
    parameter("User ID", level="identifier"),
    parameter("Name"),
    parameter("Age", type="integer", required=False),
    parameter("At", type="datetime"),
]
VALUES = {"p0": "u-1", "p1": "Ada", "p2": "36", "p3": "2025-01-31T09:30:00Z"}


@pytest.fixture
def version(braze):
    return make_version(BODY, PARAMETERS, connection=braze)


def page_of(version):
    return reverse("admin:externalapi_externalapi_test", args=[version.external_api_id])


def test_a_real_request_goes_out_and_its_answer_is_shown(
    admin_client, admin_user, version, sandbox
):
    answer = admin_client.post(page_of(version), VALUES, follow=True)
    page = answer.content.decode()
    assert sandbox.user("u-1")["first_name"] == "Dear Ada"
    assert "201 Created" in page
    assert "Accepted." in page
    assert "Audience &gt; Search Users" in page
    assert f'href="{sandbox.url}/search-users"' in page
    test = ConfigurationTest.objects.get()
    assert (test.user, test.version, test.is_success) == (admin_user, version, True)
    assert test.values == {
        "User ID": "u-1",
        "Name": "Ada",
        "Age": "36",
        "At": "2025-01-31T09:30:00Z",
    }
    assert '"age":36' in test.request["body"]
    assert "&quot;age&quot;: 36" in page, "indented for people"


def test_every_parameter_has_one_labelled_input(admin_client, version):
    page = admin_client.get(page_of(version)).content.decode()
    for field, name in (("p0", "User ID"), ("p1", "Name"), ("p2", "Age"), ("p3", "At")):
        assert len(re.findall(f'name="{field}"', page)) == 1
        assert re.search(f'<label for="id_{field}">{name}', page)
    assert page.count('data-mirror="id_p0"') == 1


def test_what_was_typed_stays_after_the_test(admin_client, version):
    page = admin_client.post(page_of(version), VALUES, follow=True).content.decode()
    for value in VALUES.values():
        assert f'value="{value}"' in page
    again = admin_client.get(page_of(version)).content.decode()
    assert 'value="Ada"' in again


def test_errors_of_values_are_shown_at_their_inputs_and_nothing_is_sent(
    admin_client, version, sandbox
):
    typed = VALUES | {"p1": "", "p2": "old", "p3": "soon"}
    answer = admin_client.post(page_of(version), typed)
    form = answer.context["form"]
    assert form.errors["p1"] == ["Type a value for the test."]
    assert form.errors["p2"] == ["“old” is not a whole number."]
    assert "“soon” is not a date and time" in form.errors["p3"][0]
    page = answer.content.decode()
    assert 'value="old"' in page
    assert 'id="id_p2_error"' in page
    assert sandbox.requests() == []
    assert not ConfigurationTest.objects.exists()


def test_an_optional_value_that_is_empty_leaves_its_key_out(
    admin_client, version, sandbox
):
    admin_client.post(page_of(version), VALUES | {"p2": ""})
    assert '"age"' not in ConfigurationTest.objects.get().request["body"]


def test_a_wrong_key_is_explained_and_never_stored(admin_client, version, sandbox):
    from externalapi.secrets import set_key

    set_key(version.connection, "wrong-key-0123456789")
    page = admin_client.post(page_of(version), VALUES, follow=True).content.decode()
    assert "401 Unauthorized" in page
    assert "The key was not accepted." in page
    # Braze repeats the key in its answer.
    assert "wrong-key-0123456789" not in page
    assert "••••6789" in page
    test = ConfigurationTest.objects.get()
    assert "wrong-key" not in f"{test.request}{test.response}"
    assert not test.is_success


def test_what_braze_refuses_is_explained_by_item(admin_client, version, sandbox):
    version.body = BODY.replace('"name": "x", ', "")
    version.save()
    page = admin_client.post(page_of(version), VALUES, follow=True).content.decode()
    assert "Accepted, but not all of it." in page
    assert "events[0]:" in page
    assert not ConfigurationTest.objects.get().is_success


def test_a_html_answer_is_shown_as_text(admin_client, settings):
    html = b"<script>alert(1)</script>\0<h1>Bad gateway</h1>"
    with RawServer(always(response(html, "502 Bad Gateway"))) as server:
        settings.ALLOWED_LOCAL_ADDRESSES = [server.address]
        connection = make_connection(base_url=f"http://{server.address}")
        version = make_version({"a": 1}, [], connection=connection)
        page = admin_client.post(page_of(version), {}, follow=True).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "nobody knows whether the" in page


def test_an_address_that_cannot_be_reached_is_explained(admin_client, settings, db):
    settings.ALLOWED_LOCAL_ADDRESSES = ["127.0.0.1:1"]
    connection = make_connection(base_url="http://127.0.0.1:1")
    version = make_version({"a": 1}, [], connection=connection)
    page = admin_client.post(page_of(version), {}, follow=True).content.decode()
    assert "it refuses connections on port 1. Check the base URL." in page
    assert "Nothing was sent." in page
    assert "No answer" in page


def test_ten_tests_a_minute_are_enough(admin_client, version, sandbox):
    for _ in range(10):
        admin_client.post(page_of(version), VALUES)
    answer = admin_client.post(page_of(version), VALUES)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "10 tests in the last minute" in page
    assert 'value="Ada"' in page
    assert ConfigurationTest.objects.count() == 10
    assert len(sandbox.requests()) == 10


def test_an_older_test_can_be_looked_at(admin_client, version):
    admin_client.post(page_of(version), VALUES)
    admin_client.post(page_of(version), VALUES | {"p1": "Grace"})
    first = ConfigurationTest.objects.earliest("at")
    page = admin_client.get(f"{page_of(version)}?test={first.pk}").content.decode()
    assert 'value="Ada"' in page
    assert "Dear Ada" in page


@pytest.mark.parametrize("wanted", ["x", "-1", "9" * 30, "999999", "٣"])
def test_a_test_that_is_not_there_is_not_shown(admin_client, version, wanted):
    answer = admin_client.get(page_of(version), {"test": wanted})
    assert answer.status_code == 200
    assert "Press Test Configuration" in answer.content.decode()


def test_another_external_apis_test_is_not_shown(admin_client, version, braze):
    admin_client.post(page_of(version), VALUES)
    other = make_version(BODY, PARAMETERS, connection=braze)
    test = ConfigurationTest.objects.get()
    page = admin_client.get(page_of(other), {"test": test.pk}).content.decode()
    assert "Press Test Configuration" in page


def test_testing_needs_its_permission(client, user_with, version, sandbox):
    client.force_login(user_with("view_externalapi", "change_externalapi"))
    assert client.get(page_of(version)).status_code == 403
    assert client.post(page_of(version), VALUES).status_code == 403
    assert sandbox.requests() == []


def test_a_tester_can_test(client, user_with, version, sandbox):
    client.force_login(user_with("view_externalapi", "test_externalapi"))
    assert client.post(page_of(version), VALUES).status_code == 302
    assert len(sandbox.requests()) == 1


def test_a_test_needs_a_csrf_token(version, admin_user, sandbox):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(page_of(version), VALUES).status_code == 403
    assert sandbox.requests() == []


def test_without_a_key_the_page_says_so(admin_client, db):
    version = make_version(BODY, PARAMETERS)
    assert "has no key yet" in admin_client.get(page_of(version)).content.decode()


def test_a_fixed_value_is_shown_and_not_asked_for(admin_client, braze):
    fixed = parameter("Name", level="fixed", value="web")
    version = make_version(
        '{"attributes": [{"source": {{Name}}}]}', [fixed], connection=braze
    )
    page = admin_client.get(page_of(version)).content.decode()
    assert 'name="p0"' not in page
    assert "web" in page


def test_an_external_api_without_a_version_has_no_test_page(admin_client):
    from tests.factories import make_external_api

    external_api = make_external_api()
    url = reverse("admin:externalapi_externalapi_test", args=[external_api.pk])
    assert admin_client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("boolean", '<select name="p0"'),
        ("list", '<textarea name="p0"'),
        ("object", '<textarea name="p0"'),
        ("number", 'inputmode="decimal"'),
        ("datetime", 'placeholder="2025-01-31T09:30:00Z"'),
    ],
)
def test_each_type_has_its_input(admin_client, db, type, expected):
    version = make_version('{"a": {{V}}}', [parameter("V", type=type)])
    assert expected in admin_client.get(page_of(version)).content.decode()


def test_parameters_in_path_and_headers_are_asked_for_too(admin_client, db):
    version = make_version(
        "",
        [parameter("Region"), parameter("Trace")],
        path="/{{Region}}/x",
        headers={"X-Trace": "t-{{Trace}}", "X-Plain": "y"},
        method="GET",
    )
    page = admin_client.get(page_of(version)).content.decode()
    assert 'name="p0"' in page
    assert 'name="p1"' in page


def test_more_objects_than_a_request_takes_are_refused_before_sending(
    admin_client, braze, sandbox
):
    version = make_version(
        '{"attributes": {{All}}}', [parameter("All", type="list")], connection=braze
    )
    answer = admin_client.post(page_of(version), {"p0": "[" + "{}," * 75 + "{}]"})
    assert "76 objects are too many" in answer.content.decode()
    assert sandbox.requests() == []
