"""How long the lists of the admin take, and a search for a person."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.contrib.admin import site
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from benchmarks import engine, people
from benchmarks.report import percentile
from benchmarks.suite import say
from engagements.lifecycle import completion
from engagements.models import Delivery, Engagement, Run
from engagements.reporting import reports
from engagements.reporting.reports import Report
from externalapi.models import ExternalAPIVersion
from lemnisk_braze.lib.keyset import OLDER, OLDEST, KeysetList
from lemnisk_braze.local.processes import LocalError
from segments.models import Profile, Segment

# Deliveries a person, each of another run. The runs of each Engagement: the last one
# sends only what changed, and guards stop some.
RUNS = (3, 1, 1)
IN_A_REQUEST = 75
# Of an Engagement that listens: so many enter while each of the others' runs is sent.
ENTRIES = 40
# How often each is asked in a round.
TIMES = 2
# A link of a list to itself: a filter, or another page of it.
LINK = re.compile(r'href="(\?[^"]+)"')
# In the address of a row's page: its key.
ROW = re.compile(r"/(?:[0-9]+|[0-9a-f]{8}-[0-9a-f-]+)/")
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
        (run_id, sequence, state, profile_ids, event_ids, transition_ids, sent_count,
        skip_counts)
    SELECT %(run)s, sequence, 'done', array_agg(id ORDER BY id), '{{}}', '{{}}',
        count(*) FILTER (WHERE {state} = 'sent'),
        jsonb_strip_nulls(jsonb_build_object(
            'holdout', nullif(count(*) FILTER (WHERE {reason} LIKE 'holdout:%%'), 0),
            'frequency_cap',
            nullif(count(*) FILTER (WHERE {reason} LIKE 'frequency_cap:%%'), 0),
            'too_big', nullif(count(*) FILTER (WHERE {reason} LIKE 'too_big:%%'), 0),
            'unchanged',
            nullif(count(*) FILTER (WHERE {reason} LIKE 'unchanged:%%'), 0)))
    FROM people GROUP BY sequence ORDER BY sequence
    RETURNING id, sequence, sent_count
), attempts AS (
    INSERT INTO engagements_attempt (id, batch_id, version_id, key_version, worker,
        item_count, request_sha256, outcome, status, duration_ms, started_at)
    SELECT gen_random_uuid(), id, %(version)s, 1, 'benchmark', sent_count, '', 'sent',
        201, 20, now() + make_interval(secs => sequence * 0.001) FROM batches
)
INSERT INTO engagements_delivery (run_id, profile_id, batch_id, state, reason)
SELECT %(run)s, people.id, batches.id, {state}, {reason}
FROM people JOIN batches USING (sequence) ORDER BY people.id
"""
OWN_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
WHERE i.indrelid = %s::regclass AND c.oid IS NULL
"""
ENTERED = """
WITH people AS (
    SELECT id, row_number() OVER (ORDER BY id) AS n FROM segments_profile
    ORDER BY id LIMIT %(count)s
), batches AS (
    INSERT INTO engagements_batch (run_id, sequence, state, profile_ids, event_ids,
        transition_ids, sent_count)
    SELECT %(run)s, %(first)s + n, 'done', ARRAY[id], '{}', ARRAY[%(first)s + n], 1
    FROM people RETURNING id, profile_ids[1] AS person, transition_ids[1] AS entry
)
INSERT INTO engagements_delivery (run_id, profile_id, batch_id, transition_id, state)
SELECT %(run)s, person, id, entry, 'sent' FROM batches
"""
# What became of whom (state, reason), where everybody is sent and where guards are asked.
EVERYBODY = {
    "state": "CASE WHEN people.id %% 100 = 0 THEN 'rejected' ELSE 'sent' END",
    "reason": "CASE WHEN people.id %% 100 = 0 THEN 'The number is not valid.' ELSE '' END",
}
GUARDED = {
    "state": "CASE WHEN people.id %% 10 = 0 THEN 'sent' ELSE 'skipped' END",
    "reason": """CASE people.id %% 10 WHEN 0 THEN ''
        WHEN 3 THEN CASE WHEN people.id %% 100000 = 3 THEN 'too_big: It takes more.'
            ELSE 'unchanged: Nothing has changed since Braze last accepted it.' END
        WHEN 1 THEN 'holdout: Kept out by chance: 10 %% are not sent this Engagement.'
        WHEN 2 THEN 'frequency_cap: Frequency cap “All”: at most 5 a week.'
        ELSE 'unchanged: Nothing has changed since Braze last accepted it.' END""",
}


@contextmanager
def indexes_later(table: str) -> Iterator[None]:
    """Make the table's indexes, but its keys, when its rows are there: in seconds each."""
    with people.as_long_as_it_takes() as cursor:
        cursor.execute(OWN_INDEXES, [table])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with people.as_long_as_it_takes() as cursor:
        for _, statement in indexes:
            cursor.execute(statement)


