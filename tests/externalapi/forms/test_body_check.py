from dataclasses import replace

import pytest
from django.urls import reverse

from externalapi.forms.body_check import Typed, check
from externalapi.models import ExternalAPI
from externalapi.template.parameters import Parameter, ParameterType
from externalapi.vendors.braze.lint.findings import Severity
from tests.externalapi.admin.test_external_api import ADD, errors, rows, typed
from tests.factories import make_connection

CHECK = "admin:externalapi_externalapi_check_body"
BODY = """{
  "attributes": [
    {"external_id": {{User ID}}, "frist_name": "😀", "bio": 1}
  ]
}"""
TRACK = Typed(kind="json", text=BODY, path="/users/track")


def browser_slice(text, start, end):
    """As JavaScript's slice counts: in UTF-16 units."""
    return text.encode("utf-16-le")[start * 2 : end * 2].decode("utf-16-le")


def test_findings_stand_at_their_words():
    found = check(TRACK).findings
    assert [(one.line, browser_slice(BODY, one.start, one.end)) for one in found] == [
        (3, '"frist_name": "😀"'),
        (3, '"bio": 1'),
    ]


def test_what_is_missing_is_shown_where_it_is_missing():
    body = '{\n"events": [\n  {"name": "e"}\n]}'
    found = check(replace(TRACK, text=body)).findings
    assert {(one.line, body[one.start : one.end]) for one in found} == {(3, "{")}


def test_a_mistake_of_the_reader_is_the_one_finding():
    body = '{"a": "😀",\n "b": }'
    found = check(replace(TRACK, text=body))
    [one] = found.findings
    assert found.verdict == "Line 2, column 7: A value is expected here."
    assert (one.line, browser_slice(body, one.start, one.end)) == (2, "}")
    assert found.formatted is None


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (BODY, "Valid JSON, 1 parameter. 2 warnings."),
        ("{}", "Valid JSON, 0 parameters. 1 error."),
        ("", "There is no body."),
        ('{"attributes": {{People}}}', "Valid JSON, 1 parameter."),
    ],
)
def test_the_verdict_sums_it_up(text, verdict):
    assert check(replace(TRACK, text=text)).verdict == verdict


def test_a_form_and_a_text_are_read_by_their_own_rules():
    form = check(Typed(kind="form", text="a = {{A}}\nb = {{B}}", path="/x"))
    assert form.verdict == "The body can be sent, 2 parameters."
    assert check(Typed(kind="form", text="nothing")).findings[0].line == 1
    assert check(Typed(kind="text", text="Hello {{A}}")).formatted is None


def test_what_is_known_of_a_parameter_counts():
    body = '{"attributes": [{"external_id": {{ID}}, "first_name": {{X}}}]}'
    number = Parameter(name="X", type=ParameterType.INTEGER)
    assert check(replace(TRACK, text=body)).findings == ()
    found = check(replace(TRACK, text=body, parameters=[number])).findings
    assert [one.finding.severity for one in found] == [Severity.WARNING]


def test_another_vendor_is_not_measured_by_braze_s_rules():
    assert check(replace(TRACK, text="{}", is_braze=False)).findings == ()


def test_the_tree_has_every_value_with_its_place():
    body = '{"a": [1, {{B}}], "c": {"d": "text"}}'
    nodes = [
        (one["depth"], one["label"], one["kind"], one["text"])
        for one in check(replace(TRACK, text=body)).nodes
    ]
    assert nodes == [
        (0, "a", "list", "[2]"),
        (1, "[0]", "constant", "1"),
        (1, "[1]", "placeholder", "B"),
        (0, "c", "object", "{1}"),
        (1, "d", "text", '"text"'),
    ]


# Over HTTP


def test_the_editor_hears_what_the_form_says(admin_client):
    number = Parameter(name="Name", type=ParameterType.INTEGER)
    body = '{"attributes": [{"external_id": {{User ID}}, "first_name": {{Name}}}]}'
    posted = typed(make_connection(), body=body, **rows(number))
    answer = admin_client.post(reverse(CHECK), posted).json()
    [one] = answer["findings"]
    assert one["severity"] == "warning"
    assert one["place"] == "attributes[0].first_name"
    assert answer["formatted"].startswith('{\n  "attributes": [\n')
    assert not ExternalAPI.objects.exists()


@pytest.mark.parametrize(
    "posted",
    [
        {},
        {"body": "{"},
        {"body": "x" * 70_000},
        {"body": "{}", "body_kind": "nonsense", "path": "x", "headers": "y"},
        {"body": "\x00", "body_kind": "text", "parameters-count": "9999"},
        {"body": "[" * 5000},
    ],
    ids=lambda posted: str(posted)[:40],
)
def test_any_form_gets_an_answer(admin_client, posted):
    answer = admin_client.post(reverse(CHECK), posted)
    assert answer.status_code == 200
    assert answer.json()["verdict"]


def test_the_check_asks_for_post_and_for_a_token(admin_client, admin_user):
    assert admin_client.get(reverse(CHECK)).status_code == 405
    strict = type(admin_client)(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(reverse(CHECK), {"body": "{}"}).status_code == 403


# At save


def test_an_error_stops_the_save_at_its_field_and_line(admin_client):
    body = '{"events": [\n{"external_id": "{{ID}}", "name": "e"}]}'
    response = admin_client.post(reverse(ADD), typed(make_connection(), body=body))
    assert errors(response)["body"] == [
        "Line 2: The event has no “time”; Braze refuses it. Add “time”."
    ]
    assert 'data-error-line="2"' in response.content.decode()
    assert not ExternalAPI.objects.exists()


def test_an_error_of_another_field_is_shown_there(admin_client):
    response = admin_client.post(reverse(ADD), typed(make_connection(), method="PUT"))
    assert "Choose POST." in errors(response)["method"][0]


def test_a_warning_is_said_and_does_not_stop_the_save(admin_client):
    body = '{"attributes": [{"external_id": {{ID}}, "frist_name": {{Name}}}]}'
    response = admin_client.post(
        reverse(ADD), typed(make_connection(), body=body), follow=True
    )
    assert ExternalAPI.objects.exists()
    said = [str(message) for message in response.context["messages"]]
    assert said[0].startswith("Line 1: “frist_name” is not Braze's “first_name”")


def test_another_vendor_s_track_is_saved_as_it_is(admin_client):
    connection = make_connection("https://api.example.com")
    admin_client.post(reverse(ADD), typed(connection, body="{}"))
    assert ExternalAPI.objects.exists()
