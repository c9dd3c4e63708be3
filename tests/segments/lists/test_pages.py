"""The pages of lists: from the upload to the rows that came to nothing."""

import csv
import io
import re

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import TestCase
from django.urls import reverse

from segments.membership import refresh
from segments.models import ListUpload, UploadedList
from tests import factories
from tests.pages import words
from tests.segments.lists.conftest import on, take

pytestmark = pytest.mark.django_db

State = ListUpload.State
ADD = "admin:segments_uploadedlist_add"


def member(group):
    user = factories.make_user()
    user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def marketer(client):
    user = member("Marketer")
    client.force_login(user)
    return user


def send(client, url, **data):
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(url, data)


def uploaded(client, url, **data):
    answer = send(client, url, **data)
    assert answer.status_code == 302, words(answer)
    return ListUpload.objects.get(pk=answer.url.rstrip("/").split("/")[-1])


def press(client, upload, act, **data):
    name = "admin:segments_uploadedlist_act"
    url = reverse(name, args=[upload.of_id, upload.pk, act])
    answer = send(client, url, **data)
    upload.refresh_from_db()
    return answer


def seen(client, upload):
    found = client.get(upload.get_absolute_url()).context
    return {"_seen": found["seen"]}


def test_from_a_file_to_the_list_and_the_rows_to_look_at(client, marketer):
    factories.make_profile(external_id="u1")
    file = SimpleUploadedFile("guests.csv", b"user id\nu1\n=u2\n\n")
    data = {"name": "Guests", "kind": "external_id", "file": file}
    upload = uploaded(client, reverse(ADD), **data)
    assert (upload.state, upload.created_by) == (State.READY, marketer)
    page = words(client.get(upload.get_absolute_url()))
    assert "3 rows, each of them one of these. Nothing is changed yet." in page
    assert "No segment that is live asks for the list" in page
    press(client, upload, "write", **seen(client, upload))
    assert upload.state == State.DONE and on(upload.of) == {"u1", "=u2"}
    url = reverse(
        "admin:segments_uploadedlist_unmatched", args=[upload.of_id, upload.pk]
    )
    text = b"".join(client.get(url).streaming_content).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["line", "identifier", "why"],
        ["3", "'=u2", "Of nobody we know"],
        ["4", "", "Blank"],
    ]
    page = words(client.get(upload.of.get_absolute_url()))
    assert "<strong>2</strong> identifiers, each of the kind “external ID”" in page
    history = reverse("admin:segments_uploadedlist_history", args=[upload.of_id])
    assert "Added to it by “guests.csv”." in words(client.get(history))


def test_what_is_pasted_is_taken_as_well(client, marketer):
    data = {"name": "Guests", "kind": "email", "pasted": "A@x.example\r\nb@x.example"}
    upload = uploaded(client, reverse(ADD), **data)
    press(client, upload, "write", **seen(client, upload))
    assert on(upload.of) == {"a@x.example", "b@x.example"}
    url = reverse("admin:segments_uploadedlist_upload", args=[upload.of_id])
    upload = uploaded(client, url, pasted="c@x.example", mode="replace")
    page = words(client.get(upload.get_absolute_url()))
    assert "Go from the list" in page and "Replace the list" in page
    press(client, upload, "write", **seen(client, upload))
    assert on(upload.of) == {"c@x.example"}


def test_the_column_is_asked_for(client, marketer):
    data = {"name": "Guests", "kind": "email", "pasted": "x,y\nq,a@x.example"}
    upload = uploaded(client, reverse(ADD), **data)
    assert upload.state == State.UPLOADED
    assert "Which column has the identifiers?" in words(
        client.get(upload.get_absolute_url())
    )
    for wrong in ("7", "", "x", "-1", "²", "0" * 6 + "9" * 20):
        press(client, upload, "column", column=wrong)
        assert upload.state == State.UPLOADED
    press(client, upload, "column", column="1")
    assert (upload.state, upload.found) == (State.READY, {"unknown": 1})
    data = {"name": "Others", "kind": "email", "pasted": "1,b@x.example\nq,a@x.example"}
    upload = uploaded(client, reverse(ADD), **data)
    press(client, upload, "column", column="1", is_row="1")
    assert upload.found == {"unknown": 2}


