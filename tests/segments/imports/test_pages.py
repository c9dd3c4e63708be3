"""The pages of an import: from the upload to the bad rows."""

import csv
import io

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from segments.identity import tombstones
from segments.models import Import, Profile, Source
from tests import factories
from tests.pages import words
from tests.segments.imports.conftest import work

pytestmark = pytest.mark.django_db

State = Import.State
PEOPLE = "external_id,E-mail,First Name,joined\nu1,a@x.example,Ana,05/07/2025\n"
DECIDED = PEOPLE + "u2,b@x.example,Bo,27/07/2025\nu3,c@x.example\n"


def member(group, **fields):
    user = factories.make_user(**fields)
    user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def marketer(client):
    user = member("Marketer")
    client.force_login(user)
    return user


def upload(client, data, name="people.csv"):
    data = data.encode() if isinstance(data, str) else data
    url = reverse("admin:segments_import_add")
    return client.post(url, {"file": SimpleUploadedFile(name, data)})


def uploaded(client, data, name="people.csv"):
    answer = upload(client, data, name)
    assert answer.status_code == 302
    return Import.objects.get(pk=answer.url.rstrip("/").split("/")[-2])


def typed(client, imported, **changes):
    """The form as the page has it, with these changes."""
    form = client.get(imported.get_absolute_url()).context["form"]
    data = {"makes": form.plan.makes, "empty": form.plan.empty, "zone": form.plan.zone}
    data |= {"country": form.plan.country, "source": form.source, "event": ""}
    for row in form.rows:
        data[f"to-{row.index}"] = row.use.to
        data[f"name-{row.index}"] = row.use.name
        data[f"type-{row.index}"] = row.use.type
    return data | changes


def press(client, imported, act, **data):
    url = reverse("admin:segments_import_act", args=[imported.pk, act])
    answer = client.post(url, data)
    imported.refresh_from_db()
    return answer


def shown(client, imported, query=""):
    return words(client.get(imported.get_absolute_url() + query))


def test_at_the_end_rows_of_who_was_erased_stand_apart(client, marketer):
    tombstones.put([("external_id", "u1")], may_return=False)
    imported = uploaded(client, DECIDED)
    client.post(imported.get_absolute_url(), typed(client, imported))
    press(client, imported, "start")
    work(imported)
    assert imported.state == State.DONE
    page = shown(client, imported)
    assert "erased</dt> <dd><strong>1</strong></dd>" in page
    assert "Who was erased is kept out." in page
    assert "Not applied" not in page


def test_from_the_upload_to_people_and_bad_rows(client, marketer):
    imported = uploaded(client, DECIDED)
    assert (imported.state, imported.created_by) == (State.UPLOADED, marketer)
    page = shown(client, imported)
    assert "3 rows in 4 columns" in page
    assert "Line 3 has “27/07/2025”." in page
    answer = client.post(imported.get_absolute_url(), typed(client, imported))
    assert answer.status_code == 302
    page = shown(client, imported)
    assert "Import 2 people" in page and "Nobody is changed yet" in page
    assert not Profile.objects.exists()
    press(client, imported, "start")
    work(imported)
    assert imported.state == State.DONE
    page = shown(client, imported)
    assert reverse("admin:segments_profile_changelist") in page
    ana = Profile.objects.get(external_id="u1")
    assert ana.attributes == {"first_name": "Ana", "joined": "2025-07-05"}
    assert Source.objects.get().name == "Imports"
    answer = client.get(reverse("admin:segments_import_bad", args=[imported.pk]))
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == [
        "line",
        "reason",
        "external_id",
        "E-mail",
        "First Name",
        "joined",
    ]
    assert rows[1][:2] == ["4", "It has 2 columns, and the header 4."]


def test_bad_rows_run_in_no_spreadsheet(client, marketer):
    imported = uploaded(client, "id,age,note\nu1,x,=1+1\n")
    changes = {"type-1": "number"}
    client.post(imported.get_absolute_url(), typed(client, imported, **changes))
    answer = client.get(reverse("admin:segments_import_bad", args=[imported.pk]))
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text)))[1] == [
        "2",
        "Age: “x” is no number.",
        "u1",
        "x",
        "'=1+1",
    ]


def test_dates_that_can_be_read_either_way_are_asked_about(client, marketer):
    imported = uploaded(client, PEOPLE)
    data = typed(client, imported)
    assert data["type-3"] == ""
    answer = client.post(imported.get_absolute_url(), data)
    assert answer.status_code == 200
    assert "its cells leave it open" in answer.content.decode()
    imported.refresh_from_db()
    assert imported.state == State.UPLOADED
    data["type-3"] = "date_mdy"
    client.post(imported.get_absolute_url(), data)
    press(client, imported, "start")
    work(imported)
    assert Profile.objects.get().attributes["joined"] == "2025-05-07"


