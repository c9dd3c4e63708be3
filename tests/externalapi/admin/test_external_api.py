import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils.html import strip_tags

from externalapi.definitions.versions import Draft, save_version
from externalapi.models import ExternalAPI
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.vendors.braze.presets.all import TRACK_USERS
from tests.factories import make_connection, make_test, make_user, make_version

ADD = "admin:externalapi_externalapi_add"


def typed(connection, /, **fields):
    return {
        "name": "Track",
        "description": "",
        "channel": "customer_data",
        "channel_identifier": "external_id",
        "connection": connection.pk,
        "method": "POST",
        "path": "/users/track",
        "headers": "Content-Type: application/json",
        "body_kind": "json",
        "body": '{"attributes": [{"external_id": {{User ID}}, "name": "{{Name}}"}]}',
        "batching": "braze_75_combined",
        **fields,
    }


def rows(*parameters):
    posted = {"parameters-count": len(parameters)}
    for index, parameter in enumerate(parameters):
        for part, value in parameter.to_dict().items():
            if part != "required" or value:
                lines = "\r\n".join(value) if part == "allowed" else value
                posted[f"parameters-{index}-{part}"] = lines
    return posted


def change_url(external_api):
    return reverse("admin:externalapi_externalapi_change", args=[external_api.pk])


def url_of_test_page(external_api):
    return reverse("admin:externalapi_externalapi_test", args=[external_api.pk])


def errors(response):
    return response.context["adminform"].form.errors


def parameters_of(external_api):
    external_api.refresh_from_db()
    return [Parameter.from_dict(p) for p in external_api.current_version.parameters]


@pytest.fixture
def saved(admin_client):
    connection = make_connection()
    admin_client.post(reverse(ADD), typed(connection))
    return ExternalAPI.objects.get()


def test_saving_makes_a_version_and_leads_to_test_api(admin_client, admin_user):
    connection = make_connection()
    response = admin_client.post(reverse(ADD), typed(connection))
    external_api = ExternalAPI.objects.get()
    assert response.url == url_of_test_page(external_api)
    version = external_api.current_version
    assert (version.number, version.connection) == (1, connection)
    assert version.headers == {"Content-Type": "application/json"}
    assert version.created_by == admin_user
    assert parameters_of(external_api) == [
        Parameter(name="User ID", level=Level.IDENTIFIER),
        Parameter(name="Name"),
    ]


def test_the_preset_fills_in_everything_but_the_connection(admin_client):
    url = f"{reverse(ADD)}?preset=braze_track_users"
    form = admin_client.get(url).context["adminform"].form
    connection = make_connection()
    posted = typed(connection, name="Track Users", **rows(*form.initial["parameters"]))
    for field in ("path", "body", "method", "batching", "channel"):
        posted[field] = form.initial[field]
    assert admin_client.post(url, posted).status_code == 302
    assert parameters_of(ExternalAPI.objects.get()) == list(TRACK_USERS.parameters)


def chosen(client, preset):
    form = client.get(f"{reverse(ADD)}?preset={preset}").context["adminform"].form
    return form["connection"].value()


def test_a_preset_of_braze_s_chooses_the_only_connection(admin_client):
    assert chosen(admin_client, "braze_track_users") is None
    connection = make_connection()
    assert chosen(admin_client, "braze_track_users") == connection.pk
    # Whatever else somebody calls, it is hardly Braze.
    assert chosen(admin_client, "http_lead") is None
    make_connection()
    assert chosen(admin_client, "braze_track_users") is None


@pytest.mark.django_db
def test_the_only_connection_is_the_only_one_that_one_may_use(client):
    group = Group.objects.create(name="Shop")
    limited, mine = make_connection(), make_connection()
    limited.groups.add(group)
    user = make_user("externalapi.add_externalapi", "externalapi.view_externalapi")
    client.force_login(user)
    assert chosen(client, "braze_track_users") == mine.pk
    mine.groups.add(group)
    assert chosen(client, "braze_track_users") is None


def test_an_unknown_preset_is_an_empty_form(admin_client):
    response = admin_client.get(f"{reverse(ADD)}?preset=nonsense")
    assert response.status_code == 200


