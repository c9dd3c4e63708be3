"""What an upload would do to segments that ask for its list, and who may let it."""

import hashlib
import json
from collections.abc import Sequence

from lemnisk_braze.lib.time_limits import at_most
from segments.membership import readers
from segments.membership.readers import User
from segments.membership.references import forecasting, graph
from segments.membership.references.forecasting import Change, Followed
from segments.models import ListUpload, Segment, UploadedList

# In milliseconds: how long somebody waits for the numbers.
PATIENCE = 4_000
# Uploads that wait are few; whoever forgot them has others below.
LOOKED_AT = 50


def segments_that_follow(of: UploadedList) -> list[Segment]:
    """Those that ask for the list, and those that ask for them; nearest first."""
    direct = graph.segments_that_ask("list", [of.pk])
    further = graph.readers_of([one.pk for one in direct])
    # One may ask for the list, and for another that does.
    ids = {one.pk for one in further}
    return [*(one for one in direct if one.pk not in ids), *further]


def forecast(upload: ListUpload) -> list[Followed] | None:
    """What writing it would do to each of them; None where that takes too long."""
    sample = upload.sample
    change = Change(
        entering=sample.get("entering", ()), leaving=sample.get("leaving", ())
    )
    found: list[Followed] | None = None
    with at_most(PATIENCE):
        found = forecasting.forecast(
            {("list", upload.of_id): change},
            segments_that_follow(upload.of),
            sample.get("share", 1),
        )
    return found


def read_ones(of: UploadedList) -> list[Segment]:
    """The segments that would take in others and that somebody sends to."""
    following = segments_that_follow(of)
    return [one for one in following if one.is_active and readers.is_read(one)]


def waiting_for_approval(user: User, most: int) -> list[ListUpload]:
    """What an Approver decides about, the oldest first, at most so many.

    All of it for who may decide, for others what they uploaded.
    """
    found = ListUpload.objects.filter(state=ListUpload.State.READY)
    if not readers.may_decide(user):
        found = found.filter(created_by=user.pk)
    related = found.select_related("of", "created_by").order_by("pk")
    return [one for one in related[:LOOKED_AT] if read_ones(one.of)][:most]


def refusal(upload: ListUpload, user: User) -> str:
    """Why this user may not have the list written; "" where they may.

    Who is sent to by that is decided about by who may decide (readers.may_decide).
    """
    read = read_ones(upload.of)
    if not read:
        may = user.has_perm("segments.change_uploadedlist")
        return "" if may else "Somebody who may change lists goes on with it."
    if not readers.may_decide(user):
        return "It changes whom a live Engagement sends to: an Approver decides, here."
    refusals = (readers.refusal(one, user) for one in read)
    return next(filter(None, refusals), "")


def fingerprint(upload: ListUpload) -> str:
    """Another text whenever what was shown of the upload is not what it would do."""
    following: Sequence[Segment] = segments_that_follow(upload.of)
    rules = [[one.pk, one.rule, one.is_active] for one in following]
    read = [one.pk for one in read_ones(upload.of)]
    at = UploadedList.objects.values_list("changed_at", flat=True).get(pk=upload.of_id)
    shown = json.dumps([str(at), upload.found, rules, read], sort_keys=True)
    return hashlib.sha256(shown.encode()).hexdigest()
