"""From a website's event to Braze, through every real part, on wake-ups alone."""

import pytest
from segment.analytics.client import Client

from engagements.lifecycle import transitions
from engagements.models import Attempt, Delivery
from segments.membership import refresh
from segments.models import Segment
from segments.tracking import write_keys
from tests import factories
from tests.doubles.celery_processes import worker
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

BODY = {
    "attributes": [{"external_id": "{{ID}}", "first_name": "{{Name of the User}}"}],
    "events": [
        {
            "external_id": "{{ID}}",
            "name": "lead_form",
            "time": "{{Event Time}}",
            "properties": {"product_id": "{{Product ID}}"},
        }
    ],
}
VALUES = {
    "Name of the User": '{{ profile.first_name | default: "there" }}',
    "Product ID": "{{ event.properties.product_id }}",
    "Event Time": "{{ event.time }}",
}


def test_an_event_sent_with_segments_sdk_reaches_braze(live_server, braze, sandbox):
    source = factories.make_source()
    write_key = write_keys.issue(source)
    segment = factories.make_segment(
        rule={"event": "Lead form submitted", "at_least": 1, "within_days": 30},
        event_names=["Lead form submitted"],
    )
    refresh.refresh(segment.pk)
    version = factories.make_version(
        body=BODY,
        parameters=[
            factories.parameter("ID", level="identifier"),
            factories.parameter("Name of the User"),
            factories.parameter("Event Time", type="datetime"),
            factories.parameter("Product ID"),
        ],
        connection=braze,
    )
    engagement = factories.make_engagement(segment, version, VALUES)
    transitions.activate(engagement)
    client = Client(write_key, host=live_server.url, sync_mode=True)

    # No beat: if a wake-up were missing, nothing would ever arrive.
    with worker():
        client.identify("maya", {"first_name": "Maya", "email": "maya@example.com"})
        client.track("maya", "Lead form submitted", {"product_id": "home-loan"})
        client.track("noor", "Product viewed", {"product_id": "car-loan"})
        wait_until(lambda: sandbox.user("maya") is not None, "Maya in Braze")
        wait_until(
            lambda: Attempt.objects.filter(outcome="sent").exists(), "the record"
        )

    maya = sandbox.user("maya")
    assert maya["first_name"] == "Maya"
    (event,) = maya["event_list"]
    assert event["name"] == "lead_form"
    assert event["properties"] == {"product_id": "home-loan"}
    assert sandbox.user("noor") is None
    assert Segment.objects.get().size == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, str(delivery.profile)) == ("sent", "maya")