@pytest.mark.parametrize(
    ("data", "field", "said"),
    [
        ({"pasted": " \n"}, "__all__", "Choose a file, or paste identifiers."),
        ({"pasted": "a", "name": "Taken"}, "name", "A list has this name already."),
        ({"pasted": "a", "name": ""}, "name", "This field is required."),
        ({"pasted": "a", "kind": "x"}, "kind", "Select a valid choice."),
        (
            {"file": SimpleUploadedFile("x.csv", b"PK\x03\x04.")},
            "file",
            "Save the sheet",
        ),
        ({"file": SimpleUploadedFile("x.csv", b"")}, "file", "empty"),
        ({"pasted": '"a\nb'}, "pasted", "line 1 is never closed"),
    ],
)
def test_bad_input_gets_its_error_at_the_field(client, marketer, data, field, said):
    factories.make_list(name="Taken")
    answer = client.post(reverse(ADD), {"name": "New", "kind": "email", **data})
    assert answer.status_code == 200
    errors = answer.context["form"].errors
    assert list(errors) == [field] and said in str(errors[field])
    assert list(UploadedList.objects.values_list("name", flat=True)) == ["Taken"]


# --- A list whose segment is sent to ---------------------------------------------


@pytest.fixture
def asked():
    """A list, and an active engagement of a segment of those who are on it."""
    people = [factories.make_profile(external_id=id) for id in ("a", "b", "c")]
    of = factories.make_list("a")
    segment = factories.make_segment(rule={"list": of.pk}, name="On the list")
    refresh.refresh(segment.pk)
    above = factories.make_segment(
        rule={"not": {"segment": segment.pk}},
        reads_segments=[segment.pk],
        name="All others",
    )
    refresh.refresh(above.pk)
    factories.make_engagement(segment, state="active", name="Welcome")
    return of, segment, above, people


def test_who_would_enter_and_leave_is_shown_before(client, asked):
    of, segment, above, _ = asked
    client.force_login(factories.make_admin())
    upload = take(of, "b\nc\nnobody\n", mode="replace")
    found = client.get(upload.get_absolute_url()).context["forecast"]
    assert [(one.segment, one.entering.count, one.leaving.count) for one in found] == [
        (segment, 2, 1),
        (above, 1, 2),
    ]
    assert [(e.name, e.sent) for e in found[0].effects] == [("Welcome", 2)]
    page = words(client.get(upload.get_absolute_url()))
    assert re.search(
        r"2 enter,\s+1 leave.*Welcome.* sends to\s+2\s+people, at once", page
    )

    assert press(client, upload, "write", _seen="something else").status_code == 302
    assert upload.state == State.READY and on(of) == {"a"}
    press(client, upload, "write", **seen(client, upload))
    assert upload.state == State.DONE
    for one, expected in ((segment, {"b", "c"}), (above, {"a"})):
        found = one.memberships.values_list("profile__external_id", flat=True)
        assert set(found) == expected


def test_a_change_of_the_segments_meanwhile_is_shown_first(client, asked):
    of, segment, _, _ = asked
    client.force_login(factories.make_admin())
    upload = take(of, "b\n")
    before = seen(client, upload)
    segment.rule = {"not": {"list": of.pk}}
    segment.save()
    press(client, upload, "write", **before)
    assert upload.state == State.READY and on(of) == {"a"}


