"""What is wrong in one look alone is found in that one."""

import pytest
from playwright.sync_api import Page

from tests.browser import looks

pytestmark = pytest.mark.django_db(transaction=True)

# The product's policy takes no style from a page: these stand in the document.
PALE = """() => {
    const text = document.querySelector("main").appendChild(document.createElement("p"));
    text.textContent = "Hardly to be read";
    const draw = () => {
        const isDark = document.documentElement.classList.contains("dark");
        text.style.color = isDark || innerWidth < 1000 ? "" : "#ddd";
        text.style.backgroundColor = isDark || innerWidth < 1000 ? "" : "#eee";
    };
    addEventListener("resize", draw);
    new MutationObserver(draw).observe(document.documentElement, {attributes: true});
    draw();
}"""
WIDE = """() => {
    const box = document.querySelector("main").appendChild(document.createElement("div"));
    box.style.width = "600px";
    box.style.height = "1px";
}"""
NAMELESS = """() => {
    const box = document.querySelector("main").appendChild(document.createElement("div"));
    box.appendChild(document.createElement("input"));
    const draw = () => { box.style.display = innerWidth < 1000 ? "block" : "none"; };
    addEventListener("resize", draw);
    draw();
}"""


@pytest.mark.parametrize(
    ("wrong", "rule", "where"),
    [
        (PALE, "color-contrast", ["1280-light"]),
        (WIDE, "It scrolls sideways.", ["390-dark", "390-light"]),
        (NAMELESS, "label ", ["390-dark"]),
    ],
    ids=["pale", "wide", "nameless"],
)
def test_it_is_found_where_it_is(page: Page, admin, wrong, rule, where):
    looks.as_at_night(page)
    page.goto("/admin/segments/segment/")
    page.evaluate(wrong)
    found = dict(looks.each(page))
    assert len(found) == 4
    assert {look: broken for look, broken in found.items() if broken}.keys() == set(
        where
    )
    for look in where:
        [broken] = found[look]
        assert broken.startswith(rule)
