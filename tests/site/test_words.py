"""The words of lists and forms: none is left to a tick or to the framework."""

import re
from pathlib import Path

import pytest
from django import forms
from django.urls import reverse
from django.utils.html import strip_tags

from engagements.models import FrequencyCap
from tests import factories

ROOT = Path(__file__).parents[2]

ADD_ENGAGEMENT = "/admin/engagements/engagement/add/"

pytestmark = pytest.mark.django_db


def make_users():
    return factories.make_user(), factories.make_user(is_active=False)


def make_sources():
    return factories.make_source(), factories.make_source(is_active=False)


def make_segments():
    return factories.make_segment(), factories.make_segment(is_active=False)


@pytest.mark.parametrize(
    ("name", "make", "states"),
    [
        ("segments_segment", make_segments, ("Live", "Paused")),
        ("segments_source", make_sources, ("Active", "Not active")),
        ("auth_user", make_users, ("Active", "Not active")),
    ],
)
def test_a_list_says_in_words_whether_a_row_is_active(admin_client, name, make, states):
    page_of = reverse(f"admin:{name}_changelist")
    rows = make()
    page = admin_client.get(page_of).text
    for row, word in zip(rows, states, strict=True):
        address = reverse(f"admin:{name}_change", args=[row.pk])
        [line] = [part for part in page.split("<tr")[1:] if f'href="{address}"' in part]
        assert re.search(rf">\s*{word}\s*<", line)


@pytest.mark.parametrize(
    ("name", "make"),
    [("segments_segment", make_segments), ("segments_source", make_sources)],
)
def test_a_switch_is_called_as_its_form_calls_it(admin_client, name, make):
    """What may be done instead of deleting names the switch."""
    row, _ = make()
    page = admin_client.get(reverse(f"admin:{name}_delete", args=[row.pk]))
    form = admin_client.get(reverse(f"admin:{name}_change", args=[row.pk]))
    label = form.context["adminform"].form.fields["is_active"].label
    assert f"witched off (“{label}” on its page)" in page.text


def test_a_group_s_permissions_are_called_as_the_menu_calls_their_pages(admin_client):
    text = admin_client.get(reverse("admin:auth_group_add")).text
    assert "Authentication" not in text
    assert "Administration: add user" in text


def test_an_event_is_a_person_s(admin_client):
    event = factories.make_event(factories.make_profile())
    for page, args in (("changelist", []), ("change", [event.pk])):
        address = reverse(f"admin:segments_event_{page}", args=args)
        text = strip_tags(admin_client.get(address).text)
        assert re.search(r"\bperson\b", text, re.I)
        assert not re.search(r"\bprofile\b", text, re.I)


@pytest.mark.parametrize("page", ["add", "change"])
def test_a_user_s_page_speaks_to_people(admin_client, page):
    args = [factories.make_user().pk] if page == "change" else []
    text = admin_client.get(reverse(f"admin:auth_user_{page}", args=args)).text
    for words in ("Designates", "A user will get", "log into", "Superuser status"):
        assert words not in text


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("segments_segment", "owner"),
        ("engagements_engagement", "why_stopped"),
        ("engagements_delivery", "why"),
    ],
)
def test_nothing_is_one_dash_everywhere(admin_client, model, column):
    factories.make_delivery()
    page = admin_client.get(reverse(f"admin:{model}_changelist")).text
    cells = rf'<td class="[^"]*field-{column}[^"]*"[^>]*>(.*?)</td>'
    [row] = re.findall(cells, page, re.S)
    assert strip_tags(row).strip() == "–"


@pytest.mark.parametrize("model", ["run", "engagement", "delivery", "frequencycap"])
def test_a_phone_s_labels_are_the_headings_of_the_columns(admin_client, model):
    factories.make_delivery()
    FrequencyCap.objects.create(name="Two a day", most=2)
    page = admin_client.get(reverse(f"admin:engagements_{model}_changelist")).text
    head, rows = page.split('id="result_list"', 1)[1].split("<tbody", 1)
    parts = [part.split("</div>")[0] for part in head.split('"text">')[1:]]
    headings = [strip_tags(part).split() for part in parts]
    labels = re.findall(r' data-label="([^"]*)"', rows.split("</tbody>")[0])
    shown = [label.split() for label in labels if label != "Select record"]
    assert len(shown) >= 4
    assert shown == headings[-len(shown) :]


