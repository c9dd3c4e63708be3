"""The page before something is done: what it says, its buttons, and the reason."""

import pytest
from django.contrib.admin import site
from django.test import RequestFactory

from lemnisk_braze.lib.pages.confirm import (
    MAX_WHY,
    Question,
    confirm,
    typed_why,
    with_why,
)
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

QUESTION = {
    "title": "Archive <Welcome>?",
    "button": "Archive",
    "back": "/back/",
    "words": ["3 people wait in line."],
    "warnings": ["Duplicates are possible."],
}


def page(**changes) -> str:
    request = RequestFactory().get("/x/")
    request.user = factories.make_admin()
    question = Question(**(QUESTION | changes))
    return words(confirm(site, request, question).render())


def test_it_says_what_happens_and_offers_both_ways_out():
    text = page(hidden={"version": 3})
    assert text.count("<main ") == text.count("<h1") == 1
    assert "Archive &lt;Welcome&gt;?" in text
    assert "3 people wait in line." in text
    assert "Duplicates are possible." in text
    form = text[text.index('<form method="post">') :]
    assert "csrfmiddlewaretoken" in form
    assert '<input type="hidden" name="version" value="3">' in form
    assert ">Archive</button>" in form
    assert 'href="/back/">Cancel</a>' in form
    assert 'name="why"' not in form


def test_whoever_cannot_do_it_reads_why_and_has_no_button():
    text = page(refusal="It is at work.", asks_why=True)
    assert 'role="alert">It is at work.<' in text
    assert "3 people wait in line." not in text
    assert ">Archive</button>" not in text
    assert 'name="why"' not in text
    assert 'href="/back/">Cancel</a>' in text


def test_it_asks_for_a_reason_as_long_as_is_kept():
    text = page(asks_why=True, why="<Christmas>")
    field = text[text.index('name="why"') :]
    assert f'maxlength="{MAX_WHY}" value="&lt;Christmas&gt;"' in field


def test_a_reason_is_one_line_and_bounded():
    request = RequestFactory().post("/x/", {"why": f" a\n b {'c' * 600}"})
    why = typed_why(request)
    assert why.startswith("a b ccc") and len(why) == MAX_WHY
    assert with_why(request, "Archived.") == f"Archived. Why: {why}"
    assert with_why(RequestFactory().post("/x/"), "Archived.") == "Archived."
