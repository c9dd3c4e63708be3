"""The three steps of the partner page: which are done, and where the next one is.

Until somebody has arrived, a step 0 says where people come from. It is the next one only
while there is no source: a website that is to send its people may take days, and nobody
has to wait for it with the steps 1 and 2.
"""

from dataclasses import dataclass, field, replace

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import OuterRef, Subquery
from django.urls import reverse

from engagements.models import Approval, Engagement
from externalapi.models import ConfigurationTest, Connection, ExternalAPI
from segments.models import Profile, Segment, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    label: str
    is_done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a step goes on: a button, or, where this user may not, whose turn it is."""

    label: str = ""
    url: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    title: str
    text: str
    tasks: tuple[Task, ...]
    way: Way
    # Another way to the same.
    other: Way = field(default_factory=Way)
    number: int = 0
    is_next: bool = False
    # Nothing is left to press; somebody else's website has to do the rest.
    is_awaited: bool = False

    @property
    def is_done(self) -> bool:
        return all(task.is_done for task in self.tasks)


def journey(user: User | AnonymousUser) -> list[Step]:
    """The steps that this user may see; the first that is not done is the next."""
    before = []
    if user.has_perm("segments.view_profile") and not Profile.objects.exists():
        before = [_people(user)]
    found = []
    if user.has_perm("externalapi.view_externalapi"):
        found += [_create(user), _test(user)]
    if user.has_perm("engagements.view_engagement"):
        found.append(_trigger(user))
    left = [s for s in [*before, *found] if not (s.is_done or s.is_awaited)]
    return [
        replace(step, number=number, is_next=step in left[:1])
        for number, step in enumerate([*before, *found], start=1 - len(before))
    ]


def _people(user: User | AnonymousUser) -> Step:
    source = Source.objects.order_by("-pk").first()
    return Step(
        title="Get people in",
        text="Your website, app or server sends people and what they do, with the write "
        "key of a source. Or you import a file.",
        tasks=(
            Task(label="A source", is_done=source is not None),
            Task(label="The first person has arrived", is_done=False),
        ),
        way=_way_to_people(user, source),
        other=way_to_import(user),
        is_awaited=source is not None,
    )


def _way_to_people(user: User | AnonymousUser, source: Source | None) -> Way:
    if source is None:
        return way_to_source(user)
    url = reverse("admin:segments_source_change", args=[source.pk])
    note = "They arrive as soon as your website or app uses the write key."
    return way(user, "segments.view_source", "How to send people", url, note)


def way_to_import(user: User | AnonymousUser) -> Way:
    url = reverse("admin:segments_import_add")
    return way(user, "segments.add_import", "Import a file", url, "")


def way_to_source(user: User | AnonymousUser) -> Way:
    url = reverse("admin:segments_source_add")
    note = "Somebody in the group Engineer adds a source, whose key lets data in."
    return way(user, "segments.add_source", "Add a source", url, note)


def _create(user: User | AnonymousUser) -> Step:
    has_connection = _has_connection()
    has_api = ExternalAPI.objects.exists()
    return Step(
        title="Create a Braze External API",
        text="Say where Braze is, and describe its Track Users endpoint.",
        tasks=(
            Task(label="A connection with its key", is_done=has_connection),
            Task(label="An External API", is_done=has_api),
        ),
        way=_way_to_external_api(user),
    )


def _has_connection() -> bool:
    return Connection.objects.exclude(key_encrypted="").exists()


def _way_to_external_api(user: User | AnonymousUser) -> Way:
    """To the form of a new one; before there is a connection, to that one's."""
    if _has_connection():
        return way(
            user,
            "externalapi.add_externalapi",
            "Add New External API",
            reverse("admin:externalapi_externalapi_add"),
            "Somebody in the group Marketer or Engineer adds the External API.",
        )
    return way(
        user,
        "externalapi.add_connection",
        "Add a connection",
        reverse("admin:externalapi_connection_add"),
        "An Engineer adds the connection with your Braze REST API key first.",
    )


def way_to_segment(user: User | AnonymousUser) -> Way:
    url = reverse("admin:segments_segment_add")
    note = "Somebody in the group Marketer builds it."
    return way(user, "segments.add_segment", "Add a segment", url, note)


def _test(user: User | AnonymousUser) -> Step:
    api = ExternalAPI.objects.order_by("-pk").first()
    is_tested = ConfigurationTest.objects.filter(is_success=True).exists()
    to_test = Way(note="It opens when there is an External API.")
    if api:
        to_test = way(
            user,
            "externalapi.test_externalapi",
            "Open the Test API page",
            reverse("admin:externalapi_externalapi_test", args=[api.pk]),
            "Somebody in the group Marketer or Engineer tests it.",
        )
    return Step(
        title="Test the configuration",
        text="Send test values, then find the person in Braze under Audience → "
        "Search Users.",
        tasks=(Task(label="A test that Braze accepted", is_done=is_tested),),
        way=to_test,
    )


def _trigger(user: User | AnonymousUser) -> Step:
    segment = Segment.objects.order_by("-pk").first()
    waiting = Approval.objects.filter(
        engagement=OuterRef("pk"), state=Approval.State.WAITING
    )
    engagements = Engagement.objects.annotate(asked=Subquery(waiting.values("pk")))
    engagement = engagements.order_by("-pk").first()
    is_active = Engagement.objects.exclude(activated_at=None).exists()
    return Step(
        title="Trigger user events in Braze",
        text="Choose the people, fill the parameters for each of them, and activate.",
        tasks=(
            Task(label="A segment", is_done=segment is not None),
            Task(label="An Engagement", is_done=engagement is not None),
            Task(label="Activated", is_done=is_active),
        ),
        way=_way_to_trigger(user, segment, engagement),
    )


def _way_to_trigger(
    user: User | AnonymousUser, segment: Segment | None, engagement: Engagement | None
) -> Way:
    if segment is None:
        return way_to_segment(user)
    if engagement is None:
        url = f"{reverse('admin:engagements_engagement_add')}?segment={segment.pk}"
        permission = "engagements.add_engagement"
        note = "Somebody in the group Marketer builds it."
        return way(user, permission, "Add Engagement", url, note)
    may_ask = user.has_perm("engagements.change_engagement")
    if asked := engagement.asked:  # type: ignore[attr-defined]
        note = "It waits for approval: somebody in the group Approver answers."
        label = "What is asked, and the answer"
        url = Approval(pk=asked, engagement=engagement).get_absolute_url()
        return way(user, "engagements.activate_engagement", label, url, note)
    if may_ask and not user.has_perm("engagements.activate_engagement"):
        return Way(label="Ask for approval", url=engagement.get_absolute_url())
    return way(
        user,
        "engagements.activate_engagement",
        "Activate",
        engagement.get_absolute_url(),
        "Somebody in the group Approver activates it.",
    )


def way(
    user: User | AnonymousUser, permission: str, label: str, url: str, note: str
) -> Way:
    """A button for whom it is; for everybody else, who presses it."""
    return Way(label=label, url=url) if user.has_perm(permission) else Way(note=note)
