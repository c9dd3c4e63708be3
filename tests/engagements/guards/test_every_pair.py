"""Each guard alone, and all pairs of them, against the sandbox: who got what, by person.

The guards are set while the people wait already: they are asked when a request is
written. Who is stopped by several is stopped by the first.
"""

import itertools
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest

from engagements.audience import expansion
from engagements.guards import pipeline
from engagements.lifecycle import transitions
from engagements.models import (
    ConsentRule,
    Delivery,
    Engagement,
    FrequencyCap,
    GlobalHoldout,
    SentLately,
    SuppressedChannels,
    Suppression,
)
from lemnisk_braze.lib import database_clock
from segments.membership import refresh
from segments.models import Profile
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db

PRO = {"attribute": "plan", "is": "equals", "value": "pro"}
PEOPLE = 24


def every(n: int, start: int = 0) -> set[str]:
    return {f"p{i:02}" for i in range(start, PEOPLE, n)}


def some(names: set[str]) -> list[Profile]:
    return list(Profile.objects.filter(external_id__in=names).order_by("pk"))


def suppression_segment(engagement: Engagement) -> set[str]:
    factories.make_segment(some(every(2)), is_suppression=True)
    return every(2)


def suppression_by_hand(engagement: Engagement) -> set[str]:
    """By who they are, by their e-mail, and by an identifier that was said of them."""
    first, second, third, fourth = some({"p01", "p04", "p09", "p13"})
    Suppression.objects.create(kind="person", profile=first)
    Suppression.objects.create(kind="email", value=second.email)
    third.identifiers.create(kind="loyalty_card", value="77")
    Suppression.objects.create(
        kind="loyalty_card", value="77", channels=["crm", "customer_data"]
    )
    # Of another channel; and of nobody.
    Suppression.objects.create(kind="email", value=fourth.email, channels=["crm"])
    Suppression.objects.create(kind="phone", value="+4930123456")
    return {"p01", "p04", "p09"}


def consent(engagement: Engagement) -> set[str]:
    """A list says yes by one of its values; what is missing, null or no is no."""
    ConsentRule.objects.create(
        channel="customer_data", attribute="agreed", values=["true", "Yes"]
    )
    ConsentRule.objects.create(channel="crm", attribute="never", values=["x"])
    said = [True, "yes", ["no", "YES"], "no", None, False]
    for n, person in enumerate(some(every(1))):
        if n % 7 < len(said):
            person.attributes = {**person.attributes, "agreed": said[n % 7]}
            person.save()
    return {f"p{i:02}" for i in range(PEOPLE) if i % 7 >= 3}


def exclusion(engagement: Engagement) -> set[str]:
    for start in (0, 1):
        segment = factories.make_segment(some(every(5, start)))
        engagement.exclusions.create(segment=segment)
    return every(5) | every(5, 1)


def left(engagement: Engagement) -> set[str]:
    for person in some(every(3)):
        person.attributes = {**person.attributes, "plan": "free"}
        person.save()
        refresh.evaluate([person.pk])
    return every(3)


def drawn(share: float, salt: str) -> set[str]:
    found = set[str]()
    for person in some(every(1)):
        digest = sha256(f"{salt}\n{person.pk}".encode()).hexdigest()
        if int(digest[:16], 16) / 2**64 * 100 < share:
            found.add(str(person.external_id))
    return found


def holdout_of_all(engagement: Engagement) -> set[str]:
    row = GlobalHoldout.objects.create(share=30)
    return drawn(30, row.salt)


def holdout(engagement: Engagement) -> set[str]:
    Engagement.objects.update(holdout_share=40)
    return drawn(40, f"holdout of engagement {engagement.pk}")


def quiet_hours(engagement: Engagement) -> set[str]:
    """It is quiet where it is as late as in Kathmandu, and nowhere else."""
    local = database_clock.now().astimezone(ZoneInfo("Asia/Kathmandu"))
    Engagement.objects.update(
        quiet_from=(local - timedelta(minutes=30)).time(),
        quiet_to=(local + timedelta(minutes=30)).time(),
        quiet_zone_attribute="zone",
        quiet_action="skip",
    )
    for n, person in enumerate(some(every(4))):
        zone = "Asia/Kathmandu" if n % 2 else "Mars"
        person.attributes = {**person.attributes, "zone": zone}
        person.save()
    return every(8, 4)


def frequency_cap(engagement: Engagement) -> set[str]:
    """Some were sent something else a moment ago."""
    FrequencyCap.objects.create(name="One a day", most=1)
    now = round(database_clock.now().timestamp() * 1_000)
    for person in some(every(4, 1)):
        sends = [[now, 0, 0, "customer_data", 0, 0]]
        SentLately.objects.create(profile=person, sends=sends)
    return every(4, 1)


# In the order in which they are asked: the reason's code, and how it is set.
GUARDS: Mapping[str, tuple[str, Callable[[Engagement], set[str]]]] = {
    "suppression segment": ("suppressed", suppression_segment),
    "suppression list": ("suppressed", suppression_by_hand),
    "consent": ("no_consent", consent),
    "exclusion": ("excluded", exclusion),
    "left": ("left_segment", left),
    "holdout of all": ("holdout_global", holdout_of_all),
    "holdout": ("holdout", holdout),
    "quiet hours": ("quiet_hours", quiet_hours),
    "frequency cap": ("frequency_cap", frequency_cap),
}
NAMES = list(GUARDS)
SETS = [(), *((one,) for one in NAMES), *itertools.combinations(NAMES, 2), tuple(NAMES)]


@pytest.fixture
def engagement(braze) -> Engagement:
    for i in range(PEOPLE):
        name = f"p{i:02}"
        factories.make_profile(
            external_id=name, email=f"{name}@x.example", first_name=name, plan="pro"
        )
    segment = factories.make_segment(rule=PRO)
    version = factories.make_version(connection=braze)
    return factories.make_engagement(segment, version, ambiguous_policy="resend")


@pytest.mark.parametrize("names", SETS, ids=" and ".join)
def test_who_is_sent_and_who_is_stopped_by_what(engagement, sandbox, names):
    transitions.activate(engagement)
    refresh.refresh(engagement.segment_id)
    while expansion.expand(expansion.expandable_runs()):
        pass
    expected = dict.fromkeys(every(1), "sent")
    for name in reversed(names):
        code, set_up = GUARDS[name]
        expected |= dict.fromkeys(set_up(engagement), code)
    working.to_the_end(engagement)

    rows = Delivery.objects.values_list("profile__external_id", "state", "reason")
    found = {
        name: reason.split(":")[0] if state == "skipped" else state
        for name, state, reason in rows
    }
    assert found == expected
    sent = {name for name, end in expected.items() if end == "sent"}
    assert invariants.received(sandbox) == dict.fromkeys(sent, 1)
    assert len(rows) == PEOPLE


def test_each_guard_is_in_the_table():
    assert len({code for code, _ in GUARDS.values()}) == len(pipeline.ORDER) + 1


def test_a_channel_s_suppression_leaves_others_alone(engagement, sandbox):
    segment = factories.make_segment(some(every(2)), is_suppression=True)
    SuppressedChannels.objects.create(segment=segment, channels=["messaging"])
    transitions.activate(engagement)
    refresh.refresh(engagement.segment_id)
    working.to_the_end(engagement)
    assert set(invariants.received(sandbox)) == every(1)
