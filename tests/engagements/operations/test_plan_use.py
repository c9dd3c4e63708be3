"""What a connection's page says of its rate plan, out of attempts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from engagements.operations import plan_use
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 10, 30, 20, tzinfo=UTC)


def connection(**plan):
    return factories.make_connection(name="EU", **plan)


def sent(on, at, count=1, **fields):
    version = factories.make_version(connection=on)
    run = factories.make_run(factories.make_engagement(version=version))
    batch = factories.make_batch(run)
    for _ in range(count):
        factories.make_attempt(batch, started_at=at, **fields)


def page(client, on):
    url = reverse("admin:externalapi_connection_change", args=[on.pk])
    return words(client.get(url))


def test_each_minute_of_the_last_hour_has_its_requests():
    braze, other = connection(), factories.make_connection()
    for before, count in (
        (timedelta(0), 2),
        (timedelta(seconds=20), 3),  # 10:30:00
        (timedelta(seconds=21), 4),  # 10:29:59
        (timedelta(minutes=59, seconds=20), 5),  # 9:31:00
        (timedelta(minutes=59, seconds=21), 6),  # an hour and more ago
    ):
        sent(braze, NOW - before, count)
    sent(other, NOW, 9)
    use = plan_use.read(braze, NOW)
    found = {f"{step.at:%H:%M}": step.requests for step in use.steps if step.requests}
    assert found == {"10:30": 5, "10:29": 4, "09:31": 5}
    assert len(use.steps) == 60
    assert (use.requests, use.most) == (14, 5)


@pytest.mark.parametrize(
    ("requests", "seconds", "steps", "allowed"),
    [
        (3000, 3, 60, 60_000),
        (100, 60, 60, 100),
        (16_000, 90, 40, 16_000),
        (1_000, 900, 4, 1_000),
        (500, 3600, 1, 500),
        # 7 s fit 8.57 times into a minute.
        (7, 7, 60, 60),
        (500, 86_400, 1, 500),
    ],
)
def test_a_step_is_a_minute_or_a_longer_window(requests, seconds, steps, allowed):
    braze = connection(requests_per_burst=requests, burst_seconds=seconds)
    sent(braze, NOW, 2)
    use = plan_use.read(braze, NOW)
    assert len(use.steps) == steps
    assert use.allowed == pytest.approx(allowed)
    assert use.steps[-1].requests == 2


def test_the_limit_is_drawn_where_it_is_near():
    braze = connection(requests_per_burst=100, burst_seconds=60)
    sent(braze, NOW, 50)
    use = plan_use.read(braze, NOW)
    assert (use.top, use.limit_y, use.percent) == (100, 0, 50)
    (bar,) = use.bars
    assert (bar.x, bar.y, bar.height) == (591, 50, 50)


def test_a_far_limit_does_not_press_the_bars_to_the_floor():
    braze = connection(requests_per_burst=100, burst_seconds=60)
    sent(braze, NOW, 4)
    use = plan_use.read(braze, NOW)
    assert use.is_far
    assert use.top == 5


def test_more_than_the_limit_fits_as_well():
    """A minute may hold the ends of one window more than the rule of three says."""
    braze = connection(requests_per_burst=10, burst_seconds=60)
    sent(braze, NOW, 12)
    use = plan_use.read(braze, NOW)
    assert (use.top, use.limit_y, use.percent) == (20, 50, 120)


def test_the_hourly_limit_is_of_the_clock_s_hour():
    braze = connection(requests_per_hour=200)
    sent(braze, NOW - timedelta(minutes=30, seconds=20), 5)  # 10:00:00
    sent(braze, NOW - timedelta(minutes=30, seconds=21), 9)
    use = plan_use.read(braze, NOW)
    assert (use.hour_used, use.hour_limit, use.hour_percent) == (5, 200, 2)


def test_the_page_says_it_in_words_and_as_a_table(admin_client):
    braze = connection(requests_per_burst=10, burst_seconds=60, requests_per_hour=200)
    sent(braze, timezone.now(), 4)
    sent(braze, timezone.now(), 1, outcome="rate_limited", status=429)
    text = page(admin_client, braze)
    assert "5 requests of Engagements. The busiest minute had" in text
    assert "Asked to wait (429): 1." in text
    assert "Since the full hour:" in text
    assert 'class="chart-limit"' in text
    assert "at most 5 of 10 allowed" in text
    assert text.count('<td class="lb-number">10</td>') == 60
    assert "style=" not in text[text.index("plan-heading") : text.index("</section>")]


def test_little_is_not_nothing(admin_client):
    braze = connection()
    sent(braze, timezone.now(), 4)
    assert "of 60,000 (under 1%)." in page(admin_client, braze)


def test_where_nothing_was_sent_the_page_says_so(admin_client):
    text = page(admin_client, connection())
    assert "No Engagement has sent a request in the last hour." in text
    assert "chart-svg" not in text


def test_who_may_not_see_attempts_sees_no_picture(client):
    client.force_login(factories.make_user("externalapi.view_connection"))
    assert "plan-heading" not in page(client, connection())


def test_a_new_connection_has_no_picture(admin_client):
    text = admin_client.get(reverse("admin:externalapi_connection_add"))
    assert "plan-heading" not in text.content.decode()
