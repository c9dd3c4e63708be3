import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from externalapi.models import Connection, ExternalAPI
from externalapi.template.parameters import Level, Parameter, ParameterType
from tests.externalapi.admin.test_external_api import ADD, rows, typed
from tests.externalapi.importers.documents import BRAZE, PETSTORE
from tests.factories import make_connection
from tests.pages import words

PASTE = "admin:externalapi_externalapi_paste"
KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
COMMAND = f"""curl -X POST https://rest.fra-01.braze.eu/users/track \\
  -H 'Authorization: Bearer {KEY}' --compressed -k \\
  --json '{{"events": [{{"external_id": "<user_id>", "name": "bought",
  "time": "2025-01-31T09:30:00Z", "properties": {{"price": 9.5}}}}]}}'"""


def test_a_command_is_shown_as_it_is_understood_and_its_key_is_not(admin_client):
    response = admin_client.post(reverse(PASTE), {"pasted": COMMAND})
    page = words(response)
    assert KEY not in page
    for said in (
        "https://rest.fra-01.braze.eu/users/track",
        "It signs in with a bearer key. The key is not kept",
        "No connection leads to",
        "certificates are always checked",
        "&lt;user_id&gt;",
        "Date and time",
    ):
        assert said in page
    picked = {
        one.name: is_picked for one, _, is_picked in response.context["suggestions"]
    }
    assert picked == {"User ID": True, "Name": False, "Time": False, "Price": False}
    assert not ExternalAPI.objects.exists()


def test_a_connection_that_leads_there_is_named(admin_client):
    make_connection("https://rest.fra-01.braze.eu", name="Braze EU")
    page = words(admin_client.post(reverse(PASTE), {"pasted": COMMAND}))
    assert "Choose the connection <strong>Braze EU</strong>: it leads there" in page


def test_the_one_connection_that_leads_there_is_chosen_in_the_form(admin_client):
    connection = make_connection("https://rest.fra-01.braze.eu")
    make_connection("https://rest.iad-01.braze.com")
    response = admin_client.post(reverse(ADD), {"pasted": COMMAND})
    form = response.context["adminform"].form
    assert str(form["connection"].value()) == str(connection.pk)


def test_a_new_connection_begins_with_the_address_and_without_the_key(admin_client):
    response = admin_client.post(reverse(PASTE), {"pasted": COMMAND})
    url = response.context["sign_in"]["add"]
    assert KEY not in url
    form = admin_client.get(url).context["adminform"].form
    assert form["base_url"].value() == "https://rest.fra-01.braze.eu"
    assert form["auth"].value() == "bearer"
    assert not Connection.objects.exists()


def test_it_fills_in_the_form_and_what_is_saved_is_what_was_picked(admin_client):
    posted = {"pasted": COMMAND, "names": "", "name": ["User ID", "Price"]}
    response = admin_client.post(reverse(ADD), posted)
    page = words(response)
    assert KEY not in page
    form = response.context["adminform"].form
    connection = make_connection()
    to_save = typed(connection, **rows(*form.initial["parameters"]))
    for field in ("name", "path", "body_kind", "body", "method", "batching"):
        to_save[field] = form[field].value()
    assert not ExternalAPI.objects.exists()
    assert admin_client.post(reverse(ADD), to_save).status_code == 302
    version = ExternalAPI.objects.get().current_version
    assert list(version.read_parameters()) == [
        Parameter(name="User ID", level=Level.IDENTIFIER),
        Parameter(name="Price", type=ParameterType.NUMBER),
    ]


def test_parameters_stay_in_the_form_when_something_else_is_wrong(admin_client):
    number = Parameter(name="Name", type=ParameterType.INTEGER)
    response = admin_client.post(
        reverse(ADD), typed(make_connection(), path="x", **rows(number))
    )
    assert 'name="parameters-0-type"' in words(response)


def test_a_command_that_cannot_be_taken_is_said_at_the_field_and_stays(admin_client):
    command = "curl -F 'a=@photo.png' https://a.io"
    response = admin_client.post(reverse(PASTE), {"pasted": command})
    assert "uploads a file" in response.context["form"].errors["pasted"][0]
    assert response.context["form"]["pasted"].value() == command


def test_what_cannot_be_taken_comes_to_no_form(admin_client):
    response = admin_client.post(reverse(ADD), {"pasted": "wget https://a.io"})
    assert "wget" in response.context["form"].errors["pasted"][0]


