from django.urls import reverse

from externalapi.models import Connection, ExternalAPI
from externalapi.parameters import Level, Parameter, ParameterType
from tests.externalapi.test_external_api_page import ADD, rows, typed
from tests.factories import make_connection

PASTE = "admin:externalapi_externalapi_paste"
KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
COMMAND = f"""curl -X POST https://rest.fra-01.braze.eu/users/track \\
  -H 'Authorization: Bearer {KEY}' --compressed -k \\
  --json '{{"events": [{{"external_id": "<user_id>", "name": "bought",
  "time": "2025-01-31T09:30:00Z", "properties": {{"price": 9.5}}}}]}}'"""


def test_a_command_is_shown_as_it_is_understood_and_its_key_is_not(admin_client):
    response = admin_client.post(reverse(PASTE), {"pasted": COMMAND})
    page = response.content.decode()
    assert KEY not in page
    for words in (
        "https://rest.fra-01.braze.eu/users/track",
        "It signs in with a bearer key. The key is not kept",
        "No connection leads to",
        "certificates are always checked",
        "&lt;user_id&gt;",
        "Date and time",
    ):
        assert words in page
    picked = {
        one.name: is_picked for one, _, is_picked in response.context["suggestions"]
    }
    assert picked == {"User ID": True, "Name": False, "Time": False, "Price": False}
    assert not ExternalAPI.objects.exists()


def test_a_connection_that_leads_there_is_named(admin_client):
    make_connection("https://rest.fra-01.braze.eu", name="Braze EU")
    page = admin_client.post(reverse(PASTE), {"pasted": COMMAND}).content.decode()
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
    page = response.content.decode()
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
    assert 'name="parameters-0-type"' in response.content.decode()


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
