"""The smallest valid rows, for every test: plain ORM, one function a model.

Names are unique in a process, so that a test may call a function as often as it likes.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from engagements.models import Attempt, Batch, Delivery, Engagement, Run
from externalapi.models import (
    ConfigurationTest,
    Connection,
    ExternalAPI,
    ExternalAPIVersion,
)
from externalapi.template.batching import PLANS
from segments.models import Event, Membership, Profile, Segment, Source, Transition

_number = itertools.count(1)

# Track Users with one parameter that each engagement fills and one of the profile.
BODY: Mapping[str, object] = {
    "attributes": [
        {
            "external_id": "{{User ID}}",
            "first_name": "{{Name of the User}}",
            "plan": "{{Plan}}",
        }
    ]
}


def parameter(
    name: str,
    *,
    type: str = "text",
    level: str = "engagement",
    required: bool = True,
    default: str = "",
    value: str = "",
) -> dict[str, object]:
    """One row of ExternalAPIVersion.parameters."""
    return {
        "name": name,
        "type": type,
        "level": level,
        "required": required,
        "default": default,
        "value": value,
    }


PARAMETERS: Sequence[Mapping[str, object]] = (
    parameter("User ID", level="identifier"),
    parameter("Name of the User"),
    parameter("Plan", required=False, default="free"),
)


def make_connection(
    base_url: str = "https://rest.fra-01.braze.eu", **fields: Any
) -> Connection:
    fields.setdefault("name", f"Braze {next(_number)}")
    return Connection.objects.create(base_url=base_url, **fields)


def make_external_api(**fields: Any) -> ExternalAPI:
    fields.setdefault("name", f"Track Users {next(_number)}")
    return ExternalAPI.objects.create(**fields)


def make_version(
    body: Mapping[str, object] | str = BODY,
    parameters: Iterable[Mapping[str, object]] = PARAMETERS,
    *,
    external_api: ExternalAPI | None = None,
    connection: Connection | None = None,
    headers: Mapping[str, str] | None = None,
    batching: str = "braze_75_combined",
    **fields: Any,
) -> ExternalAPIVersion:
    """A version that is its External API's current one.

    `body` is JSON as a dict, or the text itself; `batching` a code of PLANS.
    """
    external_api = external_api or make_external_api()
    text = body if isinstance(body, str) else json.dumps(body, indent=2)
    fields.setdefault("path", "/users/track")
    fields.setdefault("number", external_api.versions.count() + 1)
    version = ExternalAPIVersion.objects.create(
        external_api=external_api,
        connection=connection or make_connection(),
        headers=headers or {"Content-Type": "application/json"},
        body=text,
        parameters=list(parameters),
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        **{**PLANS[batching].fields(), **fields},
    )
    external_api.current_version = version
    external_api.save(update_fields=["current_version"])
    return version


def make_test(version: ExternalAPIVersion, **fields: Any) -> ConfigurationTest:
    """One press of Test Configuration that went well."""
    fields.setdefault("is_success", True)
    return ConfigurationTest.objects.create(version=version, **fields)


def make_source(**fields: Any) -> Source:
    number = next(_number)
    fields.setdefault("name", f"Website {number}")
    fields.setdefault("write_key_hash", f"{number:064x}")
    fields.setdefault("write_key_last_four", "abcd")
    return Source.objects.create(**fields)


def make_profile(**attributes: Any) -> Profile:
    """A person; `external_id`, `email` and `phone` are fields, the rest attributes."""
    number = next(_number)
    fields = {
        "external_id": attributes.pop("external_id", f"person-{number}"),
        "email": attributes.pop("email", f"person-{number}@example.com"),
        "phone": attributes.pop("phone", ""),
    }
    return Profile.objects.create(attributes=attributes, **fields)


def make_people(count: int) -> list[Profile]:
    """Many people at once, each with an external id, an email and a first name."""
    numbers = [next(_number) for _ in range(count)]
    return Profile.objects.bulk_create(
        Profile(
            external_id=f"person-{number}",
            email=f"person-{number}@example.com",
            attributes={"first_name": f"Ann {number}"},
        )
        for number in numbers
    )


def make_event(profile: Profile, name: str = "Lead", **properties: Any) -> Event:
    number = next(_number)
    return Event.objects.create(
        source=make_source(),
        message_id=f"message-{number}",
        profile=profile,
        name=name,
        time=timezone.now(),
        properties=properties,
    )


def make_segment(
    people: Iterable[Profile] | int = (),
    *,
    event_names: Sequence[str] = (),
    **fields: Any,
) -> Segment:
    """A segment with `people` in it: profiles, or how many to make."""
    people = make_people(people) if isinstance(people, int) else list(people)
    fields.setdefault("name", f"Leads {next(_number)}")
    fields.setdefault("size", len(people))
    fields.setdefault("refreshed_at", timezone.now())
    segment = Segment.objects.create(event_names=list(event_names), **fields)
    Membership.objects.bulk_create(
        Membership(segment=segment, profile=profile) for profile in people
    )
    Transition.objects.bulk_create(
        Transition(segment=segment, profile=profile, kind=Transition.Kind.ENTRY)
        for profile in people
    )
    return segment


def enter(segment: Segment, profile: Profile, event: Event | None = None) -> Transition:
    """Let somebody enter as a refresh would: membership, log and size together."""
    Membership.objects.create(segment=segment, profile=profile, event=event)
    Segment.objects.filter(pk=segment.pk).update(size=segment.memberships.count())
    segment.refresh_from_db()
    return Transition.objects.create(
        segment=segment, profile=profile, kind=Transition.Kind.ENTRY, event=event
    )


def make_engagement(
    segment: Segment | None = None,
    version: ExternalAPIVersion | None = None,
    values: Mapping[str, str] | None = None,
    **fields: Any,
) -> Engagement:
    """A draft whose one required parameter has a value."""
    fields.setdefault("name", f"Lead form {next(_number)}")
    if values is None:
        values = {"Name of the User": "{{ profile.first_name }}"}
    return Engagement.objects.create(
        segment=segment or make_segment(),
        version=version or make_version(),
        values=dict(values),
        **fields,
    )


def make_run(engagement: Engagement | None = None, **fields: Any) -> Run:
    """A run pinned to its engagement's version and values."""
    engagement = engagement or make_engagement()
    fields.setdefault("scheduled_for", timezone.now())
    fields.setdefault("version", engagement.version)
    fields.setdefault("values", engagement.values)
    return Run.objects.create(engagement=engagement, **fields)


