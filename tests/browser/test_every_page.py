"""Every page: silent, readable at two widths and in two schemes, and accessible."""

from collections.abc import Iterator

import pytest
from django.contrib.admin import site
from django.test import Client, RequestFactory
from django.urls import reverse
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from engagements.models import Engagement
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion, TestCase
from lemnisk_braze import errors
from segments.life import sizes
from segments.membership import rule_changes
from segments.models import Segment, Source
from segments.tracking import write_keys
from tests import factories
from tests.browser import axe, looks
from tests.browser.conftest import DESKTOP, Shot
from tests.browser.looks import PHONE, SIDEWAYS, SIZES, resize, scrolls_sideways
from tests.browser.markup import Markup, with_new_parts
from tests.site.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def addresses(admin) -> Iterator[dict[str, str]]:
    """{what it is: address} of every page that an administrator can open."""
    world = World()
    found = {"home": "/admin/"}
    for model in world.rows:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found[f"{name} list"] = reverse(f"admin:{name}_changelist")
        found[f"{name} row"] = world.url(f"{name}_change")
        found[f"{name} history"] = world.url(f"{name}_history")
    for name in (
        *("externalapi_connection", "externalapi_externalapi", "segments_segment"),
        *("segments_source", "engagements_engagement", "auth_user", "auth_group"),
    ):
        found[f"{name} add"] = reverse(f"admin:{name}_add")
        found[f"{name} delete"] = world.url(f"{name}_delete")
    add = reverse("admin:externalapi_externalapi_add")
    found["preset"] = f"{add}?preset=braze_track_users"
    found["test"] = world.url("externalapi_externalapi_test")
    tests = world.rows[ExternalAPI].current_version.tests  # type: ignore[attr-defined]
    found["answer"] = f"{found['test']}?test={tests.get().pk}"
    found |= test_pages(found["test"], world.rows[ExternalAPI].current_version)  # type: ignore[attr-defined]
    for page in ("versions", "used", "duplicate", "archive", "unarchive"):
        found[page] = world.url(f"externalapi_externalapi_{page}")
    second = factories.make_version(
        external_api=world.rows[ExternalAPI],  # type: ignore[arg-type]
        body={"attributes": [{"external_id": "{{User ID}}"}]},
    )
    restore = world.url("externalapi_externalapi_restore")
    found["restore"] = f"{restore}?version={second.number - 1}"
    found["key"] = world.url("externalapi_connection_key")
    found["paste"] = reverse("admin:externalapi_externalapi_paste")
    found["import"] = reverse("admin:externalapi_externalapi_import")
    found["move"] = reverse(
        "admin:engagements_engagement_move", args=[second.external_api_id]
    )
    segment = world.rows[Segment]
    rule_changes.record(segment, admin, before={"event": "Sale", "at_least": 2})  # type: ignore[arg-type]
    sizes.keep()
    overlap = reverse("admin:segments_segment_overlap")
    other = factories.make_segment(2)
    found["segment overlap"] = f"{overlap}?segment={segment.pk}&segment={other.pk}"
    for page in (
        *("versions", "used", "sizes", "export", "pause", "archive", "duplicate"),
        "suppression",
    ):
        found[f"segment {page}"] = world.url(f"segments_segment_{page}")
    restore = world.url("segments_segment_restore")
    found["segment restore"] = f"{restore}?version=1"
    found["erase"] = world.url("segments_profile_erase")
    found["erase a person"] = reverse("admin:segments_erasure_add")
    found["add key"] = world.url("segments_source_add_key")
    source = world.rows[Source]
    write_keys.issue(source, "Website")  # type: ignore[arg-type]
    key = source.write_keys.get()  # type: ignore[attr-defined]
    found["revoke key"] = reverse(
        "admin:segments_source_revoke_key", args=[source.pk, key.pk]
    )
    found["activate"] = world.url("engagements_engagement_activate")
    found["duplicate"] = world.url("engagements_engagement_duplicate")
    found["at work"] = reverse(
        "admin:engagements_engagement_change", args=[world.at_work.pk]
    )
    for act in ("cancel",):
        found[act] = world.url(f"engagements_run_{act}")
    for act in ("resend", "mark_sent"):
        found[act] = world.url(f"engagements_batch_{act}")
    found["blocked"] = found["at work"]
    Engagement.objects.filter(pk=world.at_work.pk).update(
        state="blocked", blocked_reason="Braze says: Invalid API key."
    )
    for page in ("calendar", "operations", "pause_all", "resume_all", "retry_now"):
        found[page] = reverse(f"admin:engagements_{page}")
    found["retry"] = reverse("admin:engagements_delivery_retry")
    resend = "admin:engagements_engagement_resend_all"
    found["resend all"] = reverse(resend, args=[world.at_work.pk])
    found["password"] = reverse("admin:password_change")
    yield found


