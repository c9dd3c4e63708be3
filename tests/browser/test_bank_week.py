"""A bank's week: built by clicking, and then it passes.

Four Engagements with caps, quiet hours, a holdout and a segment that is kept out; people
from a file and from the website, in zones from Honolulu to Tokyo, over the night in which
Berlin's clocks are put forward. The database's clock is set from one moment to the next;
everything else is as it always is: server, worker, beat and sandbox.
"""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from engagements.guards import holdout
from engagements.models import Batch, Chore, Delivery, Engagement
from externalapi.models import Connection
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from lemnisk_braze.lib import database_clock
from segments.models import Import, InboxRequest, Profile, Segment
from tests.browser.conftest import Shot
from tests.doubles.celery_processes import beat, worker
from tests.doubles.moved_clock import MovedClock, moved_clock
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LEAD, GRANTED = "Lead form submitted", "Loan granted"
SOON, LATER = "2026-04-20", "2027-02-01"
# Whose clocks, birthday and policies; nobody's zone is nobody's secret.
PEOPLE: dict[str, dict[str, Any]] = {
    "ana": {"timezone": "Europe/Berlin", "born_on": "1990-03-27"},
    "finn": {"timezone": "", "born_on": "1961-03-27"},
    "ben": {"timezone": "America/New_York", "born_on": "1984-03-27"},
    "nora": {"timezone": "America/New_York", "born_on": "2000-03-27"},
    "dev": {"timezone": "Asia/Kolkata", "born_on": "1979-03-27", "soon": "P-6"},
    "chloe": {"timezone": "Asia/Tokyo", "born_on": "1995-07-01", "soon": "P-1"},
    "eva": {"timezone": "Europe/Berlin", "born_on": "1988-08-08", "soon": "P-2"},
    "hugo": {"timezone": "Pacific/Honolulu", "born_on": "1970-12-24", "soon": "P-3"},
    "gul": {"timezone": "Mars/Olympus", "born_on": "1999-09-09", "soon": "P-4"},
}
BIRTHDAYS = ("ana", "finn", "ben", "nora", "dev")
# What each Engagement sends: its event, when that was, and what it is about.
VALUES = {
    "Birthday": ("birthday", "{{ now }}", "birthday-gift"),
    "Policy lapses": (
        "policy_lapses",
        "{{ now }}",
        "{% assign soon = now | plus_days: 30 %}{% for policy in profile.policies %}"
        "{% if policy.lapses_on <= soon %}{{ policy.number }}{% break %}{% endif %}"
        "{% endfor %}",
    ),
    "Lead form": (
        "lead_submitted",
        "{{ event.time }}",
        "{{ event.properties.product_id }}",
    ),
    "Monthly statement": (
        "statement_ready",
        "{{ now }}",
        "{{ profile.balance | money }}",
    ),
}
FALLBACK = "Europe/Berlin"


@pytest.fixture
def clock(transactional_db: None) -> Iterator[MovedClock]:
    with moved_clock() as clock:
        clock.set(utc(26, 10))
        yield clock


def utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def test_a_banks_week(
    clock: MovedClock,
    page: Page,
    admin: Any,
    live_server: LiveServer,
    braze: Connection,
    sandbox: SandboxProcess,
    tmp_path: Path,
    shot: Shot,
) -> None:
    # So high that no bar at its end covers what is to be seen.
    page.set_viewport_size({"width": 1280, "height": 1800})
    add_external_api(page, braze)
    with worker(), beat():
        # Thursday: everything is built.
        people_from_a_file(page, tmp_path)
        add_segments(page, shot)
        add_cap(page)
        add_birthday(page, shot)
        add_policy_lapses(page)
        add_lead_form(page)
        add_statement(page, shot)
        see_the_calendar(page, shot)
        key = add_source(page)
        for who, product in (
            ("eva", "home-loan"),
            ("eva", "car-loan"),
            ("iris", "gold-card"),
            ("ben", "home-loan"),
        ):
            submit(live_server, key, who, product)
        rest()
        expected = {
            "eva": [("lead_submitted", "home-loan"), ("lead_submitted", "car-loan")],
            "iris": [("lead_submitted", "gold-card")],
            "ben": [("lead_submitted", "home-loan")],
        }
        assert arrived(sandbox) == expected

        # Friday: birthdays, at nine; at night in New York, where it is for breakfast.
        held = drawn(BIRTHDAYS)
        clock.set(utc(27, 0, 1))
        rest()
        clock.set(utc(27, 8, 0))
        rest()
        add(expected, {"ana", "finn"} - held, ("birthday", "birthday-gift"))
        assert arrived(sandbox) == expected
        clock.set(utc(27, 12, 0))
        rest()
        add(expected, {"ben", "nora"} - held, ("birthday", "birthday-gift"))
        assert arrived(sandbox) == expected

        # Monday, ten o'clock in summer time: policies that lapse.
        clock.set(utc(30, 0, 1))
        rest()
        clock.set(utc(30, 8, 0))
        rest()
        add(expected, {"chloe"}, ("policy_lapses", "P-1"))
        add(expected, {"gul"}, ("policy_lapses", "P-4"))
        assert arrived(sandbox) == expected
        clock.set(utc(30, 18, 0))
        rest()
        add(expected, {"hugo"}, ("policy_lapses", "P-3"))
        assert arrived(sandbox) == expected

        # The month's last day, at nine where each person is.
        clock.set(utc(30, 19, 0))
        rest()
        assert arrived(sandbox) == expected
        for zone in ("Asia/Tokyo", "Asia/Kolkata", FALLBACK, "America/New_York", "Pacific/Honolulu"):  # fmt: skip
            nine = datetime(2026, 3, 31, 9, tzinfo=ZoneInfo(zone))
            clock.set(nine)
            rest()
            for who in PEOPLE:
                if zone_of(who) == zone:
                    add(expected, {who}, ("statement_ready", balance(who)))
            assert arrived(sandbox) == expected, zone

    who_was_held_back(page, held, shot)
    names_and_times(sandbox)


