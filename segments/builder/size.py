"""The size of a segment while its rule is being written."""

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.logs import get_logger
from lemnisk_braze.lib.pages.rows import as_id
from segments import naming
from segments.dictionary import catalog
from segments.forms import RuleField
from segments.membership.counts import live_size
from segments.membership.counts.live_size import Estimate, LiveSize
from segments.models import Profile, Segment
from segments.rules import tree

logger = get_logger(__name__)

UNKNOWN = "The size cannot be had at the moment. Saved, it is counted."
TOO_SLOW = "It takes too long to count while you write. Saved, it is counted."


@require_POST
def view(request: HttpRequest) -> JsonResponse:
    """POST `rule` (JSON) and `segment` (its ID, or nothing).

    Answers {"problem"} where the rule is not whole, otherwise {"sentence", "warning",
    "size", "change", "people"}; without the last two where it takes too long to count,
    and {"size"} alone where the database is lost over it.
    """
    if not request.user.has_perm("segments.view_segment"):
        raise PermissionDenied
    pk = as_id(request.POST.get("segment", ""))
    segment = Segment.objects.filter(pk=pk).first() if pk else None
    try:
        rule = RuleField().clean(request.POST.get("rule", ""))
        found = live_size.live_size(rule, segment)
    except ValidationError as e:
        return JsonResponse({"problem": e.messages[0]})
    except Error as e:
        # The database was restarted meanwhile, or has no room for it just now.
        logger.warning("segment.size_unknown", because=e)
        return JsonResponse({"size": UNKNOWN})
    said = {
        "sentence": f"{capfirst(tree.describe(rule))}.",
        "warning": "\n".join(catalog.never_seen(rule)),
    }
    if found is None:
        return JsonResponse({**said, "size": TOO_SLOW})
    return JsonResponse(
        {
            **said,
            "size": size_in_words(found),
            "change": change_in_words(found) if segment else "",
            "people": _people(request, found),
        }
    )


def size_in_words(found: LiveSize) -> str:
    """Such as “about 12,300 of 98,000 people, give or take 400”."""
    of = f"of {counted(found.everybody, 'person', 'people')}"
    size = found.matching
    if size.error and not size.count:
        return f"Nobody of the people looked at; fewer than {size.error:,} {of}"
    words = f"{_number(size)} {of}"
    return f"{words}, give or take {_round(size.error):,}" if size.error else words


def change_in_words(found: LiveSize) -> str:
    """Who would enter and leave the segment as it is now."""
    moved = {"enter": found.entering, "leave": found.leaving}
    said = [f"{_number(n)} would {verb}" for verb, n in moved.items() if n.count]
    return " and ".join(said) or "Nobody would enter or leave"


def _number(size: Estimate) -> str:
    return f"about {_round(size.count):,}" if size.error else f"{size.count:,}"


def _round(number: int) -> int:
    """To two figures: more would claim what an estimate does not know."""
    return round(number, 2 - len(str(number)))


def _people(request: HttpRequest, found: LiveSize) -> list[dict[str, str]] | None:
    """Some who match, by name and address; None where they are not for this user."""
    if not naming.may_see_people(request.user):
        return None
    people = Profile.objects.in_bulk(list(found.ids))
    return [
        {"name": str(people[pk]), "url": people[pk].get_absolute_url()}
        for pk in found.ids
        if pk in people
    ]
