"""What a page may not do is noticed; what a test leaves is not the next one's."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Contexts, listen

pytestmark = pytest.mark.django_db(transaction=True)

COMPLAIN_WHEN_SIGNED_OUT = """
document.cookie = "signed=in; path=/";
setInterval(() => {
  if (!document.cookie.includes("signed")) console.error("signed out");
});
"""


def test_a_page_ends_before_it_is_signed_out(contexts: Contexts):
    complaints: list[str] = []
    context = contexts.take()
    page = context.new_page()
    listen(page, complaints)
    page.goto("/admin/login/")
    page.evaluate(COMPLAIN_WHEN_SIGNED_OUT)
    contexts.give_back(context, page)
    assert complaints == []


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
