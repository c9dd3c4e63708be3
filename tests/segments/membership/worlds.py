"""Small worlds at random: rules, devices and users, and what they send, by a seed."""

from dataclasses import replace
from datetime import timedelta
from random import Random

from django.utils import timezone

from segments.ingest import inbox
from segments.membership import readers, refresh
from segments.membership.references import graph
from segments.models import Profile, Segment
from segments.rules import tree
from tests.factories import make_segment, make_source
from tests.segments.rules import oracle, random_rules, stored

USERS, DEVICES = 3, 4
# Days ago: some are soon out of a window.
AGES = (1, 2.99, 5, 9.99, 20)


def valid_rule(random):
    """A rule whose conditions are of any kind that the oracle knows."""
    while True:
        rule = random_rules.rule(random)
        try:
            tree.validate(rule)
        except tree.ValidationError:
            continue
        return rule


class World:
    """One seed's segments, and messages to send."""

    def __init__(self, seed, rules=8):
        self.random = Random(seed)
        self.chance = Random(f"{seed} references")
        self.rules = [valid_rule(self.random) for _ in range(rules)]
        self.now = timezone.now()
        self.segments = []
        self._count = 0

    def begin(self):
        """Segments in which nobody is yet; every third one keeps what is done again."""
        self.source = make_source()
        for number, rule in enumerate(self.rules):
            rule = self.rules[number] = self.with_references(rule)
            segment = make_segment(
                rule=rule,
                event_names=tree.event_names(rule),
                reads_segments=sorted(graph.segments_in(rule)),
                refreshed_at=None,
            )
            if number % 3 == 0:
                readers.keep_again(segment.pk)
            refresh.refresh(segment.pk)
            self.segments.append(Segment.objects.get(pk=segment.pk))

    def with_references(self, rule):
        """The same, that now and then also asks for a segment made before."""
        if not self.segments or self.chance.random() < 0.6:
            return rule
        asked = {"segment": self.chance.choice(self.segments).pk}
        if self.chance.random() < 0.5:
            asked = {"not": asked}
        wider = {self.chance.choice(("all", "any")): [asked, rule]}
        return rule if tree.problem(wider) else wider

    def message(self):
        """(kind, payload)"""
        random = self.random
        kind = random.choices(("track", "identify", "alias"), (6, 4, 1))[0]
        device = f"d{random.randrange(DEVICES)}"
        user = f"u{random.randrange(USERS)}"
        age = timedelta(days=random.choice(AGES), seconds=random.randrange(60))
        payload = {"timestamp": (self.now - age).isoformat()}
        if kind == "alias":
            return kind, payload | {"userId": user, "previousId": device}
        who = random.random()
        if who < 0.55:
            payload["anonymousId"] = device
        if who > 0.45:
            payload["userId"] = user
        if kind == "track":
            payload["event"] = random.choice(random_rules.NAMES)
            payload["properties"] = random_rules.values(random)
        else:
            payload["traits"] = random_rules.values(random)
            if random.random() < 0.2:
                payload["traits"]["email"] = random.choice(("5", "Pune", None))
        return kind, payload

    def messages(self, count):
        """(message ID, kind, payload) each."""
        made = []
        for _ in range(count):
            self._count += 1
            made.append((f"m{self._count}", *self.message()))
        return made

    def send(self, messages, chunk):
        """Apply them, so many at once."""
        inbox.append(self.source, messages)
        while inbox.apply_some(chunk):
            pass

    def members(self):
        """By number of the segment: who is in, and how many it says there are."""
        return {
            number: (
                set(segment.memberships.values_list("profile_id", flat=True)),
                Segment.objects.get(pk=segment.pk).size,
            )
            for number, segment in enumerate(self.segments)
        }

    def expected_members(self):
        """The same as the oracle has it."""
        return {
            number: (set(ids), len(ids))
            for number, ids in self.taken_in(stored.read(), timezone.now()).items()
        }

    def taken_in(self, people, now):
        """By number of the segment: who is in; those asked for come before."""
        found = {}
        for number, rule in enumerate(self.rules):
            for pk, person in people.items():
                if oracle.holds(rule, person, now):
                    found.setdefault(number, set()).add(pk)
            for pk in found.setdefault(number, set()):
                own = people[pk].segments | {self.segments[number].pk}
                people[pk] = replace(people[pk], segments=own)
        return found

    def log(self):
        """By segment's number and row, under all names that it may have: its lines."""
        names = names_of_rows()
        found = {}
        for number, segment in enumerate(self.segments):
            for line in segment.transitions.order_by("pk").select_related("event"):
                by = line.event and line.event.message_id
                key = number, names[line.profile_id]
                found.setdefault(key, []).append((line.kind, by))
        return found


def names_of_rows():
    """By id: what a row is called by itself, and all identifiers of its person."""
    own, whole = {}, {}
    for profile in Profile.objects.prefetch_related("identifiers"):
        said = {one.value for one in profile.identifiers.all() if one.is_own}
        key = (profile.own or {}).get("key") or (None, profile.external_id)
        own[profile.pk] = "".join(sorted({*said, key[1] or ""}))
        root = profile.merged_into_id or profile.pk
        whole.setdefault(root, set()).add(own[profile.pk])
    return {
        profile.pk: (
            own[profile.pk],
            *sorted(whole[profile.merged_into_id or profile.pk]),
        )
        for profile in Profile.objects.all()
    }
