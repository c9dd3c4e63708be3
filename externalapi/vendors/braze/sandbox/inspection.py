"""What Braze does not have: pages and a small API to look into the sandbox.

Everything of it is under /sandbox/, /search-users, /requests and /users/<braze_id>.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
from aiohttp import web

from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.sandbox.api import Api
from externalapi.vendors.braze.sandbox.faults import (
    BadRuleError,
    FaultScript,
    rules_from_json,
)
from externalapi.vendors.braze.sandbox.pages.catalogs import (
    catalog_page,
    catalogs_page,
    no_such_catalog_page,
)
from externalapi.vendors.braze.sandbox.pages.profile import not_found_page, profile_page
from externalapi.vendors.braze.sandbox.pages.requests import (
    no_such_request_page,
    request_page,
    requests_page,
)
from externalapi.vendors.braze.sandbox.pages.search_users import search_page
from externalapi.vendors.braze.sandbox.rules.verdicts import JsonObject
from externalapi.vendors.braze.sandbox.users import exports
from externalapi.vendors.braze.sandbox.users.search import latest, search
from externalapi.vendors.braze.sandbox.users.users import User

_STYLE = Path(__file__).with_name("pages").joinpath("pages.css").read_bytes()
_ICON = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
<rect width="16" height="16" rx="4" fill="#0b6e6e"/>
<path d="M4 11h8M5 8h6M6 5h4" stroke="#fff" stroke-width="1.6" stroke-linecap="round"/>
</svg>"""
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Inspection:
    def __init__(self, api: Api, faults: FaultScript) -> None:
        self._api = api
        self._faults = faults

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/", _to_search)
        app.router.add_get("/search-users", self.search_users)
        app.router.add_get("/users/{braze_id:[0-9a-f]{24}}", self.profile)
        app.router.add_get("/requests", self.request_list)
        app.router.add_get("/requests/{n:[0-9]{1,12}}", self.request_page)
        app.router.add_get("/sandbox/catalogs", self.catalogs)
        app.router.add_get("/sandbox/catalogs/{name}", self.catalog)
        app.router.add_get("/sandbox/pages.css", _style)
        app.router.add_get("/sandbox/icon.svg", _icon)
        app.router.add_get("/sandbox/requests", self.requests)
        app.router.add_get("/sandbox/traffic", self.traffic)
        app.router.add_get("/sandbox/summary", self.summary)
        app.router.add_get("/sandbox/duplicates", self.duplicates)
        app.router.add_get("/sandbox/users", self.users)
        app.router.add_get("/sandbox/users/{external_id:.+}", self.user)
        app.router.add_get("/sandbox/faults", self.get_faults)
        app.router.add_post("/sandbox/faults", self.add_faults)
        app.router.add_delete("/sandbox/faults", self.clear_faults)
        app.router.add_post("/sandbox/reset", self.reset)

    # --- Pages ------------------------------------------------------------------------

    async def search_users(self, request: web.Request) -> web.Response:
        store = self._api.store
        query = request.query.get("q", "").strip()
        people = self._api.store.people
        found = search(people, query) if query else latest(people)
        return _page(search_page(query, found, len(store.people.all)))

    async def profile(self, request: web.Request) -> web.Response:
        user = self._api.store.people.with_braze_id(request.match_info["braze_id"])
        if user is None:
            return _page(not_found_page(), status=404)
        return _page(profile_page(user, self._api.workspace.known))

    async def catalogs(self, request: web.Request) -> web.Response:
        return _page(catalogs_page(self._api.store.catalogs.values()))

    async def catalog(self, request: web.Request) -> web.Response:
        catalog = self._api.store.catalogs.get(request.match_info["name"])
        if catalog is None:
            return _page(no_such_catalog_page(), status=404)
        return _page(catalog_page(catalog))

    async def request_list(self, request: web.Request) -> web.Response:
        return _page(requests_page(self._api.traffic))

    async def request_page(self, request: web.Request) -> web.Response:
        found = self._api.traffic.one(int(request.match_info["n"]))
        if found is None:
            return _page(no_such_request_page(), status=404)
        return _page(request_page(*found))

    # --- JSON -------------------------------------------------------------------------

    async def requests(self, request: web.Request) -> web.Response:
        since = _number(request.query.get("since", "0"))
        if since is None:
            return _json({"message": "since must be a number"}, status=400)
        return _json(self._api.traffic.since(since))

    async def traffic(self, request: web.Request) -> web.Response:
        """Counts of what arrived; asking for them applies nothing and costs nothing."""
        return _json(self._traffic())

    async def summary(self, request: web.Request) -> web.Response:
        """The same, and how many people and events it has made."""
        store = self._api.store
        people = {
            "users": len(store.people.all),
            "events": store.events,
            "purchases": store.purchases,
        }
        return _json(self._traffic() | people)

    def _traffic(self) -> JsonObject:
        traffic = self._api.traffic
        return {
            "requests": traffic.received,
            "by_status": traffic.by_status,
            "objects": traffic.objects,
            "accepted": traffic.accepted,
            "repeated_requests": traffic.repeated,
            "peak_in_three_seconds": self._api.limits.track.peak,
        }

    async def duplicates(self, request: web.Request) -> web.Response:
        """Events that one person has more than once with equal time and properties."""
        people = self._api.store.people.all
        return _json([one for user in people for one in _repeated_events(user)])

    async def users(self, request: web.Request) -> web.Response:
        """Everybody, each with their identifiers and how much they did."""
        return _json(
            [
                {
                    "external_id": user.external_id,
                    "braze_id": user.braze_id,
                    "events": len(user.events),
                    "purchases": len(user.purchases),
                }
                for user in self._api.store.people.all
            ]
        )

    async def user(self, request: web.Request) -> web.Response:
        external_id = request.match_info["external_id"]
        user = self._api.store.people.by_external_id.get(external_id)
        if user is None:
            return _json({"message": "No user with this external_id"}, status=404)
        return _json(exports.with_every_event(user))

    async def get_faults(self, request: web.Request) -> web.Response:
        return _json(self._faults.as_json())

    async def add_faults(self, request: web.Request) -> web.Response:
        if _is_from_elsewhere(request):
            return _json({"message": "Refused: sent by another site"}, status=403)
        try:
            rules = rules_from_json(orjson.loads(await request.read()))
        except (orjson.JSONDecodeError, BadRuleError) as error:
            return _json({"message": str(error)}, status=400)
        self._faults.extend(rules)
        return _json(self._faults.as_json(), status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return _json([])

    async def reset(self, request: web.Request) -> web.Response:
        if _is_from_elsewhere(request):
            return _json({"message": "Refused: sent by another site"}, status=403)
        self._faults.clear()
        self._api.reset()
        return _json({"message": contract.SUCCESS_MESSAGE})


def _repeated_events(user: User) -> Iterator[JsonObject]:
    copies = Counter(orjson.dumps(tuple(event)) for event in user.events)
    for event, count in copies.items():
        if count > 1:
            name, time, properties, _ = orjson.loads(event)
            yield {
                "external_id": user.external_id,
                "braze_id": user.braze_id,
                "name": name,
                "time": time,
                "properties": properties,
                "count": count,
            }


def _is_from_elsewhere(request: web.Request) -> bool:
    """A browser names the site that sends; a page of another one changes nothing."""
    origin = request.headers.get("Origin")
    return origin is not None and origin != f"http://{request.host}"


async def _to_search(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/search-users"})


async def _style(request: web.Request) -> web.Response:
    return web.Response(body=_STYLE, content_type="text/css")


async def _icon(request: web.Request) -> web.Response:
    return web.Response(body=_ICON, content_type="image/svg+xml")


def _page(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=text, status=status, content_type="text/html", headers=_PAGE_HEADERS
    )


def _json(value: object, status: int = 200) -> web.Response:
    body = orjson.dumps(value)
    return web.Response(body=body, status=status, content_type="application/json")


def _number(text: str) -> int | None:
    """Return the number of a request; None for what is none, or longer than any."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
