"""Who people are to us: all of them, some by chance, and where they belong."""

from datetime import timedelta
from hashlib import sha256

from tests.segments.rules.oracle import KINDS, Kind


def drawn(rule, person, now):
    digest = sha256(f"{rule['salt']}\n{person.id}".encode()).digest()
    return int.from_bytes(digest) / 2 ** (8 * len(digest)) * 100 < rule["share"]


def was_sent(rule, person, now):
    days = rule.get("within_days")
    return any(
        rule["sent"] in (None, engagement)
        and (days is None or at >= now - timedelta(days=days))
        for engagement, at in person.sent
    )


KINDS["everybody"] = Kind(holds=lambda rule, person, now: True)
KINDS["share"] = Kind(holds=drawn)
KINDS["segment"] = Kind(
    holds=lambda rule, person, now: rule["segment"] in person.segments
)
KINDS["list"] = Kind(holds=lambda rule, person, now: rule["list"] in person.lists)
KINDS["sent"] = Kind(holds=was_sent)
