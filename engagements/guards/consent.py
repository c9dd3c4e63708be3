"""Who has not said yes to a channel, where the site asks for that.

(P) No value is no. A list says yes where one of its values does.
"""

import unicodedata
from typing import Any

from django.db import connection

from engagements.guards.asking import Asked, Guard, Verdicts
from engagements.guards.site import Consent
from engagements.personalization.renderer import Skip

# Values as they read in JSON, texts without their quotes; letters of every alphabet, which
# the database's own locale may not know. 1.0 is 1.
SAID_YES = """
    SELECT p.id FROM segments_profile p
    CROSS JOIN LATERAL (SELECT p.attributes -> %(attribute)s::text AS value) a
    WHERE p.id = ANY(%(people)s::bigint[]) AND EXISTS (
        SELECT FROM jsonb_array_elements(CASE jsonb_typeof(a.value)
            WHEN 'array' THEN a.value ELSE jsonb_build_array(a.value) END) said (one)
        CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(one)
            WHEN 'number' THEN trim_scale((one #>> '{}')::numeric)::text
            ELSE lower(normalize(one #>> '{}', NFC) COLLATE segments_letters)
        END) x (text)
        WHERE x.text = ANY(%(values)s::text[])
    )
"""


def rule(asked: Asked) -> Consent | None:
    """What the engagement's channel asks for."""
    return asked.site.consent.get(asked.channel)


def _is_set(asked: Asked) -> bool:
    return rule(asked) is not None


def _ask(asked: Asked) -> Verdicts:
    consent = rule(asked)
    assert consent is not None
    wanted: dict[str, Any] = {
        "attribute": consent.attribute,
        "people": asked.roots,
        "values": [
            unicodedata.normalize("NFC", value).lower() for value in consent.values
        ],
    }
    with connection.cursor() as cursor:
        cursor.execute(SAID_YES, wanted)
        yes = {id for (id,) in cursor.fetchall()}
    why = Skip(
        code="no_consent",
        message=f"The person has not said yes (“{consent.attribute}”).",
    )
    return asked.stopped(set(asked.people.values()) - yes, why)


GUARD = Guard(name="Consent", is_set=_is_set, ask=_ask)
