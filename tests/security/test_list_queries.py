"""What an address may ask a list or a page for: what is offered, and no bad value."""

import pytest
from django.contrib import admin
from django.urls import reverse

from externalapi.models import Connection
from tests import factories

pytestmark = pytest.mark.django_db

LOOKUPS = ("", "__exact", "__startswith", "__regex", "__isnull", "__gt", "__in")


def list_of(model):
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    return reverse(f"admin:{name}_changelist")


def columns(model, depth=2):
    """Every column of a table, and of the tables that it leads to."""
    for field in model._meta.get_fields():
        yield field.name
        if field.is_relation and field.related_model and depth:
            yield from (
                f"{field.name}__{one}"
                for one in columns(field.related_model, depth - 1)
            )


def offered(model, request):
    found = set()
    for spec in (
        admin.site.get_model_admin(model).get_changelist_instance(request).filter_specs
    ):
        found |= set(spec.expected_parameters() or ())
    return found | set(admin.site.get_model_admin(model).linked_lookups)


@pytest.fixture
def signed_in(client):
    client.force_login(factories.make_admin())
    client.raise_request_exception = False
    return client


MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_answers_about_no_column_that_it_does_not_offer(model, rf):
    # A filter with one thing to choose from is not shown.
    for _ in range(2):
        factories.make_run(factories.make_engagement())
    request = rf.get("/")
    request.user = factories.make_admin()
    own = admin.site.get_model_admin(model)
    known = offered(model, request)
    allowed = {
        f"{column}{lookup}"
        for column in columns(model)
        for lookup in LOOKUPS
        if own.lookup_allowed(f"{column}{lookup}", "1", request)
    }
    assert allowed <= known


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_not_offered_is_refused(signed_in, model):
    """The page asks what the test above has asked for every column."""
    for column in [field.name for field in model._meta.concrete_fields][:20:4]:
        answer = signed_in.get(f"{list_of(model)}?{column}__regex=a")
        assert answer.status_code == 400, column


@pytest.mark.parametrize(
    "query",
    [
        "base_url__startswith=https%3A%2F%2Frest",
        "key_last_four=b7e4",
        "key_last_four__startswith=b",
        "key_encrypted__startswith=g",
        "pk__in=1,2",
        "name__regex=[]",
        "external_apis__name=a",
        "groups__name=a",
    ],
)
def test_a_connection_s_hidden_columns_cannot_be_guessed(client, query):
    client.force_login(factories.make_user("externalapi.view_connection"))
    factories.make_connection(base_url="https://rest.iad-01.braze.com")
    assert client.get(f"{list_of(Connection)}?{query}").status_code == 400


BAD = ("a%00b", "[]", "%ED%A0%80", "-1", "9" * 40, "9999-12-31T23:59:59.999999")
# Together those that a page is shown with, whatever their value.
OF_EVERY_LIST = (
    ("q", "o", "all", "_facets"),
    ("e", "_popup"),
    *(("p",), ("_to_field",), ("id__in",)),
)


def errors(client, url, names, value, fine=range(500)):
    """Under which names a bad value has an answer that is not fine.

    Asked for together, and in halves where they are refused: a page that is shown has
    read all of them.
    """
    query = "&".join(f"{name}={value}" for name in names)
    status = client.get(f"{url}?{query}").status_code
    if status == 200:
        return []
    if len(names) == 1:
        return [] if status in fine else [f"{query[:60]}: {status}"]
    half = len(names) // 2
    return [
        wrong
        for part in (names[:half], names[half:])
        for wrong in errors(client, url, part, value, fine)
    ]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_bad_value_is_no_error_of_a_list(signed_in, rf, model):
    for _ in range(2):
        factories.make_run(factories.make_engagement())
    request = rf.get("/")
    request.user = factories.make_admin()
    together = (*OF_EVERY_LIST, *zip(sorted(offered(model, request))))
    assert not [
        wrong
        for value in BAD
        for names in together
        for wrong in errors(signed_in, list_of(model), names, value, (302, 400))
    ]


# Our own pages that read something from their address, and what.
PAGES = [
    ("externalapi_externalapi_test", "api", ("test",)),
    ("externalapi_externalapi_test_history", "api", ("result", "page")),
    ("externalapi_externalapi_test_compare", "api", ("test",)),
    (
        "externalapi_externalapi_test_cases",
        "api",
        ("edit", "from", "version", "round", "delete", "add"),
    ),
    ("externalapi_externalapi_versions", "api", ("version", "old", "new")),
    ("externalapi_externalapi_add", None, ("preset", "connection")),
    ("engagements_engagement_add", None, ("segment", "external_api", "name")),
    ("engagements_engagement_move", "engagement", ("version",)),
    (
        "engagements_delivery_export",
        None,
        ("since", "before", "why", "state__exact", "run__id__exact", "run__engagement"),
    ),
    ("engagements_delivery_retry", None, ("since", "why", "profile__id__exact")),
    ("segments_segment_add", None, ("name", "_popup")),
    ("login", None, ("next",)),
    ("autocomplete", None, ("term", "app_label", "model_name", "field_name", "page")),
    ("jsi18n", None, ("x",)),
]


@pytest.mark.parametrize(("name", "of", "keys"), PAGES, ids=lambda one: str(one)[:40])
def test_a_bad_value_is_no_error_of_a_page(signed_in, name, of, keys):
    version = factories.make_version()
    engagement = factories.make_engagement(version=version)
    row = {"api": version.external_api_id, "engagement": engagement.pk}
    url = reverse(f"admin:{name}", args=[row[of]] if of else [])
    assert not [wrong for value in BAD for wrong in errors(signed_in, url, keys, value)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_bad_selection_is_no_error_of_a_list(signed_in, model):
    for value in ("x", "a\0b", "9" * 40, ""):
        answer = signed_in.post(
            list_of(model),
            {"action": "delete_selected", "_selected_action": value, "index": value},
        )
        assert answer.status_code < 500, value


def test_a_process_of_no_possible_name_is_none(signed_in):
    address = reverse("admin:engagements_drain", args=["1"]).replace("/1/", "/%00/")
    assert signed_in.get(address).status_code == 404
    assert signed_in.post(address).status_code == 404