def load_visitors() -> None:
    """Let everybody have an anonymous ID."""
    with people.as_long_as_it_takes() as cursor:
        cursor.execute(VISITORS)
        cursor.execute("VACUUM ANALYZE segments_identifier")


def load_deliveries(url: str) -> None:
    """Let everybody have got RUNS messages, in batches as the engine makes them."""
    version = engine.make_version(
        "Lists", engine.make_connection(url), people.BODY, people.PARAMETERS
    )
    segment = Segment.objects.create(name="Lists", is_active=False)
    listening = _listening(version, segment)
    for number, runs in enumerate(RUNS):
        engagement = Engagement.objects.create(
            name=f"Lists {number}",
            segment=segment,
            version=version,
            values=dict(people.VALUES),
            state=Engagement.State.ENDED,
        )
        became = GUARDED if number == len(RUNS) - 1 else EVERYBODY
        for day in range(runs):
            run = Run.objects.create(
                engagement=engagement,
                version=version,
                values=engagement.values,
                scheduled_for=engagement.created_at - timedelta(days=day),
                state=Run.State.COMPLETED,
            )
            asked = {"run": run.pk, "version": version.pk, "size": IN_A_REQUEST}
            with people.as_long_as_it_takes() as cursor:
                cursor.execute(SENT.format(**became), asked)
                first = listening.deliveries.count()
                entered = {"run": listening.pk, "first": first, "count": ENTRIES}
                cursor.execute(ENTERED, entered)
            # Before the next begins, as a run ends: where its deliveries lie is known.
            completion.finish()
    with people.as_long_as_it_takes() as cursor:
        for table in ("batch", "attempt", "delivery"):
            cursor.execute(f"VACUUM ANALYZE engagements_{table}")


def _listening(version: ExternalAPIVersion, segment: Segment) -> Run:
    engagement = Engagement.objects.create(
        name="Lists, who enters",
        segment=segment,
        version=version,
        values=dict(people.VALUES),
        trigger=Engagement.Trigger.ON_ENTRY,
        state=Engagement.State.ENDED,
    )
    return Run.objects.create(
        engagement=engagement,
        version=version,
        values=engagement.values,
        scheduled_for=engagement.created_at,
        state=Run.State.SENDING,
        is_standing=True,
        trigger=engagement.trigger,
    )


def pages(times: int) -> dict[str, list[float]]:
    """Address → how many ms it took: home, each list's first and last page, a row's own.

    Each list as it is, and with each filter that it has a link to. Of 0 times the first
    request's, which imports, compiles a template and connects; and of each filter one
    value alone, of each page one row.
    """
    return _took(_addresses(), times)


def deliveries(times: int) -> dict[str, list[float]]:
    """The same of whatever is asked of deliveries: filters, reports, runs, the calendar."""
    return _took(_of_deliveries(), times)


