"""What the pages do with a browser's tricks: hosts, redirects, frames, markup."""

import json

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.urls import reverse

from engagements.models import Engagement, FrequencyCap, Suppression
from externalapi.models import Connection, ExternalAPI
from segments.models import (
    Erasure,
    Event,
    InboxRequest,
    Profile,
    Segment,
    Source,
    SourceQuery,
    WatchedFolder,
)
from tests import factories

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"
MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture
def signed_in(client):
    client.force_login(factories.make_admin())
    return client


# --- Hosts and redirects --------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example:80",
        "localhost\r\nX-Injected: 1",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/admin/", LOGIN, "/v1/track"])
def test_a_host_that_is_not_ours_gets_nothing(client, settings, host, path):
    settings.ALLOWED_HOSTS = ["localhost"]
    answer = client.get(path, HTTP_HOST=host, SERVER_NAME="evil.example")
    assert answer.status_code in (400, 405), "405: the host is never looked at"
    assert "evil.example" not in answer.content.decode()
    assert "X-Injected" not in answer.headers


def test_a_forwarded_host_is_not_believed(client, settings):
    settings.ALLOWED_HOSTS = ["localhost"]
    answer = client.get(
        "/admin/", HTTP_HOST="localhost", HTTP_X_FORWARDED_HOST="evil.example"
    )
    assert answer.url == f"{LOGIN}?next=/admin/"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("/admin/segments/segment/", "/admin/segments/segment/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
        ("/\\evil.example/", "/admin/"),
        ("https:evil.example", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("http://testserver@evil.example/", "/admin/"),
        ("\thttps://evil.example/", "/admin/"),
    ],
)
def test_signing_in_leads_only_to_our_own_pages(client, wanted, expected):
    factories.make_admin(username="ada", password="secret")
    answer = client.post(
        LOGIN, {"username": "ada", "password": "secret", "next": wanted}
    )
    assert answer.status_code == 302
    # Without a safe "next" Django goes to LOGIN_REDIRECT_URL or the index.
    assert answer.url == expected


def test_signing_out_needs_a_post(signed_in):
    assert signed_in.get(reverse("admin:logout")).status_code == 405
    assert signed_in.get("/admin/").status_code == 200
    signed_in.post(reverse("admin:logout"))
    assert signed_in.get("/admin/").status_code == 302


# --- Headers --------------------------------------------------------------------------


@pytest.mark.parametrize("path", [LOGIN, "/admin/", "/admin/nothing/", "/nothing/"])
def test_every_page_has_its_headers(signed_in, path):
    headers = signed_in.get(path).headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_no_script_may_come_from_the_page_or_from_elsewhere(signed_in):
    policy = signed_in.get("/admin/").headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";") if rule)
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["default-src"] == "'self'"
    assert rules["object-src"] == "'none'"
    assert rules["base-uri"] == "'none'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["form-action"] == "'self'"


def test_the_cookies_are_not_for_scripts_and_not_for_other_sites(client, settings):
    settings.SESSION_COOKIE_SECURE = True
    factories.make_admin(username="ada", password="secret")
    answer = client.post(
        LOGIN, {"username": "ada", "password": "secret", "next": "/admin/"}
    )
    cookie = answer.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["secure"]
    assert cookie["samesite"] == "Lax"