def test_a_save_that_changes_nothing_makes_no_version(admin_client, saved):
    posted = typed(saved.current_version.connection, **rows(*parameters_of(saved)))
    admin_client.post(change_url(saved), posted | {"description": "New words"})
    saved.refresh_from_db()
    assert saved.description == "New words"
    assert saved.versions.count() == 1


def test_a_change_is_a_new_version_and_the_old_one_stays(admin_client, saved):
    first = saved.current_version
    posted = typed(
        first.connection, path="/users/track/sync", **rows(*parameters_of(saved))
    )
    admin_client.post(change_url(saved), posted)
    saved.refresh_from_db()
    assert saved.current_version.number == 2
    assert saved.current_version.path == "/users/track/sync"
    first.refresh_from_db()
    assert first.path == "/users/track"


def test_the_settings_of_parameters_are_edited_in_their_table(admin_client, saved):
    edited = [
        Parameter(name="User ID", level=Level.IDENTIFIER),
        Parameter(name="Name", type=ParameterType.INTEGER, required=False, default="7"),
    ]
    posted = typed(saved.current_version.connection, **rows(*edited))
    admin_client.post(change_url(saved), posted)
    assert parameters_of(saved) == edited
    page = admin_client.get(change_url(saved)).content.decode()
    assert 'aria-label="Default of Name"' in page
    assert 'value="7"' in page


def test_a_new_name_in_the_body_is_found_and_a_known_one_keeps_its_settings(
    admin_client, saved
):
    edited = Parameter(name="Name", required=False, default="there")
    body = '{"attributes": [{"email": "{{Name}}", "p": {{Price}}}]}'
    posted = typed(saved.current_version.connection, body=body, **rows(edited))
    admin_client.post(change_url(saved), posted)
    assert parameters_of(saved) == [edited, Parameter(name="Price")]


def test_a_wrong_default_is_marked_in_its_row(admin_client, saved):
    bad = Parameter(name="Name", type=ParameterType.INTEGER, default="x")
    response = admin_client.post(
        change_url(saved), typed(saved.current_version.connection, **rows(bad))
    )
    assert "parameters" in errors(response)
    page = response.content.decode()
    assert "“x” is not a whole number." in page
    assert saved.versions.count() == 1


def test_a_fixed_parameter_needs_its_value(admin_client, saved):
    bad = Parameter(name="Name", level=Level.FIXED)
    response = admin_client.post(
        change_url(saved), typed(saved.current_version.connection, **rows(bad))
    )
    assert "A fixed parameter needs a value." in response.content.decode()


def test_the_name_is_fixed_once_saved(admin_client, saved):
    posted = typed(saved.current_version.connection, name="Other")
    admin_client.post(change_url(saved), posted | rows(*parameters_of(saved)))
    saved.refresh_from_db()
    assert saved.name == "Track"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("body", '{"a": 1,\n"b": }', "Line 2, column 6: A value is expected here."),
        ("body", '{"a": "{{x | upcase}}"}', "belongs to the engagement"),
        ("path", "users/track", "Begin the path with a slash."),
        ("path", "/a/../b", "may not contain"),
        ("path", "/a b", "may have no spaces"),
        ("path", "/a#b", "without “#”"),
        ("path", "/{{open", "is not closed"),
        ("headers", "no colon", "Write “no colon” as Name: value."),
        ("headers", "Host: evil.com", "set by the client itself"),
        ("headers", "X-A: ü", "visible ASCII"),
        ("headers", "X-A: 1\nx-a: 2", "given twice"),
        ("headers", "Authorization: Bearer abc", "comes from the connection"),
        ("headers", "X-A: {{open", "is not closed"),
        ("headers", "Content-Type: text/xml", "and the body is JSON"),
        ("headers", "Content-Type: {{Type}}", "can have no placeholder"),
        ("path", "/a?{{Name}}=1", "cannot be the name of a query parameter"),
        ("connection", "", "required"),
        ("batching", "nonsense", "valid choice"),
    ],
)
def test_a_mistake_is_shown_at_its_field_and_what_was_typed_stays(
    admin_client, field, value, words
):
    response = admin_client.post(
        reverse(ADD), typed(make_connection(), **{field: value})
    )
    assert words in errors(response)[field][0]
    assert not ExternalAPI.objects.exists()
    form = response.context["adminform"].form
    assert form[field].value() == value


