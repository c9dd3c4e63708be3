"""What monitoring is told, without names and without signing in."""

import pytest
from django.core.cache import cache
from django.utils import timezone

from engagements.models import Sample
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def asked_anew():
    cache.clear()
    yield
    cache.clear()


def tick() -> None:
    now = timezone.now()
    Sample.objects.create(
        since=now,
        until=now,
        people=0,
        requests=0,
        waiting_people=0,
        waiting_batches=0,
    )


def test_all_is_well(client):
    tick()
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["alarms"] == []
    assert answer.json()["tick_age_seconds"] < 60


def test_an_alarm_is_503(client):
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["alarms"] == ["tick"]


def test_an_engagement_that_is_stopped_is_no_reason_to_page_everybody(client):
    tick()
    engagement = factories.make_engagement(
        state="blocked", blocked_reason="Invalid API key"
    )
    factories.make_batch(factories.make_run(engagement, state="sending"))
    answer = client.get("/healthz")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert engagement.name not in text and "Invalid" not in text


def test_monitoring_needs_no_tls(client, settings):
    tick()
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == 200


def test_only_reading_is_answered(client):
    assert client.post("/healthz").status_code == 405