def test_pages(test: str, version: ExternalAPIVersion) -> dict[str, str]:
    """The pages around Test API, with something on each."""
    case = TestCase.objects.create(external_api=version.external_api, name="Ann")
    timing = {"dns": 1.2, "connect": 3.4, "tls": 9.1, "first_byte": 80.0, "total": 99.0}
    answer = {
        "status": 400,
        "phrase": "Bad Request",
        "outcome": "refused",
        "explanation": "Refused.",
        "duration_ms": 99,
        "timing": timing,
        "budget": {"limit": 3000, "remaining": 7, "reset_at": None},
        "headers": {"date": "today"},
        "body": '{"message": "no"}',
        "faults": [
            {"where": "events[0].time", "value": '"soon"', "message": "no time"}
        ],
    }
    request = {"method": "POST", "url": "https://x.y/z", "headers": {}, "body": "{}"}
    refused = factories.make_test(
        version,
        values={"Plan": "gold"},
        case=case,
        case_problem="It was not accepted.",
        is_success=False,
        request=request,
        response=answer,
    )
    first = version.tests.earliest("pk")
    return {
        "refused test": f"{test}?test={refused.pk}",
        "tests": f"{test}history/",
        "compare tests": f"{test}compare/?test={first.pk}&test={refused.pk}",
        "test cases": f"{test}cases/",
        "test case": f"{test}cases/?edit={case.pk}",
    }


test_pages.__test__ = False  # type: ignore[attr-defined]


# Bars that would scroll a list sideways, drawn before the page has its measures.
BARS = """[...document.querySelectorAll("[data-simplebar]:has(#result_list)")].filter(
    (list) => getComputedStyle(list.querySelector(".simplebar-horizontal")).display
        !== "none").length"""


# Texts of a page that nobody can read to their end: they run out of the window, or out of
# what cuts them off. What can be scrolled, and a heading of more than two lines, may.
CUT = """() => {
    const cut = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    for (let node; (node = walker.nextNode());) {
        if (!node.data.trim() || !node.parentElement.checkVisibility()) continue;
        range.selectNodeContents(node);
        const text = range.getBoundingClientRect();
        if (text.width <= 1 || !node.parentElement.closest("main")) continue;
        if (node.parentElement.closest(".cm-gutters")) continue;
        let right = innerWidth - 8, bottom = Infinity, left = 0;
        for (let box = node.parentElement; box; box = box.parentElement) {
            const style = getComputedStyle(box);
            if (/auto|scroll/.test(style.overflowX + style.overflowY)) {
                right = Infinity;
                break;
            }
            if (style.clipPath !== "none") { right = bottom = Infinity; break; }
            const edge = box.getBoundingClientRect();
            if (style.overflowX === "hidden") right = Math.min(right, edge.right);
            if (style.overflowY === "hidden") bottom = Math.min(bottom, edge.bottom);
        }
        if (text.right > right + 1 || text.bottom > bottom + 1)
            cut.push(node.data.trim().slice(0, 60));
    }
    return cut;
}"""
LONG = "Everybody who asked for an offer and has not answered since then, in all shops, 2026"

PICTURED = ("home", "test", "at work", "segments_segment row")


def test_every_page(page: Page, client: Client, addresses, shot: Shot):
    """Silent, by its name, no wider than the window and accessible; in both schemes.

    The page fixture fails on any console error or policy violation. No text is cut off,
    whatever the names are.
    """
    for model in (Connection, ExternalAPI, Segment, Source, Engagement):
        for row in model.objects.all():
            row.name = f"{LONG} {row.pk}"
            row.save(update_fields=["name"])
    pages = {name: read(client, name, address) for name, address in addresses.items()}
    chosen = with_new_parts(pages)
    assert len(chosen) > 80
    axe.bring(page)
    # It comes as a phone gets it and is then made wider: to load it takes longest.
    page.emulate_media(color_scheme="dark")
    found: dict[str, list[str]] = {}
    for name in chosen:
        page.set_viewport_size(PHONE)
        answer = page.goto(addresses[name])
        assert answer is not None and answer.status == 200, name
        scheme = "dark"
        for where, size in SIZES.items():
            resize(page, size)
            if cut := page.evaluate(CUT):
                found[f"{name}, {where}"] = [f"It is cut off: {text}" for text in cut]
                shot(f"cut-{size['width']}-{name.replace(' ', '-')}")
            for drawn, broken in axe.in_both_schemes(page, scheme):
                if is_too_wide(page, size):
                    broken.append(SIDEWAYS)
                if broken:
                    found[f"{name}, {where}, {drawn}"] = broken
                if name in PICTURED:
                    shot(f"{size['width']}-{drawn}-{name.replace(' ', '-')}")
            scheme = axe.other(scheme)
    lines = [f"{name}\n    " + "\n    ".join(rules) for name, rules in found.items()]
    assert not lines, "\n".join(lines)


