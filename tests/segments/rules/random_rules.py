"""Rules, people and events at random, small enough to meet: the same for a seed.

A kind of condition adds what makes one to CONDITIONS, an operator to COMPARISONS; what
they need to be met by stands in VALUES.
"""

from datetime import timedelta

from segments.rules.operators import OPERATORS
from tests.segments.rules import made, oracle

KEYS = ("a", "b")
NAMES = ("X", "Y", "Z")
DATES = ("2026-01-01", "2026-03-01T10:00:00Z", "2026-02-30")
TEXTS = ("", "5", "5.0", "Pune", "une", "true", *DATES)
SCALARS = (*TEXTS, 0, 1, 5, 5.0, -2.5, True, False)
NUMBERS = (0, 1, 5, 5.0, -2.5)
# Days ago: whole ones, well away from the edges of the windows.
WINDOWS = (3, 10)
AGES = (1, 5, 20)
MAX_DEPTH = 3


def text(random):
    return random.choice([one for one in TEXTS if one])


def value(random):
    """What a condition compares with."""
    return random.choice((text(random), random.choice(NUMBERS), random.random() < 0.5))


def bound(random):
    return random.choice((random.choice(NUMBERS), random.choice(DATES[:2])))


def bounds(random):
    return random.choices(random.choice((NUMBERS, DATES[:2])), k=2)


# What follows an attribute or a property: (random) → {"is": …, "value": …, …}.
COMPARISONS = [
    lambda random: {
        "is": random.choice(("equals", "not_equals")),
        "value": value(random),
    },
    lambda random: {
        "is": random.choice(("contains", "starts_with", "ends_with")),
        "value": text(random),
    },
    lambda random: {"is": random.choice(("greater", "less")), "value": bound(random)},
    lambda random: {"is": "between", "value": bounds(random)},
    lambda random: {"is": "in", "value": [value(random) for _ in range(2)]},
    lambda random: {
        "is": random.choice(("is_present", "is_missing")),
        "value": None,
    },
]
# Any operator with any options, compared with odder values.
COMPARISONS += [lambda random: made.comparison(random, OPERATORS)] * 8
# What a person or an event may have: (random) → a JSON value.
VALUES = [
    lambda random: random.choice(SCALARS),
    lambda random: random.choice(SCALARS),
    lambda random: None,
    lambda random: [random.choice(SCALARS) for _ in range(random.randrange(3))],
    lambda random: {"5": 5},
    lambda random: random.choice(made.HOSTILE),
    lambda random: [
        {key: random.choice(SCALARS) for key in KEYS if random.random() < 0.8}
        for _ in range(random.randrange(4))
    ],
]


def comparison(random):
    return random.choice(COMPARISONS)(random)


def attribute(random):
    name = random.choice((*KEYS, *KEYS, "email", "external_id"))
    return {"attribute": name, **comparison(random)}


def where(random):
    return {"property": random.choice(KEYS), **comparison(random)}


def step(random):
    made = {"event": random.choice(NAMES)}
    if random.random() < 0.4:
        made["where"] = [where(random)]
    return made


def event(random):
    made = step(random)
    if random.random() < 0.4:
        made["at_least"] = random.randint(1, 3)
    if random.random() < 0.4:
        made["within_days"] = random.choice(WINDOWS)
    return made


def counted_event(random):
    """Another how often, and another when."""
    how = random.choice(
        (
            {"at_most": random.randrange(3)},
            {"exactly": random.randrange(3)},
            {"pick": random.choice(("first", "last"))},
            {"aggregate": aggregate(random)},
        )
    )
    when = random.choice(
        (
            {},
            {"within_hours": 24 * random.choice(WINDOWS)},
            {"before_days": random.choice(WINDOWS)},
            {"between_days": list(WINDOWS)},
        )
    )
    return {**step(random), **how, **when}


def aggregate(random):
    sign = random.choice(("greater", "less", "equals", "between"))
    low = random.choice((0, 1, 2, 5))
    return {
        "of": random.choice(KEYS),
        "by": random.choice(("sum", "average", "smallest", "largest", "distinct")),
        "is": sign,
        "value": [low, low + 4] if sign == "between" else low,
    }


def sequence(random):
    made = {"sequence": [step(random) for _ in range(random.choice((2, 2, 3)))]}
    if random.random() < 0.4:
        made["within_hours"] = random.choice((12, 24 * 5))
    if random.random() < 0.4:
        made["without"] = step(random)
    if random.random() < 0.4:
        made["within_days"] = random.choice(WINDOWS)
    return made


def items(random):
    wanted = random.choice(("any", "all", "none", "exactly", "at_least", "at_most"))
    made = {"attribute": random.choice(KEYS), "items": wanted}
    if wanted in ("exactly", "at_least", "at_most"):
        made["count"] = random.randint(1, 2)
    return {**made, "where": [where(random) for _ in range(random.randrange(3))]}


# (random) → a condition.
CONDITIONS = [attribute, event, event, counted_event, sequence, items]


def rule(random, depth=0):
    kind = random.random()
    if depth < MAX_DEPTH and kind < 0.4:
        parts = [rule(random, depth + 1) for _ in range(random.randint(1, 3))]
        return {random.choice(("all", "any")): parts}
    if depth < MAX_DEPTH and kind < 0.55:
        return {"not": rule(random, depth + 1)}
    return random.choice(CONDITIONS)(random)


def values(random):
    """Attributes, or properties."""
    return {
        name: random.choice(VALUES)(random) for name in KEYS if random.random() < 0.7
    }


def person(random, now, **more):
    return oracle.Person(
        attributes=values(random),
        email=random.choice(("", "5", "pune")),
        did=[did(random, number, now) for number in range(random.randrange(5))],
        **more,
    )


def did(random, number, now):
    return oracle.Did(
        number=number,
        name=random.choice(NAMES),
        time=now - timedelta(days=random.choice(AGES)),
        properties=values(random),
    )