def test_a_run_has_one_name_on_all_pages(admin_client):
    batch = factories.make_batch(delivery_state="uncertain", state="uncertain")
    run = batch.run
    runs = reverse("admin:engagements_run_changelist")
    page = strip_tags(admin_client.get(run.engagement.get_absolute_url()).text)
    [name] = re.findall(rf"Run {run.pk} (of \d+ \w+ \d+, [\d:]+ \w+)", page)
    whole = f"{run.engagement} · run {run.pk} {name}"
    for address in (runs, run.get_absolute_url()):
        assert whole in strip_tags(admin_client.get(address).text)
    address = reverse("admin:engagements_batch_change", args=[batch.pk])
    page = strip_tags(admin_client.get(address).text)
    assert f"{whole} · batch {batch.sequence}" in page


# Words that stand behind a number.
MANY = (
    "people members persons identifiers rows events messages batches deliveries attempts"
    " requests processes runs sessions failures segments lists engagements Engagements"
    " values times items files names"
)
# In Python a number of a text, in a template one before its word.
IN_PYTHON = rf"\{{(?!counted)[^{{}}]*\}} (?:{MANY.replace(' ', '|')})\b"
IN_TEMPLATES = (
    rf"\{{{{[^{{}}]*\|intcomma }}}}(?:</strong>)? (?:{MANY.replace(' ', '|')})\b"
)
# Rates, of which none is 1, and limits of our own that are not.
NEVER_ONE = re.compile(
    r"_a_second|_limit|_per_request|MAX_|MOST|most|[A-Z]{4}|limit\.requests"
)
# What a program says to programmers, and shows the demo.
OTHERS = (
    "lemnisk_braze/demo/",
    "externalapi/vendors/braze/",
    # At least five people.
    "engagements/lifecycle/auto_pause.py",
    # More than MAX_COST times.
    "segments/rules/tree.py",
)


class Bounded(forms.Form):
    number = forms.IntegerField(min_value=2, max_value=5)
    name = forms.CharField(max_length=3)


@pytest.mark.parametrize(
    ("number", "said"), [("1", "Enter 2 or more."), ("6", "Enter 5 or less.")]
)
def test_a_field_with_bounds_says_what_to_enter(number, said):
    form = Bounded({"number": number, "name": "Anna"})
    assert form.errors["number"] == [said]
    assert form.errors["name"] == ["Enter at most 3 characters: these are 4."]


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("again_after_days", {"again": "after_days"}, "between 1 and 3,660."),
        ("most_events", {"trigger": "each_event"}, "between 1 and 1,000, or leave"),
        ("approval_above", {}, "Enter 1 or more, or leave it empty."),
        ("ceiling", {}, "Enter 1 or more, or leave it empty."),
    ],
)
@pytest.mark.parametrize("number", ["0", "-1"])
def test_a_number_of_an_engagement_says_its_bounds_at_once(
    admin_client, number, name, typed, said
):
    """And not first those of the column, and then its own."""
    page = admin_client.post(ADD_ENGAGEMENT, {name: number, **typed})
    [error] = page.context["form"].errors[name]
    assert said in error


def test_no_text_says_1_people():
    """A number is written with its word by lib.counted, or |pluralize."""
    wrong = []
    for app in ("segments", "engagements", "externalapi", "lemnisk_braze"):
        for path in (ROOT / app).rglob("*.*"):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix not in (".py", ".html") or name.startswith(OTHERS):
                continue
            wanted = IN_PYTHON if path.suffix == ".py" else IN_TEMPLATES
            for line in path.read_text().splitlines():
                said = ":," in line or path.suffix == ".html"
                wrong += [
                    f"{name}: {found[0]}"
                    for found in re.finditer(wanted, line)
                    if said and not NEVER_ONE.search(found[0])
                ]
    assert not wrong, "\n".join(wrong)
