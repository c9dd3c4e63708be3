"""A page in every look: at two widths and in two schemes, accessible and not too wide.

Who walks from page to page does it once, as on a phone at night, and has each page looked
at where it is: the document stays, in a window that grows and shrinks again.
"""

from collections.abc import Iterator

from playwright.sync_api import Page, ViewportSize

from tests.browser import axe
from tests.browser.conftest import DESKTOP, Shot

PHONE: ViewportSize = {"width": 390, "height": 844}
SIZES = {"phone": PHONE, "desktop": DESKTOP}
# What moves or fades as the window grows has come to its end.
SETTLE = """() => new Promise((done) => requestAnimationFrame(() => {
    for (const animation of document.getAnimations())
        if (animation instanceof CSSTransition) animation.finish();
    requestAnimationFrame(() => done());
}))"""
SIDEWAYS = "It scrolls sideways."
SCROLLS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
IS_DARK = "matchMedia('(prefers-color-scheme: dark)').matches"


def as_at_night(page: Page) -> None:
    """Walk on in a phone's window, in the dark scheme."""
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")


def assert_whole(page: Page, shot: Shot, name: str) -> None:
    """Nothing is wrong in any look; the window is then as it was."""
    before = page.viewport_size or DESKTOP
    for look, broken in each(page):
        shot(f"{name}-{look}")
        assert not broken, "\n".join((f"{name}, {look}", *broken))
    resize(page, before)


def assert_whole_at_corners(page: Page, shot: Shot, name: str) -> None:
    """As assert_whole, for heavy pages at night: each width and each scheme once."""
    for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        resize(page, size)
        axe.switch(page, scheme)
        look = f"{size['width']}-{scheme}"
        shot(f"{name}-{look}")
        broken = axe.violations(page, axe.source())
        if scrolls_sideways(page):
            broken.append(SIDEWAYS)
        assert not broken, "\n".join((f"{name}, {look}", *broken))


def each(page: Page) -> Iterator[tuple[str, list[str]]]:
    """Each look, such as "390-dark", with what is wrong in it."""
    scheme = "dark" if page.evaluate(IS_DARK) else "light"
    for size in SIZES.values():
        resize(page, size)
        for drawn, broken in axe.in_both_schemes(page, scheme):
            if scrolls_sideways(page):
                broken.append(SIDEWAYS)
            yield f"{size['width']}-{drawn}", broken
        scheme = axe.other(scheme)
    axe.switch_back(page)


def resize(page: Page, size: ViewportSize) -> None:
    if page.viewport_size != size:
        page.set_viewport_size(size)
        page.evaluate(SETTLE)


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate(SCROLLS))
