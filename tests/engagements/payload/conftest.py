"""An External API whose payload each engagement writes, and one that has written it."""

from collections.abc import Callable
from typing import Any

import pytest

from engagements.models import Engagement
from engagements.payload import versions
from externalapi.models import ExternalAPIVersion
from tests import factories

LEVEL = ExternalAPIVersion.PayloadLevel.ENGAGEMENT
PAYLOAD = """{
  "attributes": [
    {
      "external_id": {{ profile.external_id }},
      "first_name": "{{ profile.first_name | default: "you" }}",
      "points": {{ profile.points }}
    }
  ]
}"""


def payload_version(body: str = "", **fields: Any) -> ExternalAPIVersion:
    fields.setdefault("parameters", ())
    return factories.make_version(body, payload_level=LEVEL, **fields)


def write(engagement: Engagement, text: str, base: ExternalAPIVersion) -> Engagement:
    """Give an engagement another payload, as its form does."""
    versions.save(engagement, versions.write(base, text, {}))
    engagement.save(update_fields=["version", "values"])
    return engagement


@pytest.fixture
def written(braze) -> Callable[..., Engagement]:
    """Make a draft with a payload of its own."""

    def make(text: str = PAYLOAD, people: Any = 0, **fields: Any) -> Engagement:
        base = fields.pop("base", None) or payload_version(connection=braze)
        segment = fields.pop("segment", None) or factories.make_segment(people)
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        engagement = factories.make_engagement(segment, base, {}, **fields)
        return write(engagement, text, base)

    return make
