"""Who signs in."""

import itertools
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Value
from django.db.models.functions import Concat

_number = itertools.count(1)


def make_user(*permissions: str, **fields: Any) -> User:
    """A member of staff with the permissions, each as "engagements.view_run".

    Tests sign in with `client.force_login`; who needs a password passes `password`.
    """
    fields.setdefault("username", f"user-{next(_number)}")
    user = User.objects.create_user(is_staff=True, **fields)
    if permissions:
        name = Concat("content_type__app_label", Value("."), "codename")
        found = list(Permission.objects.alias(full=name).filter(full__in=permissions))
        assert len(found) == len(set(permissions)), permissions
        user.user_permissions.add(*found)
    return user


def make_admin(**fields: Any) -> User:
    """Somebody who may do everything."""
    fields.setdefault("username", f"admin-{next(_number)}")
    return User.objects.create_superuser(**fields)
