"""The people of the benchmark, and the one payload that each of them gets.

The payload is written down three times, as an External API, as the Liquid template of
the tasks written by hand, and as Python; the benchmark compares what arrived with the
last.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from externalapi.template.parameters import Level, Parameter, ParameterType
from segments.models import Source

FIRST_NAMES = ("Maya", "Noor", "Ada", "Ravi", "Lena")
CITIES = ("Pune", "Berlin", "Oslo", "Lima")
PLANS = ("free", "silver", "gold")

# Ten placeholders.
BODY = """\
{
  "attributes": [
    {
      "external_id": {{External ID}},
      "first_name": {{First name}},
      "last_name": {{Last name}},
      "email": {{Email}},
      "home_city": {{City}},
      "country": {{Country}},
      "plan": {{Plan}},
      "score": {{Score}},
      "newsletter": {{Newsletter}},
      "member_since": {{Member since}}
    }
  ]
}
"""
PARAMETERS = (
    Parameter(name="External ID", level=Level.IDENTIFIER),
    Parameter(name="First name"),
    Parameter(name="Last name"),
    Parameter(name="Email"),
    Parameter(name="City"),
    Parameter(name="Country"),
    Parameter(name="Plan"),
    Parameter(name="Score", type=ParameterType.INTEGER),
    Parameter(name="Newsletter", type=ParameterType.BOOLEAN),
    Parameter(name="Member since", type=ParameterType.DATETIME),
)
VALUES: Mapping[str, str] = {
    "First name": '{{ profile.first_name | default: "there" }}',
    "Last name": "{{ profile.last_name }}",
    "Email": "{{ profile.email }}",
    "City": "{{ profile.city }}",
    "Country": "{{ profile.country }}",
    "Plan": '{{ profile.plan | default: "free" }}',
    "Score": "{{ profile.score }}",
    "Newsletter": "{{ profile.newsletter }}",
    "Member since": "{{ profile.member_since }}",
}
LIQUID = """\
{
  "external_id": "{{ profile.external_id }}",
  "first_name": "{{ profile.first_name | default: 'there' }}",
  "last_name": "{{ profile.last_name }}",
  "email": "{{ profile.email }}",
  "home_city": "{{ profile.city }}",
  "country": "{{ profile.country }}",
  "plan": "{{ profile.plan | default: 'free' }}",
  "score": {{ profile.score }},
  "newsletter": {{ profile.newsletter }},
  "member_since": "{{ profile.member_since }}"
}
"""

INSERT = """
INSERT INTO segments_profile (external_id, email, phone, attributes)
SELECT 'person-' || n, 'person-' || n || '@example.com',
    '+9198' || lpad(n::text, 8, '0'), jsonb_build_object(
    'number', n,
    'first_name', (%(first_names)s::text[])[1 + n %% 5],
    'last_name', 'Example ' || n,
    'city', (%(cities)s::text[])[1 + n %% 4],
    'country', 'IN',
    'plan', (%(plans)s::text[])[1 + n %% 3],
    'score', n %% 1000,
    'newsletter', n %% 2 = 0,
    'member_since', to_char(1 + n %% 28, '"2025-01-"FM00"T09:30:00Z"')
) FROM generate_series(%(first)s, %(last)s) n
"""
# Ten events of each person, spread over ninety days.
INSERT_EVENTS = """
INSERT INTO segments_event (source_id, message_id, profile_id, name, time, properties)
SELECT %(source)s, 'past-' || p.id || '-' || n, p.id,
    (%(names)s::text[])[1 + (p.id + n) %% 4],
    now() - make_interval(secs => (p.id * 7919 + n * 777600) %% 7776000),
    jsonb_build_object('form', (ARRAY['shoes', 'bags'])[1 + (p.id + n) %% 2])
FROM segments_profile p, generate_series(1, 10) n
WHERE (p.attributes ->> 'number')::int BETWEEN %(first)s AND %(last)s
"""


@contextmanager
def as_long_as_it_takes() -> Iterator[CursorWrapper]:
    """Without the statements' time limit: ten million rows take a slow disk minutes."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        yield cursor
        cursor.execute("RESET statement_timeout")


def load(last: int, first: int = 1) -> None:
    """Make the people `first` to `last` in one statement."""
    with as_long_as_it_takes() as cursor:
        cursor.execute(
            INSERT,
            {
                "first": first,
                "last": last,
                "first_names": list(FIRST_NAMES),
                "cities": list(CITIES),
                "plans": list(PLANS),
            },
        )
        cursor.execute("VACUUM ANALYZE segments_profile")


def load_events(
    source: Source, names: Sequence[str], last: int, first: int = 1
) -> None:
    """Make what the people `first` to `last` did: the events with the four names."""
    with as_long_as_it_takes() as cursor:
        cursor.execute(
            INSERT_EVENTS,
            {"source": source.pk, "names": list(names), "first": first, "last": last},
        )
        cursor.execute("VACUUM ANALYZE segments_event")


def expected(number: int) -> dict[str, Any]:
    """What has to arrive for one person."""
    return {
        "external_id": f"person-{number}",
        "first_name": FIRST_NAMES[number % 5],
        "last_name": f"Example {number}",
        "email": f"person-{number}@example.com",
        "home_city": CITIES[number % 4],
        "country": "IN",
        "plan": PLANS[number % 3],
        "score": number % 1000,
        "newsletter": number % 2 == 0,
        "member_since": f"2025-01-{1 + number % 28:02}T09:30:00Z",
    }


def is_expected(payload: Mapping[str, Any]) -> bool:
    """Whether a payload that arrived is just what its person should get."""
    number = int(payload["external_id"].removeprefix("person-"))
    return dict(payload) == expected(number)