def make_batch(
    run: Run | None = None,
    people: Iterable[Profile] | int = 1,
    *,
    delivery_state: str = "",
    reason: str = "",
    **fields: Any,
) -> Batch:
    """A batch of `people`: profiles, or how many to make.

    With a state (`delivery_state`), each of them has a delivery.
    """
    run = run or make_run()
    if isinstance(people, int):
        people = make_people(people)
    fields.setdefault("sequence", run.batches.count())
    fields.setdefault("profile_ids", [profile.pk for profile in people])
    fields.setdefault("state", Batch.State.DONE if delivery_state else "pending")
    batch = Batch.objects.create(run=run, **fields)
    for profile in people if delivery_state else ():
        make_delivery(profile, run, batch=batch, state=delivery_state, reason=reason)
    return batch


def make_delivery(
    profile: Profile | None = None, run: Run | None = None, **fields: Any
) -> Delivery:
    """What became of one person, alone in a batch."""
    run = run or make_run()
    profile = profile or make_profile(first_name="Ann")
    fields.setdefault("state", Delivery.State.SENT)
    if "batch" not in fields:
        fields["batch"] = make_batch(run, [profile], state=Batch.State.DONE)
    batch = fields["batch"]
    if fields["state"] == Delivery.State.SENT:
        batch.sent_count += 1
        batch.save(update_fields=["sent_count"])
    return Delivery.objects.create(run=run, profile=profile, **fields)


def make_attempt(batch: Batch, **fields: Any) -> Attempt:
    """A request for all of the batch that was accepted."""
    fields.setdefault("version", batch.run.version)
    fields.setdefault("key_version", 1)
    fields.setdefault("worker", "worker-1")
    fields.setdefault("item_count", len(batch.profile_ids))
    fields.setdefault("request_sha256", "0" * 64)
    fields.setdefault("outcome", Attempt.Outcome.SENT)
    fields.setdefault("status", 201)
    fields.setdefault("duration_ms", 42)
    return Attempt.objects.create(batch=batch, **fields)


def make_user(*permissions: str, **fields: Any) -> User:
    """A member of staff with the permissions, each as "engagements.view_run".

    Tests sign in with `client.force_login`; who needs a password passes `password`.
    """
    fields.setdefault("username", f"user-{next(_number)}")
    user = User.objects.create_user(is_staff=True, **fields)
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def make_admin(**fields: Any) -> User:
    """Somebody who may do everything."""
    fields.setdefault("username", f"admin-{next(_number)}")
    return User.objects.create_superuser(**fields)
