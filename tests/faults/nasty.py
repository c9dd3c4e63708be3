"""Messages of the tracking API that somebody hostile, or a broken client, would send.

Everything comes out of one random.Random, so that a seed makes it again. A message is
JSON text, not a value: much of what is nasty cannot be said in Python's values.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from typing import Any, NamedTuple

EVENTS = ("Lead", "Purchase", "Ünïcode ✓", "a" * 255, "漢" * 255)
KEYS = ("v", "p", "city", "plan", "0", "a b", "with.dot", "{{ x }}", "名" * 255)


class Verdict(Enum):
    """What must become of a message: taken, refused, or one of the two."""

    TAKEN = "taken"
    REFUSED = "refused"
    EITHER = "either"


class Raw(str):
    """A piece of JSON as it is; a plain str is written as a JSON text."""


class Message(NamedTuple):
    """JSON text. `is_readable`: a parser of JSON would take it."""

    text: str
    verdict: Verdict
    is_readable: bool = True


def dump(value: Any) -> str:
    """JSON of Raw, lists and plain values; of a list of pairs: an object."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        pairs = (f"{dump(name)}:{dump(one)}" for name, one in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def characters(random: Random, count: int, first: int, last: int) -> str:
    return "".join(map(chr, random.choices(range(first, last), k=count)))


def text(random: Random) -> str:
    """A text that can be stored."""
    return random.choice(TEXTS)(random)


TEXTS: Sequence[Callable[[Random], str]] = (
    lambda r: r.choice(("Ann", "Pune", "", " ", "5", "5.0", "true", "null", "NaN")),
    lambda r: r.choice(("1e400", "-0", "0x10", "Infinity", "９９", "1_000", "+5")),
    lambda r: "9" * r.choice((20, 400, 5_000)),
    lambda r: characters(r, r.randrange(1, 900), 0x4E00, 0x9FA5),
    lambda r: characters(r, r.randrange(1, 400), 0x1F300, 0x1F6FF),
    lambda r: "\u202eevil\u202c \u2066x\u2069 \u200b\ufeff",
    lambda r: "\x1b[31mred\x1b[0m\r\n\ttab\x7f\x85",
    lambda r: "e" + "\u0301" * r.randrange(1, 200),
    lambda r: "{{ profile.v }}{% for a in (1..9) %}x{% endfor %}",
    lambda r: "'; DROP TABLE segments_event; -- %s %(x)s {0} \\",
    lambda r: "<script>alert(1)</script>&amp;=cmd|' /C calc'!A0",
    lambda r: "x" * r.choice((1_000, 20_000)),
    lambda r: moment(r),
    lambda r: r.choice(("undefined", "[object Object]", "None", "\ufffd", "\uffff")),
)


def moment(random: Random) -> str:
    """Something like a time: odd zones, odd years, words."""
    return random.choice(
        (
            "2026-01-31T12:00:00Z",
            "2026-02-30",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-15:59",
            "2026-01-31T12:00:00+99:99",
            "2026-01-31T24:00:00Z",
            "2026-01-31 12:00:60.123456789 Europe/Berlin",
            "infinity",
            "now",
            "tomorrow",
            "epoch",
            "4713-01-01 BC",
            "294277-01-01",
            "2026-W05-1",
            "20260131T120000Z",
        )
    )


def number(random: Random) -> Raw:
    """A number that can be stored, as JSON."""
    whole = (0, 1, -1, 5, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1)
    others = (
        "0.1",
        "-0.0",
        "1e308",
        "5e-324",
        "1E-400",
        "5.0",
        "1.7976931348623157e308",
    )
    return Raw(random.choice([*map(str, whole), *others, "0." + "3" * 400]))


def value(random: Random, depth: int = 0) -> Any:
    """Any JSON value that can be stored."""
    kind = random.randrange(10 if depth < 4 else 7)
    if kind < 3:
        return text(random)
    if kind < 5:
        return number(random)
    if kind < 7:
        return random.choice((True, False, None))
    if kind == 7:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    if kind == 8:
        return {text(random)[:50]: value(random, depth + 1) for _ in range(3)}
    inner: Any = value(random, 9)
    for _ in range(random.randrange(1, 12 - depth)):
        inner = [inner]
    return inner


def named_values(random: Random) -> dict[str, Any]:
    found = {random.choice(KEYS): value(random) for _ in range(random.randrange(5))}
    # Small enough for one message, whatever was drawn.
    while len(dump(found)) > 24_000:
        found.popitem()
    return found


def good(random: Random) -> dict[str, Any]:
    """A message that nothing is wrong with."""
    person = f"user-{random.randrange(3_000)}"
    found: dict[str, Any] = {"messageId": f"m-{random.getrandbits(64):x}"}
    who = random.randrange(5)
    if who != 1:
        found["userId"] = random.choice((person, person, "Ж" * 493, "u" * 987))
    if who in (1, 2):
        found["anonymousId"] = random.choice((f"a-{person}", "😀" * 255))
    if random.random() < 0.4:
        found["type"] = "identify"
        found["traits"] = named_values(random)
        if random.random() < 0.3:
            found["traits"]["email"] = random.choice(
                ("A@B.example", " x@y.example\u00a0", "İ" * 160, None, "", "no e-mail")
            )
    else:
        found["type"] = "track"
        found["event"] = random.choice(EVENTS)
        found["properties"] = named_values(random)
    if random.random() < 0.5:
        at = datetime.now(UTC) - timedelta(seconds=random.randrange(30 * 86_400))
        zone = random.choice(("Z", "+00:00", "+14:00", "-12:00", "+05:45"))
        found["timestamp"] = f"{at:%Y-%m-%dT%H:%M:%S}{zone}"
    return found