def read(client: Client, name: str, address: str) -> Markup:
    """The page as the server says it, which is by its name."""
    answer = client.get(address)
    assert answer.status_code == 200, name
    html = answer.content.decode()
    page = Markup(html)
    assert page.heading and "Select " not in page.title, name
    assert page.title.startswith(page.heading), name
    assert page.title.endswith("Lemnisk for Braze"), name
    assert page.mains == 1, name
    assert " object at 0x" not in html, name
    return page


def is_too_wide(page: Page, size: ViewportSize) -> bool:
    bars = BARS if size is PHONE else "0"
    return bool(page.evaluate(f"{looks.SCROLLS} || {bars} > 0"))


def test_a_form_that_was_not_saved_is_accessible(page: Page, admin):
    axe.bring(page)
    page.emulate_media(color_scheme="dark")
    factories.make_version()
    found = {}
    for name in (
        *("externalapi_connection", "externalapi_externalapi", "segments_segment"),
        *("segments_source", "engagements_engagement", "auth_user", "auth_group"),
    ):
        page.set_viewport_size(PHONE)
        page.goto(reverse(f"admin:{name}_add"))
        # The server's own answer, and not the browser's.
        page.evaluate(
            "document.querySelectorAll('form').forEach(f => f.noValidate = 1)"
        )
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Nothing was saved yet").first).to_be_visible()
        for look, broken in looks.each(page):
            if broken:
                found[f"{name}, {look}"] = broken
    assert found == {}


@pytest.fixture
def empty(admin) -> dict[str, str]:
    """The pages of a site where nobody has done anything, and those of problems."""
    found = {"home": "/admin/", "operations": reverse("admin:engagements_operations")}
    for model in site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found[name] = reverse(f"admin:{name}_changelist")
        found[f"{name} filtered"] = f"{found[name]}?q=zzz"
    return found


def test_an_empty_site_is_accessible(page: Page, client: Client, empty):
    pages = {name: Markup(client.get(empty[name]).content.decode()) for name in empty}
    chosen = with_new_parts(pages)
    assert len(chosen) > 20
    script = axe.source()
    axe.bring(page)
    found = {}
    for name in chosen:
        page.set_viewport_size(PHONE)
        page.goto(empty[name])
        for where, size in SIZES.items():
            resize(page, size)
            broken = axe.violations(page, script)
            if broken or scrolls_sideways(page):
                found[f"{name}, {where}"] = broken or [SIDEWAYS]
    assert found == {}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_of_problems_are_accessible(page: Page, admin, complaints, size):
    script = axe.source()
    page.set_viewport_size(size)
    page.goto("/admin/nothing/")
    assert axe.violations(page, script) == []
    broken = errors.server_error(RequestFactory().get("/")).content.decode()
    answer = {"status": 500, "content_type": "text/html", "body": broken}
    page.route("**/broken/", lambda route: route.fulfill(**answer))
    page.goto("/broken/")
    assert axe.violations(page, script) == []
    page.goto("/admin/segments/source/add/")
    page.get_by_label("Name").fill("Shop")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Nothing was saved").first).to_be_visible()
    assert axe.violations(page, script) == []
    # That they are answered so is what this test asks for.
    complaints.clear()


def test_the_sign_in_page_is_accessible(page: Page):
    page.goto("/admin/login/")
    assert axe.violations(page, axe.source()) == []


def test_without_scripts_the_forms_are_still_there(
    browser: Browser, live_server: LiveServer, addresses, client, page: Page
):
    context = browser.new_context(
        base_url=live_server.url,
        viewport=DESKTOP,
        java_script_enabled=False,
        storage_state=page.context.storage_state(),
    )
    plain = context.new_page()
    for name in ("segments_segment add", "preset", "test", "at work"):
        plain.goto(addresses[name])
        assert plain.locator("form [name=csrfmiddlewaretoken]").count(), name
    context.close()
