"""Which pages are looked at: all that have something that no other page has."""

import pytest

from tests.browser.markup import Markup, with_new_parts

PAGE = """<html lang="en"><head><title>Ann | Lemnisk</title></head><body class="model-event">
<nav id="nav-sidebar"><a href="/" class="active">Home</a></nav>
<main><h1>Ann</h1><section><h2>History</h2>
<label for="name">Name</label><input id="name" name="name" type="text" required>
<p class="a b">Nothing yet.</p><p class="b">Never</p><button aria-expanded="true">More</button>
</section></main></body></html>"""

OTHERS = {
    "alike": ("Nothing yet.", "There is nothing."),
    "another address": ('href="/"', 'href="/elsewhere/"'),
    "another name": ('"name"', '"title"'),
    "another model": ("model-event", "model-run"),
    "an order of classes": ("a b", "b a"),
    "elsewhere in the navigation": ('class="active"', 'class="other"'),
    "one more of the same": ("</section>", '<p class="b">Later</p></section>'),
}
NEW = {
    "an element": ("</section>", "<b>Beware</b></section>"),
    "an element elsewhere": ("</section>", '</section><p class="b">Later</p>'),
    "a class": ("a b", "a c"),
    "an attribute": (" required", " disabled"),
    "a role": (" required", ' required role="switch"'),
    "a state": ('aria-expanded="true"', 'aria-expanded="false"'),
    "a type": ('type="text"', 'type="url"'),
    "no text": ("More", ""),
    "a text": ("Never", "Nobody has been asked for an offer in all of these shops"),
    "an empty attribute": ('name="name"', 'name=""'),
    "an id twice": ("<h1>", '<h1 id="name">'),
    "a label of nothing": ('for="name"', 'for="other"'),
    "no label": ('<label for="name">Name</label>', ""),
    "a heading's level": ("h2", "h3"),
    "an order of headings": ("<h1>Ann</h1>", ""),
}


@pytest.mark.parametrize("change", OTHERS)
def test_a_page_of_the_same_parts_is_not_looked_at(change):
    other = PAGE.replace(*OTHERS[change])
    assert other != PAGE
    assert len(with_new_parts({"one": Markup(PAGE), "other": Markup(other)})) == 1


@pytest.mark.parametrize("change", NEW)
def test_a_page_with_something_of_its_own_is(change):
    other = PAGE.replace(*NEW[change])
    assert other != PAGE
    # Whichever of them comes first.
    pages = {"one": Markup(PAGE), "other": Markup(other), "again": Markup(PAGE)}
    assert "other" in with_new_parts(pages)


def test_it_is_called_by_its_heading():
    page = Markup(PAGE)
    assert (page.title, page.heading, page.mains) == ("Ann | Lemnisk", "Ann", 1)
