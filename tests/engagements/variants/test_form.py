"""The form's part about variants: asked, checked, saved, and previewed as it is sent."""

import json
from collections import Counter

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from engagements.admin.preview_panel import PreviewPanel
from engagements.authoring import variant_section
from engagements.authoring.forms import PREFIX, EngagementForm, digest
from engagements.models import Engagement
from engagements.variants import plan
from tests import factories
from tests.engagements.authoring.test_forms import parameters, typed
from tests.engagements.sync.conftest import requests
from tests.engagements.variants.conftest import (
    HALF,
    NAME,
    begun,
    number_of,
)
from tests.faults import working
from tests.pages import words

pytestmark = pytest.mark.django_db

VALUE = f"variant_B_{PREFIX}{digest(NAME)}"
GIVEN = {NAME: "{{ profile.first_name }}"}


def two(share_a: object = 60, share_b: object = 40, text: str = "Dear you", **fields):
    return {
        "variant_A_name": "Short",
        "variant_A_share": share_a,
        "variant_B_name": "Long",
        "variant_B_share": share_b,
        VALUE: text,
        **fields,
    }


def checked(**fields) -> EngagementForm:
    form = EngagementForm(typed(factories.make_version(), None, GIVEN, **fields))
    form.is_valid()
    return form


def errors(form: EngagementForm) -> dict[str, str]:
    return {name: " ".join(map(str, own)) for name, own in form.errors.items()}


def test_an_empty_value_is_said_to_be_that_of_a():
    """Also where A's own must not be empty, or has a default."""
    (b,) = [part for part in checked(**two()).variant_parts if part.letter == "B"]
    assert [
        (one.hint, one.field.field.widget.attrs["placeholder"]) for one in b.values
    ] == [("Text · if empty: as variant A", "As variant A")] * len(b.values)
    assert b.values


def test_two_variants_are_saved():
    form = checked(**two())
    assert errors(form) == {}
    its = plan.of(form.save())
    assert plan.in_words(its) == "A “Short” 60 %, B “Long” 40 %"
    assert Counter(its.hundredths) == {"A": 60, "B": 40}
    assert [dict(one.values) for one in its.variants] == [{}, {NAME: "Dear you"}]


