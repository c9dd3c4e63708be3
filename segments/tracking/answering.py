"""Views that answer in JSON: what they return, or the RefusedError that they raise.

Plain views on the hot path. CSRF does not apply, since no cookie signs anyone in here.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from django.core.exceptions import SuspiciousOperation
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from lemnisk_braze.lib import database_errors
from lemnisk_braze.lib.database_errors import About
from lemnisk_braze.lib.logs import get_logger
from segments.tracking import origins
from segments.tracking.errors import RefusedError

logger = get_logger(__name__)

# In seconds: what a sender is asked to wait while the database is away.
RETRY_AFTER = 5

Answer = dict[str, Any]
View = Callable[..., HttpResponse]


def answering(
    method: str = "POST", **others: Callable[..., Answer]
) -> Callable[[Callable[..., Answer]], View]:
    """Make a view of a function that returns the answer or raises a RefusedError.

    `others`: functions for other methods, by these.
    """

    def decorate(view: Callable[..., Answer]) -> View:
        views = {method: view, **others}

        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, **kwargs: str) -> HttpResponse:
            try:
                return _answer(request, views, kwargs)
            except Error as e:
                if database_errors.about(e) is not About.CONNECTION:
                    raise
                logger.warning("database.away", because=e)
                return _refusal(
                    RefusedError(503, "unavailable", "Send it again in a moment."), ""
                )

        answer.goes_short_way = True  # type: ignore[attr-defined]
        return answer

    return decorate


def _answer(
    request: HttpRequest, views: dict[str, Callable[..., Answer]], kwargs: Any
) -> HttpResponse:
    methods = ", ".join(views)
    try:
        # No middleware has asked whether we go by that name.
        request.get_host()
        if origins.is_preflight(request):
            return origins.preflight(request, methods)
        view = views.get(request.method or "")
        if view is None:
            raise RefusedError(405, "method_not_allowed", f"Use {methods}.")
        response = _json(200, view(request, **kwargs))
    except RefusedError as e:
        response = _refusal(e, methods)
    except SuspiciousOperation as e:
        logger.warning("request.suspicious", because=e)
        error = RefusedError(400, "bad_request", "The address or a header is odd.")
        response = _refusal(error, methods)
    return origins.allow(request, response)


def _refusal(error: RefusedError, methods: str) -> HttpResponse:
    said = {"success": False, "code": error.code, "message": error.message}
    response = _json(error.status, {**said, **error.more})
    if error.status == 401:
        response["WWW-Authenticate"] = 'Basic realm="write key"'
    elif error.status == 405:
        response["Allow"] = methods
    elif error.status == 503:
        response["Retry-After"] = str(RETRY_AFTER)
    return response


def _json(status: int, answer: Answer) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(answer), status=status, content_type="application/json"
    )
