import pytest
from django.urls import reverse

from externalapi.http.answer_rules import GENERIC
from externalapi.models import ExternalAPI
from externalapi.template.batching import BatchPlan
from externalapi.vendors.catalog import PRESETS
from tests.externalapi.admin.test_external_api import ADD, errors, rows, typed
from tests.externalapi.vendors.test_presets import filled_in
from tests.factories import make_connection

BODY = '{"items": [{"external_id": {{User ID}}}], "others": {{All}}, "text": "x"}'
OWN = {
    "path": "/items",
    "body": BODY,
    "batching": "own",
    "batch_arrays": "items, others",
    "batch_each": "20",
    "batch_combined": "",
    "batch_bytes": "100000",
    "answers": "own",
    "success_statuses": "200, 202",
    "success_path": "result.state",
    "success_values": "OK, done",
    "errors_path": "result.failed",
    "errors_array": "",
    "errors_index": "position",
    "errors_message": "why",
    "retry_statuses": "409",
    "refused_statuses": "404",
    "wait_headers": "X-Backoff",
    "permission": "items.write",
}


def saved_with(admin_client, **fields):
    response = admin_client.post(reverse(ADD), typed(make_connection(), **fields))
    assert response.status_code == 302, errors(response)
    return ExternalAPI.objects.get().current_version


def test_own_limits_and_rules_are_kept_and_shown_again(admin_client):
    version = saved_with(admin_client, **OWN)
    assert version.plan == BatchPlan(
        arrays=("items", "others"), each=20, max_bytes=100_000
    )
    rules = version.rules.to_dict()
    assert rules == {
        "success_statuses": "200, 202",
        "success_path": "result.state",
        "success_values": ["ok", "done"],
        "errors_path": "result.failed",
        "errors_array": "",
        "errors_index": "position",
        "errors_message": "why",
        "retry_statuses": "409",
        "refused_statuses": "404",
        "wait_headers": ["x-backoff"],
        "permission": "items.write",
    }
    page = admin_client.get(version.external_api.get_absolute_url()).content.decode()
    for value in ("items, others", "result.state", "ok, done", "200, 202"):
        assert f'value="{value}"' in page


def test_a_save_that_changes_nothing_keeps_own_limits_and_rules(admin_client):
    version = saved_with(admin_client, **OWN)
    url = version.external_api.get_absolute_url()
    form = admin_client.get(url).context["adminform"].form
    posted = typed(version.connection, **rows(*version.read_parameters()))
    for name in OWN:
        value = form[name].value()
        posted[name] = "" if value is None else value
    assert admin_client.post(url, posted).status_code == 302
    assert version.external_api.versions.count() == 1


def test_a_named_plan_and_reading_win_over_what_is_in_the_fields(admin_client):
    """Who chooses a name without a script leaves in the fields what was there."""
    fields = {"initial-batching": "braze_75_each", "initial-answers": "braze"}
    fields |= OWN | {"batching": "one", "answers": "http"}
    version = saved_with(admin_client, **fields)
    assert version.plan == BatchPlan()
    assert version.rules.success == GENERIC.success
    assert version.rules.success_path == ()
    assert version.rules.permission == "items.write"


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"batch_each": ""}, "batch_combined", "how many objects"),
        ({"batch_each": "0"}, "batch_each", "Enter 1 or more"),
        ({"batch_arrays": ""}, "batch_arrays", "Name the arrays"),
        ({"batch_arrays": "items, gone"}, "batch_arrays", "“gone” is no list"),
        ({"batch_arrays": "items, text"}, "batch_arrays", "“text” is no list"),
        ({"batch_bytes": "1"}, "batch_bytes", "Enter 1000 or more"),
        ({"batching": "nonsense"}, "batching", "valid choice"),
        ({"answers": "nonsense"}, "answers", "valid choice"),
        ({"success_statuses": "2xx"}, "success_statuses", "“2xx” is not a status"),
        ({"success_statuses": ""}, "success_statuses", "Say which statuses"),
        ({"success_path": "a..b"}, "success_path", "is not a path"),
        ({"errors_path": "a b"}, "errors_path", "is not a path"),
        ({"retry_statuses": "700"}, "retry_statuses", "is not a status"),
        ({"wait_headers": "Retry After"}, "wait_headers", "name of a header"),
        ({"permission": "x" * 300}, "permission", "cannot be a name"),
    ],
    ids=repr,
)
def test_what_cannot_be_is_refused_at_its_field(admin_client, fields, field, words):
    posted = typed(make_connection(), **{**OWN, **fields})
    response = admin_client.post(reverse(ADD), posted)
    assert words in errors(response)[field][0]
    assert not ExternalAPI.objects.exists()


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_fills_in_its_limits_and_rules(admin_client, preset):
    """Saved as it is shown, fixed values apart, it says what the preset says."""
    url = f"{reverse(ADD)}?preset={preset.code}"
    form = admin_client.get(url).context["adminform"].form
    posted = {
        name: "" if form[name].value() is None else form[name].value()
        for name in form.fields
        if name not in ("parameters", "headers", "connection")
    }
    posted |= rows(*filled_in(preset))
    posted["headers"] = "\n".join(f"{n}: {v}" for n, v in preset.headers.items())
    posted["connection"] = make_connection().pk
    response = admin_client.post(url, posted)
    assert response.status_code == 302, errors(response)
    version = ExternalAPI.objects.get().current_version
    assert version.plan == preset.plan
    assert version.rules == preset.rules
    assert version.body_kind == preset.body_kind
    assert [tuple(pair) for pair in version.query] == list(preset.query)


def test_what_is_typed_under_a_name_that_was_left_as_it_was_counts(admin_client):
    names = {"batching": "one", "answers": "http"}
    shown = {f"initial-{field}": name for field, name in names.items()}
    version = saved_with(admin_client, **(OWN | names | shown))
    assert version.plan == BatchPlan(
        arrays=("items", "others"), each=20, max_bytes=100_000
    )
    assert version.rules.to_dict()["success_path"] == "result.state"


def test_a_mistake_under_a_name_that_was_left_as_it_was_is_said(admin_client):
    fields = {"batching": "one", "initial-batching": "one", "batch_each": "20"}
    data = typed(make_connection(), **(OWN | fields | {"batch_arrays": ""}))
    response = admin_client.post(reverse(ADD), data)
    assert errors(response)["batch_arrays"] == ["Name the arrays that are counted."]


def test_the_page_remembers_which_names_it_has_shown(admin_client):
    page = admin_client.get(reverse(ADD)).content.decode()
    for name, value in (("batching", "braze_75_combined"), ("answers", "braze")):
        assert f'<input type="hidden" name="initial-{name}" value="{value}"' in page
