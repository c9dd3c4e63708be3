"""Some values of a name, for whoever compares it."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET

from segments import naming
from segments.dictionary import examples, values
from segments.models import DictionaryEntry
from segments.rules.operators import is_storable

KINDS = (DictionaryEntry.Kind.ATTRIBUTE, DictionaryEntry.Kind.PROPERTY)


@require_GET
def view(request: HttpRequest) -> JsonResponse:
    """GET `kind`, `name` and, of a property, its `event`.

    Answers {"values": [text, …], "fields": [{"name", "type", "label", "about"}, …]}: a few
    values, and the fields of the objects where they are lists of objects. Both are empty
    where nothing is known, and values where they are not for this user.
    """
    if not request.user.has_perm("segments.view_segment"):
        raise PermissionDenied
    kind, event, name = (request.GET.get(k, "") for k in ("kind", "event", "name"))
    entry = None
    if kind in KINDS and is_storable(event + name):
        known = DictionaryEntry.objects.filter(kind=kind, event=event, name=name)
        entry = known.filter(is_hidden=False).first()
    return JsonResponse(_of(request, entry) if entry else {"values": [], "fields": []})


def _of(request: HttpRequest, entry: DictionaryEntry) -> dict[str, Any]:
    is_theirs = naming.may_see_people(request.user) or entry.is_personal is False
    return {
        "values": examples.of(entry) if is_theirs else [],
        "fields": [
            {
                "name": field.name,
                "type": field.type,
                "label": values.label(field.type) if field.type else "",
                "about": field.share,
            }
            for field in examples.fields_of(entry)
        ],
    }
