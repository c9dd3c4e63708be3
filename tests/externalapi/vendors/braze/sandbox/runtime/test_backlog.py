"""Accepted requests are applied when it is quiet, when somebody looks, or if too many."""

import asyncio
from functools import partial

import orjson

from externalapi.vendors.braze.sandbox.api import Request
from externalapi.vendors.braze.sandbox.endpoints.routes import ROUTES, apply
from externalapi.vendors.braze.sandbox.runtime import backlog
from externalapi.vendors.braze.sandbox.runtime.backlog import Accepted, Backlog
from externalapi.vendors.braze.sandbox.runtime.options import DEFAULT_KEY, Options
from externalapi.vendors.braze.sandbox.server import Server
from externalapi.vendors.braze.sandbox.users.store import Store
from tests.externalapi.vendors.braze.sandbox.people import attributes

HEADERS = {
    "Authorization": f"Bearer {DEFAULT_KEY}",
    "Content-Type": "application/json",
}


def body_of(name):
    return orjson.dumps({"attributes": [attributes(name), {}]})


def test_it_waits_until_it_is_applied():
    store = Store()
    waiting = Backlog(partial(apply, store))
    waiting.add(Accepted(1.0, body_of("ada"), {"attributes": [1]}))
    waiting.add(Accepted(2.0, body_of("bob"), {"attributes": [1]}))
    assert (len(waiting), store.people.all) == (2, [])
    waiting.apply_one()
    assert [user.external_id for user in store.people.all] == ["ada"]
    waiting.apply_all()
    assert (len(waiting), len(store.people.all)) == (0, 2)


def test_too_much_is_not_kept_waiting(monkeypatch):
    monkeypatch.setattr(backlog, "_MAX_BYTES", 3 * len(body_of("p0")))
    store = Store()
    waiting = Backlog(partial(apply, store))
    for n in range(5):
        waiting.add(Accepted(1.0, body_of(f"p{n}"), {"attributes": [1]}))
    assert (len(waiting), len(store.people.all)) == (3, 2)


def test_a_quiet_server_works_it_off():
    server = Server(Options())
    track, *_ = ROUTES
    request = Request(route=track, headers=HEADERS, body=body_of("ada"), at=1000.0)
    assert server.api.answer(request).status == 201
    assert len(server.api.backlog) == 1
    asyncio.run(until_applied(server))


async def until_applied(server):
    working = asyncio.create_task(server.apply_when_quiet())
    async with asyncio.timeout(10):
        while len(server.api.backlog):
            await asyncio.sleep(0.01)
    working.cancel()
