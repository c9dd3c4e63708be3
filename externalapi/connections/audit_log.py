"""Who did what to an External API or a connection: the admin's own log."""

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model


def record(
    user: AbstractBaseUser | None, obj: Model, message: str, *, is_new: bool = False
) -> None:
    """Write it into the object's history; without a user there is nobody to name."""
    if user is None:
        return
    LogEntry.objects.log_actions(
        user.pk,
        [obj],
        ADDITION if is_new else CHANGE,
        message,
        single_object=True,
    )
