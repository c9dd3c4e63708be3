"""A real Chromium on a real server: the pages as people meet them.

Every page of every test must be silent: no error in the console, no violation of the
content security policy, no broken script, style or picture.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Frame,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from tests import factories
from tests.browser import axe, chromium
from tests.order import BROWSER
from tests.servers import alone

# Playwright's synchronous API runs an event loop in this thread, to the end of this
# folder's tests; Django would refuse its ORM beside one.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# Pages of its own that a Chromium with all of its window makes behind each of ours; and,
# since only the last such list counts, what Playwright turns off.
WITHOUT = [
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "AimEnabled"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync"),
    *("DestroyProfileOnBrowserClose", "HttpsFirstBalancedModeAutoEnable"),
    *("HttpsUpgrades", "LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying"),
    *("OptimizationHints", "PaintHolding", "PreconnectToSearch"),
    *("TcpPortRandomizationWin", "ThirdPartyStoragePartitioning"),
]
ARGUMENTS = [
    f"--disable-features={','.join(WITHOUT)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page lives for seconds: to optimize its scripts takes longer than they then save.
    "--js-flags=--no-opt --no-maglev",
    # One process draws all pages, of which one stays (Pages).
    "--renderer-process-limit=1",
]
# Where pictures go, if any: one takes a third of what it takes to load its page.
SCREENSHOTS = os.environ.get("SCREENSHOTS_DIR")

# A picture: it asks nothing, and has no script.
BEHIND = "/static/admin/img/icon-yes.svg"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}

expect.set_options(timeout=15_000)

Shot = Callable[..., None]


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    if config.getoption("--without-browser"):
        left_out = pytest.mark.skip(reason="left out on purpose: --without-browser")
        for item in items:
            if BROWSER in item.path.parents:
                item.add_marker(left_out)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where none can be had these tests fail: a run without them is not a green one."""
    try:
        with alone():
            return chromium.find_or_fetch()
    except chromium.NoChromiumError as e:
        pytest.fail(str(e), pytrace=False)


@pytest.fixture(scope="package")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, args=ARGUMENTS
        )
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about; a test that expects it may clear it."""
    return []


class Pages:
    """A page for each test: the last one's, as if it were new, or else a new one.

    What its context has loaded stays, since the pages' files are the same: to load and to
    compile them is most of what a short test would do, and to make the page is a third.
    For the same reason a page of the server stays behind all others: the process that
    draws them would end with the last of them.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._kept: Page | None = None
        self._behind: Page | None = None
        self._has_been_elsewhere = False

    def take(self) -> Page:
        page, self._kept = self._kept, None
        if page is None:
            context = self._browser.new_context(base_url=self._url, viewport=DESKTOP)
            context.set_default_timeout(15_000)
            # The first one has everything to load and to compile.
            context.set_default_navigation_timeout(60_000)
            context.on("page", lambda page: page.on("framenavigated", self._see))
            self._behind = context.new_page()
            self._behind.goto(BEHIND)
            self._has_been_elsewhere = False
            page = context.new_page()
        return page

    def give_back(self, page: Page) -> None:
        """All others go, and its data of our address; with those of others it goes, too.

        What a test puts on a page is taken off again (test_pages.py says what may be put
        there), but for a script that is in each document: such a page goes.
        """
        context = page.context
        if self._has_been_elsewhere or page.is_closed():
            context.close()
            return
        if page.url.startswith(self._url):
            page.evaluate("sessionStorage.clear()")
        # Where a new page has it.
        page.mouse.move(0, 0)
        # Its scripts end first: signed out, what they still ask would be refused.
        page.goto("about:blank")
        of_ours = {"origin": self._url, "storageTypes": "local_storage,indexeddb"}
        session = context.new_cdp_session(page)
        session.send("Storage.clearDataForOrigin", of_ours)
        session.send("Page.resetNavigationHistory")
        session.detach()
        context.clear_cookies()
        context.clear_permissions()
        for each in context.pages:
            if each not in (page, self._behind):
                each.close()
        if page in axe.BROUGHT:
            page.close()
            page = context.new_page()
        else:
            page.unroute_all()
            page.emulate_media(color_scheme="null")
            page.set_viewport_size(DESKTOP)
        self._kept = page

    def _see(self, frame: Frame) -> None:
        if not frame.url.startswith((self._url, "about:")):
            self._has_been_elsewhere = True


@pytest.fixture(scope="package")
def pages(browser: Browser, live_server: LiveServer) -> Pages:
    return Pages(browser, live_server.url)


@pytest.fixture
def page(
    pages: Pages, complaints: list[str], request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A page at the server's address that may not complain."""
    failed = request.session.testsfailed
    page = pages.take()
    with listening(page, complaints):
        yield page
        if request.session.testsfailed > failed:
            # Nobody knows what stays on it.
            page.context.close()
        else:
            pages.give_back(page)
    assert not complaints, "\n".join(complaints)


@contextmanager
def listening(page: Page, complaints: list[str]) -> Iterator[None]:
    """Note what the page complains about.

    An answer of 400 or more is an error in the console, too: to be told of each answer,
    thirty a page, would be a tenth of what loading it takes.
    """

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            about = message.location["url"]
            complaints.append(f"{message.type} on {page.url}: {message.text} ({about})")

    def on_error(error: Error) -> None:
        complaints.append(f"{page.url}: {error}")

    page.on("console", on_console)
    page.on("pageerror", on_error)
    yield
    page.remove_listener("console", on_console)
    page.remove_listener("pageerror", on_error)


@pytest.fixture
def sign_in(
    page: Page, client: Client, live_server: LiveServer
) -> Callable[[Any], None]:
    """Give the browser a user's session, without the sign-in page."""

    def sign_in(user: Any) -> None:
        # What the page of whoever was signed in asks by itself would be refused.
        page.goto("about:blank")
        client.force_login(user)
        name = django_settings.SESSION_COOKIE_NAME
        page.context.add_cookies(
            [
                {
                    "name": name,
                    "value": client.cookies[name].value,
                    "url": live_server.url,
                }
            ]
        )

    return sign_in


@pytest.fixture
def admin(page: Page, sign_in: Callable[[Any], None]) -> Any:
    """An administrator who is signed in."""
    user = factories.make_admin(username="ada")
    sign_in(user)
    return user


@pytest.fixture
def shot(page: Page) -> Shot:
    """Keep a picture of the page under $SCREENSHOTS_DIR, if that is said.

    With a `part`, of that alone.
    """

    def shot(name: str, part: Locator | None = None) -> None:
        page.wait_for_load_state()
        if not SCREENSHOTS:
            return
        path = Path(SCREENSHOTS, f"{name}.png")
        if part:
            part.screenshot(path=path)
            return
        size = page.viewport_size or DESKTOP
        height = page.evaluate("document.documentElement.scrollHeight")
        # The whole page, in a window as high as it is: bars that stick stay at its end.
        page.set_viewport_size({"width": size["width"], "height": min(height, 2400)})
        page.screenshot(path=path)
        page.set_viewport_size(size)

    return shot
