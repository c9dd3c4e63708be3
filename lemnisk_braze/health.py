"""What monitoring asks: does delivery as a whole work? Without names or secrets."""

from django.core.cache import cache
from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from engagements.operations import status
from lemnisk_braze.lib.logs import get_logger

logger = get_logger(__name__)

# Whoever asks more often gets the same answer: it costs a handful of queries.
KEPT_SECONDS = 5


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 where all is well, 503 with the names of the alarms that are on.

    Only alarms about delivery as a whole: a single engagement or connection that needs
    somebody is on the operations page and in `delivery_status`.
    """
    answer = cache.get("healthz")
    if answer is None:
        answer = _read()
        cache.set("healthz", answer, KEPT_SECONDS)
    return JsonResponse(answer, status=503 if answer["alarms"] else 200)


def _read() -> dict[str, object]:
    try:
        now = status.read()
    except Error:
        logger.exception("health.unreadable")
        return {"status": "alarm", "alarms": ["database"]}
    alarms = sorted({alarm.name for alarm in now.alarms if alarm.is_everybodys})
    return {
        "status": "alarm" if alarms else "ok",
        "alarms": alarms,
        "tick_age_seconds": now.tick_age and round(now.tick_age.total_seconds(), 1),
        "clock_ahead_seconds": now.clock_ahead and round(now.clock_ahead, 1),
        "people_waiting": now.people,
        "messages_waiting": now.intake.waiting,
        "limit": now.limit.cause,
        "read_at": now.read_at.isoformat(),
    }