def test_what_was_typed_stays_when_it_is_wrong(client, marketer):
    imported = uploaded(client, PEOPLE)
    data = typed(client, imported, **{"to-0": "", "to-1": "", "name-2": "given_name"})
    page = client.post(imported.get_absolute_url(), data).content.decode()
    assert "Say which column names the person" in page
    assert 'value="given_name"' in page


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("people.xlsx", b"PK\x03\x04...", "Save the sheet as CSV"),
        ("people.csv", b"", "empty"),
        ("people.json", b'[{"id": 1}]', "JSON Lines"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(
    client, marketer, name, data, words
):
    answer = upload(client, data, name)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Import.objects.exists()


def test_a_form_without_a_file_says_so(client, marketer):
    page = client.post(reverse("admin:segments_import_add")).content.decode()
    assert "Choose a file." in page


def test_a_header_alone_has_no_rows(client, marketer):
    imported = uploaded(client, "id,city\n")
    assert "no rows" in shown(client, imported)


def test_an_encoding_is_asked_for_with_a_preview(client, marketer):
    imported = uploaded(client, "id;name\nu1;Zoë\n".encode("cp1252"))
    page = shown(client, imported)
    assert "u1;Zoë" in page
    press(client, imported, "encoding", encoding="nonsense")
    assert imported.encoding == ""
    press(client, imported, "encoding", encoding="cp1252")
    assert imported.state == State.UPLOADED
    assert "Zoë" in shown(client, imported)
    # It is asked once.
    press(client, imported, "encoding", encoding="cp1251")
    assert imported.encoding == "cp1252"


def test_events_are_another_set_of_columns(client, marketer):
    imported = uploaded(
        client, "user_id,event,timestamp,price\nu1,Bought,2026-07-05,9.5\n"
    )
    form = client.get(f"{imported.get_absolute_url()}?makes=events").context["form"]
    assert [row.use.to for row in form.rows] == [
        "external_id",
        "event",
        "time",
        "property",
    ]


def test_a_changed_mapping_is_checked_again(client, marketer):
    imported = uploaded(client, DECIDED)
    client.post(imported.get_absolute_url(), typed(client, imported))
    imported.refresh_from_db()
    assert imported.state == State.READY
    assert "What are its columns?" not in shown(client, imported)
    assert "What are its columns?" in shown(client, imported, "?columns")


def test_buttons_of_another_state_do_nothing(client, marketer):
    imported = uploaded(client, DECIDED)
    for act in ("start", "pause", "resume"):
        assert press(client, imported, act).status_code == 302
        assert imported.state == State.UPLOADED
    press(client, imported, "cancel")
    assert imported.state == State.CANCELLED
    assert press(client, imported, "nonsense").status_code == 404


@pytest.mark.parametrize("act", ["start", "pause", "resume", "cancel", "encoding"])
def test_who_may_only_look_presses_nothing(client, act):
    imported = factories.make_import(state=State.READY)
    client.force_login(factories.make_user("segments.view_import"))
    assert client.get(imported.get_absolute_url()).status_code in (200, 302)
    assert press(client, imported, act).status_code in (302, 403)
    assert imported.state == State.READY


def test_people_in_a_file_are_for_those_who_may_see_people(client):
    imported = factories.make_import()
    imported.bad_rows.create(line=2, reason="It is bad.", cells='["u1"]')
    looks = factories.make_user("segments.view_import", "segments.add_import")
    looks.groups.add(Group.objects.create(name="Importers"))
    client.force_login(looks)
    assert "Köln" not in shown(client, imported)
    url = reverse("admin:segments_import_bad", args=[imported.pk])
    assert client.get(url).status_code == 403
    Import.objects.update(created_by=looks)
    assert "Köln" in shown(client, imported)
    assert client.get(url).status_code == 200


def test_the_part_that_turns_says_how_it_is(client, marketer):
    imported = factories.make_import(state=State.RUNNING, rows=200, read=50)
    url = reverse("admin:segments_import_now", args=[imported.pk])
    page = client.get(url).content.decode()
    assert 'data-state="running"' in page
    assert "50 of 200 rows" in page and 'value="25"' in page


def test_columns_are_called_as_what_is_known(client, marketer):
    factories.make_dictionary_entry("firstName")
    factories.make_dictionary_entry("secret", is_hidden=True)
    factories.make_dictionary_entry("form", kind="property", event="Lead")
    imported = uploaded(client, PEOPLE)
    page = client.get(imported.get_absolute_url())
    named = {row.name: row.use.name for row in page.context["form"].rows}
    assert (named["First Name"], named["joined"]) == ("firstName", "joined")
    offered = page.text.split('id="known-names"')[1].split("</datalist>")[0]
    assert '<option value="firstName">text · seen just now</option>' in offered
    assert "secret" not in offered
    assert "form" not in offered
    events = client.get(f"{imported.get_absolute_url()}?makes=events")
    offered = events.text.split('id="known-names"')[1].split("</datalist>")[0]
    assert '<option value="form">' in offered


def test_a_file_that_is_too_large_is_said_before_it_is_read(client, marketer, settings):
    settings.IMPORT_MAX_BYTES = 1 << 20
    answer = upload(client, "x" * (2 << 20), "people.csv")
    said = words(answer)
    assert "“people.csv” was not read: with 2,097," in said
    assert "at most 1 MB" in said
    assert not Import.objects.exists()
    # Less than a form's own bytes too large: read, and refused all the same.
    assert "at most 1 MB" in words(upload(client, "x" * ((1 << 20) + 1)))
    page = client.get(reverse("admin:segments_import_add")).content.decode()
    assert 'data-most="1048576"' in page
