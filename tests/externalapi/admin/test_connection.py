import html

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.urls import reverse

from externalapi.connections import key_rotation
from externalapi.connections.encryption import read_key, set_key
from externalapi.http.auth import Auth, SignIn
from externalapi.models import Connection
from externalapi.testing import connection_check
from externalapi.testing.runs import run_test
from externalapi.vendors.braze.facts.instances import INSTANCES
from tests.factories import make_admin, make_connection, make_version
from tests.pages import words

ADD = "admin:externalapi_connection_add"
KEY = "a-key-with-36-characters-0123-4567"


def typed(**fields):
    return {
        "name": "Braze",
        "instance_choice": "",
        "base_url": "https://rest.iad-03.braze.com",
        "auth": "bearer",
        "key_name": "",
        "username": "",
        "token_url": "",
        "client_id": "",
        "scope": "",
        "key": KEY,
        "timeout_seconds": "",
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


LONG = "k" * 301
# Each of its characters takes three in an address.
QUOTED = "+/=" * 34


@pytest.mark.parametrize("key", [LONG, QUOTED])
def test_a_key_that_no_address_has_room_for_is_refused(admin_client, key):
    in_query = {"auth": "query", "key_name": "api_key", "key": key}
    response = admin_client.post(reverse(ADD), typed(**in_query))
    assert "at most 300 characters" in errors(response)["key"][0]
    assert not Connection.objects.exists()
    in_header = {"auth": "header", "key_name": "X-Key", "key": key}
    assert admin_client.post(reverse(ADD), typed(**in_header)).status_code == 302
    assert read_key(Connection.objects.get()) == key


@pytest.mark.parametrize("is_waiting", [False, True])
def test_a_long_key_that_is_stored_cannot_move_into_the_address(
    admin_client, is_waiting
):
    connection = make_connection(auth="header", key_name="X-Key")
    set_key(connection, KEY if is_waiting else LONG)
    if is_waiting:
        key_rotation.set_beside(connection, LONG)
    moved = typed(auth="query", key_name="api_key", key="")
    response = admin_client.post(change_url(connection), moved)
    assert "The key that is stored has more than the 300" in errors(response)["auth"][0]
    connection.refresh_from_db()
    assert connection.auth == "header"
    if not is_waiting:
        saved = admin_client.post(change_url(connection), {**moved, "key": KEY})
        assert saved.status_code == 302


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


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"auth": "basic", "username": "ada", "key": 'pass "word" 1'},
            SignIn(auth=Auth.BASIC, username="ada"),
        ),
        (
            {"auth": "header", "key_name": "X-API-Key"},
            SignIn(auth=Auth.HEADER, name="X-API-Key"),
        ),
        (
            {"auth": "query", "key_name": "api_key"},
            SignIn(auth=Auth.QUERY, name="api_key"),
        ),
        # What another way asks for is not kept, nor is a mistake in it one.
        (
            {"auth": "none", "username": "a:b", "key_name": "X Y", "token_url": "x"},
            SignIn(auth=Auth.NONE),
        ),
    ],
    ids=lambda value: getattr(value, "auth", ""),
)
def test_a_connection_signs_in_as_it_is_told(admin_client, fields, expected):
    assert admin_client.post(reverse(ADD), typed(**fields)).status_code == 302
    assert Connection.objects.get().sign_in == expected


def test_oauth_asks_for_where_a_token_is_fetched(admin_client):
    fields = {
        "auth": "oauth2",
        "token_url": "https://id.example.org/token",
        "client_id": "me",
        "scope": " leads:write   more ",
    }
    admin_client.post(reverse(ADD), typed(**fields))
    connection = Connection.objects.get()
    assert connection.token_url == "https://id.example.org/token"
    assert connection.scope == "leads:write more"


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"auth": "basic"}, "username", "needs it"),
        ({"auth": "basic", "username": "a:b"}, "username", "cannot have a colon"),
        ({"auth": "header"}, "key_name", "needs it"),
        ({"auth": "header", "key_name": "X Y"}, "key_name", "cannot be the name"),
        ({"auth": "header", "key_name": "Host"}, "key_name", "by the client itself"),
        ({"auth": "query"}, "key_name", "needs it"),
        ({"auth": "query", "key_name": "ü"}, "key_name", "visible ASCII"),
        ({"auth": "oauth2", "client_id": "a"}, "token_url", "needs it"),
        (
            {"auth": "oauth2", "client_id": "a", "token_url": "https://10.0.0.1/t"},
            "token_url",
            "not on the public internet",
        ),
        (
            {"auth": "oauth2", "client_id": "a", "token_url": "http://id.example.org"},
            "token_url",
            "https://",
        ),
        (
            {"auth": "oauth2", "token_url": "https://id.example.org/t"},
            "client_id",
            "needs it",
        ),
        ({"auth": "telepathy"}, "auth", "valid choice"),
        ({"timeout_seconds": "31"}, "timeout_seconds", "30 seconds at most"),
        ({"timeout_seconds": "0"}, "timeout_seconds", "Enter 1 or more"),
    ],
    ids=repr,
)
def test_a_mistake_in_signing_in_is_shown_at_its_field(
    admin_client, fields, field, words
):
    response = admin_client.post(reverse(ADD), typed(**fields))
    assert words in errors(response)[field][0]
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"auth": "query", "key_name": "k"}, "auth"),
        ({"auth": "none"}, "auth"),
        (
            {
                "auth": "oauth2",
                "token_url": "https://evil.example.org/t",
                "client_id": "me",
            },
            "token_url",
        ),
    ],
    ids=repr,
)
def test_without_the_permission_the_key_cannot_be_sent_otherwise(
    client, user_with, fields, field
):
    connection = make_connection(
        base_url="https://rest.iad-03.braze.com",
        auth="oauth2" if field == "token_url" else "bearer",
        token_url="https://id.example.org/t" if field == "token_url" else "",
        client_id="me" if field == "token_url" else "",
    )
    set_key(connection, KEY)
    client.force_login(user_with("view_connection", "change_connection"))
    response = client.post(change_url(connection), typed(**fields, key=""))
    assert "needs the permission" in errors(response)[field][0]
    before = connection.sign_in
    connection.refresh_from_db()
    assert connection.sign_in == before


