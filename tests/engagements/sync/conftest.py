"""An engagement that writes attributes on a schedule, run after run."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement, Run
from externalapi.models import ExternalAPIVersion
from segments.membership import refresh
from segments.models import Profile
from tests import factories
from tests.faults import working


def attributes_version(
    connection, names=("plan", "city"), **fields
) -> ExternalAPIVersion:
    """A version with one object of so many optional attributes, each its own parameter."""
    body = fields.pop("body", None) or {
        "attributes": [
            {"external_id": "{{ID}}", **{name: f"{{{{{name}}}}}" for name in names}}
        ]
    }
    return factories.make_version(
        connection=connection,
        body=body,
        parameters=[
            factories.parameter("ID", level="identifier"),
            *(factories.parameter(name, required=False) for name in names),
        ],
        **fields,
    )


@pytest.fixture
def syncing(braze) -> Callable[..., Engagement]:
    """Make an active engagement that repeats; the people are all who have a `vip`."""

    def make(names=("plan", "city"), version=None, values=None, **fields) -> Engagement:
        version = version or attributes_version(braze, names)
        values = values or {n: f"{{{{ profile.{n} }}}}" for n in names}
        rule = {"attribute": "vip", "is": "equals", "value": "yes"}
        segment = fields.pop("segment", None) or factories.make_segment(rule=rule)
        fields.setdefault("trigger", Engagement.Trigger.SCHEDULE)
        fields.setdefault("repeat", Engagement.Repeat.HOURLY)
        engagement: Engagement = factories.make_engagement(
            segment, version, values, **fields
        )
        refresh.refresh(segment.pk)
        transitions.activate(engagement)
        engagement.runs.all().delete()
        return engagement

    return make


def person(name: str, **attributes: object) -> Profile:
    profile: Profile = factories.make_profile(
        external_id=name, first_name=name, vip="yes", **attributes
    )
    return profile


def change(profile: Profile, **attributes: object) -> None:
    """Change attributes; a value of None takes one away."""
    profile.refresh_from_db()
    mixed = {**profile.attributes, **attributes}
    own = {name: value for name, value in mixed.items() if value is not None}
    Profile.objects.filter(pk=profile.pk).update(attributes=own)
    refresh.evaluate([profile.pk])


def begin(engagement: Engagement, **fields: object) -> Run:
    """A run over the segment's people, as the schedule would make one."""
    engagement.refresh_from_db()
    run: Run = factories.make_run(engagement, scheduled_for=timezone.now(), **fields)
    return run


def run_once(engagement: Engagement) -> dict[str | None, str]:
    """One run to its end: person → state, or the code of what they were skipped for."""
    run = begin(engagement)
    working.to_the_end(engagement)
    return ends(run)


def ends(run: Run) -> dict[str | None, str]:
    rows = Delivery.objects.filter(run=run).values_list(
        "profile__external_id", "state", "reason"
    )
    return {
        name: reason.partition(":")[0] if state == "skipped" else state
        for name, state, reason in rows
    }


def requests(sandbox) -> list[dict[str, Any]]:
    """The bodies of the requests that Braze took in, in order, as its own page says."""
    numbers = [r["n"] for r in sandbox.requests() if r["accepted"]]
    return [body_of(sandbox, n) for n in numbers]


def body_of(sandbox, n: int) -> dict[str, Any]:
    page = sandbox.call("GET", f"/requests/{n}").body.decode()
    texts = map(html.unescape, re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL))
    found: dict[str, Any] = json.loads(
        next(text for text in texts if '"external_id"' in text)
    )
    return found


def bodies(sandbox) -> list[dict[str, Any]]:
    """The attribute objects that Braze took in, in order."""
    return [one for body in requests(sandbox) for one in body.get("attributes", [])]
