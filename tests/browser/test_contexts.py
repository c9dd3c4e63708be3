"""What one test leaves in the browser is not the next one's."""

import pytest

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
