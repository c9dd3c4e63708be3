"""Who has said yes: whatever type the attribute has, and what is no clear yes is no."""

import pytest

from engagements.guards import consent
from engagements.guards.asking import Asked
from engagements.guards.site import look
from engagements.models import ConsentRule
from lemnisk_braze.lib import database_clock
from tests import factories

pytestmark = pytest.mark.django_db

YES = [
    *(True, "true", "TRUE", "Yes", "yEs", 1, 1.0, "1", "ДА", "да"),
    # An accent as a letter, and as a sign of its own.
    *("Sí", "sí"),
    *(["yes"], ["no", "YES"], [None, True], [1.0], [["no"], "yes"]),
]
NO = [
    *(False, "false", "no", 0, 10, 1.5, "", " yes", "yes please", "si", None),
    *([], ["no"], [["yes"]], [{"yes": True}], {}, {"yes": True}, {"value": "yes"}),
    *("null", '["yes"]', 1e300, -1),
]


@pytest.fixture
def has_said(braze):
    version = factories.make_version(connection=braze)
    engagement = factories.make_engagement(version=version)
    ConsentRule.objects.create(
        channel=version.external_api.channel,
        attribute="agreed",
        values=["true", "Yes", "1", "да", "SÍ"],
    )

    def has_said(**attributes) -> bool:
        person = factories.make_profile(**attributes)
        asked = Asked(
            engagement=engagement,
            site=look(),
            people={person.pk: person.pk},
            now=database_clock.now(),
        )
        assert consent.GUARD.is_set(asked)
        return not consent.GUARD.ask(asked)

    return has_said


@pytest.mark.parametrize("value", YES, ids=repr)
def test_yes(has_said, value):
    assert has_said(agreed=value)


@pytest.mark.parametrize("value", NO, ids=repr)
def test_no(has_said, value):
    assert not has_said(agreed=value)


def test_no_value_is_no(has_said):
    assert not has_said()