def test_who_may_only_look_pastes_nothing(client, user_with):
    client.force_login(user_with("view_externalapi"))
    for name in (PASTE, ADD):
        assert client.post(reverse(name), {"pasted": COMMAND}).status_code == 403


def test_nothing_pasted_is_said(admin_client):
    response = admin_client.post(reverse(PASTE), {"pasted": "  "})
    assert response.context["form"].errors["pasted"]


def test_markup_in_a_command_is_text(admin_client):
    command = "curl 'https://a.io/x?a=<script>alert(1)</script>' -H 'X-A: <b>x</b>'"
    page = admin_client.post(reverse(PASTE), {"pasted": command}).content.decode()
    assert "<script>alert(1)" not in page
    assert "<b>x</b>" not in page


def test_the_page_for_a_new_one_leads_there(admin_client):
    page = admin_client.get(reverse(ADD)).content.decode()
    assert reverse(PASTE) in page


# Documents


def errors(response):
    return response.context["form"].errors


def test_a_document_shows_its_requests_and_nothing_is_chosen(admin_client):
    response = admin_client.post(reverse(PASTE), {"pasted": PETSTORE})
    page = words(response)
    assert "OpenAPI 3.0.4 document with 6 requests" in page
    assert 'value="DELETE /pet/{petId}"' in page
    assert "found" not in response.context
    assert response.context["form"]["pasted"].value() == PETSTORE
    assert list(response.context["groups"]) == ["pet", "store"]


def test_a_chosen_request_is_understood_with_what_it_requires(admin_client):
    response = admin_client.post(
        reverse(PASTE), {"pasted": PETSTORE, "operation": "POST /pet"}
    )
    page = words(response)
    assert "https://petstore3.example.com/api/v3/pet" in page
    assert "It signs in with a bearer key. The key itself is not there" in page
    picked = {
        one.name: is_picked for one, _, is_picked in response.context["suggestions"]
    }
    assert picked["Name"] and picked["Category ID"] and not picked["Status"]
    assert 'value="Name" checked disabled' in page


def test_a_request_that_cannot_be_taken_is_said_and_the_list_stays(admin_client):
    posted = {"pasted": PETSTORE, "operation": "POST /pet/{petId}/uploadImage"}
    for name in (PASTE, ADD):
        response = admin_client.post(reverse(name), posted)
        page = words(response)
        assert "This request cannot be taken. Its body is application/octet" in page
        assert not errors(response)
        assert 'value="POST /store/order"' in page
        assert response.context["form"]["pasted"].value()


def test_what_was_chosen_stays_with_other_values(admin_client):
    posted = {
        "pasted": PETSTORE,
        "chosen": "POST /pet",
        "names": "",
        "name": ["Status"],
    }
    response = admin_client.post(reverse(PASTE), posted)
    found = response.context["found"]
    assert [one.name for one in found.parameters] == ["Name", "Photo Urls", "Status"]


@pytest.mark.parametrize("button", ["look", "operation"])
def test_another_button_begins_anew(admin_client, button):
    value = {"look": "1", "operation": "POST /store/order"}[button]
    posted = {"pasted": PETSTORE, "chosen": "POST /pet", "names": "", button: value}
    response = admin_client.post(reverse(PASTE), posted)
    if button == "look":
        assert "found" not in response.context
    else:
        names = [one.name for one in response.context["found"].parameters]
        assert names == ["ID", "Quantity", "Status"]


def test_a_described_request_fills_in_the_form_and_is_saved(admin_client):
    connection = make_connection("https://petstore3.example.com/api/v3")
    make_connection("https://petstore3.example.com")
    posted = {
        "pasted": PETSTORE,
        "chosen": "POST /pet",
        "names": "",
        "name": ["Status"],
    }
    response = admin_client.post(reverse(ADD), posted)
    form = response.context["adminform"].form
    assert str(form["connection"].value()) == str(connection.pk)
    assert form["path"].value() == "/pet"
    to_save = typed(connection, **rows(*form.initial["parameters"]))
    for field in ("name", "path", "body_kind", "body", "method", "batching"):
        to_save[field] = form[field].value()
    assert admin_client.post(reverse(ADD), to_save).status_code == 302
    version = ExternalAPI.objects.get().current_version
    status = version.read_parameters()[-1]
    assert status.allowed == ("available", "pending", "sold")
    assert (status.required, status.description) == (False, "pet status in the store")


def test_a_document_alone_fills_in_no_form(admin_client):
    response = admin_client.post(reverse(ADD), {"pasted": PETSTORE})
    assert "6 requests" in words(response)