@pytest.mark.parametrize(
    ("kind", "body", "headers"),
    [
        ("form", "a = 1", "Content-Type: application/json"),
        ("text", '{"a": 1}', "Content-Type: application/json"),
        ("json", '{"a": 1}', "Content-Type: application/x-www-form-urlencoded"),
    ],
)
def test_a_content_type_of_another_body_is_said_at_the_headers_alone(
    admin_client, kind, body, headers
):
    posted = typed(make_connection(), body_kind=kind, body=body, headers=headers)
    response = admin_client.post(reverse(ADD), posted | {"batching": "one"})
    assert list(errors(response)) == ["headers"]
    assert "choose another kind of body" in errors(response)["headers"][0]
    assert response.context["adminform"].form["headers"].value() == headers


def test_the_line_of_a_mistake_is_marked_in_the_editor(admin_client):
    response = admin_client.post(reverse(ADD), typed(make_connection(), body="{\n1}"))
    assert 'data-error-line="2"' in response.content.decode()


def test_markup_in_a_name_is_text(admin_client):
    body = '{"a": "{{<script>alert(1)</script>}}"}'
    response = admin_client.post(
        reverse(ADD), typed(make_connection(), name="<b>x</b>", body=body), follow=True
    )
    page = response.content.decode()
    assert "<script>alert(1)" not in page
    assert "<b>x</b>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_who_may_only_look_can_look(client, user_with, saved):
    client.force_login(user_with("view_externalapi"))
    response = client.get(change_url(saved))
    assert response.status_code == 200
    assert 'name="body"' not in response.content.decode()
    assert client.post(change_url(saved), {}).status_code == 403
    assert client.get(reverse(ADD)).status_code == 403


def test_saving_without_the_permission_to_test_stays_on_the_page(
    client, user_with, saved
):
    client.force_login(user_with("change_externalapi", "view_externalapi"))
    posted = typed(saved.current_version.connection, **rows(*parameters_of(saved)))
    assert client.post(change_url(saved), posted).url == change_url(saved)


def test_the_list_shows_the_last_test_without_a_query_for_each_row(
    admin_client, django_assert_max_num_queries
):
    for index in range(8):
        make_test(make_version(), is_success=bool(index % 2))
    make_version()
    url = reverse("admin:externalapi_externalapi_changelist")
    with django_assert_max_num_queries(8):
        page = strip_tags(admin_client.get(url).text)
    for words in ("Successful", "Failed", "Not tested yet", "Add New External API"):
        assert words in page


def test_an_external_api_that_no_engagement_uses_can_be_deleted(admin_client, saved):
    make_test(saved.current_version)
    url = reverse("admin:externalapi_externalapi_delete", args=[saved.pk])
    assert admin_client.post(url, {"post": "yes"}).status_code == 302
    assert not ExternalAPI.objects.exists()


def test_two_people_who_save_at_once_make_two_versions(saved):
    first, second = (
        Draft(
            connection=saved.current_version.connection,
            method="POST",
            path=path,
        )
        for path in ("/a", "/b")
    )
    stale = ExternalAPI.objects.get(pk=saved.pk)
    assert save_version(saved, first, None).number == 2
    assert save_version(stale, second, None).number == 3
    assert save_version(stale, second, None).number == 3


def test_a_save_that_changes_nothing_makes_no_version_whatever_the_headers_order(
    admin_client, saved
):
    """The database keeps an object's keys in an order of its own."""
    headers = "X-A-Long-Name: 1\nX-B: 2"
    connection = saved.current_version.connection
    admin_client.post(change_url(saved), typed(connection, headers=headers))
    saved.refresh_from_db()
    number = saved.current_version.number
    form = admin_client.get(change_url(saved)).context["adminform"].form
    shown = form.fields["headers"].prepare_value(form["headers"].value())
    admin_client.post(change_url(saved), typed(connection, headers=shown))
    saved.refresh_from_db()
    assert shown == "X-B: 2\nX-A-Long-Name: 1"
    assert saved.current_version.number == number
