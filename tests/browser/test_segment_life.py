"""The pages of a segment's life: with mouse and keyboard, at two widths, in two schemes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from segments.life import sizes, snapshots
from segments.membership import rule_changes
from segments.models import (
    ListFeed,
    ListUpload,
    Segment,
    SegmentDay,
    SourceQuery,
    UploadedList,
)
from tests import factories
from tests.browser import looks
from tests.browser.conftest import DESKTOP, Shot

pytestmark = pytest.mark.django_db(transaction=True)

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
LEAD = {"event": "Lead form submitted", "at_least": 1, "within_days": 30}
OPEN = {"event": "Opened", "at_least": 3}


@pytest.fixture
def segment(page: Page, sign_in: Callable[[Any], None]) -> Segment:
    mara = factories.make_admin()
    people = factories.make_people(9)
    made = factories.make_segment(
        people[:6],
        rule={"all": [PUNE, LEAD]},
        name="Leads from Pune",
        tags=["leads", "Pune"],
        owner=mara,
    )
    rules = (
        {"all": [PUNE, {**LEAD, "within_days": 60}, {"not": OPEN}]},
        {"any": [{**PUNE, "value": "Delhi"}, LEAD]},
    )
    for rule in rules:
        rule_changes.change(made, rule, True, mara)
    factories.make_segment(people[4:], name="Openers")
    factories.make_segment(people[3:5], name="Customers of the shop")
    factories.make_segment(name="Put away", is_active=False)
    factories.make_engagement(made, state="active", name="Welcome")
    sizes.keep()
    row = SegmentDay.objects.get(segment=made)
    for back in range(1, 25):
        SegmentDay.objects.create(
            segment=made,
            day=row.day - timedelta(days=back),
            entered=(back * 7) % 11,
            left=(back * 3) % 5,
            size=None if back == 12 else 40 - back,
            until_id=0,
        )
    sign_in(mara)
    return made


def _kept_by_a_warehouse() -> Segment:
    of = UploadedList.objects.create(name="VIPs", kind="email", size=12_000)
    source = SourceQuery.objects.create(
        name="Warehouse",
        kind="postgresql",
        query="SELECT 1",
        source=factories.make_source(),
    )
    ListFeed.objects.create(
        of=of,
        source=source,
        query="SELECT email FROM warehouse.vips WHERE spent > 10000",
        column="email",
        problem="The query gave no rows, which is taken for a mistake.",
        last_rows=12_345,
        asked_at="2026-01-02T03:04Z",
    )
    ListUpload.objects.create(
        of=of,
        mode="replace",
        state="ready",
        name="VIPs.jsonl",
        found={"new": 10, "unknown": 1_234},
    )
    return factories.make_segment(rule={"list": of.pk}, name="VIPs of the shop")


def test_its_pages_are_whole(page: Page, segment: Segment, shot: Shot):
    """Those that show its history; its questions are the same in test_every_page."""
    looks.as_at_night(page)
    compared = "&".join(
        f"segment={pk}" for pk in Segment.objects.values_list("pk", flat=True)[:3]
    )
    pages = {
        "row": segment.get_absolute_url(),
        "list": reverse("admin:segments_segment_changelist"),
        "overlap": f"{reverse('admin:segments_segment_overlap')}?{compared}",
        **{
            name: reverse(f"admin:segments_segment_{name}", args=[segment.pk])
            for name in ("versions", "sizes", "fixed")
        },
    }
    kept = _kept_by_a_warehouse()
    pages["feed-row"] = kept.get_absolute_url()
    pages["feed"] = reverse("admin:segments_segment_feed", args=[kept.pk])
    pages["warehouse"] = reverse("admin:segments_segment_warehouse")
    pages["fixed-row"] = snapshots.keep(
        segment, factories.make_admin()
    ).get_absolute_url()
    for name, address in pages.items():
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, name
        looks.assert_whole(page, shot, f"life-{name}")


def test_each_chart_of_its_size_has_lines_of_its_own(page: Page, segment: Segment):
    """And side by side they begin and end at one height, however long a caption is."""
    page.set_viewport_size(DESKTOP)
    page.goto(reverse("admin:segments_segment_sizes", args=[segment.pk]))
    pictures = page.locator(".charts svg")
    expect(pictures).to_have_count(3)
    for picture in pictures.all():
        expect(picture.locator(".chart-grid")).to_have_count(2)
    people, entries, exits = (picture.bounding_box() for picture in pictures.all())
    assert people and entries and exits
    assert exits["y"] > entries["y"] + entries["height"] + 4
    assert abs(people["y"] - entries["y"]) < 1
    assert abs(people["y"] + people["height"] - exits["y"] - exits["height"]) < 1
    boxes = [one.bounding_box() for one in page.locator(".chart-times").all()]
    assert len({round(box["y"]) for box in boxes if box}) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_search_of_a_list_shows_that_it_has_the_focus(
    page: Page, segment: Segment, scheme: Any
):
    page.emulate_media(color_scheme=scheme)
    page.goto(reverse("admin:segments_segment_changelist"))
    page.get_by_role("searchbox").focus()
    frame = page.locator("#toolbar form > div")
    expect(frame).to_have_css("outline-style", "solid")
    expect(frame).to_have_css("outline-width", "2px")
    wanted = page.evaluate(
        """() => {
          const probe = document.body.appendChild(document.createElement("i"));
          probe.className = "chart-bar";
          return getComputedStyle(probe).fill;
        }"""
    )
    expect(frame).to_have_css("outline-color", wanted)


def test_by_keyboard_alone_a_version_is_compared_and_a_copy_made(
    page: Page, segment: Segment
):
    page.goto(reverse("admin:segments_segment_versions", args=[segment.pk]))
    page.get_by_label("Version", exact=True).focus()
    page.keyboard.type("1")
    page.get_by_role("button", name="Compare").focus()
    page.keyboard.press("Enter")
    changed = page.get_by_text("City equals Delhi", exact=True)
    expect(changed).to_be_visible()

    page.goto(segment.get_absolute_url())
    page.get_by_role("link", name="Duplicate").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Duplicate").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("is made, as a draft")).to_be_visible()
    copy = Segment.objects.latest("pk")
    assert (copy.state, copy.rule) == ("draft", segment.rule)
