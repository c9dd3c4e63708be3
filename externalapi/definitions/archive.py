"""Archiving an External API, which is undone by taking it back."""

from django.db import transaction
from django.db.models.functions import Now

from externalapi.models import ExternalAPI
from externalapi.models.usage import Use


class StillUsedError(Exception):
    """Engagements are at work with it. End them, and archive it then."""

    def __init__(self, uses: list[Use]) -> None:
        super().__init__(self.__doc__)
        self.uses = uses


@transaction.atomic
def archive(external_api: ExternalAPI) -> bool:
    """Take an External API out of the pickers; False: somebody was first.

    Raises StillUsedError. An activation locks the same row, so that no engagement
    begins with what is being archived.
    """
    locked = ExternalAPI.objects.select_for_update(of=("self",)).get(pk=external_api.pk)
    if at_work := uses_at_work(locked):
        raise StillUsedError(at_work)
    rows = ExternalAPI.objects.filter(pk=locked.pk, archived_at__isnull=True)
    return bool(rows.update(archived_at=Now()))


def unarchive(external_api: ExternalAPI) -> bool:
    """Offer it again; False: somebody was first."""
    rows = ExternalAPI.objects.filter(pk=external_api.pk, archived_at__isnull=False)
    return bool(rows.update(archived_at=None))


def uses_at_work(external_api: ExternalAPI) -> list[Use]:
    return [use for use in external_api.uses() if use.is_at_work]
