import re

import pytest
from django.urls import reverse
from django.utils.html import escape

from externalapi.models import ConfigurationTest
from tests.doubles.raw_server import RawServer, always, response
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
    for value in ("u-1", "Ada", "36", "2025-01-31T09:30:00"):
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
    from externalapi.connections.encryption import set_key

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


def field_of(page, name="p0"):
    """The tag of an input."""
    return re.search(rf'<(?:input|select|textarea)[^>]*name="{name}"[^>]*>', page)[0]


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("text", 'type="text"'),
        ("boolean", "<select"),
        ("list", "<textarea"),
        ("object", "<textarea"),
        ("integer", 'step="1"'),
        ("number", 'type="number"'),
        ("datetime", 'type="datetime-local"'),
    ],
)
def test_each_type_has_its_input(admin_client, db, type, expected):
    version = make_version('{"a": {{V}}}', [parameter("V", type=type)])
    assert expected in field_of(admin_client.get(page_of(version)).content.decode())


def test_a_parameter_is_introduced_to_the_person_who_fills_it_in(admin_client, db):
    named = parameter("V", required=False, default="gold") | {
        "label": "Tier of the customer",
        "description": "As the contract says.",
        "example": "silver",
    }
    version = make_version('{"a": {{V}}}', [named])
    page = admin_client.get(page_of(version)).content.decode()
    assert "Tier of the customer" in page
    assert "Text, optional, default gold" in page
    assert "As the contract says. {{V}}" in page
    assert 'placeholder="silver"' in field_of(page)
    assert 'aria-describedby="id_p0_helptext"' in field_of(page)


def test_allowed_values_are_chosen_and_another_one_is_not_lost(admin_client, db):
    allowed = parameter("V") | {"allowed": ["gold", "silver"]}
    version = make_version('{"a": {{V}}}', [allowed])
    page = admin_client.get(page_of(version)).content.decode()
    assert '<option value="silver">silver</option>' in page
    page = admin_client.post(page_of(version), {"p0": "tin"}).content.decode()
    assert "“tin” is not one of gold, silver." in page
    assert '<option value="tin" selected>tin (not allowed)</option>' in page


@pytest.mark.parametrize(
    ("type", "typed", "words"),
    [
        ("integer", "1.5", "is not a whole number"),
        ("number", "a lot", "is not a number"),
        ("datetime", "soon", "is not a date and time"),
        ("boolean", "perhaps", "is not true or false"),
        ("list", '["a"', "is not a list"),
        ("object", "[1]", "is not an object"),
    ],
)
def test_a_value_of_the_wrong_type_stays_beside_its_error(
    admin_client, db, type, typed, words
):
    version = make_version('{"a": {{V}}}', [parameter("V", type=type)])
    page = admin_client.post(page_of(version), {"p0": typed}).content.decode()
    assert words in page
    assert 'aria-describedby="id_p0_error"' in field_of(page)
    assert 'aria-invalid="true"' in field_of(page)
    assert escape(typed) in page[page.index('name="p0"') :]
    # A browser would show nothing of a value that its own input does not take.
    if type in ("number", "datetime"):
        assert 'type="text"' in field_of(page)


def test_a_picked_time_is_one_of_the_named_zone(admin_client, braze, settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    version = make_version(BODY, PARAMETERS, connection=braze)
    page = admin_client.get(page_of(version)).content.decode()
    assert "Date and time in Asia/Kolkata, required" in page
    typed = VALUES | {"p3": "2025-01-31T15:00"}
    page = admin_client.post(page_of(version), typed, follow=True).content.decode()
    assert ConfigurationTest.objects.get().values["At"] == "2025-01-31T09:30:00Z"
    assert 'value="2025-01-31T15:00:00"' in field_of(page, "p3")


def test_parameters_are_asked_for_wherever_they_stand(admin_client, db):
    version = make_version(
        "email = {{Email}}\ntag = a\ntag = b",
        [parameter(name) for name in ("Region", "Page", "Trace", "Email")],
        path="/{{Region}}/x",
        query=[["page", "{{Page}}"], ["sort", "asc"]],
        headers={"X-Trace": "t-{{Trace}}", "X-Plain": "y"},
        body_kind="form",
    )
    page = admin_client.get(page_of(version)).content.decode()
    for name in ("p0", "p1", "p2", "p3"):
        assert field_of(page, name)
    for part in ("Path", "Query", "Headers", "Body"):
        assert f'<span class="tree-key">{part}</span>' in page
    assert page.count('<span class="tree-key">tag</span>') == 2
    assert "X-Plain" not in page


def test_a_text_body_is_shown_with_its_inputs(admin_client, db):
    version = make_version("<who>{{Name}}</who>", [parameter("Name")], body_kind="text")
    page = admin_client.get(page_of(version)).content.decode()
    assert "&lt;who&gt;" in page
    assert field_of(page)


def test_more_objects_than_a_request_takes_are_refused_before_sending(
    admin_client, braze, sandbox
):
    version = make_version(
        '{"attributes": {{All}}}', [parameter("All", type="list")], connection=braze
    )
    objects = ", ".join(['{"external_id": "a"}'] * 76)
    answer = admin_client.post(page_of(version), {"p0": f"[{objects}]"})
    assert "76 objects (attributes) are too many" in answer.content.decode()
    assert sandbox.requests() == []
