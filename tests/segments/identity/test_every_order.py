"""Every order of the same calls ends in the same people, values and events.

Held against an oracle that looks at the calls as a set. The sets of a kind live in one
database, so "one by one" is a chunk of the first call of each, then of the second.
`--orders 20` tries so many orders of each set.
"""

import random
from itertools import zip_longest

import pytest
from django.db import transaction

from segments.ingest import inbox
from segments.models import Event, Profile
from tests.factories import make_source
from tests.segments.identity import call_sets, oracle

pytestmark = pytest.mark.django_db


@pytest.fixture
def seed(request):
    return request.config.getoption("--identity-seed")


@pytest.fixture
def orders(request):
    return request.config.getoption("--orders")


def one_by_one(source, sets):
    for calls in zip_longest(*sets):
        inbox.append(source, [to_inbox(call) for call in calls if call])
        apply()


def together(source, sets):
    inbox.append(source, [to_inbox(call) for calls in sets for call in calls])
    apply()


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
                sorted((name, repr(value)) for name, value in known(row).items())
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
    source = make_source()
    for number in range(orders):
        with transaction.atomic():
            way(source, shuffled(sets, f"{seed}/{number}"))
            found = people()
            assert found - right == set(), f"--identity-seed {seed}, order {number}"
            assert right - found == set()
            transaction.set_rollback(True)
