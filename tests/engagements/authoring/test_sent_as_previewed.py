"""What the preview shows is what arrives, byte for byte, whatever people's data are."""

import json
import random
import re
import socket
import threading
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from engagements.authoring.preview import preview, what_was_sent
from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement
from engagements.payload import versions
from externalapi.connections import encryption
from segments.models import Event, Membership, Profile
from tests import factories

pytestmark = pytest.mark.django_db

PEOPLE = 1_000
NUMBERS = (
    0,
    -1,
    42,
    10.0,
    0.1,
    -0.0,
    1e-5,
    1e-7,
    1.5e300,
    5e-324,
    1.7976931348623157e308,
    1e20,
    1e21,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    2**63,
    2**64 - 1,
    2**64,
    12345678901234567890,
    123456789012345678901234,
    -(10**25),
    10**400,
    -(10**400) - 7,
    0.30000000000000004,
    2.675,
)
TEXTS = (
    "",
    " ",
    "Ann",
    "1.234,50",
    "1e20",
    "1e400",
    "NaN",
    "-Infinity",
    "null",
    "true",
    "No",
    "007",
    "12345678901234567890123",
    "\u05e9\u05dc\u05d5\u05dd \u202eabc\u202c",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301",
    "\ufeffbom\u2028line\u2029",
    "\\ud800",
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    '"quoted" \\ back\\slash </script>',
    "tab\tnew\nline\r\x01\x1f\x7f",
    "{{ profile.first_name }} {% raw %} ${x}",
    "2026-01-31T09:30:05Z",
    "2026-01-31 09:30",
    "19901231",
    "03/06/2021",
    "%ff %00 %E2%82%AC",
    "4oKs",
    '{"a": 1e400}',
    "[1, 12345678901234567890123]",
    "x" * 100_000,
    "ü" * 51_200,
    "€" * 40_000,
)
BODY = """{"attributes": [{
    "external_id": {{ID}}, "text": {{Text}}, "again": "Hi {{Text}}: {{Points}}!",
    "number": {{Number}}, "whole": {{Whole}}, "truth": {{Truth}}, "at": {{At}},
    "list": {{List}}, "object": {"of": {{Object}}}, "given": {{Given}},
    "sum": {{Sum}}, "day": {{Day}}, "long": {{Long}}, "name": {{Name}}
}]}"""
PARAMETERS = [
    factories.parameter("ID", level="identifier"),
    factories.parameter("Text", required=False),
    factories.parameter("Points", required=False),
    factories.parameter("Number", type="number", required=False),
    factories.parameter("Whole", type="integer", required=False),
    factories.parameter("Truth", type="boolean", required=False),
    factories.parameter("At", type="datetime", required=False),
    factories.parameter("List", type="list", required=False),
    factories.parameter("Object", type="object", required=False),
    factories.parameter("Given", default="nobody"),
    factories.parameter("Sum", type="number", required=False),
    factories.parameter("Day", required=False),
    factories.parameter("Long", required=False),
    # Who has none is not sent.
    factories.parameter("Name"),
]
VALUES = {
    "Text": "{{ profile.a }}",
    "Points": "{{ profile.b }} of {{ event.properties.a }}",
    "Number": "{{ profile.b }}",
    "Whole": "{{ event.properties.b }}",
    "Truth": "{{ profile.c }}",
    "At": "{{ event.time }}",
    "List": "{{ profile.c }}",
    "Object": "{{ event.properties.c }}",
    "Given": '{{ profile.absent | default: profile.a | default: "x" }}',
    "Sum": "{{ profile.b | plus: event.properties.b | round: 2 }}",
    "Day": "{{ profile.a | date: '%Y-%m-%d' }} {{ event.time | date: '%s.%L' }}",
    "Long": "{{ profile.a | url_encode | append: event.properties.a }}",
    "Name": '{{ profile.name | default: "" }}',
}

# The same written in the engagement: each value is sent as it comes.
PAYLOAD = """{"attributes": [{
    "external_id": {{ profile.external_id }}, "text": "{{ profile.a }}",
    "again": "Hi {{ profile.a }}: {{ profile.b }}!", "number": {{ profile.b }},
    "truth": {{ profile.c | default: "none" }}, "at": "{{ event.time }}",
    "object": {"of": {{ event.properties.c }}, "or": "{{ event.properties.b }}"},
    "given": "{{ profile.absent | default: profile.a | default: "x" }}",
    "sum": {{ profile.b | plus: event.properties.b | round: 2 }},
    "some": "{% for one in profile.c %}{% if one %}{{ one }}{% break %}{% endif %}{% endfor %}",
    "kind": "{% case profile.b %}{% when 42 %}{{ profile.b }}{% else %}other{% endcase %}",
    "list": [1, {{ profile.c }}, "{{ profile.name }}"]
}]}"""


