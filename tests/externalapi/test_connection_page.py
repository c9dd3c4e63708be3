import pytest
from django.urls import reverse

from externalapi.models import Connection
from externalapi.secrets import read_key, set_key
from tests.factories import make_connection

ADD = "admin:externalapi_connection_add"
KEY = "a-key-with-36-characters-0123-4567"


def typed(**fields):
    return {
        "name": "Braze",
        "instance_choice": "",
        "base_url": "https://rest.iad-03.braze.com",
        "key": KEY,
        "requests_per_burst": "3000",
        "burst_seconds": "3",
        "requests_per_hour": "",
        **fields,
    }


def change_url(connection):
    return reverse("admin:externalapi_connection_change", args=[connection.pk])


def errors(response):
    return response.context["adminform"].form.errors


def test_a_connection_is_saved_with_its_key_encrypted(admin_client):
    response = admin_client.post(reverse(ADD), typed())
    assert response.status_code == 302
    connection = Connection.objects.get()
    assert read_key(connection) == KEY
    assert KEY not in connection.key_encrypted


def test_an_instance_fills_in_the_address(admin_client):
    chosen = typed(instance_choice="https://rest.fra-02.braze.eu", base_url="")
    admin_client.post(reverse(ADD), chosen)
    assert Connection.objects.get().base_url == "https://rest.fra-02.braze.eu"


def test_the_instance_is_shown_again(admin_client):
    connection = make_connection(base_url="https://rest.fra-02.braze.eu")
    page = admin_client.get(change_url(connection)).content.decode()
    assert '<option value="https://rest.fra-02.braze.eu" selected>EU-02' in page


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://rest.iad-03.braze.com", "https://"),
        ("https://localhost", "not on the public internet"),
        ("https://169.254.169.254", "not on the public internet"),
        ("https://user:pass@a.com", "user name or a password"),
        ("https://a.com/?x=1", "belong to the External API"),
        ("https://{{host}}.com", "belong to the External API"),
        ("nonsense", "Write the address as"),
        ("", "Choose your Braze instance"),
    ],
)
def test_an_address_is_refused_at_its_field_and_what_was_typed_stays(
    admin_client, address, words
):
    response = admin_client.post(reverse(ADD), typed(base_url=address))
    assert words in errors(response)["base_url"][0]
    page = response.content.decode()
    assert f'value="{address}"' in page or not address
    assert KEY not in page
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    "key", ["short", "with space inside", "ünicode-key-1234", '"quoted-key-1"']
)
def test_what_cannot_be_a_key_is_refused(admin_client, key):
    response = admin_client.post(reverse(ADD), typed(key=key))
    assert "key" in errors(response)


def test_the_key_is_never_shown_again_and_an_empty_field_keeps_it(admin_client):
    connection = make_connection(base_url="https://rest.iad-03.braze.com")
    set_key(connection, KEY)
    page = admin_client.get(change_url(connection)).content.decode()
    assert KEY not in page
    assert "Ends in 4567, set on" in page
    admin_client.post(change_url(connection), typed(name="New name", key=""))
    connection.refresh_from_db()
    assert connection.name == "New name"
    assert read_key(connection) == KEY
    assert connection.key_version == 1


def test_without_the_permission_the_key_stays(client, user_with):
    connection = make_connection(base_url="https://rest.iad-03.braze.com")
    set_key(connection, KEY)
    client.force_login(user_with("view_connection", "change_connection"))
    page = client.get(change_url(connection)).content.decode()
    assert "Your permissions do not include changing it." in page
    client.post(change_url(connection), typed(name="Renamed", key="another-key-0001"))
    connection.refresh_from_db()
    assert connection.name == "Renamed"
    assert read_key(connection) == KEY


def test_without_the_permission_the_key_cannot_be_sent_elsewhere(client, user_with):
    connection = make_connection(base_url="https://rest.iad-03.braze.com")
    set_key(connection, KEY)
    client.force_login(user_with("view_connection", "change_connection"))
    moved = typed(base_url="https://evil.com", key="")
    response = client.post(change_url(connection), moved)
    assert "needs the permission" in errors(response)["base_url"][0]
    connection.refresh_from_db()
    assert connection.base_url == "https://rest.iad-03.braze.com"


def test_who_may_only_look_sees_no_form(client, user_with):
    connection = make_connection()
    client.force_login(user_with("view_connection"))
    response = client.get(change_url(connection))
    assert response.status_code == 200
    assert 'name="key"' not in response.content.decode()
    assert client.post(change_url(connection), typed()).status_code == 403


def test_the_list_needs_no_query_for_each_row(
    admin_client, django_assert_max_num_queries
):
    url = reverse("admin:externalapi_connection_changelist")
    for _ in range(10):
        make_connection()
    with django_assert_max_num_queries(8):
        page = admin_client.get(url).content.decode()
    assert "No key yet" in page
