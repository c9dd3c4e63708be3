"""How long the lists of the admin take, and a search for a person."""

import time
from collections.abc import Iterator

from django.contrib.admin import site
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from benchmarks import engine, people
from benchmarks.report import percentile
from benchmarks.suite import say
from engagements.models import Engagement, Run
from lemnisk_braze.lib.keyset import OLDEST, KeysetList
from lemnisk_braze.local.processes import LocalError
from segments.models import Profile, Segment

# Deliveries a person, each of another run.
RUNS = 5
IN_A_REQUEST = 75
# How often each is asked in a round.
TIMES = 5
VISITORS = """
INSERT INTO segments_identifier (kind, value, profile_id)
SELECT 'anonymous_id', gen_random_uuid(), id FROM segments_profile
"""
SENT = """
WITH people AS (
    SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(size)s AS sequence
    FROM segments_profile
), batches AS (
    INSERT INTO engagements_batch
        (run_id, sequence, state, profile_ids, event_ids, transition_ids, sent_count)
    SELECT %(run)s, sequence, 'done', array_agg(id ORDER BY id), '{}', '{}', count(*)
    FROM people GROUP BY sequence ORDER BY sequence
    RETURNING id, sequence, sent_count
), attempts AS (
    INSERT INTO engagements_attempt (id, batch_id, version_id, key_version, worker,
        item_count, request_sha256, outcome, status, duration_ms, started_at)
    SELECT gen_random_uuid(), id, %(version)s, 1, 'benchmark', sent_count, '', 'sent',
        201, 20, now() + make_interval(secs => sequence * 0.001) FROM batches
)
INSERT INTO engagements_delivery (run_id, profile_id, batch_id, state, reason)
SELECT %(run)s, people.id, batches.id,
    CASE WHEN people.id %% 100 = 0 THEN 'rejected' ELSE 'sent' END,
    CASE WHEN people.id %% 100 = 0 THEN 'The number is not valid.' ELSE '' END
FROM people JOIN batches USING (sequence) ORDER BY people.id
"""


def load_visitors() -> None:
    """Let everybody have an anonymous ID."""
    with connection.cursor() as cursor:
        cursor.execute(VISITORS)
        cursor.execute("VACUUM ANALYZE segments_identifier")


def load_deliveries(url: str) -> None:
    """Let everybody have got RUNS messages, in batches as the engine makes them."""
    version = engine.make_version(
        "Lists", engine.make_connection(url), people.BODY, people.PARAMETERS
    )
    segment = Segment.objects.create(name="Lists", is_active=False)
    for number in range(RUNS):
        engagement = Engagement.objects.create(
            name=f"Lists {number}",
            segment=segment,
            version=version,
            values=dict(people.VALUES),
            state=Engagement.State.ENDED,
        )
        run = Run.objects.create(
            engagement=engagement,
            version=version,
            values=engagement.values,
            scheduled_for=engagement.created_at,
            state=Run.State.COMPLETED,
        )
        asked = {"run": run.pk, "version": version.pk, "size": IN_A_REQUEST}
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(SENT, asked)
    with connection.cursor() as cursor:
        for table in ("batch", "attempt", "delivery"):
            cursor.execute(f"VACUUM ANALYZE engagements_{table}")


def pages() -> dict[str, list[float]]:
    """Address → how many ms it took: home, each list's first and last page, a row's own."""
    client = _client()
    took: dict[str, list[float]] = {}
    for address in _addresses():
        # The first request imports, compiles a template and connects.
        _ask(client, address)
        took[address] = [_ask(client, address) for _ in range(TIMES)]
        say(f"  {address}: {max(took[address]):,.0f} ms")
    return took


def searches(size: int) -> dict[str, list[float]]:
    """The same of a search, by what each kind of identifier and name begins with."""
    client = _client()
    took: dict[str, list[float]] = {}
    address = reverse("admin:segments_profile_changelist")
    for turn in range(TIMES):
        number = 1 + (turn * 7_919 + size // 3) % size
        person = Profile.objects.get(external_id=f"person-{number}")
        visitor = person.identifiers.filter(kind="anonymous_id").get()
        for what, typed in {
            "an external ID": person.external_id,
            "its beginning": f"person-{number}"[:-1],
            "an e-mail address": person.email,
            "its beginning, in capitals": person.email[:9].upper(),
            "a phone": person.phone,
            "the beginning of many phones": person.phone[:3],
            "a name": person.called,
            "a first name of many": person.attributes["first_name"],
            "a last name": person.attributes["last_name"],
            "a letter": "p",
            "an anonymous ID": visitor.value,
            "nobody": f"nobody-{number}",
        }.items():
            url = f"{address}?q={typed}"
            if not turn:
                _ask(client, url)
            took.setdefault(what, []).append(_ask(client, url))
    for what, times in took.items():
        say(f"  {what}: {percentile(times, 95):,.0f} ms")
    return took


def _client() -> Client:
    client = Client(SERVER_NAME="localhost")
    user, _ = User.objects.get_or_create(
        username="benchmark", is_staff=True, is_superuser=True
    )
    client.force_login(user)
    return client


def _addresses() -> Iterator[str]:
    yield reverse("admin:index")
    for model, admin in site._registry.items():
        options = model._meta
        name = f"admin:{options.app_label}_{options.model_name}"
        address = reverse(f"{name}_changelist")
        yield address
        if newest := model._default_manager.order_by("-pk").first():
            yield reverse(f"{name}_change", args=[newest.pk])
        if isinstance(admin, KeysetList):
            yield f"{address}?{OLDEST}=1"
        elif (last := -(-model._default_manager.count() // admin.list_per_page)) > 1:
            yield f"{address}?p={last}"


def _ask(client: Client, address: str) -> float:
    started = time.perf_counter()
    answer = client.get(address, follow=True)
    took = (time.perf_counter() - started) * 1000
    if answer.status_code != 200:
        raise LocalError(f"{address} answers {answer.status_code}.")
    return took
