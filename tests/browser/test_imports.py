"""People from a file, from an empty site: with nothing but the keyboard, on any screen."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from segments.models import Import, Profile
from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot
from tests.browser.test_first_steps import press
from tests.segments.imports.conftest import folder, work

__all__ = ["folder"]

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = """external_id;E-mail;First Name;joined;score
u1;ana@x.example;Ana;05/07/2025;4,5
u2;bo@x.example;Böðvar;06/07/2025;5
u3;cy@x.example;Cy
"""


def test_people_come_in_by_a_file(page: Page, admin, tmp_path, shot: Shot):
    file = tmp_path / "people.csv"
    file.write_bytes(PEOPLE.encode("cp1252"))
    looks.as_at_night(page)

    def look(name: str) -> None:
        looks.assert_whole(page, shot, f"import-{name}")

    page.goto("/admin/")
    press(page, "Import a file")
    look("upload")
    page.get_by_label("File", exact=True).set_input_files(file)
    press(page, "Upload")
    expect(page.get_by_text("u2;bo@x.example;Böðvar;06/07/2025;5")).to_be_visible()
    look("encoding")
    press(page, "Read it so")
    expect(page.get_by_text("3 rows in 5 columns")).to_be_visible()
    press(page, "Check what it would do")
    expect(page.get_by_text("its cells leave it open")).to_be_visible()
    look("columns")
    page.get_by_label("Its cells are (joined)").select_option(
        label="Date, day first (05/07/2026)"
    )
    press(page, "Check what it would do")
    expect(page.get_by_role("button", name="Import 2 people")).to_be_visible()
    look("checked")
    press(page, "Import 2 people")
    expect(page.get_by_role("heading", name="Importing")).to_be_visible()
    look("running")
    # A worker of its own; the page sees it by itself.
    work(Import.objects.get())
    expect(page.get_by_role("link", name="See the people")).to_be_visible()
    look("done")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the bad rows").click()
    assert "u3" in download.value.path().read_text("utf-8-sig")
    press(page, "See the people")
    expect(page.get_by_text("Böðvar")).to_be_visible()
    assert Profile.objects.get(external_id="u1").attributes == {
        "first_name": "Ana",
        "joined": "2025-07-05",
        "score": 4.5,
    }


def test_a_large_import_says_how_far_it_is(page: Page, admin, shot: Shot):
    imported = factories.make_import(state="running", rows=1_000_000, read=250_000)
    page.goto(imported.get_absolute_url())
    expect(page.get_by_text("250,000 of 1,000,000 rows")).to_be_visible()
    Import.objects.update(read=500_000)
    expect(page.get_by_text("500,000 of 1,000,000 rows")).to_be_visible()
    shot("import-progress")
    press(page, "Pause")
    expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    page.goto(reverse("admin:segments_import_changelist"))
    expect(page.get_by_text("Paused").first).to_be_visible()
    shot("import-list")


def test_a_file_that_is_too_large_is_told_by_its_name_before_it_is_sent(
    page: Page, admin, tmp_path, settings
):
    settings.IMPORT_MAX_BYTES = 1 << 20
    page.goto(reverse("admin:segments_import_add"))
    (tmp_path / "large.csv").write_bytes(b"x" * ((1 << 20) + 1))
    (tmp_path / "small.csv").write_text(PEOPLE)
    page.set_input_files("input[type=file]", tmp_path / "large.csv")
    told = "“large.csv” has 1,048,577 bytes; a file has at most 1,048,576. Split it."
    expect(page.locator("#file-error")).to_have_text(told)
    page.get_by_role("button", name="Upload").click()
    assert not Import.objects.exists()
    page.set_input_files("input[type=file]", tmp_path / "small.csv")
    expect(page.locator("#file-error")).to_have_text("")


# What a page shows between two loads, kept beyond its end.
NOTE_WHAT_IS_SHOWN = """() => new MutationObserver(() => {
    sessionStorage.shown = (sessionStorage.shown ?? "") + document.body.innerText;
}).observe(document.body, {childList: true, subtree: true})"""


def test_nothing_of_the_next_page_is_shown_before_it_comes(page: Page, admin):
    imported = factories.make_import(state="running", rows=1_000_000, read=250_000)
    page.goto(imported.get_absolute_url())
    page.evaluate(NOTE_WHAT_IS_SHOWN)
    Import.objects.update(read=500_000)
    expect(page.get_by_text("500,000 of 1,000,000 rows")).to_be_visible()
    Import.objects.update(state="done")
    expect(page.get_by_role("link", name="See the people")).to_be_visible()
    shown = page.evaluate("sessionStorage.shown")
    # What would be pressed there would go with the old page.
    assert "500,000 of" in shown
    assert "See the people" not in shown