# --- What is built ----------------------------------------------------------------


def add_external_api(page: Page, braze: Connection) -> None:
    """The preset, with the event's name for each Engagement to give."""
    page.goto("/admin/externalapi/externalapi/add/?preset=braze_track_users")
    body = page.get_by_role("textbox", name="Body", exact=True)
    typed = page.locator("textarea[name=body]").input_value()
    body.fill(typed.replace('"lead_submitted"', "{{Event Name}}"))
    page.get_by_label("Connection").select_option(str(braze.pk))
    page.get_by_role("button", name="Save", exact=True).click()
    for name, value in {
        "External ID": "test-person",
        "Name of the User": "Tessa",
        "Event Name": "birthday",
        "Event Time": "2026-03-26T09:30",
        "Product ID": "gift",
    }.items():
        page.get_by_label(name).first.fill(value)
    page.get_by_role("button", name="Test Configuration").click()
    expect(page.get_by_text("201 Created").first).to_be_visible()


def people_from_a_file(page: Page, folder: Path) -> None:
    file = folder / "customers.csv"
    with file.open("w", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(
            ["external_id", "first_name", "timezone", "born_on", "balance"]
            + ["in_dispute", "policies"]
        )
        for number, (who, row) in enumerate(PEOPLE.items()):
            rows.writerow(
                [who, who.title(), row["timezone"], row["born_on"], 1000.5 + number]
                + [str(who == "dev").lower(), json.dumps(policies(who))]
            )
    page.goto("/admin/segments/import/add/")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Check what it would do").click()
    page.get_by_role("button", name=f"Import {len(PEOPLE)} people").click()
    expect(page.get_by_role("link", name="See the people")).to_be_visible()
    assert Import.objects.get().state == Import.State.DONE


def policies(who: str) -> list[dict[str, str]]:
    """One that is good for long, and before it or not the one that lapses."""
    long = {"number": f"L-{who}", "lapses_on": LATER}
    number = PEOPLE[who].get("soon")
    return [long, {"number": number, "lapses_on": SOON}] if number else [long]


def add_segments(page: Page, shot: Shot) -> None:
    begin_segment(page, "Birthday today", "Birthday")
    choose(page, "born_on")
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Days begin in the time zone").fill(FALLBACK)
    save_segment(page)
    begin_segment(page, "A policy lapses", "Lapsing policy")
    choose(page, "policies")
    choose(page, "lapses_on")
    size = page.get_by_role("region", name="Who would be in it")
    expect(size).to_contain_text(f"5 of {len(PEOPLE)} people")
    shot("week-segment", page.locator(".field-rule"))
    save_segment(page)
    begin_segment(page, "Leads", "Lead form")
    page.get_by_label("The event").first.fill(LEAD)
    page.get_by_label("The event").nth(1).fill(GRANTED)
    save_segment(page)
    begin_segment(page, "In dispute")
    add_attribute(page, "in_dispute")
    page.get_by_label("Value").select_option("true")
    save_segment(page)
    begin_segment(page, "Has an account")
    add_attribute(page, "balance")
    page.get_by_label("Comparison").select_option("is_present")
    save_segment(page)
    sizes = dict(Segment.objects.values_list("name", "size"))
    assert sizes == {
        "Birthday today": 0,
        "A policy lapses": 5,
        "Leads": 0,
        "In dispute": 1,
        "Has an account": len(PEOPLE),
    }


def begin_segment(page: Page, name: str, point: str = "") -> None:
    page.goto("/admin/segments/segment/add/")
    page.get_by_label("Name").fill(name)
    if point:
        page.get_by_role("button", name=point).click()


def add_attribute(page: Page, name: str) -> None:
    page.get_by_role("button", name="Add an attribute").click()
    page.keyboard.type(name)
    page.get_by_role("option", name=name).click()


def choose(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Choose {name}").first.click()


def save_segment(page: Page) -> None:
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("link", name="Add Engagement")).to_be_visible()


def add_cap(page: Page) -> None:
    page.goto("/admin/engagements/frequencycap/add/")
    page.get_by_label("Name").fill("Two a week")
    page.get_by_label("At most").fill("2")
    page.get_by_label("Period").select_option("week")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("At most 2 a week")).to_be_visible()


