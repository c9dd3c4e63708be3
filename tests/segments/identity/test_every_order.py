"""Every order of the same calls ends in the same people, values and events.

Held against an oracle that looks at the calls as a set. The sets of a kind live in one
database, so "one by one" is a chunk of the first call of each, then of the second.
`--orders 20` tries so many orders of each set, and all kinds through the API.
"""

import base64
import dataclasses
import functools
import http.client
import io
import itertools
import json
import queue
import random
import re
import threading
import zlib
from contextlib import ExitStack
from itertools import zip_longest

import pytest
from django.core.management import call_command
from django.db import transaction

from segments.ingest import inbox
from segments.models import Event, MergeLog, Profile, Source
from segments.tracking import write_keys
from tests import emptying
from tests.factories import make_source
from tests.faults.working import in_thread
from tests.segments.identity import call_sets, oracle

pytestmark = pytest.mark.django_db


@pytest.fixture
def seed(request):
    return request.config.getoption("--identity-seed")


@pytest.fixture
def orders(request):
    return request.config.getoption("--orders")


def one_by_one(sources, sets):
    for calls in zip_longest(*sets):
        send([call for call in calls if call], sources)
        apply()


def together(sources, sets):
    send([call for calls in sets for call in calls], sources)
    apply()


def send(calls, sources):
    """In their order, each always by the same source."""
    said = itertools.groupby(calls, lambda call: zlib.crc32(repr(call).encode()) % 3)
    for number, group in said:
        inbox.append(sources[number], [to_inbox(call) for call in group])


def apply():
    assert inbox.apply().errors == 0
    assert not inbox.is_waiting()


def to_inbox(call):
    kept = {n: v for n, v in call.items() if n not in ("type", "messageId")}
    return call["messageId"], call["type"], kept


def shuffled(sets, number):
    found = []
    for calls in sets:
        order = list(calls)
        random.Random(f"{number}/{calls[0]['messageId']}").shuffle(order)
        found.append(order)
    return found


def people():
    """The people in the database, as the oracle has them."""
    parts, roots = {}, {}
    for row in Profile.objects.prefetch_related("identifiers"):
        own = [(i.kind, i.value) for i in row.identifiers.all() if i.is_own]
        key = ("external_id", row.external_id) if row.external_id else own[0]
        assert own in ([], [key])
        parts.setdefault(row.merged_into_id or row.pk, set()).add(key)
        if row.merged_into_id:
            shown = (row.external_id, row.attributes, row.email, row.phone)
            assert shown == (None, {}, "", "")
        else:
            roots[row.pk] = row
    assert parts.keys() == roots.keys()
    events = {}
    for person, message_id in Event.objects.values_list("profile", "message_id"):
        events.setdefault(person, set()).add(message_id)
    assert events.keys() <= roots.keys()
    return {
        oracle.Person(
            parts=frozenset(parts[id]),
            external_id=row.external_id,
            attributes=tuple(
                sorted((name, oracle.text(value)) for name, value in known(row).items())
            ),
            events=frozenset(events.get(id, ())),
        )
        for id, row in roots.items()
    }


def known(row):
    contacts = {"email": row.email, "phone": row.phone}
    return row.attributes | {name: value for name, value in contacts.items() if value}


@pytest.mark.parametrize("way", [one_by_one, together])
@pytest.mark.parametrize("kind", call_sets.KINDS)
def test_every_order_ends_in_the_same_people(kind, way, seed, orders):
    sets = call_sets.make(kind, seed)
    right = oracle.people([call for calls in sets for call in calls])
    assert len(right) > call_sets.SETS / 2
    sources = [make_source() for _ in range(3)]
    for number in range(orders):
        with transaction.atomic():
            way(sources, shuffled(sets, f"{seed}/{number}"))
            found = people()
            assert found - right == set(), f"--identity-seed {seed}, order {number}"
            assert right - found == set()
            transaction.set_rollback(True)


# --- Through the API --------------------------------------------------------------

SENDERS, LANES = 4, 2


def to_api(call):
    """As a client sends it."""
    sent = dict(call)
    if ids := sent.pop("ids", None):
        named = [{"type": kind, "id": value} for kind, value in ids]
        sent["context"] = {"externalIds": named}
    return sent


