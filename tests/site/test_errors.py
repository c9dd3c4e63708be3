"""The pages that say that something cannot be done: in the product's look."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import connections
from django.test import Client, RequestFactory

from lemnisk_braze import errors
from tests import factories

pytestmark = pytest.mark.django_db
MENU = 'id="nav-sidebar-apps"'


@pytest.fixture
def known(client: Client) -> Client:
    client.force_login(factories.make_admin())
    return client


def words(response):
    return response.content.decode()


def test_a_page_that_is_not_there_says_where_to_look(known):
    response = known.get("/admin/segments/nothing/")
    assert response.status_code == 404
    assert "This page is not here" in words(response)
    assert "Ctrl+K" in words(response)
    assert MENU in words(response)
    assert "<title>This page is not here | Lemnisk for Braze</title>" in words(
        response
    ).replace("<title> ", "<title>")


def test_who_is_not_signed_in_sees_no_menu(client):
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "This page is not here" in words(response)
    assert MENU not in words(response)


def test_what_somebody_may_not_do_is_said_beside_the_menu(client):
    client.force_login(factories.make_user())
    response = client.get("/admin/segments/segment/")
    assert response.status_code == 403
    assert "An administrator can add you to a group that may." in words(response)
    assert MENU in words(response)


def test_an_old_form_says_that_nothing_was_saved(known):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = known.cookies
    response = strict.post("/admin/segments/segment/add/", {"name": "Leads"})
    assert response.status_code == 403
    assert "Nothing was saved" in words(response)
    assert 'href="/admin/segments/segment/add/"' in words(response)
    assert MENU in words(response)


def test_a_request_that_is_turned_away_early_has_its_page(client):
    """No middleware has said who it is by then."""
    response = client.get("/admin/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert "This request cannot be read" in words(response)


def test_who_signs_in_again_after_a_press_is_told_that_nothing_was_done(client):
    """Signing in leads to the address of the button, which no page has."""
    engagement = factories.make_engagement()
    page = f"/admin/engagements/engagement/{engagement.pk}/"
    pressed = client.post(f"{page}ask/")
    client.force_login(factories.make_admin())
    address = parse_qs(urlsplit(pressed["Location"]).query)["next"][0]
    response = client.get(address, headers={"accept": "text/html,*/*;q=0.8"})
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "Nothing was done" in words(response)
    assert f'href="{page}"' in words(response)
    assert MENU in words(response)
    assert not engagement.approvals.exists()


def test_a_bad_request_says_what_to_do(known):
    request = RequestFactory().get("/admin/")
    response = errors.bad_request(request, SuspiciousOperation("x"))
    assert response.status_code == 400
    assert "Go back and try again" in words(response)


def test_a_broken_server_says_so_without_the_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        response = errors.server_error(RequestFactory().get("/admin/"))
    assert response.status_code == 500
    assert "Something broke here" in words(response)
    assert "style/components.css" in words(response)


@pytest.mark.django_db(transaction=True)
def test_with_the_database_away_the_page_is_still_there(known):
    known.raise_request_exception = False
    connection = connections["default"]
    broken = {**connection.settings_dict, "HOST": "/nowhere"}
    before = connection.settings_dict, connection.connection
    connection.settings_dict, connection.connection = broken, None
    try:
        response = known.get("/admin/")
    finally:
        connection.settings_dict, connection.connection = before
    assert response.status_code == 500
    assert "Something broke here" in words(response)