LIMITS = {"requests_per_burst": "7", "burst_seconds": "2", "requests_per_hour": "9"}


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        # By the limits below, or from a page that has no plans.
        ({"rate_plan": "own"}, (7, 2, 9)),
        ({}, (7, 2, 9)),
        # Newly chosen, whatever stands in the fields.
        ({"rate_plan": "braze_track", "initial-rate_plan": "own"}, (3000, 3, None)),
        ({"rate_plan": "braze_others"}, (3000, 3, 250_000)),
        ({"rate_plan": "braze_older", "requests_per_burst": ""}, (50_000, 60, None)),
        # Left as it was, and typed under it.
        (
            {"rate_plan": "braze_track", "initial-rate_plan": "braze_track"},
            (7, 2, 9),
        ),
    ],
)
def test_a_rate_plan_by_name_fills_its_limits(admin_client, fields, limits):
    response = admin_client.post(reverse(ADD), typed(**(LIMITS | fields)))
    assert response.status_code == 302
    saved = Connection.objects.get()
    found = (saved.requests_per_burst, saved.burst_seconds, saved.requests_per_hour)
    assert found == limits


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({}, "braze_track"),
        ({"requests_per_hour": 250_000}, "braze_others"),
        ({"requests_per_burst": 50_000, "burst_seconds": 60}, "braze_older"),
        ({"requests_per_hour": 1}, "own"),
    ],
)
def test_a_rate_plan_is_shown_by_its_name(admin_client, limits, code):
    page = admin_client.get(change_url(make_connection(**limits)))
    assert page.context["adminform"].form["rate_plan"].value() == code


def test_every_instance_is_offered_with_its_dashboard(admin_client):
    page = admin_client.get(reverse(ADD)).content.decode()
    for one in INSTANCES:
        dashboard = one.dashboard_url.removeprefix("https://")
        assert f"{one.name} — {dashboard}" in page
    for name in ("AU-01", "ID-01", "JP-01", "KR-01"):
        assert f">{name} — " in page


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


# --- The history --------------------------------------------------------------------


def history(admin_client, connection):
    url = reverse("admin:externalapi_connection_history", args=[connection.pk])
    return admin_client.get(url).content.decode()


def saved_again(admin_client, connection, **fields):
    assert admin_client.post(change_url(connection), typed(**fields)).status_code == 302
    return html.unescape(history(admin_client, connection))


def test_a_save_is_told_in_the_words_of_the_form(admin_client):
    connection = make_connection(name="EU", base_url="https://rest.iad-03.braze.com")
    retail = Group.objects.create(name="Retail")
    text = saved_again(
        admin_client,
        connection,
        name="US",
        instance_choice="https://rest.fra-02.braze.eu",
        auth="basic",
        username="ada",
        requests_per_burst="50",
        timeout_seconds="9",
        groups=[retail.pk],
        key="",
    )
    for sentence in (
        "Name: EU → US.",
        "Base URL: https://rest.iad-03.braze.com → https://rest.fra-02.braze.eu.",
        "Sign-in: Bearer key (Braze) → User name and password.",
        "User name: empty → ada.",
        "Requests at most: 3000 → 50.",
        "Timeout in seconds: empty → 9.",
        "Limited to groups: empty → Retail.",
    ):
        assert sentence in text
    names = Connection._meta.get_fields()
    assert [f.name for f in names if "_" in f.name and f.name in text] == []


