"""Deliveries as CSV: what the list shows, harmless in a spreadsheet, and streamed."""

import csv
from io import StringIO

import pytest
from django.urls import reverse

from engagements.models import Delivery
from engagements.reporting import export
from segments.models import Profile
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db


def exported(client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(reverse("admin:engagements_delivery_export") + query)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    assert answer.streaming
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


def test_a_line_says_who_where_what_and_why(admin_page):
    person = factories.make_profile(external_id="maya", email="maya@example.com")
    delivery = factories.make_delivery(person, state="rejected", reason="No such plan")
    (line,) = exported(admin_page)
    assert line["external ID"] == "maya"
    assert line["e-mail"] == "maya@example.com"
    assert line["engagement"] == delivery.run.engagement.name
    assert (line["state"], line["reason"]) == ("Rejected", "No such plan")
    assert line["changed at"].endswith("+00:00")


def test_who_became_part_of_another_is_called_as_that_one(admin_page):
    """In the export, in the list and on the page: the part has no identifiers left."""
    ben = factories.make_profile(external_id="ben", email="ben@example.com")
    part = factories.make_profile(external_id=None, email="")
    Profile.objects.filter(pk=part.pk).update(merged_into=ben)
    delivery = factories.make_delivery(part)
    (line,) = exported(admin_page)
    assert (line["external ID"], line["e-mail"]) == ("ben", "ben@example.com")
    listed = reverse("admin:engagements_delivery_changelist")
    own = reverse("admin:engagements_delivery_change", args=[delivery.pk])
    for address in (listed, own):
        text = words(admin_page.get(address))
        assert "ben" in text and "anonymous" not in text


def test_the_export_has_what_the_list_shows(admin_page):
    factories.make_delivery(state="sent")
    dead = factories.make_delivery(state="dead")
    lines = exported(admin_page, "?state__exact=dead")
    assert [line["delivery"] for line in lines] == [str(dead.pk)]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('=HYPERLINK("http://evil.example")', '\'=HYPERLINK("http://evil.example")'),
        ("+1+1", "'+1+1"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        # Cut at a tab or at a line's end it begins with the sign as well.
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        (" =1", "' =1"),
        ("\u200b=1", "'\u200b=1"),
        ("\ufeff@SUM(A1)", "'\ufeff@SUM(A1)"),
        ("\xa0\u2060+1", "'\xa0\u2060+1"),
        ('"=1', "'\"=1"),
        ("＝1+1", "'＝1+1"),
        # Where a semicolon or a tab ends a cell, a comma does not.
        ("a;=1+1", "a;'=1+1"),
        ("a;\t =1;-2", "a;'\t' =1;'-2"),
        ("a\n=1", "a\n'=1"),
        ("a\r\n\u200b-1", "a\r\n'\u200b-1"),
        ("\ta", "'\ta"),
        ("a=1; b-2", "a=1; b-2"),
        ('two\nlines, "quoted"', 'two\nlines, "quoted"'),
        ("Zoë", "Zoë"),
    ],
)
def test_a_spreadsheet_runs_nothing(admin_page, value, cell):
    person = factories.make_profile(external_id="p")
    factories.make_delivery(person, state="rejected", reason=value)
    (line,) = exported(admin_page)
    assert line["reason"] == cell


def test_lines_come_one_after_the_other(django_assert_num_queries):
    for _ in range(3):
        factories.make_delivery()
    user = factories.make_admin()
    with django_assert_num_queries(1):
        lines = list(export.lines(Delivery.objects.all(), user))
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        (("engagements.view_delivery",), 403),
        (("engagements.export_delivery",), 403),
        (("engagements.view_delivery", "engagements.export_delivery"), 200),
    ],
)
def test_exporting_needs_its_own_permission(client, permissions, status):
    client.force_login(factories.make_user(*permissions))
    url = reverse("admin:engagements_delivery_export")
    assert client.get(url).status_code == status
    shown = reverse("admin:engagements_delivery_changelist")
    # Of nothing there is nothing to export.
    assert b"Export as CSV" not in client.get(shown).content
    factories.make_delivery(factories.make_profile(), state="sent")
    assert (b"Export as CSV" in client.get(shown).content) is (status == 200)
