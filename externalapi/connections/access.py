"""Who may use a connection: everybody, or only the people of some groups.

To use it is to build an External API on it, to test and to activate with it, and to
change it. A superuser always may.
"""

from typing import Any, TypeAlias

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet

from externalapi.models import Connection, ConnectionGroup

User: TypeAlias = AbstractUser | AnonymousUser


class LimitedConnectionError(PermissionDenied):
    """The connection is limited to groups that the user is not in; the text says it."""


def usable_by(user: User) -> QuerySet[Connection]:
    """Return the connections that a user may use, whatever the permissions say."""
    if user.is_superuser:
        return Connection.objects.all()
    limits = ConnectionGroup.objects.filter(connection=OuterRef("pk"))
    mine = limits.filter(group__in=user.groups.all())
    return Connection.objects.filter(Exists(mine) | ~Exists(limits))


def group_names(connection: Connection) -> list[str]:
    """Return the groups that it is limited to, by name; none: everybody may use it."""
    return sorted(group.name for group in connection.groups.all())


def why_not(connection: Connection, user: User) -> str:
    """Return why a user may not use a connection, and who may; empty where they may."""
    names = group_names(connection)
    if not names or usable_by(user).filter(pk=connection.pk).exists():
        return ""
    groups = ", ".join(f"“{name}”" for name in names)
    return (
        f"The connection “{connection}” is limited to the "
        f"group{'' if len(names) == 1 else 's'} {groups}. Ask somebody there, or a "
        "superuser."
    )


def check_use(connection: Connection, user: Any) -> None:
    """Raise LimitedConnectionError where a user may not use a connection."""
    if why := why_not(connection, user):
        raise LimitedConnectionError(why)
