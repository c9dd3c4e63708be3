"""What the people app itself has to tell of a person, for their timeline."""

from collections.abc import Iterator

from django.urls import reverse

from segments.models import Event, MergeLog, Profile, Transition
from segments.naming import (
    User,
    called,
    masked_values,
    may_see_people,
    shown_properties,
)
from segments.people.display import as_pairs
from segments.people.timeline import Before, Entry, Log, ids_of


def _events(
    person: Profile, user: User, before: Before | None, size: int
) -> Iterator[Entry]:
    events = Event.objects.filter(profile=person).select_related("source")
    if before:
        events = events.filter(before.of("time"))
    found = list(events.order_by("-time", "-pk")[:size])
    may_see = may_see_people(user)
    names = {event.name for event in found}
    shown = {} if may_see else shown_properties(names)
    for event in found:
        said = event.properties
        if not may_see:
            said = masked_values(said, shown[event.name])
        yield Entry(
            at=event.time,
            id=event.pk,
            title=event.name,
            url=reverse("admin:segments_event_change", args=[event.pk]),
            details=(*as_pairs(said), ("from", str(event.source))),
        )


MOVED = {
    Transition.Kind.ENTRY: ("Entered", "success"),
    Transition.Kind.EXIT: ("Left", "neutral"),
    Transition.Kind.AGAIN: ("Did it again", "info"),
}


def _transitions(
    person: Profile, user: User, before: Before | None, size: int
) -> Iterator[Entry]:
    # What was logged of them before somebody knew that it was them.
    moves = Transition.objects.filter(profile__in=ids_of(person))
    moves = moves.select_related("segment", "event")
    if before:
        moves = moves.filter(before.of("at"))
    may_see_events = user.has_perm("segments.view_event")  # type: ignore[union-attr]
    for move in moves.order_by("-at", "-pk")[:size]:
        badge, tone = MOVED[Transition.Kind(move.kind)]
        because = move.event if may_see_events else None
        yield Entry(
            at=move.at,
            id=move.pk,
            title=str(move.segment),
            url=move.segment.get_absolute_url(),
            badge=badge,
            tone=tone,
            details=(("because of", because.name),) if because else (),
        )


def _merges(
    person: Profile, user: User, before: Before | None, size: int
) -> Iterator[Entry]:
    merges = MergeLog.objects.filter(profile=person).select_related("part")
    if before:
        merges = merges.filter(before.of("at"))
    for merge in merges.order_by("-at", "-pk")[:size]:
        # A reason says by which identifier.
        reason = merge.reason if may_see_people(user) else merge.get_kind_display()
        undone_at = merge.undone_at and f"{merge.undone_at:%Y-%m-%d %H:%M %Z}"
        yield Entry(
            at=merge.at,
            id=merge.pk,
            title=reason,
            badge=merge.get_kind_display(),
            tone="info",
            details=(
                ("part", called(merge.part, user)),
                *((("undone", undone_at),) if undone_at else ()),
                # What `manage.py undo_merge` is told.
                ("number", str(merge.pk)),
            ),
        )


LOGS = (
    Log(
        name="events",
        label="What they did",
        permission="segments.view_event",
        read=_events,
    ),
    Log(
        name="segments",
        label="Segments",
        permission="segments.view_segment",
        read=_transitions,
    ),
    Log(
        name="merges",
        label="Merges",
        permission="segments.view_profile",
        read=_merges,
    ),
)