def test_https_is_asked_for_once_it_is_on(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/admin/")
    assert (answer.status_code, answer.url) == (301, "https://testserver/admin/")


# --- Markup ---------------------------------------------------------------------------


def _rows() -> dict[type[Model], Model]:
    """A row of everything that has text of other people in it."""
    connection = factories.make_connection(name=MARKUP)
    api = factories.make_external_api(name=MARKUP, description=MARKUP)
    version = factories.make_version(
        {"attributes": [{"external_id": "{{User ID}}", "note": MARKUP}]},
        [factories.parameter("User ID", level="identifier")],
        external_api=api,
        connection=connection,
        headers={"X-Note": MARKUP},
    )
    factories.make_test(
        version,
        is_success=False,
        request={"method": "POST", "url": MARKUP, "headers": {"X": MARKUP}, "body": ""},
        response={
            "status": 400,
            "phrase": MARKUP,
            "headers": {"X": MARKUP},
            "body": MARKUP,
            "duration_ms": 1,
            "outcome": "refused",
            "explanation": MARKUP,
        },
    )
    person = factories.make_profile(
        external_id=MARKUP, email=MARKUP, **{MARKUP: MARKUP}
    )
    event = factories.make_event(person, MARKUP, **{MARKUP: MARKUP})
    Source.objects.filter(pk=event.source_id).update(name=MARKUP)
    event.source.refresh_from_db()
    segment = factories.make_segment(
        [person],
        name=MARKUP,
        description=MARKUP,
        rule={"event": MARKUP, "at_least": 1},
        event_names=[MARKUP],
    )
    engagement = factories.make_engagement(
        segment,
        version,
        {},
        name=MARKUP,
        description=MARKUP,
        state="blocked",
        blocked_reason=MARKUP,
    )
    run = factories.make_run(engagement, state="failed", failure=MARKUP)
    batch = factories.make_batch(run, 0)
    delivery = factories.make_delivery(
        person, run, batch=batch, state="rejected", reason=f"refused: {MARKUP}"
    )
    attempt = factories.make_attempt(
        batch, message=MARKUP, response_head=MARKUP, outcome="refused", worker=MARKUP
    )
    message = InboxRequest.objects.create(
        source=event.source,
        count=1,
        body=json.dumps([[MARKUP, "track", {MARKUP: MARKUP}]]).encode(),
        note=MARKUP,
    )
    imported = factories.make_import(
        name=MARKUP,
        problem=MARKUP,
        columns=[{"name": MARKUP, "filled": 2, "examples": [MARKUP], "may_be": []}],
        format={"kind": "csv", "delimiter": ",", "columns": [MARKUP]},
    )
    entry = factories.make_dictionary_entry(name=MARKUP, description=MARKUP)
    erasure = Erasure.objects.create(
        asked_through=MARKUP,
        may_return=False,
        went={MARKUP: 1},
        problem=MARKUP,
        also_at=MARKUP,
        answer=MARKUP,
    )
    said = {"name": MARKUP, "source": event.source, "columns": MARKUP}
    folder = WatchedFolder.objects.create(**said, path=MARKUP, problem=MARKUP)
    query = SourceQuery.objects.create(
        **said, kind="postgresql", address_shown=MARKUP, query=MARKUP, problem=MARKUP
    )
    cap = FrequencyCap.objects.create(name=MARKUP, most=1, engagement=engagement)
    kept_out = Suppression.objects.create(kind="email", value=MARKUP, reason=MARKUP)
    user = factories.make_user(username="ben", first_name=MARKUP, email="a@b.c")
    rows: tuple[Model, ...] = (
        *(connection, api, person, event, event.source, segment, engagement, run),
        *(batch, delivery, attempt, message, imported, entry, erasure, user),
        *(folder, query, cap, kept_out, factories.make_list(MARKUP, name=MARKUP)),
        Group.objects.create(name=MARKUP),
    )
    return {type(row): row for row in rows}


def _addresses() -> dict[str, str]:
    """{what it is: address} of every list, row, history and confirmation."""
    rows = _rows()
    found = {"home": "/admin/"}
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found[f"{name} list"] = reverse(f"admin:{name}_changelist")
        found[f"{name} searched"] = f"{found[f'{name} list']}?q={MARKUP}"
        for page in ("change", "history", "delete"):
            address = reverse(f"admin:{name}_{page}", args=[rows[model].pk])
            found[f"{name} {page}"] = address
    api, engagement = rows[ExternalAPI], rows[Engagement]
    found["test"] = reverse("admin:externalapi_externalapi_test", args=[api.pk])
    found["answer"] = f"{found['test']}?test={api.current_version.tests.get().pk}"  # type: ignore[attr-defined]
    for act in ("resume", "end", "report"):
        name = f"admin:engagements_engagement_{act}"
        found[act] = reverse(name, args=[engagement.pk])
    return found


def test_text_of_other_people_is_shown_as_text(signed_in):
    seen = 0
    for page, address in _addresses().items():
        answer = signed_in.get(address, follow=True)
        text = answer.content.decode()
        assert answer.status_code in (200, 403), page
        assert "<script>alert(1)" not in text, page
        assert "<img src=x" not in text, page
        seen += "&lt;script&gt;alert(1)" in text
    # So that this test cannot pass by looking at pages without the text.
    assert seen >= 30


def test_an_answer_in_html_is_shown_as_text(signed_in):
    version = factories.make_version()
    test = factories.make_test(
        version,
        response={
            "status": 500,
            "phrase": "Internal Server Error",
            "headers": {"Content-Type": "text/html"},
            "body": "<html><body><form action='https://evil.example'>",
            "duration_ms": 1,
            "outcome": "refused",
            "explanation": "",
        },
    )
    url = reverse("admin:externalapi_externalapi_test", args=[version.external_api_id])
    page = signed_in.get(f"{url}?test={test.pk}").content.decode()
    assert "<form action='https://evil.example'>" not in page
    assert "evil.example" in page


@pytest.mark.parametrize(
    "model", [Connection, Profile, Segment, User], ids=lambda m: m.__name__
)
@pytest.mark.parametrize("pk", ["0", "999999999", "x", "1'--", "9" * 40, "%00", "../1"])
def test_an_address_of_nothing_is_no_error(signed_in, model, pk):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    answer = signed_in.get(f"{reverse(name)}{pk}/change/")
    assert answer.status_code in (302, 404)


@pytest.mark.parametrize(
    "query",
    ["q=%00", "o=x", "p=-1", "e=1", "p=999999999", "unknown=1", "q=" + "a" * 5000],
)
@pytest.mark.parametrize(
    "model",
    [Connection, ExternalAPI, Segment, Profile, Event, Source, InboxRequest],
    ids=lambda m: m.__name__,
)
def test_a_strange_query_is_no_error(signed_in, model, query):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    assert signed_in.get(f"{reverse(name)}?{query}").status_code in (200, 302, 400)