def test_an_approver_decides_where_somebody_is_sent_to(client, asked):
    of, _, _, _ = asked
    upload = take(of, "b\n")
    client.force_login(member("Marketer"))
    assert "an Approver decides, here." in words(client.get(upload.get_absolute_url()))
    assert press(client, upload, "write", **seen(client, upload)).status_code == 403
    client.force_login(member("Approver"))
    assert press(client, upload, "write", **seen(client, upload)).status_code == 302
    assert (upload.state, on(of)) == (State.DONE, {"a", "b"})


def test_a_segment_is_added_of_a_list(client, marketer):
    factories.make_segment(name="Guests")
    upload = take(factories.make_list(name="Guests"), "a\n")
    press(client, upload, "write", **seen(client, upload))
    add = f"{reverse('admin:segments_segment_add')}?list={upload.of_id}"
    for page in (upload.get_absolute_url(), upload.of.get_absolute_url()):
        assert f'href="{add}">Add a segment of it' in words(client.get(page))
    form = client.get(add).context["adminform"].form
    assert form["rule"].initial == {"all": [{"list": upload.of_id}]}
    assert form["name"].initial not in ("", "Guests")
    # What is no list, and another field in the address, change nothing.
    for wrong in ("list=1000000", "list=x", "rule={}", "name=x"):
        plain = client.get(f"{reverse('admin:segments_segment_add')}?{wrong}")
        form = plain.context["adminform"].form
        assert (form["rule"].initial, form["name"].initial) == ({}, None)
    client.force_login(member("Analyst"))
    assert "Add a segment of it" not in words(client.get(upload.get_absolute_url()))


def test_what_waits_for_an_approver_is_on_home(client, asked):
    of, segment, _, _ = asked
    mine, other = member("Marketer"), member("Marketer")
    upload = take(of, "b\n")
    ListUpload.objects.filter(pk=upload.pk).update(created_by=mine)
    take(factories.make_list(), "c\n", name="nobody asks.csv")
    home = reverse("admin:index")

    def said(user) -> str:
        client.force_login(user)
        return words(client.get(home))

    assert f'href="{upload.get_absolute_url()}">“guests.csv” for the list' in said(mine)
    assert "It waits for an Approver" in said(mine)
    assert "guests.csv" not in said(other)
    approver = member("Approver")
    assert "See what it would do, then have it written" in said(approver)
    assert "nobody asks.csv" not in said(approver)
    segment.engagements.update(state="ended")
    assert "guests.csv" not in said(approver)


def test_an_approver_says_no_as_well(client, asked):
    of, _, _, _ = asked
    upload = take(of, "b\n")
    client.force_login(member("Approver"))
    page = words(client.get(upload.get_absolute_url()))
    assert "Leave the list as it is" in page
    press(client, upload, "cancel")
    assert (upload.state, on(of)) == (State.CANCELLED, {"a"})


def test_an_approver_uploads_none_and_writes_no_other(client, asked):
    _, segment, _, _ = asked
    segment.engagements.update(state="ended")
    client.force_login(member("Approver"))
    upload = factories.make_list_upload()
    assert press(client, upload, "write", **seen(client, upload)).status_code == 403
    assert press(client, upload, "cancel").status_code == 403
    assert client.get(reverse(ADD)).status_code == 403


def test_a_list_that_a_segment_asks_for_is_not_deleted(client, asked):
    of, segment, _, _ = asked
    client.force_login(factories.make_admin())
    url = reverse("admin:segments_uploadedlist_delete", args=[of.pk])
    assert "Segment: On the list" in words(client.get(url))
    client.post(url, {"post": "yes"})
    assert UploadedList.objects.filter(pk=of.pk).exists()
    segment.engagements.all().delete()
    for one in (asked[2], segment):
        one.delete()
    client.post(url, {"post": "yes"})
    assert not UploadedList.objects.filter(pk=of.pk).exists()


def test_rows_are_shown_to_who_may_see_people(client):
    upload = factories.make_list_upload()
    client.force_login(member("Analyst"))
    page = words(client.get(upload.get_absolute_url()))
    assert "u-unknown" not in page
    assert "Who may see people may see and download them." in page
