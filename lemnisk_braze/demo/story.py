"""What the demo does: people in, the three steps, and a look at what arrived.

Every step finds what an earlier start left behind and repeats nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from engagements.lifecycle import transitions
from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from externalapi.connections import encryption
from externalapi.definitions.versions import Draft, save_version
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from externalapi.testing.runs import run_test
from externalapi.vendors.braze.presets.all import TRACK_USERS
from lemnisk_braze.demo import people
from lemnisk_braze.demo.site import USERNAME, Say, Site
from lemnisk_braze.local.processes import LocalError
from segments.ingest import inbox
from segments.membership import refresh
from segments.models import Profile, Segment, Source
from segments.rules import tree
from segments.tracking import write_keys

ENGAGEMENT = "Lead form to Braze"
TEST_PERSON = "test-person"
TEST_VALUES = {
    "External ID": TEST_PERSON,
    "Name of the User": "Tess",
    "Email": "tess@example.com",
    "Event Time": "2026-01-31T09:30:00Z",
    "Product ID": "home-loan",
}
RULE = {"event": people.LEAD, "at_least": 1, "within_days": 30}
VALUES = {
    "Name of the User": '{{ profile.first_name | default: "there" }}',
    "Email": "{{ profile.email }}",
    "Event Time": "{{ event.time }}",
    "Product ID": "{{ event.properties.product_id }}",
}


@dataclass(slots=True, kw_only=True)
class Story:
    site: Site
    say: Say
    leads: int
    others: int

    @property
    def is_told(self) -> bool:
        """Whether an earlier start came to its end: then it is somebody's to play with."""
        told = Engagement.objects.filter(name=ENGAGEMENT)
        return told.exclude(state=Engagement.State.DRAFT).exists()

    def tell(self) -> None:
        """Send the people in, and walk from the External API to Activate."""
        source = Source.objects.filter(name="Website").first()
        write_key = write_keys.issue(source or Source(name="Website"))
        self._send_in(write_key)
        version = self._external_api()
        self._test(version)
        segment = self._segment()
        self._engagement(segment, version)
        self._one_more(write_key)

    def check(self) -> None:
        """Print what arrived; raise LocalError unless it is just what should have."""
        self._wait_for_deliveries()
        expected = self._expected()
        arrived = {user["external_id"]: user for user in self.site.users()}
        missing = expected - arrived.keys()
        strangers = arrived.keys() - expected - {TEST_PERSON}
        repeated = [
            external_id
            for external_id in expected & arrived.keys()
            if arrived[external_id]["events"] != 1
        ]
        self._print_what_arrived()
        for wrong, what in (
            (missing, "did not arrive"),
            (strangers, "arrived and should not have"),
            (repeated, "did not arrive exactly once"),
        ):
            if wrong:
                some = ", ".join(sorted(wrong)[:5])
                raise LocalError(f"{len(wrong):,} people {what}: {some} …")
        self.say("All that should have arrived did, each once, and nothing else.")

    def invite(self) -> None:
        """Say where to look, and as whom."""
        self.say(
            f"\n  Open      {self.site.address}\n"
            f"  Sign in   {USERNAME}  /  {self.site.password}\n"
            f"  Braze     {self.site.sandbox}/search-users"
            "   (the sandbox; look for lead-00042)\n\n"
            "Ctrl-C ends everything; the data stays for the next start."
        )

    def _send_in(self, write_key: str) -> None:
        started = time.monotonic()
        people_in = people.visitors(self.leads, self.others)
        count = people.send_in(self.site.address, write_key, people_in, timezone.now())
        took_in = time.monotonic()
        self._wait(lambda: not inbox.is_waiting(), "the inbox to be applied", 120)
        applied = time.monotonic()
        self.say(
            f"Sent in {self.leads + self.others:,} people ({count:,} messages) through"
            f" the tracking API in {took_in - started:.1f} s;"
            f" applied {applied - took_in:.1f} s later"
        )

    def _external_api(self) -> ExternalAPIVersion:
        """Step 1: Create a Braze External API."""
        connection, _ = Connection.objects.get_or_create(
            name="Braze sandbox", defaults={"base_url": self.site.sandbox}
        )
        if connection.base_url != self.site.sandbox:
            # The port was taken, and the sandbox has moved.
            connection.base_url = self.site.sandbox
            connection.save(update_fields=["base_url", "updated_at"])
        if not connection.key_encrypted:
            encryption.set_key(connection, self.site.sandbox_key)
        external_api, _ = ExternalAPI.objects.get_or_create(
            name=TRACK_USERS.name,
            defaults={
                "description": TRACK_USERS.description,
                "channel": TRACK_USERS.channel,
                "channel_identifier": TRACK_USERS.channel_identifier,
            },
        )
        if external_api.current_version:
            return external_api.current_version
        draft = Draft(
            connection=connection,
            method=TRACK_USERS.method,
            path=TRACK_USERS.path,
            headers=TRACK_USERS.headers,
            body=TRACK_USERS.body,
            parameters=TRACK_USERS.parameters,
            **TRACK_USERS.plan.fields(),
            answer_rules=TRACK_USERS.rules.to_dict(),
        )
        self.say("Step 1: External API “Braze Track Users” described")
        return save_version(external_api, draft, None)

    def _test(self, version: ExternalAPIVersion) -> None:
        """Step 2: Test the configuration, once."""
        if version.tests.filter(is_success=True).exists():
            return
        user = get_user_model().objects.get(username=USERNAME)
        test = run_test(version, TEST_VALUES, user)
        if not test.is_success:
            raise LocalError(f"Test Configuration failed: {test.response}")
        self.say(
            f"Step 2: Test Configuration answered {test.response['status']} in"
            f" {test.response['duration_ms']} ms; “{TEST_PERSON}” is in Search Users"
        )

    def _segment(self) -> Segment:
        """Step 3: a segment of everybody who submitted the lead form."""
        segment, is_new = Segment.objects.get_or_create(
            name="Submitted a lead form",
            defaults={"rule": RULE, "event_names": tree.event_names(RULE)},
        )
        started = time.monotonic()
        refresh.refresh(segment.pk)
        segment.refresh_from_db()
        if is_new:
            self.say(
                f"Step 3: segment “{segment}”: {segment.size:,} people, counted in"
                f" {time.monotonic() - started:.2f} s"
            )
        return segment

    def _engagement(self, segment: Segment, version: ExternalAPIVersion) -> None:
        """Add Engagement, Configure Parameters, Activate: and wait for the end."""
        engagement, _ = Engagement.objects.get_or_create(
            name=ENGAGEMENT,
            defaults={
                "segment": segment,
                "version": version,
                "values": VALUES,
                "trigger": Engagement.Trigger.ON_ENTRY,
                "includes_present": True,
            },
        )
        if engagement.state != Engagement.State.DRAFT:
            return
        started = time.monotonic()
        transitions.activate(engagement)
        self._wait_for_deliveries()
        sent = Delivery.objects.filter(run__engagement=engagement, state="sent").count()
        requests = Attempt.objects.filter(batch__run__engagement=engagement).count()
        took = time.monotonic() - started
        self.say(
            f"        engagement “{engagement}” activated: {sent:,} people sent in"
            f" {requests:,} requests, {took:.1f} s"
        )

    def _one_more(self, write_key: str) -> None:
        """Somebody submits the form just now: from the SDK's call to Braze."""
        number = self._next_number()
        person = people.Visitor(number=number, is_lead=True)
        started = time.monotonic()
        people.send_in_one(self.site.address, write_key, person, timezone.now())
        path = f"/sandbox/users/{quote(person.external_id)}"
        self._wait(lambda: self._has(path), f"{person.external_id} in Braze", 30)
        took = (time.monotonic() - started) * 1000
        self.say(
            f"        then {person.first_name} submits the form: in Braze {took:.0f} ms"
            " after the SDK's call"
        )

    def _next_number(self) -> int:
        leads = Profile.objects.filter(external_id__startswith="lead-")
        newest = leads.aggregate(newest=Max("external_id"))["newest"] or "lead-0"
        return int(newest.removeprefix("lead-")) + 1

    def _has(self, path: str) -> bool:
        try:
            self.site.get(path)
        except OSError:
            return False
        return True

    def _wait(self, is_true: Callable[[], bool], what: str, seconds: float) -> None:
        self.site.processes.wait_until(is_true, what, seconds)

    def _wait_for_deliveries(self) -> None:
        self._wait(self._is_settled, "the deliveries", 300)

    def _is_settled(self) -> bool:
        with transaction.atomic():
            is_expanding = Run.objects.filter(state=Run.State.EXPANDING).exists()
            is_open = Batch.objects.filter(state__in=Batch.OPEN).exists()
        return not is_expanding and not is_open

    def _expected(self) -> set[str]:
        segment = Segment.objects.get(name="Submitted a lead form")
        people_in = segment.memberships.values_list("profile__external_id", flat=True)
        return {external_id for external_id in people_in if external_id}

    def _print_what_arrived(self) -> None:
        summary = self.site.summary()
        statuses = ", ".join(
            f"{count:,} × {status}" for status, count in summary["by_status"].items()
        )
        self.say(
            f"Arrived in the sandbox: {summary['users']:,} users,"
            f" {summary['events']:,} events (answers since its start: {statuses})"
        )