def test_a_save_without_a_change_says_so(admin_client):
    connection = make_connection(name="Braze", base_url="https://rest.iad-03.braze.com")
    text = saved_again(admin_client, connection, key="")
    assert "Saved without a change." in text


def test_of_a_key_the_history_has_its_end(admin_client):
    admin_client.post(reverse(ADD), typed())
    connection = Connection.objects.get()
    assert "Added. Key set, ends in 4567." in history(admin_client, connection)
    text = saved_again(
        admin_client, connection, key="another-key-with-36-characters-89ab"
    )
    assert "Key set, ends in 89ab." in text
    for secret in (KEY, "another-key"):
        assert secret not in text
        assert not LogEntry.objects.filter(change_message__contains=secret).exists()


def test_a_secret_in_a_token_url_stays_out(admin_client):
    connection = make_connection(name="Braze", base_url="https://rest.iad-03.braze.com")
    text = saved_again(
        admin_client,
        connection,
        auth="oauth2",
        token_url="https://id.example.org/token?client_secret=abc",
        client_id="me",
        key="",
    )
    assert "Token URL: empty → https://id.example.org/token?…." in text
    assert "client_secret" not in text


# --- What is known of the key -----------------------------------------------------


def badge(admin_client):
    return admin_client.get(reverse("admin:externalapi_connection_changelist")).text


def test_a_key_that_nobody_has_checked_is_not_green(admin_client):
    set_key(make_connection(), KEY)
    assert "Ends in 4567, not checked" in badge(admin_client)


def test_a_check_says_that_the_key_works_and_when(admin_client, braze):
    connection_check.check(braze, "ann")
    assert "Set, works (" in badge(admin_client)


def test_a_refused_check_is_red(admin_client, braze):
    set_key(braze, "wrong-key-0123456789")
    connection_check.check(braze, "ann")
    assert "Ends in 6789, refused (" in badge(admin_client)


def test_a_test_on_the_test_api_page_tells_of_the_key(admin_client, braze):
    version = make_version(connection=braze)
    user = make_admin()
    values = {"User ID": "u", "Name of the User": "Ann"}
    run_test(version, values, user)
    assert "works (" in badge(admin_client)
    set_key(braze, "wrong-key-0123456789")
    version.refresh_from_db()
    assert "not checked" in badge(admin_client)
    run_test(version, values, user)
    assert "Ends in 6789, refused (" in badge(admin_client)


def test_another_address_makes_the_key_unknown_again(admin_client, braze):
    connection_check.check(braze, "ann")
    form = typed(name=braze.name, key="", base_url="https://rest.iad-03.braze.com")
    assert admin_client.post(change_url(braze), form).status_code == 302
    assert "not checked" in badge(admin_client)


def test_what_was_heard_of_the_key_before_is_not_said_of_the_new_one(braze):
    old = Connection.objects.get(pk=braze.pk)
    set_key(braze, "another-key-0123456789")
    connection_check.learn(old, 401, "A late answer")
    braze.refresh_from_db()
    assert braze.last_check == {}


def test_a_new_connection_leads_to_the_check_of_its_key(admin_client):
    response = admin_client.post(reverse(ADD), {**typed(), "_save": "Save"})
    connection = Connection.objects.get()
    assert response.url == reverse(
        "admin:externalapi_connection_key", args=[connection.pk]
    )


def test_a_key_that_works_leads_to_the_external_api(admin_client, braze):
    url = reverse("admin:externalapi_connection_key", args=[braze.pk])
    assert "Add New External API" not in words(admin_client.get(url))
    page = words(admin_client.post(url, {"act": "check"}, follow=True))
    assert "Add New External API" in page


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("rest.fra-01.braze.eu", "https://rest.fra-01.braze.eu"),
        (" rest.iad-03.braze.com/ ", "https://rest.iad-03.braze.com"),
        ("https://rest.fra-01.braze.eu", "https://rest.fra-01.braze.eu"),
    ],
)
def test_an_address_without_its_beginning_is_completed(admin_client, written, address):
    assert admin_client.post(reverse(ADD), typed(base_url=written)).status_code == 302
    assert Connection.objects.get().base_url == address


def test_a_plain_address_is_still_refused(admin_client):
    response = admin_client.post(reverse(ADD), typed(base_url="http://rest.braze.eu"))
    assert "base_url" in errors(response)


def test_engineers_figures_are_folded_away(admin_client):
    page = admin_client.get(reverse(ADD)).text
    folded = page.split("<details>")[1].split("</details>")[0]
    assert "Limits in figures" in folded
    for name in ("requests_per_burst", "requests_at_once", "timeout_seconds"):
        assert f'name="{name}"' in folded
    for riddle in ("burst window", "on the wire"):
        assert riddle not in page
