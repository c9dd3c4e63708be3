"""Which websites browsers may send from: CORS, with a list a source.

A source's list has an origin a line: `https://shop.example`, `https://*.shop.example` for
all names below it, `*` for everybody. A browser that asks beforehand (a preflight) says
no key, so it is told what any active source would allow; what it then sends is measured
by its own source's list. Servers and apps send no origin and are not asked.
"""

import re
import time

from django.http import HttpRequest, HttpResponse

from segments.models import Source
from segments.tracking.errors import RefusedError

EVERYBODY = "*"
# `null` is what browsers say for a page from a file or a sandboxed frame.
ORIGIN = re.compile(r"\*|null|https?://(\*\.)?[a-z0-9.-]+(:\d{1,5})?")
# Names of headers that libraries bring along: Authorization, AnonymousId and their like.
HEADER_NAMES = re.compile(r"[a-zA-Z0-9, -]{1,300}")
# In seconds: how long a process, and a browser, go on with what they were told.
KNOWN_FOR = 5
PREFLIGHT_HOLDS = 600

_known: tuple[float, frozenset[str]] = (float("-inf"), frozenset())


def listed(text: str) -> tuple[str, ...]:
    """The origins of a list, as they are compared: in lower case, without a slash."""
    lines = (line.strip().rstrip("/").lower() for line in text.splitlines())
    return tuple(line for line in lines if line)


def check(request: HttpRequest, allowed: tuple[str, ...]) -> None:
    """Raise a RefusedError where a browser sends from elsewhere."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None and not _is_in(origin, allowed):
        raise RefusedError(
            403,
            "origin_not_allowed",
            f"{origin[:200]!r} is not among the source’s allowed origins.",
        )


def allow(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Let the page that asked read the answer, unless it may not send here at all."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return response
    response["Vary"] = "Origin"
    if response.status_code != 403 and _is_in(origin, _of_all()):
        response["Access-Control-Allow-Origin"] = origin
        # Beacons ask for it; there is no cookie that would count here.
        response["Access-Control-Allow-Credentials"] = "true"
        response["Access-Control-Expose-Headers"] = "Retry-After"
    return response


def preflight(request: HttpRequest, method: str) -> HttpResponse:
    """The answer to a browser that asks whether it may send."""
    response = HttpResponse(status=204)
    asked = request.headers.get("Access-Control-Request-Headers", "")
    if HEADER_NAMES.fullmatch(asked):
        response["Access-Control-Allow-Headers"] = asked
    response["Access-Control-Allow-Methods"] = method
    response["Access-Control-Max-Age"] = str(PREFLIGHT_HOLDS)
    return allow(request, response)


def is_preflight(request: HttpRequest) -> bool:
    """Whether a browser asks before it sends."""
    return request.method == "OPTIONS" and "HTTP_ORIGIN" in request.META


def forget() -> None:
    """Ask the database again: a source has changed."""
    global _known
    _known = (float("-inf"), frozenset())


def _of_all() -> frozenset[str]:
    global _known
    until, found = _known
    if until < time.monotonic():
        texts = Source.objects.filter(is_active=True).exclude(allowed_origins="")
        lists = map(listed, texts.values_list("allowed_origins", flat=True).distinct())
        found = frozenset(origin for origins in lists for origin in origins)
        _known = (time.monotonic() + KNOWN_FOR, found)
    return found


def _is_in(origin: str, allowed: tuple[str, ...] | frozenset[str]) -> bool:
    origin = origin.lower()
    if EVERYBODY in allowed or origin in allowed:
        return True
    scheme, _, host = origin.partition("://")
    parts = host.split(".")
    return any(
        f"{scheme}://*.{'.'.join(parts[n:])}" in allowed for n in range(1, len(parts))
    )
