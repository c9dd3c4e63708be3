"""What is wrong in one look alone is found in that one."""

import pytest
from playwright.sync_api import Page

from tests.browser import axe, looks

pytestmark = pytest.mark.django_db(transaction=True)

# The product's policy takes no style from a page: these stand in the document.
PALE = """() => {
    const text = document.querySelector("main").appendChild(document.createElement("p"));
    text.textContent = "Hardly to be read";
    const draw = () => {
        const isDark = document.documentElement.classList.contains("dark");
        const isPale = WHERE;
        text.style.color = isPale ? (isDark ? "#333" : "#ddd") : "";
        text.style.backgroundColor = isPale ? (isDark ? "#222" : "#eee") : "";
    };
    addEventListener("resize", draw);
    new MutationObserver(draw).observe(document.documentElement, {attributes: true});
    draw();
}"""
PALE_AT = {
    f"{width}-{scheme}": PALE.replace(
        "WHERE", f"innerWidth === {width} && isDark === {str(scheme == 'dark').lower()}"
    )
    for width in (390, 1280)
    for scheme in ("light", "dark")
}
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
        *((PALE_AT[look], "color-contrast", [look]) for look in PALE_AT),
        (WIDE, "It scrolls sideways.", ["390-dark", "390-light"]),
        (NAMELESS, "label ", ["390-dark"]),
    ],
    ids=[*PALE_AT, "wide", "nameless"],
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


# A text that can be read, and what then makes it another one.
SPOILT = {
    "colour": "text.style.color = '#aaa'",
    "ground": "text.parentElement.style.backgroundColor = '#666'",
    "fading": "text.parentElement.style.opacity = 0.3",
    "size": "text.style.fontSize = '14px'",
    "enabled": "text.disabled = false",
    "over others": """text.style.position = 'absolute';
        under.style.backgroundColor = '#444'""",
}
BOX = "const [under, text] = document.querySelector('main').lastChild.children"
READABLE = """(tag) => {
    const box = document.querySelector("main").appendChild(document.createElement("div"));
    const under = box.appendChild(document.createElement("div"));
    const text = box.appendChild(document.createElement(tag));
    text.textContent = "Can it be read?";
    text.disabled = tag === "button";
    box.style.backgroundColor = "#fff";
    Object.assign(text.style, {backgroundColor: "transparent", fontSize: "30px"});
    text.style.color = tag === "button" ? "#ccc" : "#888";
    Object.assign(under.style, {height: "60px", marginBottom: "-60px"});
}"""


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_was_readable_is_judged_anew(page: Page, admin, spoilt):
    page.goto("/admin/segments/segment/")
    assert axe.violations(page, axe.source()) == []
    tag = "button" if spoilt == "enabled" else "p"
    page.evaluate(READABLE, tag)
    assert axe.violations(page, axe.source()) == []
    page.evaluate(f"() => {{ {BOX}; {SPOILT[spoilt]} }}")
    [broken] = axe.violations(page, axe.source())
    assert broken.startswith("color-contrast")
