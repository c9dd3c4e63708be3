"""What a page may not do is noticed; what a test leaves is not the next one's."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser import axe, looks
from tests.browser.conftest import Pages, listening

pytestmark = pytest.mark.django_db(transaction=True)

COMPLAIN_WHEN_SIGNED_OUT = """
document.cookie = "signed=in; path=/";
setInterval(() => {
  if (!document.cookie.includes("signed")) console.error("signed out");
});
"""


def test_a_page_ends_before_it_is_signed_out(pages: Pages):
    complaints: list[str] = []
    page = pages.take()
    with listening(page, complaints):
        page.goto("/admin/login/")
        page.evaluate(COMPLAIN_WHEN_SIGNED_OUT)
        pages.give_back(page)
    assert complaints == []


STATE = """() => ({
    cookie: document.cookie.replace(/csrftoken=[^;]*/, ""),
    stored: [localStorage.length, sessionStorage.length],
    size: [innerWidth, innerHeight],
    isDark: matchMedia("(prefers-color-scheme: dark)").matches,
    history: history.length,
    hovered: document.querySelectorAll("input:hover, button:hover").length,
    checker: typeof axe,
})"""


@pytest.mark.parametrize("is_brought", [False, True], ids=["kept", "with a checker"])
def test_the_next_page_is_as_new(pages: Pages, is_brought: bool):
    page = pages.take()
    page.goto("/admin/login/")
    new = page.evaluate(STATE)
    pages.give_back(page)

    page = pages.take()
    if is_brought:
        axe.bring(page)
    looks.as_at_night(page)
    page.route("**/login/", lambda route: route.fulfill(body="Not the page"))
    page.goto("/admin/login/")
    page.unroute_all()
    page.goto("/admin/login/?again")
    page.route("**/login/", lambda route: route.fulfill(body="Not the page"))
    page.evaluate("localStorage.a = sessionStorage.a = document.cookie = 'a=b;path=/'")
    page.get_by_role("textbox", name="Username").hover()
    page.context.new_page().goto("/admin/login/")
    changed = page.evaluate(STATE)
    assert {name for name in new if changed[name] == new[name]} <= {"checker"}
    pages.give_back(page)

    page = pages.take()
    # The one behind it, and itself.
    assert len(page.context.pages) == 2
    page.goto("/admin/login/")
    assert page.evaluate(STATE) == new
    pages.give_back(page)


def test_whoever_listens_to_a_page_or_changes_all_its_documents_stops():
    """Else the next test's page would have it, too: it is the same one."""
    stays = re.compile(
        r"\.(on|once|add_init_script|expose_\w+|add_locator_handler|clock"
        r"|set_extra_http_headers|set_default\w*timeout)\b\(?"
    )
    found = {
        f"{path.name}: {line.strip()}"
        for path in Path(__file__).parent.glob("*.py")
        if path.name not in ("conftest.py", Path(__file__).name)
        for line in path.read_text().splitlines()
        if stays.search(line)
    }
    assert found == {
        # Such a page is not kept.
        "axe.py: page.add_init_script(source())",
        # A page of its own.
        'test_sandbox_pages.py: page.on("console",'
        " lambda message: complaints.append(message.text))",
        # Until its block ends.
        'test_source_page.py: page.on("request", note)',
    }


@pytest.mark.parametrize(
    "ask",
    [
        "new Image().src = '/missing'",
        "fetch('/missing').then((answer) => answer.text())",
        "navigator.sendBeacon('/missing', 'x')",
        "location = '/missing'",
    ],
)
def test_what_is_refused_is_a_complaint(page: Page, complaints: list[str], ask: str):
    page.goto("/admin/login/")
    with page.expect_console_message(lambda message: "404" in message.text):
        page.evaluate(f"() => {{ {ask} }}")
    assert "/missing" in complaints[0]
    complaints.clear()
