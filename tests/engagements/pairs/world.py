"""All rows of the table in one database, and the story that they go through together."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.utils import timezone

from engagements import tick
from engagements.audience import expansion
from engagements.delivery import loop
from engagements.guards import approved, ceiling
from engagements.lifecycle import approval, transitions, winner
from engagements.models import (
    ConsentRule,
    Delivery,
    Engagement,
    FrequencyCap,
    GlobalHoldout,
    SentBefore,
    SentLately,
    Suppression,
    TakenIn,
    channel_number,
)
from externalapi.models import Connection, ExternalAPIVersion
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from lemnisk_braze.lib import database_clock
from segments.ingest import inbox
from segments.models import Profile, Segment
from tests import factories
from tests.engagements.pairs import people as cast
from tests.engagements.pairs.features import INDIA, NEPAL, PAYLOAD, VALUES, Row
from tests.engagements.pairs.passing import DAY, let_pass, let_pass_for
from tests.engagements.pairs.people import Person
from tests.engagements.payload.conftest import payload_version, write
from tests.engagements.sync.conftest import attributes_version, body_of
from tests.faults import working

SOON = timedelta(minutes=2)
ACT = timedelta(minutes=3)
LATER = timedelta(minutes=40)
SHARE, SALT = 50, "of all"
# What says yes and what says no, to a consent of these values.
YES: Sequence[Any] = (True, "yes", ["no", "YES"], 1, ["true", None])
NO: Sequence[Any] = (
    "no",
    False,
    None,
    [],
    {"yes": True},
    0,
    ["no", ["yes"]],
    "yes please",
    "",
)
NOBODYS = ("Mars/Olympus", None, "", ["Asia/Tokyo"])


def draws(person: int, salt: str) -> bool:
    digest = sha256(f"{salt}\n{person}".encode()).hexdigest()
    return int(digest[:16], 16) / 2**64 * 100 < SHARE


class World:
    """`rows` as engagements, with their people; `sandbox` is what all of them send to."""

    def __init__(self, rows: Sequence[Row], braze: Connection, sandbox: SandboxProcess):
        self.rows = rows
        self.sandbox = sandbox
        self.people = {row.number: cast.of(row) for row in rows}
        self.source = factories.make_source()
        self.second_person = factories.make_admin()
        self.numbers = itertools.count()
        self.seen = 0
        self.last_delivery = 0
        self.start = database_clock.now().replace(second=0, microsecond=0) + SOON
        self.profiles: dict[str, Profile] = {}
        self.engagements: dict[int, Engagement] = {}
        self.versions = self._versions(braze)
        self._set_up_the_site()
        for row in rows:
            self._make(row)
        self._assign_profiles()

    # --- What there is ----------------------------------------------------------------

    def _versions(
        self, braze: Connection
    ) -> Mapping[tuple[str, bool], ExternalAPIVersion]:
        """Of each channel one with parameters, and one whose payload is written."""
        found = {}
        for channel in ("customer_data", "messaging", "crm", "advertising"):
            for has_payload in (False, True):
                make = payload_version if has_payload else attributes_version
                version = make(connection=braze)
                version.external_api.channel = channel
                version.external_api.save()
                found[channel, has_payload] = version
        return found

    def _set_up_the_site(self) -> None:
        """Consent is asked through two channels of four, and two have a cap."""
        for channel in ("customer_data", "messaging"):
            ConsentRule.objects.create(
                channel=channel, attribute="agreed", values=["true", "Yes", "1"]
            )
        for channel in ("messaging", "advertising"):
            FrequencyCap.objects.create(name=channel, channel=channel, most=2, every=3)
        GlobalHoldout.objects.create(share=SHARE, salt=SALT)
        self._segment("suppressed", "yes", is_suppression=True)
        self.excluded = self._segment("excluded", "yes")

    def _segment(self, attribute: str, value: str, **fields: Any) -> Segment:
        rule: dict[str, Any] = {"attribute": attribute, "is": "equals", "value": value}
        if fields.get("event_names"):
            rule = {"all": [rule, {"event": "Lead"}]}
        made: Segment = factories.make_segment(rule=rule, **fields)
        return made

    def _make(self, row: Row) -> None:
        is_each = row.trigger.startswith("each_event")
        events = {"event_names": ["Lead"]} if is_each else {}
        segment = self._segment("row", str(row.number), name=row.name, **events)
        has_payload = row.has("payload")
        version = self.versions[channel_of(row), has_payload]
        engagement = factories.make_engagement(
            segment,
            version,
            {} if has_payload else VALUES,
            name=row.name,
            variants=row.variants.as_json(),
            heeds_global_holdout=row.has("holdout of all"),
            **row.fields(self.start),
        )
        if has_payload:
            write(engagement, PAYLOAD, version)
        if row.has("exclusion"):
            engagement.exclusions.create(segment=self.excluded)
        if row.has("cap of the segment"):
            FrequencyCap.objects.create(
                name=f"{row.number} s", segment=segment, channel=channel_of(row), most=2,
                every=3, window="calendar", zone_attribute="tz",
            )  # fmt: skip
        if row.has("cap of the engagement"):
            FrequencyCap.objects.create(
                name=f"{row.number} e", engagement=engagement, most=2, period="week"
            )
        self.engagements[row.number] = engagement

    def _assign_profiles(self) -> None:
        """Who is drawn by chance is somebody whom the salt draws."""
        count = sum(map(len, self.people.values()))
        pool = factories.make_people(3 * count)
        for row in self.rows:
            for person in self.people[row.number]:
                fit = next(n for n, one in enumerate(pool) if self._fits(person, one))
                self.profiles[person.name] = pool.pop(fit)
        for name, profile in self.profiles.items():
            profile.external_id, profile.email = name, f"{name}@x.example"
        Profile.objects.bulk_update(self.profiles.values(), ["external_id", "email"])

    def _fits(self, person: Person, profile: Profile) -> bool:
        own = f"of engagement {self.engagements[person.row.number].pk}"
        return all(
            draws(profile.pk, salt) == is_drawn
            for name, salt, is_drawn in (
                ("holdout of all", SALT, "holdout of all" in person.marks),
                ("holdout", f"holdout {own}", "holdout" in person.marks),
                # A's half is the first.
                ("variants", f"variants {own}", not person.is_of_b),
            )
            if person.row.has(name)
        )

    # --- The story --------------------------------------------------------------------

    def begin(self, wave: int) -> None:
        """Everybody is where they have to be before it, and what is to be active is."""
        self._tell(self._before(wave))
        for row in self.rows:
            engagement = self.engagements[row.number]
            engagement.refresh_from_db()
            if wave == 2 and row.is_edited:
                self._edit(row, engagement)
            if wave == 2 and row.has("weekly", "monthly"):
                let_pass_for(engagement, self._until_the_next(row))
            if engagement.state in Engagement.AT_REST:
                transitions.activate(engagement)
        let_pass(ACT)
        self._mark_early(wave)
        self._tell(self._acts(wave))

    def _edit(self, row: Row, engagement: Engagement) -> None:
        """In what makes no difference to the objects; but for who has won."""
        was_active = transitions.pause(engagement)
        engagement.ambiguous_policy = Engagement.AmbiguousPolicy.RESEND
        engagement.save()
        if row.has("payload"):
            write(engagement, PAYLOAD.replace("\n", "\n\n"), engagement.version.base)
        if row.has("variants"):
            assert winner.choose(engagement, "B", self.second_person)
        assert transitions.resume(engagement) is was_active

    def _until_the_next(self, row: Row) -> timedelta:
        """How much longer than a day ago the slot before is."""
        if row.has("weekly"):
            return 6 * DAY
        month_before = self.start.replace(day=1) - DAY
        day = min(self.start.day, month_before.day)
        return self.start - month_before.replace(day=day) - DAY

    def take_in(self) -> dict[int, str]:
        """The tick, and whoever is to be taken in; which rows stopped, and what for.

        Each is let go on; no row stops twice.
        """
        stopped = dict[int, str]()
        while True:
            tick.tick()
            while expansion.expand(expansion.expandable_runs()):
                pass
            paused = Engagement.objects.filter(state="paused")
            waiting = [one for one in paused if ceiling.waiting_run(one)]
            for engagement in waiting:
                number = int(engagement.name.split(":")[0])
                assert number not in stopped, engagement.blocked_reason
                stopped[number] = self._let_go_on(engagement)
            if not waiting:
                return stopped

    def _let_go_on(self, engagement: Engagement) -> str:
        """As a second person, or anybody who may, says; return what was asked for."""
        asked = approved.waiting(engagement)
        if asked is None:
            assert transitions.go_on(engagement)
            return "ceiling"
        most, seen = asked.people, asked.digest
        approval.approve(asked, self.second_person, most=most, seen=seen, why="")
        return f"approval of {most}"

    def mark(self, wave: int) -> None:
        """While they wait: who is not to be sent after all."""
        messages = []
        for person in self._everybody():
            if person.is_absent is (wave == 2):
                messages += [*self._marks(person)]
            if "left" in person.marks:
                gone = (
                    "gone" if not _is_of_exits(person.row) else str(person.row.number)
                )
                messages.append((person, {"row": gone}))
        self._tell(messages)

    def pass_later(self) -> None:
        let_pass(LATER)

    def pass_until_the_second(self) -> None:
        let_pass(DAY - ACT - LATER)

    def _before(self, wave: int) -> Iterator[tuple[Person, Any]]:
        for person in self._everybody():
            row = person.row
            is_in = not (row.trigger.startswith("on_entry") or person.is_away(wave))
            if _is_of_exits(row):
                is_in = True
            traits: dict[str, Any] = {
                "row": str(row.number) if is_in else "out",
                "city": person.city(wave),
            }
            if wave == 1:
                traits |= self._first_traits(person)
            yield person, traits

    def _first_traits(self, person: Person) -> dict[str, Any]:
        row, n = person.row, person.number
        is_quiet = any(mark.startswith("quiet") for mark in person.marks)
        says_no = not row.has("consent")
        return {
            "plan": "pro",
            "tz": INDIA if person.is_later else NEPAL,
            "quiet_zone": NEPAL if is_quiet else NOBODYS[n % len(NOBODYS)],
            "agreed": NO[n % len(NO)] if says_no else YES[n % len(YES)],
        }

    def _acts(self, wave: int) -> Iterator[tuple[Person, Any]]:
        """What those triggers that listen are about."""
        for person in self._everybody():
            if person.is_away(wave):
                continue
            trigger = person.row.trigger
            if trigger.startswith("on_entry"):
                yield person, {"row": str(person.row.number)}
            elif trigger.startswith("each_event"):
                yield person, "Lead"
            elif _is_of_exits(person.row):
                yield person, {"row": "out"}

    def _mark_early(self, wave: int) -> None:
        """What is asked when people are taken in."""
        if wave == 2:
            return
        now = database_clock.now()
        for engagement in Engagement.objects.filter(again__in=["once", "after_days"]):
            # A run whose deliveries retention has deleted.
            factories.make_run(engagement, state="completed", scheduled_for=now - DAY)
        for person in self._everybody():
            if person.is_absent:
                continue
            profile = self.profiles[person.name]
            engagement = self.engagements[person.row.number]
            if person.marks & {"once a person", "again after days"}:
                SentBefore.objects.create(
                    engagement=engagement, profile=profile, sent_at=now
                )
            if "limit of events" in person.marks:
                TakenIn.objects.create(
                    engagement=engagement, profile=profile, times=[now], last_at=now
                )

    def _marks(self, person: Person) -> Iterator[tuple[Person, Any]]:
        profile, n = self.profiles[person.name], person.number
        if "suppression segment" in person.marks:
            yield person, {"suppressed": "yes"}
        if "exclusion" in person.marks:
            yield person, {"excluded": "yes"}
        if "consent" in person.marks:
            yield person, {"agreed": NO[n % len(NO)]}
        if "suppression list" in person.marks:
            self._suppress(person, profile)
        sends = [*self._sends(person)] * person.sent_before
        if sends:
            lately, _ = SentLately.objects.get_or_create(profile=profile)
            lately.sends = [*lately.sends, *sends]
            lately.save()

    def _suppress(self, person: Person, profile: Profile) -> None:
        """By who they are, by their e-mail, or by an identifier that was said of them."""
        kind = ("person", "email", "loyalty_card")[person.number % 3]
        if kind == "person":
            Suppression.objects.create(kind=kind, profile=profile)
            return
        value = profile.email if kind == "email" else person.name
        if kind == "loyalty_card":
            profile.identifiers.create(kind=kind, value=value)
        own = [channel_of(person.row), "other"]
        Suppression.objects.create(kind=kind, value=value, channels=own)

    def _sends(self, person: Person) -> Iterator[list[Any]]:
        """What somebody was sent a moment ago, in the eyes of each cap."""
        engagement = self.engagements[person.row.number]
        now = round(database_clock.now().timestamp() * 1_000)
        channel = channel_number(channel_of(person.row))
        if "cap of all" in person.marks:
            yield [now, 0, 0, channel, 0, 0]
        if "cap of the segment" in person.marks:
            yield [now, 0, engagement.segment_id, channel, 0, 0]
        if "cap of the engagement" in person.marks:
            yield [now, engagement.pk, 0, 0, 0, 0]

    # --- Tools ------------------------------------------------------------------------

    def _everybody(self) -> Iterator[Person]:
        return itertools.chain.from_iterable(self.people.values())

    def _tell(self, said: Iterable[tuple[Person, Any]]) -> None:
        """Through the inbox: traits of people, or an event that they did."""
        messages = []
        for person, what in said:
            at = {"userId": person.name, "timestamp": timezone.now().isoformat()}
            is_event = isinstance(what, str)
            kind = "track" if is_event else "identify"
            own = {"event": what, "properties": {}} if is_event else {"traits": what}
            messages.append((f"m{next(self.numbers)}", kind, {**at, **own}))
        inbox.append(self.source, messages)
        while inbox.apply_some(inbox.CHUNK):
            pass

    def work(self) -> dict[str, list[Mapping[str, Any]]]:
        """Send what is due; which objects have arrived, by person."""
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for _ in range(working.MANY):
            # Few at a time: the sandbox keeps the last hundred bodies.
            is_more = loop.work(timedelta(seconds=0.1))
            for one in self._arrived():
                found[one["external_id"]].append(one)
            if not is_more:
                return found
        raise AssertionError("there is always work that is due")

    def _arrived(self) -> Iterator[Mapping[str, Any]]:
        records = self.sandbox.requests(self.seen)
        for record in records:
            assert record["accepted"], record
            yield from body_of(self.sandbox, record["n"])["attributes"]
        self.seen += len(records)

    def ended(self) -> dict[str, list[tuple[str, int | None]]]:
        """What the deliveries say that came since it was last asked, by person.

        With the number of their variant.
        """
        new = Delivery.objects.filter(pk__gt=self.last_delivery).order_by("pk")
        names = {profile.pk: name for name, profile in self.profiles.items()}
        found: dict[str, list[tuple[str, int | None]]] = defaultdict(list)
        for pk, person, state, reason, variant in new.values_list(
            "pk", "profile", "state", "reason", "variant"
        ):
            code = reason.partition(":")[0] if state == "skipped" else state
            found[names[person]].append((code, variant))
            self.last_delivery = pk
        return found


def channel_of(row: Row) -> str:
    """With a consent, a cap, both or none."""
    if row.has("consent"):
        return "messaging" if row.has("cap of all") else "customer_data"
    return "advertising" if row.has("cap of all") else "crm"


def _is_of_exits(row: Row) -> bool:
    return row.trigger.startswith("on_exit")
