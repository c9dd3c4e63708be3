"""An engagement that listens to a segment of leads, and people who do things."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement
from engagements.reporting import reports
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from segments.ingest import inbox
from segments.models import Segment, Transition
from tests import factories

BODY = {
    "events": [
        {
            "external_id": "{{ID}}",
            "name": "lead_form",
            "time": "{{Event Time}}",
            "properties": {"product_id": "{{Product ID}}"},
        }
    ]
}
VALUES = {
    "Product ID": '{{ event.properties.product_id | default: "none" }}',
    "Event Time": "{{ now }}",
}
# Whoever sent the form, and did not take it back since.
RULE = {"all": [{"event": "Lead"}, {"not": {"event": "Withdrawn"}}]}


@pytest.fixture
def tell() -> Callable[..., None]:
    """Apply messages, each (who, event, properties), so many in one chunk.

    "ann" is a user, "/device" a device, and "ann/device" both.
    """
    source = factories.make_source()
    numbers = iter(range(100_000))

    def tell(*messages, at_once: int = 1_000) -> None:
        made = []
        for who, event, *rest in messages:
            user, _, device = who.partition("/")
            payload = {"timestamp": timezone.now().isoformat()}
            payload |= {"userId": user} if user else {}
            payload |= {"anonymousId": device} if device else {}
            if event == "identify":
                payload |= {"traits": rest[0]}
                kind = "identify"
            else:
                payload |= {"event": event, "properties": rest[0] if rest else {}}
                kind = "track"
            made.append((f"m{next(numbers)}", kind, payload))
        inbox.append(source, made)
        while inbox.apply_some(at_once):
            pass

    return tell


@pytest.fixture
def leads() -> Segment:
    return factories.make_segment(rule=RULE, event_names=["Lead", "Withdrawn"])


@pytest.fixture
def listening(braze, leads) -> Callable[..., Engagement]:
    """An engagement of the leads, activated, that sends an event for each."""

    def listening(trigger: str, **fields) -> Engagement:
        version = factories.make_version(
            body=BODY,
            parameters=[
                factories.parameter("ID", level="identifier"),
                factories.parameter("Event Time", type="datetime"),
                factories.parameter("Product ID"),
            ],
            connection=braze,
        )
        engagement = factories.make_engagement(
            fields.pop("segment", leads), version, VALUES, trigger=trigger, **fields
        )
        transitions.activate(engagement)
        return engagement

    return listening


def work() -> None:
    """Send what is due now, by as many pieces of work as it takes on a busy machine."""
    while loop.work(timedelta(seconds=0.5)):
        pass


def lead(who: str, product: str) -> tuple[str, str, dict[str, str]]:
    return (who, "Lead", {"product_id": product})


def arrived(sandbox: SandboxProcess, who: str) -> list[str]:
    """The products of a person's events at Braze, in the order in which they came."""
    user = sandbox.user(who)
    events = user["event_list"] if user else []
    return [event["properties"]["product_id"] for event in events]


def states(engagement: Engagement) -> dict[str, int]:
    report = reports.engagement_report(engagement)
    return {row.key: row.count for row in report.rows}


def reasons(engagement: Engagement) -> list[str]:
    skipped = Delivery.objects.filter(run__engagement=engagement, state="skipped")
    return sorted(row.reason.partition(":")[0] for row in skipped)


def let_pass(**units: float) -> None:
    """Whatever stands in the log was so long before."""
    Transition.objects.update(at=F("at") - timedelta(**units))
