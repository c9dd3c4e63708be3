"""A source's page, as somebody meets it on the first day: it waits, turns, and tells."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import requests
from django.urls import reverse
from playwright.sync_api import Page, Request, expect
from pytest_django.live_server_helper import LiveServer

from segments.ingest import inbox
from segments.models import IntakeMinute, Replay, Source
from segments.tracking import replaying, write_keys
from tests import factories
from tests.browser import looks
from tests.browser.conftest import Shot
from tests.browser.test_first_steps import press

pytestmark = pytest.mark.django_db(transaction=True)
WIDTHS = pytest.mark.parametrize("width", [1280, 390])


@pytest.fixture
def source(db) -> Source:
    return factories.make_source(name="Shop")


@pytest.fixture
def send(source: Source, live_server: LiveServer) -> Callable[..., int]:
    """Send one message as a server does; the status."""
    key = write_keys.issue(source)

    def send(**message: object) -> int:
        answer = requests.post(
            f"{live_server.url}/v1/track", json=message, auth=(key, ""), timeout=10
        )
        return answer.status_code

    return send


def test_the_first_day_of_a_source(page: Page, admin, source, send, shot: Shot):
    looks.as_at_night(page)

    def look(name: str) -> None:
        looks.assert_whole(page, shot, f"source-{name}")

    page.goto(address_of(source))
    heading = page.get_by_role("heading", name="Waiting for the first event…")
    expect(heading).to_be_visible()
    look("waiting")
    # By keyboard: the test event's button, and the page turns by itself.
    press(page, "Send a test event")
    expect(page.get_by_text("The test event is on its way, like")).to_be_visible()
    inbox.apply()
    expect(page.locator("[data-trial]")).to_contain_text("has arrived: lemnisk-test")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    said = page.locator("[data-announce]")
    expect(said).to_contain_text("Live Last message")
    expect(said).to_contain_text("The test event has arrived")
    look("tested")
    assert send(userId="u1", event=7) == 400
    assert send(userId="u1", event="Lead", properties={"form": "demo"}) == 200
    inbox.apply()
    spread(source)
    page.goto(address_of(source))
    expect(page.get_by_role("heading", name="Refused, by reason")).to_be_visible()
    page.get_by_text("The newest of them").click()
    expect(page.get_by_text('"event": 7')).to_be_visible()
    page.get_by_text("Lead – u1").click()
    look("live")
    press(page, "Try again: Invalid event")
    expect(page.get_by_role("button", name="Try 1 message again")).to_be_visible()
    look("again")
    press(page, "Try 1 message again")
    expect(page.get_by_text("0 of 1")).to_be_visible()
    look("sending")
    # A worker is done, and the page turns by itself.
    replaying.go_on(Replay.objects.get().pk)
    expect(page.locator("[data-replays]")).to_contain_text("1 refused again")
    expect(said).to_contain_text("1 refused again")
    look("sent")


def address_of(source: Source) -> str:
    return reverse("admin:segments_source_change", args=[source.pk])


def spread(source: Source) -> None:
    """A day of messages behind it."""
    first = IntakeMinute.objects.order_by("minute")[0]
    IntakeMinute.objects.bulk_create(
        IntakeMinute(
            minute=first.minute - timedelta(minutes=ago),
            source=source,
            applied=20 + ago % 60 * (ago % 7),
            refused=0,
            last_at=first.minute,
        )
        for ago in range(1, 1_200)
    )


def test_it_asks_no_more_once_it_has_turned(page: Page, admin, source, send):
    page.goto(address_of(source))
    with page.expect_response("**/now/"):
        pass
    send(userId="u1", event="Lead")
    inbox.apply()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    with asked(page) as urls:
        page.wait_for_timeout(4_000)
    assert urls == []


@contextmanager
def asked(page: Page) -> Iterator[list[str]]:
    """What it asks within the block about what has come in."""
    found: list[str] = []

    def note(request: Request) -> None:
        if "/now/" in request.url:
            found.append(request.url)

    page.on("request", note)
    yield found
    page.remove_listener("request", note)


def test_a_hidden_tab_asks_nothing(page: Page, admin, source, send):
    page.goto(address_of(source))
    with page.expect_response("**/now/"):
        pass
    hide(page, is_hidden=True)
    page.wait_for_timeout(2_000)
    with asked(page) as urls:
        page.wait_for_timeout(4_000)
    assert urls == []
    send(userId="u1", event="Lead")
    inbox.apply()
    hide(page, is_hidden=False)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def hide(page: Page, *, is_hidden: bool) -> None:
    """What the browser tells a page whose tab is put behind another."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


def test_a_snippet_is_copied(page: Page, admin, source, live_server):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address_of(source))
    page.get_by_text("curl", exact=True).click()
    page.get_by_role("button", name="Copy: curl").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f'curl {live_server.url}/v1/track -u "WRITE_KEY:"')
