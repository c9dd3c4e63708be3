"""What a second person has approved: what is sent, and to how many people a run.

What is approved is pinned as it was seen: each setting of the engagement, the version of
its External API, its values, and the rules of every segment that decides about whom.
Another one, or more people, is not approved; while that is so a run takes in no more than
the number above which it takes a second person.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models.functions import Now

from engagements.models import (
    Approval,
    ApprovalLimit,
    Batch,
    Delivery,
    Engagement,
    Run,
)
from externalapi.models import Connection, ExternalAPIVersion
from lemnisk_braze.lib.counted import counted
from segments.models import ListFeed, Segment
from segments.rules import tree

# Of a connection: where it is, and how it signs in there.
SENT_TO = (
    *("base_url", "auth", "key_name", "username"),
    *("token_url", "client_id", "scope"),
)
# What may say the name of the engagement, and of its segment.
NAMED = {
    "engagement": re.compile(r"\bengagement\b(?!\s*\.\s*(id|delivery_id)\b)"),
    "segment": re.compile(r"\bsegment\b(?!\s*\.\s*id\b)"),
}
Content = Mapping[str, Any]
State = Approval.State

# What it is called is not what it sends, and its number is no part of what it is about.
_OTHERS = ("name", "description", "approval_above")
# Whatever somebody may set; a setting that is new is among them.
FIELDS = (
    *(
        field.name
        for field in Engagement._meta.concrete_fields
        if field.editable and not field.primary_key and field.name not in _OTHERS
    ),
    "variants",
)


def limit(engagement: Engagement) -> int | None:
    """Above how many people a run takes a second person; None: whatever it sends."""
    site = ApprovalLimit.objects.values_list("above", flat=True).first()
    both = [n for n in (site, engagement.approval_above) if n is not None]
    return min(both, default=None)


def allowance(engagement: Engagement, run: Run | None = None) -> int | None:
    """How many people a run may take in as it is now; None: any number.

    Without a run: one that began now.
    """
    above = limit(engagement)
    if above is None:
        return None
    last = last_approved(engagement)
    if last is None or digest(content(engagement, run)) not in seen(last.content):
        return above
    return max(above, last.most or 0)


def last_approved(engagement: Engagement) -> Approval | None:
    found = engagement.approvals.filter(state=State.APPROVED)
    return found.order_by("-answered_at", "-pk").first()


def waiting(engagement: Engagement) -> Approval | None:
    """The one that waits for its answer."""
    found = engagement.approvals.select_related("asked_by", "engagement")
    return found.filter(state=State.WAITING).first()


def request(
    engagement: Engagement,
    people: int,
    user_id: int | None = None,
    run: Run | None = None,
) -> bool:
    """Have it asked for; False where one waits already. Call it with the engagement locked.

    `people`: whom a run would take in. Without a user a run asks by itself.
    """
    if waiting(engagement):
        return False
    asked = Approval(
        engagement=engagement,
        run=run,
        asked_by_id=user_id,
        people=people,
        above=limit(engagement),
    )
    asked.content = looked_at(engagement, asked.kept_run)
    asked.digest = digest(asked.content)
    asked.save()
    return True


def close(engagement: Engagement, run: Run | None = None) -> None:
    """What was asked for is done, or will never be; of a run, what it waited for."""
    found = engagement.approvals.filter(state=State.WAITING)
    if run is not None:
        found = found.filter(run=run)
    found.update(state=State.CLOSED, answered_at=Now(), is_asking_due=False)


def why_not_resume(engagement: Engagement) -> str:
    """Why it may not go on as it is before somebody approves; "" where it may.

    A run that stopped to ask waits for the answer. And who was taken in is not sent
    what was changed since it was approved, where they are too many for that.
    """
    above = limit(engagement)
    if above is None:
        return ""
    asked = waiting(engagement)
    if asked and asked.run_id and asked.people > (_most_of(asked) or 0):
        return "It waits for approval by a second person."
    for run in engagement.runs.filter(state__in=Run.OPEN):
        people = Batch.objects.filter(run=run).open().people()
        if people > above and people > (allowance(engagement, run) or 0):
            many = counted(people, "person waits", "people wait")
            return (
                f"What it sends was changed since it was approved, and {many} in line: a"
                " second person must approve it first."
            )
    return ""


def _most_of(asked: Approval) -> int | None:
    """How many people are allowed now where a run has asked for more."""
    return allowance(asked.engagement, asked.kept_run)


def why_not_retry(engagement: Engagement, people: int, run_id: int) -> str:
    """Why so many of a run may not be tried again with what it sends now; "" else.

    Who was tried again with that already counts: portions are no way around.
    """
    above = limit(engagement)
    if above is None:
        return ""
    people += Delivery.objects.filter(
        run=run_id,
        retry__version=engagement.version_id,
        retry__values=engagement.values,
    ).count()
    if people <= above:
        return ""
    most = allowance(engagement)
    if most is None or people <= most:
        return ""
    return (
        f"What it sends now is not approved for more than {most:,}: ask for approval"
        " first."
    )


# --- What is approved -----------------------------------------------------------------


def content(engagement: Engagement, run: Run | None = None) -> Content:
    """What is sent, to whom and when, as it is stored now; as JSON.

    Of a run: with the version, the values and the variants that it keeps. What is as it always is, is
    left out: a setting that a newer version of the product brings changes nothing. The
    names are what things were called, for people.
    """
    stored = Engagement.objects.values(*FIELDS).get(pk=engagement.pk)
    if run is not None:
        stored |= {
            "version": run.version_id,
            "values": run.values,
            "variants": run.variants,
        }
    # All of them are approved: which of them wins, an Approver says by themselves.
    stored["variants"] = stored["variants"].get("variants", {})
    fields = {name: is_ for name, is_ in stored.items() if is_ != default(name)}
    excluded = engagement.exclusions.order_by("segment").values_list(
        "segment", flat=True
    )
    segments = _segments([fields["segment"], *excluded])
    versions = ExternalAPIVersion.objects.select_related("external_api", "connection")
    version = versions.get(pk=fields["version"])
    found = {
        "fields": fields,
        "excluded": list(excluded),
        "rules": {str(one.pk): one.rule for one in segments},
        "queries": _queries(segments),
        "sent_to": _sent_to(version.connection),
        "said": _said(engagement.pk, stored, version.payload),
        "names": {
            "version": str(version),
            # Written in the engagement: frozen in the version.
            "payload": version.payload,
            "parameters": [one["name"] for one in version.parameters],
            "segments": {str(one.pk): one.name for one in segments},
        },
    }
    plain: Content = json.loads(json.dumps(found, cls=DjangoJSONEncoder))
    return plain


def _queries(segments: Iterable[Segment]) -> Content:
    """What a database is asked for who is on the lists of the rules; by list."""
    lists = set[int]().union(*(_lists(one.rule) for one in segments))
    feeds = ListFeed.objects.filter(of__in=lists)
    asked = feeds.values_list("of", "source", "query", "column")
    return {str(of): its for of, *its in asked}


def _lists(rule: Any) -> set[int]:
    """The lists that a rule asks for; a stored one may be wrong."""
    try:
        asked = [one.get("list") for one in tree.conditions(rule)]
    except (AttributeError, TypeError):
        return set()
    return {id for id in asked if isinstance(id, int)}


def _sent_to(connection: Connection) -> str:
    """Another text where it goes somewhere else, or signs in otherwise.

    (P) With another key it does not: keys are replaced regularly.
    """
    parts = [str(getattr(connection, name)) for name in SENT_TO]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _said(engagement_id: int, stored: Mapping[str, Any], payload: str) -> Content:
    """The names that stand in what is sent."""
    texts = [*stored["values"].values(), payload]
    for variant in stored["variants"] or ():
        texts += variant["values"].values()
    said = "\n".join(text for text in texts if "{{" in text or "{%" in text)
    names = Engagement.objects.values_list("name", "segment__name")
    both = zip(NAMED, names.get(pk=engagement_id), strict=True)
    return {of: name for of, name in both if NAMED[of].search(said)}


def looked_at(engagement: Engagement, run: Run | None = None) -> Content:
    """What is asked about: the content, and what else who waits in line is sent.

    A run keeps its values: after an edit they are others than those that are sent from
    then on, and one answer is about both. `in_line` has their contents.
    """
    found = content(engagement, run)
    others: dict[str, Content] = {}
    for kept in engagement.runs.filter(state__in=Run.OPEN).order_by("pk"):
        if Batch.objects.filter(run=kept).open().exists():
            other = content(engagement, kept)
            others[digest(other)] = other
    others.pop(digest(found), None)
    return {**found, "in_line": [others[key] for key in sorted(others)]}


def seen(pinned: Content) -> str:
    """The digests of all that is asked about (`looked_at`)."""
    others = [digest(one) for one in pinned.get("in_line", ())]
    return " ".join([digest(pinned), *others])


def default(name: str) -> Any:
    """What a setting is where nobody has set it."""
    field: Any = Engagement._meta.get_field(name)
    return None if field.is_relation else field.get_default()


def digest(pinned: Content) -> str:
    """Another text whenever something else is sent, or to others."""
    others = ("names", "in_line")
    what = {key: value for key, value in pinned.items() if key not in others}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _segments(ids: Iterable[int]) -> list[Segment]:
    """The segments, and those that their rules ask for, by way of others too."""
    found: dict[int, Segment] = {}
    asked, wanted = set[int](), set(ids)
    while wanted:
        asked |= wanted
        more = Segment.objects.in_bulk(wanted)
        found |= more
        wanted = {id for one in more.values() for id in one.reads_segments} - asked
    return [found[id] for id in sorted(found)]


def note_change(engagement: Engagement, before: Content | None, user_id: int) -> None:
    """Keep who has changed what it sends; `before` is its content until then.

    In the transaction that saves it. Without a content before it is new.
    """
    if before and digest(before) == digest(content(engagement)):
        return
    mine = Engagement.objects.filter(pk=engagement.pk)
    known = mine.values_list("changed_by", flat=True).get()
    if user_id not in known:
        mine.update(changed_by=[*known, user_id])