def begin(page: Page, name: str, segment: str) -> None:
    """From the segment's page, with the values that the Engagement gives."""
    page.goto(Segment.objects.get(name=segment).get_absolute_url())
    page.get_by_role("link", name="Add Engagement").click()
    page.get_by_label("Name", exact=False).first.fill(name)
    event, time, about = VALUES[name]
    for parameter, value in {
        "Name of the User": '{{ profile.first_name | default: "there" }}',
        "Event Name": event,
        "Event Time": time,
        "Product ID": about,
    }.items():
        page.get_by_label(parameter, exact=False).first.fill(value)


def on_schedule(page: Page, starts: str, repeat: str) -> None:
    page.get_by_role("radio", name="On a schedule", exact=True).check()
    page.get_by_label("Time zone").first.fill(FALLBACK)
    page.get_by_label("Starts").fill(starts)
    page.get_by_role("combobox", name="Repeat").select_option(label=repeat)


def quiet_at_night(page: Page) -> None:
    page.get_by_label("In dispute").check()
    page.get_by_label("Quiet from").fill("21:00")
    page.get_by_label("Until").fill("08:00")
    page.get_by_label("Attribute with their time zone").fill("timezone")
    page.get_by_label("Time zone of the others").fill(FALLBACK)


def sent_to_all(page: Page) -> None:
    """What everybody must get."""
    page.get_by_role("radio", name="Is sent all the same, and it counts").check()


def save_and_activate(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved")).to_be_visible()
    page.get_by_role("link", name="Activate").first.click()
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("The Engagement is active.")).to_be_visible()