def test_none_are_saved_as_none():
    engagement = checked().save()
    assert engagement.variants == {}
    assert not plan.of(engagement)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        (
            two(50, 40),
            "variant_B_share",
            "Together the shares must be 100 %. They are 90 % now.",
        ),
        (two(100, 0), "variant_B_share", "with nobody, remove it"),
        (two(0, 100), "variant_B_share", "for everybody, remove the others"),
        (two(99.5, 0.5), "variant_B_share", "Enter a whole number of percent."),
        (two(60, ""), "variant_B_share", "Enter a whole number of percent."),
        (two(variant_B_name=""), "variant_B_name", "Enter a name"),
        (two(variant_B_name="\u202eB"), "variant_B_name", "visible characters"),
        (
            two(variant_B_name=" SHORT "),
            "variant_B_name",
            "Another variant has this name.",
        ),
        (two(text="{{ profile.first_name"), VALUE, "that closes it"),
        (two(text="{{ 'a' | nothing }}"), VALUE, "nothing"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(fields, field, message):
    found = errors(checked(**fields))
    assert message in found[field]
    # A has the rest, and so is as wrong where B has nothing, or a half.
    assert set(found) <= {field, "variant_A_share"}


def test_a_value_of_a_variant_is_checked_by_its_parameter():
    version = factories.make_version(
        {"attributes": [{"x": "{{Age}}"}]}, [factories.parameter("Age", type="integer")]
    )
    name = f"variant_B_{PREFIX}{digest('Age')}"
    fields = {**two(), name: "many"}
    del fields[VALUE]
    form = EngagementForm(typed(version, None, {"Age": "7"}, **fields))
    assert not form.is_valid()
    assert list(form.errors) == [name]


def test_shares_that_change_keep_who_they_can(admin_page):
    engagement = checked(**two(50, 50)).save()
    before = plan.of(engagement).hundredths
    data = typed(engagement.version, engagement.segment, GIVEN, **two(70, 30))
    admin_page.post(engagement.get_absolute_url(), data)
    engagement.refresh_from_db()
    after = plan.of(engagement).hundredths
    moved = Counter(zip(before, after, strict=True))
    assert moved == {("A", "A"): 50, ("B", "B"): 30, ("B", "A"): 20}
    said = LogEntry.objects.latest("pk").get_change_message()
    assert "Variant A: share in percent: 50 → 70." in said


@pytest.fixture
def page(admin_page):
    """Post the form with a wish, and get the page as it comes back."""
    version = factories.make_version()
    add = reverse("admin:engagements_engagement_add")

    def wish(name, **fields):
        data = typed(version, None, GIVEN, _configure=name, **fields)
        return admin_page.post(add, data).context["form"]

    return wish


def shares(form) -> dict[str, object]:
    return {part.letter: part.share.value() for part in form.variant_parts}


def test_variants_are_added_and_removed_and_nothing_is_lost(page):
    first = page("add_variant")
    assert shares(first) == {"A": "50", "B": "50"}
    assert first.typed_values == GIVEN

    second = page("add_variant", **two(50, 50))
    assert shares(second) == {"A": "34", "B": "33", "C": "33"}
    assert second["variant_B_name"].value() == "Long"
    assert second[VALUE].value() == "Dear you"

    # Uneven shares are somebody's wish: one more gets what is left.
    third = page("add_variant", **two(50, 30))
    assert shares(third) == {"A": "50", "B": "30", "C": "20"}

    assert shares(page("remove_variant_B", **two(50, 50))) == {}
    left = {**two(50, 30), "variant_C_name": "x", "variant_C_share": 20}
    assert shares(page("remove_variant_B", **left)) == {"A": "50", "C": "20"}
    assert not Engagement.objects.exists()


def test_there_are_five_at_most(page):
    many = {f"variant_{n}_{f}": 20 for n in "ABCDE" for f in ("name", "share")}
    form = page("add_variant", **many)
    assert list(shares(form)) == list("ABCDE")
    assert form.next_letter == ""


def test_what_is_typed_stays_with_another_external_api(admin_page):
    version, other = (
        factories.make_version(),
        factories.make_version(
            {"attributes": [{"x": "{{Other}}"}]}, [factories.parameter("Other")]
        ),
    )
    data = typed(version, None, GIVEN, _configure="version", **two())
    data["version"] = other.pk
    add = reverse("admin:engagements_engagement_add")
    answer = admin_page.post(add, data)
    form = answer.context["form"]
    assert shares(form) == {"A": "60", "B": "40"}
    assert (VALUE, "Dear you") in form.kept


def test_an_active_one_shows_them_and_takes_no_change(tested, admin_page):
    engagement = begun(tested(3))
    data = typed(engagement.version, engagement.segment, GIVEN, **two(10, 90))
    page = words(admin_page.get(engagement.get_absolute_url()))
    admin_page.post(engagement.get_absolute_url(), data)
    engagement.refresh_from_db()
    assert plan.of(engagement).hundredths == HALF.hundredths
    assert "Add variant" not in page
    assert "Remove variant" not in page
    assert 'value="Name B"' in page


def test_the_winner_is_not_removed(tested, admin_page):
    engagement = tested(1, its=plan.replace(HALF, winner="B"))
    form = EngagementForm(
        typed(engagement.version, engagement.segment, GIVEN), instance=engagement
    )
    assert not form.is_valid()
    assert errors(form) == {"__all__": variant_section.REMOVED_WINNER}


def previewed(admin_page, engagement, name: str, letter: str = "") -> PreviewPanel:
    fields = {f"variant_{n}_{f}": v for n, f, v in SAVED}
    data = typed(engagement.version, engagement.segment, GIVEN, **fields)
    data |= {
        VALUE: "Dear {{ profile.first_name }}",
        "engagement": engagement.pk,
        "preview_person": name,
        "preview_variant": letter,
    }
    url = reverse("admin:engagements_engagement_preview")
    panel: PreviewPanel = admin_page.post(url, data).context["panel"]
    return panel


SAVED = [
    ("A", "name", "Name A"),
    ("A", "share", 50),
    ("B", "name", "Name B"),
    ("B", "share", 50),
]


def test_the_preview_is_of_the_variant_that_a_person_gets(tested, admin_page, sandbox):
    """And says byte for byte what is sent to them."""
    engagement = tested(6, version=None)
    panels = {f"p{n}": previewed(admin_page, engagement, f"p{n}") for n in range(6)}
    for name, panel in panels.items():
        its = plan.of(engagement).name(number_of(engagement, name))
        assert panel.variant == f"Variant {its}: this person gets it."
    begun(engagement)
    working.to_the_end(engagement)

    sent = {
        one["external_id"]: one
        for body in requests(sandbox)
        for one in body["attributes"]
    }
    shown = {
        name: json.loads(panel.preview.body)["attributes"][0]
        for name, panel in panels.items()
    }
    assert shown == sent


def test_a_variant_can_be_chosen_for_the_preview(tested, admin_page):
    engagement = tested(1)
    found = {letter: previewed(admin_page, engagement, "p0", letter) for letter in "AB"}
    assert '"N0"' in found["A"].preview.body
    assert '"Dear N0"' in found["B"].preview.body
    assert found["B"].variant == "Variant B “Name B”."


def test_before_it_is_saved_nobody_is_drawn(admin_page):
    ann = factories.make_profile(first_name="Ann")
    segment = factories.make_segment([ann])
    data = typed(factories.make_version(), segment, GIVEN, **two())
    url = reverse("admin:engagements_engagement_preview")
    panel = admin_page.post(url, data).context["panel"]
    assert panel.variant.endswith("drawn when this is saved; here is A.")
    assert '"Ann"' in panel.preview.body
    assert parameters(EngagementForm(data))
