"""The HTTP server: aiohttp around `api`, `inspection` and the pages."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time
from uuid import uuid4

from aiohttp import web

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox import broken_connections
from externalapi.vendors.braze.sandbox.api import Api, Reply, Request
from externalapi.vendors.braze.sandbox.endpoints.routes import ROUTES
from externalapi.vendors.braze.sandbox.faults import FaultScript, Rule, Stage
from externalapi.vendors.braze.sandbox.inspection import Inspection
from externalapi.vendors.braze.sandbox.runtime.backlog import NO_PARAMS
from externalapi.vendors.braze.sandbox.runtime.options import Options
from externalapi.vendors.braze.sandbox.runtime.route import Route

# Larger bodies are refused by the API with Braze's words, much larger ones unread.
_READ_AT_MOST = contract.MAX_BODY_BYTES + 64 * 1024
# Accepted requests are applied after this long without another one.
_QUIET_SECONDS = 0.25


class Server:
    def __init__(self, options: Options, clock: Callable[[], float] = time) -> None:
        self._options = options
        self._clock = clock
        self.api = Api(options)
        self.faults = FaultScript()
        self._last = 0.0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_READ_AT_MOST)
        for route in ROUTES:
            endpoint = route.endpoint
            app.router.add_route(
                endpoint.method, endpoint.path, partial(self.answer, route)
            )
        Inspection(self.api, self.faults).add_routes(app)
        app.router.add_route("*", "/{path:.*}", invalid_url)
        return app

    async def answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        at = self._last = self._clock()
        early = self.faults.take_on_headers(request.path) if self.faults else None
        if early is not None:
            return await self._cut_early(route, request, at, early)
        received = await self._received(route, request, at)
        rule = self.faults.take(request.path, received.body) if self.faults else None
        if rule is None:
            return await self._sent(self.api.answer(received))
        return await self._faulty(request, received, rule)

    async def apply_when_quiet(self) -> None:
        """Work off the backlog one request at a time, and stand back in a burst."""
        while True:
            waiting = len(self.api.backlog) > 0
            if waiting and self._clock() - self._last > _QUIET_SECONDS:
                self.api.backlog.apply_one()
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(_QUIET_SECONDS)

    async def _received(self, route: Route, request: web.Request, at: float) -> Request:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            # The API needs the length only, to refuse it in Braze's words.
            body = bytes(_READ_AT_MOST)
        return _request(route, request, at, body)

    async def _sent(self, reply: Reply) -> web.Response:
        if self._options.delay:
            await asyncio.sleep(self._options.delay)
        headers = {
            "Content-Type": "application/json",
            "X-Request-Id": str(uuid4()),
            **reply.headers,
        }
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    async def _cut_early(
        self, route: Route, request: web.Request, at: float, rule: Rule
    ) -> web.StreamResponse:
        received = _request(route, request, at, b"")
        self.api.record_unprocessed(received, None, rule)
        if rule.kind == "reset_mid_body":
            return await broken_connections.reset_mid_body(request)
        return broken_connections.reset(request)

    async def _faulty(
        self, request: web.Request, received: Request, rule: Rule
    ) -> web.StreamResponse:
        if rule.kind == "delay_before":
            await asyncio.sleep(rule.seconds)
            return await self._sent(self.api.answer(received, rule))
        if rule.stage is Stage.BEFORE:
            self.api.record_unprocessed(
                received, broken_connections.status_of(rule), rule
            )
            return await broken_connections.instead(request, rule)
        reply = self.api.answer(received, rule)
        answer = await broken_connections.afterwards(request, rule, reply)
        return await self._sent(reply) if answer is None else answer


def _request(route: Route, request: web.Request, at: float, body: bytes) -> Request:
    return Request(
        route=route,
        headers=request.headers,
        body=body,
        at=at,
        params=dict(request.match_info) if request.match_info else NO_PARAMS,
        query=[*request.query.items()] if request.query_string else (),
    )


async def invalid_url(request: web.Request) -> web.Response:
    """Braze's answer for a path it does not have, also one with a trailing slash."""
    body = b'{"message":"%s"}' % contract.INVALID_URL.text.encode()
    return web.Response(body=body, status=404, content_type="application/json")


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT (or the end of standard input, if so asked)."""
    # A million people are a million objects that never go: searching them for
    # garbage again and again would stop the server for seconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000_000)
    asyncio.run(_serve(options))


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(options)
    runner = web.AppRunner(
        server.app(), access_log=None, shutdown_timeout=0.5, auto_decompress=False
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        await site.start()
        if options.stop_on_eof:
            loop.add_reader(sys.stdin.fileno(), _stop_at_end, stop)
        applying = loop.create_task(server.apply_when_quiet())
        _announce(runner, options.ready_file)
        await stop.wait()
        applying.cancel()
    finally:
        await runner.cleanup()
        server.api.close()


def _stop_at_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        stop.set()


def _announce(runner: web.AppRunner, ready_file: Path | None) -> None:
    host, port = runner.addresses[0][:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    sys.stdout.write(f"Braze sandbox is listening at {url}\n")
    sys.stdout.flush()
    if ready_file is not None:
        # Written beside it and renamed, so that nobody reads half an address.
        draft = ready_file.with_suffix(".draft")
        draft.write_text(url)
        draft.replace(ready_file)