def add_birthday(page: Page, shot: Shot) -> None:
    begin(page, "Birthday", "Birthday today")
    on_schedule(page, "2026-03-27T09:00", "Every day")
    quiet_at_night(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved")).to_be_visible()
    # Of those who are not in dispute one is drawn.
    page.get_by_label("Holdout, in percent").fill(f"{share_of_one(BIRTHDAYS)}")
    shot("week-guards", page.locator(".engagement-guards"))
    save_and_activate(page)


def share_of_one(people: tuple[str, ...]) -> float:
    """Between the first and the second place of those whom the holdout may draw."""
    first, second, *_ = sorted(places(people).values())
    middle = (first + second) / 2
    rounded = (round(middle, digits) for digits in range(6))
    return next((one for one in rounded if first < one < second), middle)


def places(people: tuple[str, ...]) -> dict[str, float]:
    salt = holdout.own_salt(Engagement.objects.get(name="Birthday").pk)
    found = Profile.objects.filter(external_id__in=set(people) - {"dev"})
    return {str(one.external_id): holdout.place(one.pk, salt) for one in found}


def drawn(people: tuple[str, ...]) -> set[str]:
    found = places(people)
    return {min(found, key=found.__getitem__)}


def add_policy_lapses(page: Page) -> None:
    begin(page, "Policy lapses", "A policy lapses")
    on_schedule(page, "2026-03-30T10:00", "Every week")
    quiet_at_night(page)
    save_and_activate(page)


def add_lead_form(page: Page) -> None:
    begin(page, "Lead form", "Leads")
    page.get_by_role("radio", name="On each qualifying event", exact=True).check()
    sent_to_all(page)
    save_and_activate(page)


def add_statement(page: Page, shot: Shot) -> None:
    begin(page, "Monthly statement", "Has an account")
    on_schedule(page, "2026-03-31T09:00", "Every month")
    page.get_by_label("Day of the month").select_option(label="The last day")
    page.get_by_label("Each person’s own time zone").fill("timezone")
    sent_to_all(page)
    expect(page.locator("#next-times li")).to_have_count(5)
    shot("week-statement", page.locator(".engagement-trigger"))
    save_and_activate(page)


def see_the_calendar(page: Page, shot: Shot) -> None:
    page.goto("/admin/engagements/engagement/calendar/?view=week&day=2026-03-30")
    expect(page.get_by_role("link", name="Policy lapses")).to_be_visible()
    shot("week-calendar", page.locator("#content .lb").first)


# --- What happens -----------------------------------------------------------------


def add_source(page: Page) -> str:
    page.goto("/admin/segments/source/add/")
    page.get_by_label("Name").fill("Website")
    page.get_by_role("button", name="Save", exact=True).click()
    return page.get_by_label("Write key of Website").input_value()


def submit(live_server: LiveServer, key: str, who: str, product: str) -> None:
    """A lead form, by somebody who may be nobody's customer yet."""
    messages = [
        {"type": "identify", "traits": {"first_name": who.title()}},
        {"type": "track", "event": LEAD, "properties": {"product_id": product}},
    ]
    answer = requests.post(
        f"{live_server.url}/v1/batch",
        json={"batch": [message | {"userId": who} for message in messages]},
        auth=(key, ""),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


def rest() -> None:
    """Until a whole tick has come and gone, and nothing is left that is due."""
    before = turns()
    wait_until(lambda: turns() >= before + 2, "a whole tick")
    wait_until(is_at_rest, "what is due")


def turns() -> int:
    """How often the last of the tick's chores was done."""
    return (
        Chore.objects.filter(name="take a sample")
        .values_list("token", flat=True)
        .first()
        or 0
    )


def is_at_rest() -> bool:
    due = Batch.objects.open().filter(next_attempt_at__lte=database_clock.now())
    return not InboxRequest.objects.exists() and not due.exists()


def arrived(sandbox: SandboxProcess) -> dict[str, list[tuple[str, str]]]:
    """Person → the events in the sandbox, in order, with what they are about."""
    found = {}
    for who in (*PEOPLE, "iris"):
        person = sandbox.user(who)
        if person and person["event_list"]:
            found[who] = [
                (event["name"], event["properties"]["product_id"])
                for event in person["event_list"]
            ]
    return found


def add(
    expected: dict[str, list[tuple[str, str]]], people: set[str], event: tuple[str, str]
) -> None:
    for who in people:
        expected.setdefault(who, []).append(event)


def zone_of(who: str) -> str:
    """Their own; nobody's, and one that there is not, is the bank's."""
    zone = PEOPLE[who]["timezone"]
    return FALLBACK if zone in ("", "Mars/Olympus") else zone


def balance(who: str) -> str:
    return f"{1000.5 + list(PEOPLE).index(who):,.2f}"


def who_was_held_back(page: Page, held: set[str], shot: Shot) -> None:
    """The report says whom nothing was sent, and why; each number opens them."""
    [drawn_one] = held
    excluded = ("In a segment that is excluded", "dev")
    assert_skipped(page, "Birthday", [excluded, ("Holdout", drawn_one)])
    assert_skipped(page, "Policy lapses", [excluded, ("Frequency cap", "eva")])
    page.goto(Engagement.objects.get(name="Policy lapses").get_absolute_url())
    shot("week-report", page.locator("#report"))
    page.get_by_role("link", name="Who gets it?").click()
    page.get_by_label("An identifier of the person").fill("eva")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Is not sent: Frequency caps.")).to_be_visible()
    shot("week-who", page.locator("#content .lb").first)


def assert_skipped(page: Page, name: str, reasons: list[tuple[str, str]]) -> None:
    """One person for each of the reasons, and nobody else."""
    engagement = Engagement.objects.get(name=name)
    skipped = Delivery.objects.filter(run__engagement=engagement, state="skipped")
    assert skipped.count() == len(reasons)
    for reason, who in reasons:
        page.goto(engagement.get_absolute_url())
        row = page.locator("#report tr.report-part").filter(has_text=reason)
        row.get_by_role("link", name="1", exact=True).click()
        rows = page.locator("#result_list tbody tr")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(who)


def names_and_times(sandbox: SandboxProcess) -> None:
    """Each by name; and nobody at night, by their own clock, but who asked for it."""
    for who in (*PEOPLE, "iris"):
        person = sandbox.user(who)
        assert person is not None
        assert person["first_name"] == who.title()
        zone = ZoneInfo(zone_of(who) if who in PEOPLE else FALLBACK)
        for event in person["event_list"]:
            local = datetime.fromisoformat(event["time"]).astimezone(zone)
            if event["name"] == "lead_submitted":
                continue
            assert 8 <= local.hour < 21, (who, event)
            if event["name"] == "statement_ready":
                assert (local.day, local.hour) == (31, 9), (who, event)
    assert sandbox.duplicates() == []
