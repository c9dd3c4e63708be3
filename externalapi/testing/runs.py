"""Test Configuration: one real request through the one client, on record."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from externalapi.answers import interpretation
from externalapi.connections.access import check_use
from externalapi.connections.encryption import read_key
from externalapi.definitions.compiled import compile_version
from externalapi.http.client import Answer, Request, TransportError, send
from externalapi.models import ConfigurationTest, ExternalAPIVersion, TestCase
from externalapi.template.batching import Packed
from externalapi.testing import records
from externalapi.testing.connection_check import learn
from externalapi.testing.expectations import problem_of
from lemnisk_braze.lib import database_clock

TESTS_PER_MINUTE = 10
# So many test cases an External API has at most: a round of all counts as one test.
MAX_CASES = 20


class TooManyTestsError(Exception):
    """You have sent 10 tests in the last minute. Wait a moment and test again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def run_test(
    version: ExternalAPIVersion, values: Mapping[str, str], user: AbstractBaseUser
) -> ConfigurationTest:
    """Send one person's request with these values and return the test with its answer.

    It is on record before the first byte leaves. Raises LimitedConnectionError,
    TooManyTestsError, SecretError and the errors of rendering.
    """
    check_use(version.connection, user)
    request, _ = build(version, values)
    key = read_key(version.connection)
    test = ConfigurationTest(
        version=version,
        user_id=user.pk,
        values=dict(values),
        request=records.sent(request, key),
    )
    _begin(test)
    _send(test, request, key)
    test.save(update_fields=["response", "is_success"])
    return test


def run_case(
    case: TestCase,
    version: ExternalAPIVersion,
    user: AbstractBaseUser,
    round_id: UUID | None = None,
) -> ConfigurationTest:
    """Run a test case on a version and return its test with what was not as expected.

    The tests of one round count as one. Values that make no request are a result too.
    Raises LimitedConnectionError, TooManyTestsError and SecretError.
    """
    check_use(version.connection, user)
    test = ConfigurationTest(
        version=version,
        user_id=user.pk,
        values=case.values,
        case=case,
        round=round_id,
    )
    key = read_key(version.connection)
    answer = None
    try:
        request, _ = build(version, case.values)
    except ValueError as e:
        _begin(test)
        test.response = records.not_built(e)
    else:
        test.request = records.sent(request, key)
        _begin(test)
        answer = _send(test, request, key)
    test.case_problem = problem_of(case, test.response, answer.body if answer else None)
    test.save(update_fields=["response", "is_success", "case_problem"])
    return test


def build(
    version: ExternalAPIVersion, values: Mapping[str, str]
) -> tuple[Request, Packed]:
    """Return one person's request; raises ValueErrors where the values make none."""
    definition = compile_version(version)
    return definition.request(definition.render(dict(values)))


def _send(test: ConfigurationTest, request: Request, key: str) -> Answer | None:
    try:
        answer = send(request, key)
    except TransportError as e:
        test.response = records.unanswered(e)
        return None
    verdict = interpretation.read(answer)
    test.response = records.answered(test.version, request, answer, verdict, key)
    test.is_success = (
        verdict.outcome is interpretation.Outcome.SENT and not verdict.errors
    )
    if answer.status in (401, 403) or test.is_success:
        learn(test.version.connection, answer.status, "A test on the Test API page")
    return answer


@transaction.atomic
def _begin(test: ConfigurationTest) -> None:
    """Count and record under the user's lock: eleven clicks at once make ten tests."""
    get_user_model().objects.select_for_update().get(pk=test.user_id or 0)
    if _is_first(test) and _recent_tests(test.user_id) >= TESTS_PER_MINUTE:
        raise TooManyTestsError
    test.save()


def _is_first(test: ConfigurationTest) -> bool:
    """Whether the test counts: a further one of a round does not, each case once.

    What does not fit into its round is a test by itself.
    """
    if test.round is None:
        return True
    same = ConfigurationTest.objects.filter(round=test.round)
    ran = list(same.values_list("user", "case"))
    if not ran:
        return True
    is_mine = {user for user, _ in ran} == {test.user_id}
    is_new = test.case_id not in {case for _, case in ran}
    if is_mine and is_new and len(ran) < MAX_CASES:
        return False
    test.round = None
    return True


def _recent_tests(user_id: Any) -> int:
    """How often the user has pressed a button that sends, in the last minute."""
    since = database_clock.now() - timedelta(minutes=1)
    tests = ConfigurationTest.objects.filter(user_id=user_id, at__gt=since)
    rounds = tests.filter(~Q(round=None)).values("round").distinct().count()
    return tests.filter(round=None).count() + rounds
