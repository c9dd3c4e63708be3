"""What a list says when there is nothing in it, and the one thing to do then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse

from lemnisk_braze.dashboard import steps
from lemnisk_braze.dashboard.steps import Way
from lemnisk_braze.lib.keyset import KeysetChangeList
from segments.models import Source

# What an address may say without leaving anything out of the list.
HARMLESS = frozenset({"o", "p", "all", "e", "_popup", "_to_field", "_facets"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """`hidden` is said where there are rows that the list shows only when asked."""

    title: str
    text: str
    way: Callable[[User | AnonymousUser], Way] = field(default=lambda user: Way())
    hidden: str = ""
    hidden_query: str = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptiness:
    """What the page shows in place of rows."""

    title: str
    text: str
    way: Way


def emptiness(changelist: Any, request: Any) -> Emptiness:
    """Nothing yet, nothing for what was asked, or nothing on this page."""
    options = changelist.opts
    plural = str(options.verbose_name_plural)
    words = WORDS.get(options.label) or Words(title=f"No {plural} yet", text="")
    if isinstance(changelist, KeysetChangeList) and changelist.is_part:
        return Emptiness(
            title="Nothing found yet",
            text=changelist.looked_through,
            way=Way(label="Look further", url=changelist.further),
        )
    if isinstance(changelist, KeysetChangeList) and changelist.place:
        return Emptiness(
            title="There is nothing on this page",
            text="What was here is gone, or the list ends before.",
            way=Way(label="Back to its beginning", url=changelist.get_query_string()),
        )
    if _asked(request):
        return Emptiness(
            title=f"No {plural} for this",
            text=_nothing_for(changelist),
            way=Way(label=f"Show all {plural}", url="?"),
        )
    if words.hidden and changelist.root_queryset.exists():
        way = Way(label=f"Show all {plural}", url=words.hidden_query)
        return Emptiness(title=words.title, text=words.hidden, way=way)
    way = words.way(request.user)
    return Emptiness(title=words.title, text=words.text, way=way)


def _asked(request: Any) -> bool:
    return any(text for name, text in request.GET.items() if name not in HARMLESS)


def _nothing_for(changelist: Any) -> str:
    if not changelist.query:
        return "Nothing passes all of the filters that are set."
    said = f"Nothing is found for “{changelist.query}”."
    if changelist.has_active_filters:
        said += " Filters are set as well."
    if hint := changelist.search_help_text:
        said += f" The search takes: {hint[0].lower()}{hint[1:]}"
    return said


# --- Where to go from an empty list ----------------------------------------------


def _add_source(user: User | AnonymousUser) -> Way:
    """To the sources: what fills the list comes from one of them."""
    if not Source.objects.exists():
        return steps.way_to_source(user)
    url = reverse("admin:segments_source_changelist")
    note = "Whoever is in the group Engineer sees the sources."
    return steps.way(user, "segments.view_source", "Open the sources", url, note)


def _get_people_in(user: User | AnonymousUser) -> Way:
    """By a file where this user may, and else from a source."""
    by_file = steps.way_to_import(user)
    return by_file if by_file.url else _add_source(user)


def _upload_list(user: User | AnonymousUser) -> Way:
    url = reverse("admin:segments_uploadedlist_add")
    return steps.way(user, "segments.add_uploadedlist", "Upload a list", url, "")


def _suppress(user: User | AnonymousUser) -> Way:
    url = reverse("admin:engagements_suppression_add")
    label = "Never send to somebody"
    return steps.way(user, "engagements.change_engagement", label, url, "")


def _add_sql_source(user: User | AnonymousUser) -> Way:
    return _add_feed(user, "sourcequery", "Add a SQL source")


def _add_watched_folder(user: User | AnonymousUser) -> Way:
    return _add_feed(user, "watchedfolder", "Add a watched folder")


def _add_feed(user: User | AnonymousUser, model: str, label: str) -> Way:
    url = reverse(f"admin:segments_{model}_add")
    note = "Somebody in the group Engineer adds it."
    return steps.way(user, f"segments.add_{model}", label, url, note)


def _add_connection(user: User | AnonymousUser) -> Way:
    url = reverse("admin:externalapi_connection_add")
    note = "Somebody in the group Engineer adds it."
    return steps.way(user, "externalapi.add_connection", "Add a connection", url, note)


def _add_external_api(user: User | AnonymousUser) -> Way:
    url = reverse("admin:externalapi_externalapi_add")
    note = "Somebody in the group Marketer or Engineer adds it."
    label = "Add New External API"
    return steps.way(user, "externalapi.add_externalapi", label, url, note)


def _add_cap(user: User | AnonymousUser) -> Way:
    url = reverse("admin:engagements_frequencycap_add")
    note = "Somebody in the group Approver adds it."
    permission = "engagements.add_frequencycap"
    return steps.way(user, permission, "Add a frequency cap", url, note)


def _erase(user: User | AnonymousUser) -> Way:
    url = reverse("admin:segments_erasure_add")
    return steps.way(user, "segments.erase_profile", "Erase a person", url, "")


def _next_step(user: User | AnonymousUser) -> Way:
    """The next of the three steps; when they are done, the Engagements."""
    undone = [step.way for step in steps.journey(user) if step.is_next]
    if undone:
        return undone[0]
    url = reverse("admin:engagements_engagement_changelist")
    permission = "engagements.view_engagement"
    return steps.way(user, permission, "Open the Engagements", url, "")


WORDS: Mapping[str, Words] = {
    "externalapi.Connection": Words(
        title="No connection yet",
        text="A connection says where Braze is and keeps the REST API key.",
        way=_add_connection,
    ),
    "externalapi.ExternalAPI": Words(
        title="No External API yet",
        text="An External API describes what is sent to Braze: first of all Track "
        "Users, which has a preset.",
        way=_add_external_api,
        hidden="All External APIs are archived.",
        hidden_query="?status=all",
    ),
    "segments.Segment": Words(
        title="No segment yet",
        text="A segment is a rule about people; whoever fits it is in.",
        way=steps.way_to_segment,
        hidden="All segments are archived.",
        hidden_query="?state=all",
    ),
    "segments.Profile": Words(
        title="Nobody yet",
        text="People arrive when your website, app or server sends them, with the "
        "write key of a source; or you import a file of them.",
        way=_get_people_in,
    ),
    "segments.DictionaryEntry": Words(
        title="No names yet",
        text="Each attribute, event and property that arrives is listed here by "
        "itself, with what came under it.",
        way=_get_people_in,
    ),
    "segments.Event": Words(
        title="No events yet",
        text="An event is something that a person did, such as submitting a form. "
        "Sources send them.",
        way=_add_source,
    ),
    "segments.Import": Words(
        title="No import yet",
        text="An import brings people or events from a file: CSV, JSON Lines, Parquet.",
        way=steps.way_to_import,
    ),
    "segments.UploadedList": Words(
        title="No list yet",
        text="A list is a file of identifiers, such as e-mail addresses. A segment asks "
        "who is on it.",
        way=_upload_list,
    ),
    "engagements.Suppression": Words(
        title="Nobody is on the list by hand",
        text="Whoever is on it is sent nothing, by any Engagement, through every channel "
        "or some.",
        way=_suppress,
    ),
    "segments.SourceQuery": Words(
        title="No SQL source yet",
        text="A SQL source asks a database for people or events, on a schedule, and "
        "brings in what is new.",
        way=_add_sql_source,
    ),
    "segments.WatchedFolder": Words(
        title="No watched folder yet",
        text="Files that are put into a watched folder are imported by themselves.",
        way=_add_watched_folder,
    ),
    "segments.Source": Words(
        title="No source yet",
        text="A source is a website, app or server that may send people and events. "
        "Each has a write key of its own.",
        way=_add_source,
    ),
    "segments.InboxRequest": Words(
        title="The inbox is empty",
        text="What sources send waits here until it is applied, mostly for less than a "
        "second.",
        way=_add_source,
    ),
    "segments.Erasure": Words(
        title="Nobody was erased yet",
        text="Who asks for it is erased by any identifier, everywhere and for good. What "
        "went is listed here, and nothing of who it was.",
        way=_erase,
    ),
    "engagements.Engagement": Words(
        title="No Engagement yet",
        text="An Engagement sends each person of a segment through an External API.",
        way=_next_step,
    ),
    "engagements.FrequencyCap": Words(
        title="No frequency cap yet",
        text="A frequency cap says how often one person may be sent something, by all "
        "Engagements together or by some. Without one there is no limit.",
        way=_add_cap,
    ),
    "engagements.Run": Words(
        title="No runs yet",
        text="A run begins when an Engagement is activated, and at each of its times.",
        way=_next_step,
    ),
    "engagements.Batch": Words(
        title="No batches yet",
        text="A batch is the people who share a request. An active Engagement makes "
        "them.",
        way=_next_step,
    ),
    "engagements.Delivery": Words(
        title="Nothing was sent yet",
        text="Who was sent what, and what the other side said, stands here as soon as "
        "an active Engagement sends.",
        way=_next_step,
    ),
    "engagements.Attempt": Words(
        title="No requests yet",
        text="Each request of an active Engagement stands here with its answer.",
        way=_next_step,
    ),
    "auth.User": Words(title="No users", text="Somebody has to be able to sign in."),
    "auth.Group": Words(title="No groups", text="Groups say who may do what."),
}