def _took(addresses: Iterable[str], times: int) -> dict[str, list[float]]:
    client = _client()
    took: dict[str, list[float]] = {}
    kinds = set[tuple[str, ...]]()
    for address in addresses:
        if not times and _kind(address) in kinds:
            continue
        kinds.add(_kind(address))
        first = _ask(client, address)
        took[address] = [_ask(client, address) for _ in range(times)] or [first]
        say(f"  {address}: {max(took[address]):,.0f} ms")
    return took


def searches(size: int, times: int) -> dict[str, list[float]]:
    """The same of a search, by what each kind of identifier and name begins with.

    Of so many people; of 0 the first request's about one.
    """
    client = _client()
    took: dict[str, list[float]] = {}
    address = reverse("admin:segments_profile_changelist")
    for turn in range(times or 1):
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
            if times and not turn:
                _ask(client, url)
            took.setdefault(what, []).append(_ask(client, url))
    for what, each in took.items():
        say(f"  {what}: {percentile(each, 95):,.0f} ms")
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
            for query in _filters_of(address):
                yield f"{address}{query}"
                yield f"{address}{query}&{OLDEST}=1"
        elif (last := -(-model._default_manager.count() // admin.list_per_page)) > 1:
            yield f"{address}?p={last}"


def _filters_of(address: str) -> list[str]:
    """What the list's page links to of itself, but its other pages."""
    found = LINK.findall(_client().get(address).content.decode())
    queries = dict.fromkeys(map(unescape, found))
    return [one for one in queries if not {OLDER, OLDEST} & set(_filters(one))]


def _of_deliveries() -> Iterator[str]:
    person = Profile.objects.order_by("pk")[1_234 % Profile.objects.count()]
    yield reverse("admin:index")
    yield reverse("admin:engagements_calendar")
    yield reverse("admin:engagements_guards")
    yield reverse("admin:engagements_frequencycap_changelist")
    yield reverse("admin:engagements_operations")
    yield reverse("admin:segments_profile_change", args=[person.pk])
    filters: list[dict[str, object]] = [{}, {"profile__id__exact": person.pk}]
    filters += [{"q": person.external_id}, {"q": "nobody"}, {"q": person.email}]
    filters += [{"state__exact": state} for state in Delivery.State]
    for engagement in Engagement.objects.order_by("pk"):
        address = reverse("admin:engagements_engagement_change", args=[engagement.pk])
        yield address
        yield reverse("admin:engagements_engagement_report", args=[engagement.pk])
        report = reports.engagement_report(engagement)
        filters += map(_filters, _numbers(report))
    for run in Run.objects.order_by("pk"):
        yield reverse("admin:engagements_run_change", args=[run.pk])
        filters += map(_filters, _numbers(reports.run_report(run)))
    yield reverse("admin:engagements_run_changelist")
    yield reverse("admin:engagements_engagement_changelist")
    address = reverse("admin:engagements_delivery_changelist")
    words = ("not valid", "nothing anybody said")
    filters += [{"why": text} for text in words]
    filters += [{"since": "2020-01-01T00:00"}, {"before": "2020-01-01T00:00"}]
    for asked in {urlencode(one): one for one in filters}.values():
        yield f"{address}?{urlencode(asked)}"
        yield f"{address}?{urlencode({**asked, OLDEST: 1})}"


def _numbers(report: Report) -> Iterator[str]:
    """Where a report's numbers lead: to their people."""
    yield report.url
    for row in report.rows:
        yield row.url
        yield from (part.url for part in row.parts)


def _kind(address: str) -> tuple[str, ...]:
    """The page and the names of its filters, whatever their values."""
    return ROW.sub("/…/", urlsplit(address).path), *sorted(_filters(address))


def _filters(url: str) -> dict[str, object]:
    return dict(parse_qsl(urlsplit(url).query))


def _ask(client: Client, address: str) -> float:
    started = time.perf_counter()
    answer = client.get(address, follow=True)
    took = (time.perf_counter() - started) * 1000
    if answer.status_code != 200:
        raise LocalError(f"{address} answers {answer.status_code}.")
    return took
