"""Segment's own Python library, pointed at our server, works unchanged."""

import time
from datetime import UTC, datetime

import pytest
from segment.analytics.client import Client

from segments.ingest import inbox
from segments.models import Event, Profile, Source
from segments.tracking import write_keys

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sdk(live_server):
    made: list[Client] = []

    def sdk(write_key=None, **options):
        client = Client(
            write_key or write_keys.issue(Source(name="Shop")),
            host=live_server.url,
            on_error=lambda error, items: errors.append(error),
            max_retries=0,
            **options,
        )
        made.append(client)
        return client, errors

    errors = []
    yield sdk
    for client in made:
        if client.consumers:
            client.join()


@pytest.mark.parametrize("options", [{}, {"gzip": True}], ids=["plain", "gzip"])
def test_identify_track_and_flush_arrive(sdk, options):
    client, errors = sdk(**options)
    when = datetime(2026, 1, 31, 12, tzinfo=UTC)
    client.identify("u1", {"email": "Ann@example.com", "city": "Pune"}, timestamp=when)
    client.track("u1", "Lead form submitted", {"form": "demo"}, timestamp=when)
    client.track(anonymous_id="a1", event="Visited")
    client.page("u1", name="Home")
    client.flush()

    assert errors == []
    assert inbox.apply().messages == 4
    ann = Profile.objects.get(external_id="u1")
    assert (ann.email, ann.attributes) == ("ann@example.com", {"city": "Pune"})
    event = ann.events.get(name="Lead form submitted")
    assert (event.name, event.properties) == ("Lead form submitted", {"form": "demo"})
    # The clocks are the same here: what is left is the time on the wire.
    assert abs((event.time - when).total_seconds()) < 5


def test_a_retried_message_is_there_once(sdk):
    client, errors = sdk(sync_mode=True)
    for _ in range(2):
        client.track("u1", "Lead", message_id="m1")
    inbox.apply()
    assert Event.objects.count() == 1


def test_a_wrong_write_key_is_told_to_the_sender(sdk):
    client, errors = sdk("wrong")
    client.identify("u1")
    client.flush()
    deadline = time.monotonic() + 10
    while not errors and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (errors[0].status, errors[0].code) == (401, "unauthorized")