class Tap:
    """A line in front of a server that keeps what was sent to it."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent: list[bytearray] = []

    def __enter__(self) -> "Tap":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                kept = bytearray()
                self.sent.append(kept)
                for pair in ((client, server, kept), (server, client, bytearray())):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()

    def bodies(self):
        """The body of each request, as it went over the wire."""
        for kept in self.sent:
            data = bytes(kept)
            while data:
                head, _, rest = data.partition(b"\r\n\r\n")
                (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
                yield rest[: int(length)]
                data = rest[int(length) :]


def _pump(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            kept += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def nasty_value(chance: random.Random, depth: int = 2):
    kind = chance.choice(("number", "number", "text", "text", "word", "list", "object"))
    if kind == "number":
        return chance.choice(NUMBERS)
    if kind == "text":
        # The long ones are rare: a request has room for 38 of them.
        return chance.choice(TEXTS if chance.random() < 0.2 else TEXTS[:-3])
    if kind == "word" or depth == 0:
        return chance.choice((None, True, False, [], {}, [None], {"": ""}))
    if kind == "list":
        return [nasty_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {
        chance.choice(("a", "é", "$inc", "x.y", "")): nasty_value(chance, depth - 1)
        for _ in range(chance.randrange(3))
    }


def nasty_data(chance: random.Random):
    return {key: nasty_value(chance) for key in "abc" if chance.random() < 0.8}


def make_people(segment) -> None:
    chance = random.Random(20_26)
    source = factories.make_source()
    profiles = Profile.objects.bulk_create(
        Profile(
            external_id=f"p{n}" if chance.random() < 0.99 else None,
            email=chance.choice(("", f"p{n}@example.com")),
            attributes=nasty_data(chance)
            | ({"name": "Ann"} if chance.random() < 0.95 else {}),
        )
        for n in range(PEOPLE)
    )
    events = Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"m{profile.pk}",
            profile=profile,
            name="Lead",
            time=timezone.now() - timedelta(microseconds=chance.randrange(10**9)),
            properties=nasty_data(chance),
        )
        for profile in profiles
        if chance.random() < 0.8
    )
    brought = {event.profile_id: event for event in events}
    Membership.objects.bulk_create(
        Membership(segment=segment, profile=profile, event=brought.get(profile.pk))
        for profile in profiles
    )


def received_by(tap: Tap) -> dict[str, set[str]]:
    """External ID → the texts of their objects, as they stood in the requests."""
    found = defaultdict(set)
    decoder = json.JSONDecoder()
    start = '{"attributes":['
    for body in tap.bodies():
        text = body.decode()
        assert text.startswith(start)
        at = len(start)
        while text[at - 1] != "]":
            person, end = decoder.raw_decode(text, at)
            found[person["external_id"]].add(text[at:end])
            at = end + 1
    return found


def without_spaces(written: str) -> str:
    """A pretty JSON text without what makes it pretty."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda found: found[1] or "", written)


@pytest.mark.parametrize("is_payload", [False, True], ids=["parameters", "payload"])
def test_a_thousand_people_get_what_their_previews_show(sandbox, settings, is_payload):
    with Tap(sandbox.port) as tap:
        settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{tap.port}"]
        connection = factories.make_connection(base_url=f"http://127.0.0.1:{tap.port}")
        encryption.set_key(connection, sandbox.key)
        version = factories.make_version(BODY, PARAMETERS, connection=connection)
        segment = factories.make_segment(0)
        make_people(segment)
        engagement = factories.make_engagement(
            segment, version, values=VALUES, trigger=Engagement.Trigger.SCHEDULE
        )
        if is_payload:
            versions.save(engagement, versions.write(version, PAYLOAD, {}))
            engagement.save()
        transitions.activate(engagement)
        loop.work(timedelta(seconds=60))
        received = received_by(tap)

    previews = {
        member.profile: preview(
            engagement.version,
            engagement.values,
            segment,
            member.profile,
            member.event,
            engagement,
        )
        for member in segment.memberships.select_related("profile", "event")
    }
    shown = {
        person.external_id: {without_spaces(found.body)}
        for person, found in previews.items()
        if found.is_sendable
    }
    assert {
        id: {f'{{"attributes":[{text}]}}' for text in texts}
        for id, texts in received.items()
    } == shown

    # Of a payload only the identifier is needed.
    assert PEOPLE * 0.5 < len(shown) < PEOPLE * (1 if is_payload else 0.9)
    deliveries = Delivery.objects.select_related("profile")
    assert deliveries.count() == PEOPLE
    skipped = {one.profile for one in deliveries.filter(state="skipped")}
    assert skipped == {who for who, found in previews.items() if not found.is_sendable}
    # What was left out is said by the delivery as by the preview.
    notes = {one.profile: one.reason for one in deliveries.filter(state="sent")}
    assert {who: " ".join(previews[who].notes) for who in notes} == notes
    for one in random.Random(1).sample(list(deliveries), 50):
        assert what_was_sent(one).body == previews[one.profile].body
