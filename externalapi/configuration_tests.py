"""Test Configuration: one real request through the one client, on record."""

import json
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from externalapi import answers
from externalapi.braze.instances import INSTANCES
from externalapi.client import (
    AmbiguousError,
    Answer,
    BlockedAddressError,
    Request,
    TransportError,
    send,
)
from externalapi.definition import compile_version
from externalapi.guard import GuardError, check_url
from externalapi.models import ConfigurationTest, Connection, ExternalAPIVersion
from externalapi.secrets import mask, read_key, redact

TESTS_PER_MINUTE = 10
MAX_TEXT = 16 * 1024


class TooManyTestsError(Exception):
    """You have sent 10 tests in the last minute. Wait a moment and test again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def run_test(
    version: ExternalAPIVersion, values: Mapping[str, str], user: AbstractBaseUser
) -> ConfigurationTest:
    """Send one person's request with these values and return the test with its answer.

    It is on record before the first byte leaves. Raises TooManyTestsError,
    SecretError and the errors of rendering.
    """
    definition = compile_version(version)
    request, _ = definition.request([definition.render(dict(values))])
    key = read_key(version.connection)
    test = _begin(version, values, user, _as_sent(request, key))
    try:
        answer = send(request, key)
    except TransportError as e:
        test.response = _no_answer(e)
    else:
        verdict = answers.read(answer)
        test.response = _answered(answer, verdict, key)
        test.is_success = verdict.outcome is answers.Outcome.SENT and not verdict.errors
    test.save(update_fields=["response", "is_success"])
    return test


def search_users_url(connection: Connection) -> str:
    """Return where a person can be looked up, empty for an API we do not know.

    At Braze that is the instance's dashboard, and its page of the same name in the
    sandbox.
    """
    base_url = connection.base_url.rstrip("/")
    for instance in INSTANCES:
        if instance.rest_url == base_url:
            return instance.dashboard_url
    try:
        target = check_url(base_url, settings.ALLOWED_LOCAL_ADDRESSES)
    except GuardError:
        return ""
    return f"{base_url}/search-users" if target.is_allowed_local else ""


@transaction.atomic
def _begin(
    version: ExternalAPIVersion,
    values: Mapping[str, str],
    user: AbstractBaseUser,
    request: dict[str, Any],
) -> ConfigurationTest:
    """Count and record under the user's lock: eleven clicks at once make ten tests."""
    get_user_model().objects.select_for_update().get(pk=user.pk)
    since = timezone.now() - timedelta(minutes=1)
    sent = ConfigurationTest.objects.filter(user_id=user.pk, at__gt=since).count()
    if sent >= TESTS_PER_MINUTE:
        raise TooManyTestsError
    return ConfigurationTest.objects.create(
        version=version, user_id=user.pk, values=dict(values), request=request
    )


def _as_sent(request: Request, key: str) -> dict[str, Any]:
    shown = mask(key) if key else ""
    headers = request.sign_in.headers(request.headers, shown)
    return {
        "method": request.method,
        "url": redact(request.sign_in.url(request.url, shown), key),
        "headers": {name: redact(value, key) for name, value in headers.items()},
        "body": _readable(request.body or b"", key),
    }


def _answered(answer: Answer, verdict: answers.Verdict, key: str) -> dict[str, Any]:
    return {
        "status": answer.status,
        "phrase": _phrase(answer.status),
        "headers": {
            name: _storable(value, key) for name, value in answer.headers.items()
        },
        "body": _readable(answer.body, key),
        "truncated": answer.truncated,
        "duration_ms": answer.duration_ms,
        "outcome": str(verdict.outcome),
        "explanation": _storable(answers.explain(answer, verdict), key),
    }


def _no_answer(error: TransportError) -> dict[str, Any]:
    outcome = answers.Outcome.NOT_SENT
    advice = "Nothing was sent."
    if isinstance(error, BlockedAddressError):
        outcome = answers.Outcome.BLOCKED
    elif isinstance(error, AmbiguousError):
        outcome = answers.Outcome.AMBIGUOUS
        advice = "It may have been taken: look for the person before you test again."
    return {
        "duration_ms": error.duration_ms,
        "outcome": str(outcome),
        "explanation": f"{error} {advice}",
    }


def _readable(body: bytes, key: str) -> str:
    """Return a body as text: JSON indented, anything else as it came."""
    text = body.decode(errors="replace")
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return _storable(text, key)


def _storable(text: str, key: str) -> str:
    """Mask the key and leave out what PostgreSQL cannot hold."""
    text = redact(text, key).replace("\0", "�")
    return text.encode(errors="replace").decode()[:MAX_TEXT]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