def post(url, write_key, calls):
    """Send calls one by one, each in a request of its own, on one connection."""
    key = base64.b64encode(f"{write_key}:".encode()).decode()
    headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
    web = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    while True:
        try:
            call = calls.get_nowait()
        except queue.Empty:
            return web.close()
        body = json.dumps(to_api(call))
        web.request("POST", f"/v1/{call['type']}", body, headers)
        answer = web.getresponse()
        said = answer.read()
        assert answer.status == 200, said


def work(is_over):
    """A worker's share: small pieces, so that a person's calls fall into several."""
    while not is_over.is_set() or inbox.has_work():
        inbox.apply_some(7)


@pytest.mark.django_db(transaction=True)
def test_every_order_ends_in_the_same_people_through_the_api(
    api_kind, live_server, seed, orders
):
    """Several clients at once, and two workers, in whatever order that makes."""
    sets = [
        [call for call in calls if call.get("userId") or call.get("anonymousId")]
        for calls in call_sets.make(api_kind, seed)
    ]
    right = oracle.people([call for calls in sets for call in calls])
    for number in range(orders):
        write_key = write_keys.issue(Source(name="Shop"))
        calls = queue.SimpleQueue()
        order = [c for one in shuffled(sets, f"api/{seed}/{number}") for c in one]
        random.Random(f"{seed}/{number}").shuffle(order)
        for call in order:
            calls.put(call)
        is_over = threading.Event()
        send_all = functools.partial(post, live_server.url, write_key, calls)
        with ExitStack() as workers:
            for _ in range(LANES):
                workers.enter_context(in_thread(functools.partial(work, is_over)))
            workers.callback(is_over.set)
            with ExitStack() as senders:
                for _ in range(SENDERS):
                    senders.enter_context(in_thread(send_all))
        apply()
        found = people()
        assert found - right == set(), f"--identity-seed {seed}, order {number}"
        assert right - found == set()
        emptying.empty()


# --- Undone -----------------------------------------------------------------------

# What somebody says who takes a device for a user's.
IDS = {"userId": "u0", "anonymousId": "d0"}
JOINING = ("shared_device", "alias_chains", "shared_email", "named_ids")


def joining_calls(suffix, *names):
    """For each set one that says a device is a user's; or just names one of them."""
    return [
        {
            "type": "track",
            "event": "Joined",
            "messageId": f"joined-{number}-{suffix}",
            "timestamp": call_sets.TIMES[-1],
        }
        | {name: f"{IDS[name]}-{number}" for name in names or IDS}
        for number in range(call_sets.SETS)
    ]


@pytest.mark.parametrize("kind", JOINING)
def test_undone_everybody_is_as_if_it_had_never_been_said(kind, seed, orders):
    """And stays so when it is said again."""
    sources = [make_source()] * 3
    for number in range(orders):
        with transaction.atomic():
            sets = call_sets.make(kind, f"{seed}/{number}")
            together(sources, sets)
            # Both were there before.
            for name in IDS:
                send(joining_calls(name, name), sources)
            apply()
            before = by_set(people())
            send(joining_calls("1"), sources)
            apply()
            merges = MergeLog.objects.filter(
                kind="merge", message_id__regex="^joined-[0-9]+-1$"
            )
            undone = {int(m.message_id.split("-")[1]) for m in merges}
            assert undone
            for merge in merges.order_by("-pk"):
                merge.refresh_from_db()
                if merge.undone_at is None:
                    call_command("undo_merge", str(merge.pk), stdout=io.StringIO())
            for suffix in ("1", "2"):
                if suffix == "2":
                    send(joining_calls("2"), sources)
                    apply()
                after = by_set(people())
                for one in undone:
                    assert after[one] == before[one], f"{kind}, set {one}, {number}"
            transaction.set_rollback(True)


def by_set(found):
    """Those of each set, without what the joining calls themselves are."""
    sets = {}
    for person in found:
        events = {e for e in person.events if not re.search("^joined.*-[12]$", e)}
        numbers = {int(value.rpartition("-")[2]) for _, value in person.parts}
        (number,) = numbers
        kept = dataclasses.replace(person, events=frozenset(events))
        sets.setdefault(number, set()).add(kept)
    return sets