def test_a_collection_s_keys_come_to_no_page(admin_client):
    for posted in ({}, {"operation": "1.0"}):
        response = admin_client.post(reverse(PASTE), {"pasted": BRAZE, **posted})
        page = words(response)
        assert "are taken out" in page
        for secret in (KEY, "99999999-8888", "11111111-2222", "script-secret"):
            assert secret not in page
    posted = {"pasted": BRAZE, "chosen": "1.0", "names": ""}
    assert KEY not in admin_client.post(reverse(ADD), posted).content.decode()


def upload(admin_client, raw, **posted):
    file = SimpleUploadedFile("api.json", raw)
    return admin_client.post(reverse(PASTE), {"pasted": "", "file": file, **posted})


def test_a_file_is_read_as_what_is_pasted(admin_client):
    response = upload(admin_client, b"\xef\xbb\xbf" + PETSTORE.encode(), chosen="0")
    assert "6 requests" in words(response)
    assert "findByStatus" in response.context["form"]["pasted"].value()
    command = upload(admin_client, COMMAND.encode())
    assert command.context["found"].path == "/users/track"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "Paste a command that begins with curl."),
        (b"\xff\xfe{", "not a text in UTF-8"),
        (b"{" + b" " * 20_000_000, "larger than 20 MB"),
        (b'{"openapi": "3.0.0", "paths": 1}', "is not an object (1)"),
    ],
)
def test_a_bad_file_is_said_at_the_file(admin_client, raw, words):
    response = upload(admin_client, raw)
    assert words in errors(response)["file"][0]


def test_a_large_file_comes_along_without_its_answers(admin_client):
    document = json.loads(PETSTORE)
    answer = {"description": "x" * 3_000_000}
    document["paths"]["/pet"]["post"]["responses"]["500"] = answer
    document["components"]["schemas"]["Answer"] = {"type": "object"}
    response = upload(admin_client, json.dumps(document).encode())
    shortened = json.loads(response.context["form"]["pasted"].value())
    # What only answers use is gone as well.
    assert set(shortened["components"]["schemas"]) == {
        "Pet",
        "Category",
        "Tag",
        "Order",
    }
    pet = {"pasted": json.dumps(shortened), "operation": "POST /pet"}
    again = admin_client.post(reverse(PASTE), pet).context["found"]
    assert again.auth == "bearer" and "photoUrls" in again.body
    document["info"]["description"] = "x" * 3_000_000
    response = upload(admin_client, json.dumps(document).encode())
    assert "too large, even without its answers" in errors(response)["file"][0]


def test_a_text_that_the_browser_had_to_cut_is_said_to_be_too_long(admin_client):
    text = (PETSTORE + " " * 2_000_001)[:2_000_001]
    response = admin_client.post(reverse(PASTE), {"pasted": text})
    assert "longer than 2,000,000 characters" in errors(response)["pasted"][0]


def test_a_bad_document_stays_as_it_was_pasted(admin_client):
    text = '{"openapi": "3.0.0",\n "paths": {"/x": []}}'
    response = admin_client.post(reverse(PASTE), {"pasted": text})
    assert "“#/paths/~1x” is not an object" in errors(response)["pasted"][0]
    assert response.context["form"]["pasted"].value() == text


def test_client_credentials_begin_the_new_connection(admin_client):
    flow = {"tokenUrl": "https://id.example.com/token", "scopes": {"send": ""}}
    document = json.loads(PETSTORE)
    document["components"]["securitySchemes"]["petstore_auth"]["flows"] = {
        "clientCredentials": flow
    }
    posted = {"pasted": json.dumps(document), "operation": "POST /pet"}
    response = admin_client.post(reverse(PASTE), posted)
    assert "with OAuth 2 client credentials" in words(response)
    form = (
        admin_client.get(response.context["sign_in"]["add"]).context["adminform"].form
    )
    assert form["auth"].value() == "oauth2"
    assert form["token_url"].value() == "https://id.example.com/token"
    assert form["scope"].value() == "write:pets read:pets"


def test_markup_in_a_document_is_text(admin_client):
    document = json.loads(PETSTORE)
    document["info"]["title"] = "<script>alert(1)</script>"
    document["paths"]["/pet"]["post"]["summary"] = "<b>bold</b>"
    document["paths"]["/pet"]["post"]["tags"] = ['"><i>x</i>']
    for operation in ("", "POST /pet"):
        posted = {"pasted": json.dumps(document), "operation": operation}
        page = admin_client.post(reverse(PASTE), posted).content.decode()
        for markup in ("<script>alert", "<b>bold", "<i>x"):
            assert markup not in page
