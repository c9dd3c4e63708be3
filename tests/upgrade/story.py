"""A site with a history: a row in every table, told through the product's own functions.

What time, a fault or another hand would have to bring about is written into the rows.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from axes.models import (
    AccessAttempt,
    AccessAttemptExpiration,
    AccessFailureLog,
    AccessLog,
)
from django.contrib.auth.models import Group, Permission, User
from django.db.models import F
from django.test import Client

from engagements import retention
from engagements.audience import expansion
from engagements.lifecycle import approval, transitions
from engagements.models import (
    ApprovalLimit,
    Attempt,
    Batch,
    Delivery,
    Destination,
    Engagement,
    Run,
    SentBefore,
    Worker,
)
from engagements.recovery import retry_failed
from engagements.tick import tick
from externalapi.connections import encryption, key_rotation
from externalapi.definitions.archive import archive
from externalapi.definitions.versions import Draft, save_version
from externalapi.http.auth import Auth
from externalapi.models import (
    Connection,
    ConnectionGroup,
    ExternalAPI,
    ExternalAPIVersion,
    TestCase,
)
from externalapi.template.parameters import Parameter
from externalapi.testing import runs
from externalapi.vendors.braze.presets.track import TRACK_ATTRIBUTES, TRACK_USERS
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.preset import Preset
from lemnisk_braze.lib import database_clock
from segments.imports.feeding import queries
from segments.ingest import inbox
from segments.membership import refresh, rule_changes
from segments.models import Profile, Segment, Source, SourceQuery, WatchedFolder
from segments.rules import tree
from segments.tracking import write_keys
from tests import factories
from tests.faults import working

# Every dump was made with these, so they never change. They open nothing else.
SECRETS_KEYS = ["thrown away: the passphrase of the dumps in tests/upgrade"]
API_KEY = "thrown-away-api-key-of-the-dumps"
BRAZE_HOST = "rest.fra-01.braze.eu"
BRAZE = f"https://{BRAZE_HOST}"

LEAD, VIEW = "Lead form submitted", "Product viewed"
LEADS = {
    "all": [
        {"event": LEAD, "at_least": 1},
        {"not": {"attribute": "unsubscribed", "is": "equals", "value": True}},
    ]
}
NESTED = {
    "any": [
        {
            "all": [
                {"attribute": "plan", "is": "in", "value": ["gold", "platinum"]},
                {"not": {"attribute": "city", "is": "is_missing"}},
            ]
        },
        {
            "event": VIEW,
            "at_least": 2,
            "within_days": 30,
            "where": [{"property": "product_id", "is": "starts_with", "value": "p-"}],
        },
    ]
}
WITH_MAIL = {"attribute": "email", "is": "is_present"}
# What people's data look like where nobody looked at them.
ODD = {
    "first_name": "Zoë \\N \t \"'`{{ 7 | times: 7 }}",
    "last_name": "محمد 👩‍👩‍👧 \u2028 line",
    "a key with. dots": {"deep": [[], {}, [None, True, 1.5e-7]]},
    "big": 9_223_372_036_854_775_807,
    "tiny": -0.000_001,
    "empty": "",
    "plan": "gold",
    "city": "São Paulo",
}
LEAD_VALUES = {
    "Name of the User": '{{ profile.first_name | default: "there" }}',
    "Email": "{{ profile.email }}",
    "Event Time": "{{ event.time }}",
    "Product ID": "{{ event.properties.product_id }}",
}
PERSON_VALUES = {
    "First Name": "{{ profile.first_name | strip }}",
    "Last Name": "{{ profile.last_name }}",
    "Email": "{{ profile.email }}",
}
State = Engagement.State
Schedule = Engagement.Trigger.SCHEDULE
OnEntry = Engagement.Trigger.ON_ENTRY


class Story:
    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.browser = Client(SERVER_NAME="localhost")

    def tell(self) -> None:
        self._users()
        self._connections()
        self._external_apis()
        self._tests()
        self._people()
        self._feeds()
        self._segments()
        self._old_engagement()
        self._engagements_at_work()
        self._engagements_at_rest()
        self._ends()
        tick()
        self._what_waits()
        self._traces()
        self._names()

    # --- Who, how ---------------------------------------------------------------------

    def _users(self) -> None:
        self.ada = User.objects.create_superuser("ada", "ada@example.com")
        self.browser.force_login(self.ada)
        self._press("auth/group/add/", name="Braze team")
        self.team = Group.objects.get(name="Braze team")
        self.eve = User.objects.create_user("eve", "eve@example.com", is_staff=True)
        self.eve.groups.add(self.team, Group.objects.get(name="Engineer"))
        self.eve.user_permissions.add(Permission.objects.get(codename="view_delivery"))
        self.max = User.objects.create_user("max", "max@example.com", is_staff=True)
        self.max.groups.add(Group.objects.get(name="Marketer"))

    def _press(self, page: str, **fields: object) -> None:
        answer = self.browser.post(f"/admin/{page}", fields)
        assert answer.status_code == 302, answer.content.decode()

    def _connections(self) -> None:
        """Braze's with three keys, one with an open breaker, one with a token."""
        self.braze = factories.make_connection(
            self.sandbox.url, name="Braze", requests_per_hour=250_000
        )
        encryption.set_key(self.braze, "an-older-key-that-was-replaced")
        key_rotation.set_beside(self.braze, API_KEY)
        assert key_rotation.switch(self.braze, timedelta(hours=24))
        key_rotation.set_beside(self.braze, "a-key-that-waits-for-its-turn")
        ConnectionGroup.objects.create(connection=self.braze, group=self.team)

        self.webhook = factories.make_connection(
            "https://hooks.example.com",
            name="Webhook",
            auth=Auth.HEADER,
            key_name="X-API-Key",
            timeout_seconds=5,
            requests_at_once=4,
        )
        encryption.set_key(self.webhook, "a-key-of-the-webhook")
        now = database_clock.now()
        Destination.objects.create(
            connection=self.webhook,
            failures_in_a_row=7,
            times_opened=2,
            is_wary=True,
            failing_since=now - timedelta(hours=1),
            blocked_until=now,
            last_problem="It answered 503.",
            last_problem_at=now,
        )
        partner = factories.make_connection(
            "https://api.partner.example",
            name="Partner",
            auth=Auth.OAUTH2,
            token_url="https://login.partner.example/token",
            client_id="lemnisk",
            scope="people.write",
        )
        encryption.set_key(partner, "a-secret-of-the-client")
        plan = partner.sign_in.token
        assert plan
        Connection.objects.filter(pk=partner.pk).update(
            token_encrypted=encryption.seal_token(plan, "a-token"),
            token_expires_at=now + timedelta(hours=1),
        )

    def _external_apis(self) -> None:
        """One with two versions, one of small requests, one archived, another vendor's."""
        first = _draft(TRACK_USERS, self.braze)
        users = ExternalAPI.objects.create(name="Track Users", description="Leads.")
        self.first_version = save_version(users, first, self.ada)
        second = replace(first, body=first.body.replace("lead_submitted", "lead"))
        self.version = save_version(users, second, self.ada, "As Braze's team names it")
        self.people_version = self._api(
            "Attributes",
            replace(_draft(TRACK_ATTRIBUTES, self.braze), batch_combined=3),
        )
        archived = self._api("Old attributes", _draft(TRACK_ATTRIBUTES, self.braze))
        archive(archived.external_api)
        self.webhook_version = self._api(
            "Notify",
            Draft(
                connection=self.webhook,
                method="GET",
                path="/notify",
                query=[["email", "{{Email}}"]],
                body_kind=ExternalAPIVersion.BodyKind.NONE,
                parameters=(Parameter(name="Email", example="ada@example.com"),),
            ),
            channel=ExternalAPI.Channel.CRM,
            channel_identifier=ExternalAPI.ChannelIdentifier.EMAIL,
        )

    def _api(self, name: str, draft: Draft, **fields: Any) -> ExternalAPIVersion:
        api = ExternalAPI.objects.create(name=name, **fields)
        return save_version(api, draft, self.ada)

    def _tests(self) -> None:
        """Presses of Test Configuration, good and bad, and a round of test cases."""
        values = {p.name: p.example for p in self.version.read_parameters()}
        assert runs.run_test(self.version, values, self.ada).is_success
        self.sandbox.faults([{"kind": "status", "status": 500}])
        assert not runs.run_test(self.version, values, self.ada).is_success
        api = self.version.external_api
        api.must_pass_cases = True
        api.save()
        accepted = TestCase.objects.create(
            external_api=api, name="Ada", values=values, changed_by=self.ada
        )
        refused = TestCase.objects.create(
            external_api=api,
            name="No time",
            values=values | {"Event Time": "soon"},
            outcome=TestCase.Outcome.REFUSED,
            status=400,
            answer_path="message",
            answer_value="no",
        )
        round_id = uuid4()
        for case in (accepted, refused):
            runs.run_case(case, self.version, self.ada, round_id)
        # It can be no request: from now on nobody expects it of the API.
        refused.delete()

    def _feeds(self) -> None:
        """A query and a folder, both switched off: nobody is there to be asked."""
        warehouse = SourceQuery.objects.create(
            name="Warehouse",
            is_active=False,
            kind=SourceQuery.Kind.POSTGRESQL,
            query="SELECT * FROM customers",
            columns="id=external_id",
            watermark_column="updated_at",
            source=self.source,
        )
        queries.set_address(warehouse, "postgresql://reader@warehouse.example.com/shop")
        WatchedFolder.objects.create(
            name="Drop", is_active=False, path="/srv/drop", source=self.source
        )

    # --- Who, and what they did -------------------------------------------------------

    def _people(self) -> None:
        """Nine leads and more, sent in; one was anonymous, one has odd data."""
        self.source = Source(name="Website")
        self.write_key = write_keys.issue(self.source)
        write_keys.issue(Source(name="Old app", is_active=False))
        for number in range(9):
            name = f"lead-{number}"
            traits = {
                "first_name": f"Ann {number}",
                "email": f"{name}@example.com",
                "plan": "gold" if number % 2 else "free",
                "city": "Pune",
            }
            self._send("identify", name, traits=traits)
            self._lead(name)
        self._send("identify", "odd", traits=ODD | {"email": "odd@example.com"})
        self._lead("odd")
        self._send("identify", "nameless", traits={"phone": "+4915112345678"})
        for _ in range(2):
            self._send(
                "track", "nameless", event=VIEW, properties={"product_id": "p-7"}
            )
        device = {"anonymousId": "device-1"}
        self._send("track", None, event=VIEW, **device)
        self._send("identify", None, traits={"first_name": "Somebody"}, **device)
        inbox.apply()
        # Who was two people is one from now on.
        self._send("identify", "lead-0", **device)
        self._refused_message()
        assert inbox.apply().errors == 1

    def _lead(self, name: str) -> None:
        self._send("track", name, event=LEAD, properties={"product_id": f"p-{name}"})

    def _send(self, kind: str, user_id: str | None, **message: object) -> None:
        """Send a message in as a website does; it waits until it is applied."""
        message |= {"messageId": uuid4().hex, "writeKey": self.write_key}
        answer = self.browser.post(
            f"/v1/{kind}",
            json.dumps({"userId": user_id, **message} if user_id else message),
            "application/json",
        )
        assert answer.status_code == 200, answer.content

    def _refused_message(self) -> None:
        """One that no door lets in any more."""
        payload = {"userId": "lead-1", "event": LEAD, "timestamp": "soon"}
        inbox.append(self.source, [("soon", "track", payload)])

    def _segments(self) -> None:
        self.leads = self._segment("Submitted a lead form", LEADS)
        self.nested = self._segment("Gold, or looked twice", NESTED)
        self.with_mail = self._segment("Have an e-mail address", WITH_MAIL)
        self._segment("Nobody yet", {"event": "Never"}, is_active=False)
        broken = self._segment("Cannot be counted", {"event": "Never"})
        Segment.objects.filter(pk=broken.pk).update(
            problem="It took too long.", problem_at=database_clock.now()
        )

    def _segment(self, name: str, rule: dict[str, Any], **fields: Any) -> Segment:
        segment = Segment.objects.create(
            name=name, rule=rule, event_names=tree.event_names(rule), **fields
        )
        if segment.is_active:
            refresh.refresh(segment.pk)
        segment.refresh_from_db()
        return segment

    # --- When -------------------------------------------------------------------------

    def _engagement(
        self, name: str, segment: Segment, values: Mapping[str, str], **fields: Any
    ) -> Engagement:
        fields.setdefault("version", self.people_version)
        return factories.make_engagement(
            segment, values=values, name=name, created_by=self.ada, **fields
        )

    def _active(self, *args: Any, **fields: Any) -> Engagement:
        engagement = self._engagement(*args, **fields)
        transitions.activate(engagement)
        return engagement

    def _old_engagement(self) -> None:
        """Of one that is long over nothing is left but whom it was sent to."""
        self.welcome = self._active(
            "Welcome", self.with_mail, PERSON_VALUES, trigger=Schedule
        )
        working.to_the_end(self.welcome)
        retention.clean_deliveries(database_clock.now(), float("inf"))
        assert SentBefore.objects.filter(engagement=self.welcome).exists()

    def _engagements_at_work(self) -> None:
        """On entry with people from before and a newcomer; every week; once, retried."""
        leads = self._active(
            "Lead form to Braze",
            self.leads,
            LEAD_VALUES,
            version=self.version,
            trigger=OnEntry,
            includes_present=True,
        )
        working.to_the_end(leads)
        self._send("identify", "newcomer", traits={"first_name": "Nia"})
        self._lead("newcomer")
        # Whoever leaves, and comes back, has been sent already.
        self._send("identify", "lead-2", traits={"unsubscribed": True})
        inbox.apply()
        working.to_the_end(leads)
        weekly = self._active(
            "Weekly sync",
            self.nested,
            PERSON_VALUES,
            trigger=Schedule,
            repeat=Engagement.Repeat.WEEKLY,
            time_zone="Asia/Kolkata",
            ambiguous_policy=Engagement.AmbiguousPolicy.RESEND,
        )
        working.to_the_end(weekly)
        spring = self._active(
            "Spring mailing", self.with_mail, PERSON_VALUES, trigger=Schedule
        )
        self.sandbox.faults([{"kind": "reset_after"}, {"kind": "partial_errors"}])
        working.to_the_end(spring)
        rejected = Delivery.objects.filter(run__engagement=spring, state="rejected")
        assert retry_failed.retry(rejected).people
        working.to_the_end(spring)

    def _engagements_at_rest(self) -> None:
        """A draft that somebody asks for, a paused, a blocked and an ended one."""
        draft = self._engagement("Summer mailing", self.leads, PERSON_VALUES)
        ApprovalLimit.objects.create(above=10_000)
        assert approval.ask(draft, self.max, self.leads.size)
        paused = self._active("Paused", self.leads, PERSON_VALUES, trigger=OnEntry)
        transitions.pause(paused)
        blocked = self._active(
            "Notify about gold",
            self.nested,
            {"Email": "{{ profile.email }}"},
            version=self.webhook_version,
            trigger=OnEntry,
            again=Engagement.Again.AFTER_DAYS,
            again_after_days=7,
        )
        blocked.move([State.ACTIVE], State.BLOCKED, "The key was refused (401).")
        ended = self._active("Cancelled", self.leads, PERSON_VALUES, trigger=Schedule)
        expansion.expand(expansion.expandable_runs())
        transitions.end(ended)
        self._proposals()

    def _proposals(self) -> None:
        """Accepted, rejected, replaced, and one that waits."""
        narrower = {"all": [WITH_MAIL, {"attribute": "email", "is": "is_present"}]}
        propose = rule_changes.propose
        accepted = propose(self.with_mail, narrower, True, self.max)
        seen = rule_changes.fingerprint(self.with_mail)
        assert rule_changes.accept(accepted, self.ada, seen)
        rejected = propose(self.with_mail, {"event": "Never"}, True, self.max)
        assert rule_changes.reject(rejected, self.ada)
        for _ in range(2):
            propose(self.with_mail, WITH_MAIL, False, self.max)

    def _ends(self) -> None:
        """Every end that a person, a batch and an attempt can come to."""
        engagement = self._engagement(
            "Winter mailing", self.with_mail, PERSON_VALUES, state=State.ENDED
        )
        run = factories.make_run(
            engagement,
            state=Run.State.COMPLETED_WITH_ERRORS,
            is_end_judged=True,
            ended_at=database_clock.now(),
            next_sequence=100,
        )
        factories.make_run(engagement, state=Run.State.FAILED, failure="No values.")
        people = list(Profile.objects.filter(external_id__startswith="lead-"))
        batch_states = {
            Delivery.State.UNCERTAIN: Batch.State.UNCERTAIN,
            Delivery.State.DEAD: Batch.State.DEAD,
            Delivery.State.CANCELLED: Batch.State.CANCELLED,
        }
        for person, state in zip(people, Delivery.State, strict=False):
            batch = factories.make_batch(
                run,
                [person],
                delivery_state=state,
                reason=""
                if state == Delivery.State.SENT
                else f"Ended as {state.label}",
                state=batch_states.get(state, Batch.State.DONE),
                attempt_count=1,
            )
        whole = factories.make_batch(run, people[-2:], state=Batch.State.SPLIT)
        Batch.objects.filter(run=run).exclude(pk=whole.pk).update(parent=whole)
        for outcome in set(Attempt.Outcome) - {Attempt.Outcome.UNFINISHED}:
            factories.make_attempt(
                batch,
                outcome=outcome,
                status=None,
                message=f"Ended as {outcome.label}",
                note="It said nothing.",
                response_head='{"message":"success"}',
            )
        erased = factories.make_profile(external_id="erased", first_name="Gone")
        factories.make_batch(run, [erased], delivery_state=Delivery.State.SENT)
        erased.delete()

    def _what_waits(self) -> None:
        """Batches that wait and that a worker has in hand; entries; messages.

        The last of it, so that nobody sends any of it before the dump.
        """
        autumn = self._active(
            "Autumn mailing", self.with_mail, PERSON_VALUES, trigger=Schedule
        )
        expansion.expand(expansion.expandable_runs())
        batches = Batch.objects.filter(run__engagement=autumn).order_by("sequence")
        retry, leased, sending, *pending = batches
        assert pending
        now = database_clock.now()
        self._hold(retry, Batch.State.RETRY, attempt_count=1, written_at=now)
        in_hand = {"lease_token": uuid4(), "lease_until": now}
        self._hold(leased, Batch.State.LEASED, **in_hand)
        self._hold(sending, Batch.State.SENDING, **in_hand, attempt_count=1)
        factories.make_attempt(
            retry, outcome=Attempt.Outcome.RATE_LIMITED, status=429, response_head="{}"
        )
        factories.make_attempt(
            sending, outcome=Attempt.Outcome.UNFINISHED, status=None, duration_ms=None
        )
        # Somebody was sent by one that remembers nothing but that; it goes on with
        # whoever it does not know.
        transitions.activate(self.welcome)
        self._send("identify", "late", traits={"first_name": "Lou", "email": "l@a.io"})
        inbox.apply()
        # Nobody has taken these in yet: one who was sent already, and one who was not.
        self._send("identify", "lead-2", traits={"unsubscribed": False})
        self._lead("latest")
        self._send("identify", "latest", traits={"first_name": "Lea"})

    def _hold(self, batch: Batch, state: str, **fields: object) -> None:
        Batch.objects.filter(pk=batch.pk).update(state=state, **fields)

    # --- What is beside ---------------------------------------------------------------

    def _traces(self) -> None:
        """Of who signed in, and who could not."""
        seen: dict[str, Any] = {
            "user_agent": "Mozilla/5.0",
            "ip_address": "192.0.2.7",
            "username": "ada",
            "http_accept": "*/*",
            "path_info": "/admin/login/",
        }
        attempt = AccessAttempt.objects.create(**seen, failures_since_start=2)
        AccessAttemptExpiration.objects.create(
            access_attempt=attempt, expires_at=database_clock.now()
        )
        AccessFailureLog.objects.create(**seen)
        AccessLog.objects.create(**seen)

    def _names(self) -> None:
        """Nothing says on which machine it was told."""
        Worker.objects.update(name="host-1:4711", node="celery@host-1:4700")
        Attempt.objects.update(worker="host-1:4711")
        Connection.objects.filter(pk=self.braze.pk).update(
            base_url=BRAZE, updated_at=F("updated_at")
        )


def _draft(preset: Preset, connection: Connection) -> Draft:
    return Draft(
        connection=connection,
        method=preset.method,
        path=preset.path,
        headers=preset.headers,
        body=preset.body,
        parameters=preset.parameters,
        **preset.plan.fields(),
        answer_rules=preset.rules.to_dict(),
    )
