import pytest

from segments.ingest import inbox
from segments.models import Event, Profile
from tests.factories import make_source
from tests.segments.identity import call_sets

NOON = "2026-01-31T12:00:00.000000+00:00"


def pytest_generate_tests(metafunc):
    """Through the API all kinds go where many orders are asked for."""
    if "api_kind" in metafunc.fixturenames:
        many = metafunc.config.getoption("--orders") > 1
        kinds = list(call_sets.KINDS) if many else ["mixed"]
        metafunc.parametrize("api_kind", kinds)


@pytest.fixture
def source(db):
    return make_source()


@pytest.fixture
def call(source):
    """Send a call in and apply it: call("identify", userId="u1", traits={…})."""
    numbers = iter(range(1_000))

    def call(kind, **payload):
        payload.setdefault("timestamp", NOON)
        message_id = payload.pop("messageId", None) or f"m{next(numbers):03}"
        if kind == "track":
            payload = {"event": "Lead", "properties": {}, **payload}
        inbox.append(source, [(message_id, kind, payload)])
        assert inbox.apply().errors == 0
        return message_id

    return call


@pytest.fixture
def known(db):
    """The person with the external ID."""

    def known(external_id="u1"):
        return Profile.objects.get(external_id=external_id)

    return known


@pytest.fixture
def owner(db):
    """Whose the event is now."""

    def owner(message_id):
        return Event.objects.get(message_id=message_id).profile

    return owner
