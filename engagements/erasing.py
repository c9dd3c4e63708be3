"""What else may name somebody who is erased, in sending and in the tests before it.

What was sent to them goes with their rows (engagements.audience.erasure).
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Q

from engagements.models import (
    Approval,
    Delivery,
    Destination,
    Engagement,
    Run,
    Suppression,
    Worker,
    channels_in_words,
)
from externalapi.answers import interpretation
from externalapi.connections.access import usable_by
from externalapi.connections.encryption import SecretError, read_key
from externalapi.definitions.compiled import CompiledDefinition, compile_version
from externalapi.http.client import TransportError, send
from externalapi.models import (
    ConfigurationTest,
    ExternalAPI,
    ExternalAPIVersion,
    TestCase,
)
from externalapi.vendors.braze.facts.endpoints import DELETE_USERS
from lemnisk_braze.lib.logs import get_logger
from segments.people import export
from segments.privacy.elsewhere import Answer, Elsewhere
from segments.privacy.places import Counter, deleted, rewritten, rows

logger = get_logger(__name__)


def _deliveries(people: Collection[int]) -> int:
    return Delivery.objects.filter(profile__in=people).count()


TEST_COLUMNS = ("values", "request", "response", "case_problem")


def _tests(whole: export.Whole) -> export.Entries:
    keys = rows(ConfigurationTest, TEST_COLUMNS, whole.named)
    found = ConfigurationTest.objects.filter(pk__in=keys).order_by("pk")
    return found.values("at", "values", "request", "response").iterator(100)


def _suppressions(whole: export.Whole) -> export.Entries:
    """Entries that name them, by who they are or by an identifier."""
    keys = rows(Suppression, ("value",), whole.named)
    found = Suppression.objects.filter(Q(pk__in=keys) | Q(profile__in=whole.ids))
    for one in found.order_by("pk"):
        yield {
            "identifier": one.value or None,
            "channels": channels_in_words(one.channels),
            "why": one.reason or None,
            "since": one.created_at,
        }


EXPORTED = (
    export.Section(name="tests_of_external_apis", read=_tests),
    export.Section(name="suppression_list", read=_suppressions),
)
FOUND = (
    Counter(label="deliveries", count=_deliveries),
    deleted(
        ConfigurationTest,
        "tests of External APIs",
        *TEST_COLUMNS,
    ),
    deleted(Suppression, "entries of the suppression list", "value", "reason"),
    rewritten(TestCase, "test cases", "name", "values", "answer_value"),
    rewritten(Approval, "reasons of approvals", "why"),
    rewritten(Engagement, "problems of engagements", "refusal", "blocked_reason"),
    rewritten(Run, "failures of runs", "failure"),
    rewritten(Destination, "problems of connections", "last_problem"),
    rewritten(Worker, "problems of workers", "problem"),
    rewritten(LogEntry, "lines of the history", "object_repr", "change_message"),
)


def _choices(user: Any) -> Sequence[tuple[int, str]]:
    """External APIs that delete people at Braze, on connections that the user may use."""
    found = ExternalAPI.objects.filter(
        archived_at=None,
        current_version__path=DELETE_USERS.path,
        # What an engagement writes is not known here.
        current_version__payload_level=ExternalAPIVersion.PayloadLevel.GLOBAL,
    )
    if user is not None:
        found = found.filter(current_version__connection__in=usable_by(user))
    return list(found.order_by("name").values_list("pk", "name"))


def _delete(api_id: int, external_id: str) -> Answer:
    """Send one request, as its current version says it, and read the answer."""
    api = ExternalAPI.objects.filter(pk=api_id).first()
    if api is None or api.current_version is None:
        return Answer(words="The External API is gone.", is_done=False)
    try:
        definition = compile_version(api.current_version)
        rendered = definition.render(_values(definition, external_id))
        request, _ = definition.request(rendered)
        answer = send(request, read_key(api.current_version.connection))
    except (ValueError, SecretError, TransportError) as e:
        return Answer(words=f"No answer: {e}", is_done=False)
    verdict = interpretation.read(answer)
    is_done = verdict.outcome is interpretation.Outcome.SENT and not verdict.has_errors
    words = verdict.message or ("taken" if is_done else str(verdict.outcome))
    logger.info("erasure.answered", external_api_id=api_id, status=answer.status)
    return Answer(words=f"{answer.status}: {words}", is_done=is_done)


def _values(definition: CompiledDefinition, external_id: str) -> dict[str, str]:
    return {p.name: external_id for p in definition.identifier_parameters}


ELSEWHERE = Elsewhere(choices=_choices, delete=_delete)