# What is done to a good message: to the field, what it becomes, and what must follow.
SPOILERS: Sequence[tuple[str, Callable[[Random], Any], Verdict]] = (
    ("userId", lambda r: characters(r, 950, 0x4E00, 0x9FA5), Verdict.REFUSED),
    ("userId", lambda r: characters(r, 988, 0x61, 0x7A), Verdict.REFUSED),
    ("userId", lambda r: characters(r, 300, 0x4E00, 0x9FA5), Verdict.TAKEN),
    ("userId", value, Verdict.EITHER),
    ("anonymousId", lambda r: characters(r, 256, 0x61, 0x7A), Verdict.REFUSED),
    ("anonymousId", lambda r: characters(r, 255, 0x1F300, 0x1F6FF), Verdict.TAKEN),
    ("anonymousId", value, Verdict.EITHER),
    ("messageId", lambda r: "the same", Verdict.TAKEN),
    ("messageId", lambda r: characters(r, 255, 0x4E00, 0x9FA5), Verdict.TAKEN),
    ("messageId", lambda r: "m\u202e\n", Verdict.REFUSED),
    ("messageId", value, Verdict.EITHER),
    ("event", text, Verdict.EITHER),
    ("event", lambda r: "Lead\r\nX-Evil: 1", Verdict.REFUSED),
    ("event", lambda r: "\u202edaeL", Verdict.REFUSED),
    ("event", value, Verdict.EITHER),
    ("traits", value, Verdict.EITHER),
    ("properties", value, Verdict.EITHER),
    ("traits", lambda r: {"": 1}, Verdict.REFUSED),
    ("traits", lambda r: {"k" * 256: 1}, Verdict.REFUSED),
    ("traits", lambda r: {"email": "İ" * 320}, Verdict.REFUSED),
    ("traits", lambda r: {"email": value(r), "phone": value(r)}, Verdict.EITHER),
    ("traits", lambda r: {f"n{n}": n for n in range(201)}, Verdict.REFUSED),
    ("traits", lambda r: {"v": "漢" * 12_000}, Verdict.REFUSED),
    ("traits", lambda r: {"v": Raw("[" * 30 + "]" * 30)}, Verdict.REFUSED),
    ("traits", lambda r: {"v": Raw("[" * 900 + "]" * 900)}, Verdict.REFUSED),
    ("traits", lambda r: {"v": Raw(str(2**64 + r.getrandbits(70)))}, Verdict.REFUSED),
    ("traits", lambda r: {"v": "\0"}, Verdict.REFUSED),
    ("traits", lambda r: {"a\0": 1}, Verdict.REFUSED),
    ("timestamp", moment, Verdict.EITHER),
    ("timestamp", value, Verdict.EITHER),
    ("sentAt", moment, Verdict.EITHER),
    ("sentAt", value, Verdict.EITHER),
    ("originalTimestamp", moment, Verdict.EITHER),
    ("context", value, Verdict.EITHER),
    ("integrations", value, Verdict.EITHER),
    ("type", value, Verdict.EITHER),
    ("surprise", value, Verdict.EITHER),
)
# What no strict parser of JSON takes.
UNREADABLE: Sequence[Callable[[Random], str]] = (
    lambda r: "NaN",
    lambda r: "-Infinity",
    lambda r: "1e400",
    lambda r: "-1e999999999",
    lambda r: "9" * 5_000,
    lambda r: r.choice(("01", "+1", "1.", ".5", "0x1", "'a'", "nul", "[1,]", "{,}")),
    lambda r: r.choice((r'"\ud800"', r'"\udc00\ud800"', r'"\x41"', '"a\nb"')),
    lambda r: "[" * r.choice((1_100, 10_000)),
    lambda r: '{"a":1,"b":2,"a":3}',
)


def message(random: Random) -> Message:
    """One message: half of them are good."""
    base = good(random)
    kind = random.random()
    if kind < 0.5:
        return Message(dump(base), Verdict.TAKEN)
    if kind < 0.6:
        base["traits" if base["type"] == "identify" else "properties"] = {
            "v": Raw(random.choice(UNREADABLE)(random))
        }
        return Message(dump(base), Verdict.REFUSED, is_readable=False)
    name, spoil, verdict = random.choice(SPOILERS)
    other = {"traits": "track", "properties": "identify", "event": "identify"}
    if other.get(name) == base["type"]:
        verdict = Verdict.EITHER  # kept out, but it must be storable all the same
    base[name] = spoil(random)
    return Message(dump(base), verdict)
