"""Who signs in."""

import itertools
from typing import Any

from django.contrib.auth.models import Permission, User

_number = itertools.count(1)


def make_user(*permissions: str, **fields: Any) -> User:
    """A member of staff with the permissions, each as "engagements.view_run".

    Tests sign in with `client.force_login`; who needs a password passes `password`.
    """
    fields.setdefault("username", f"user-{next(_number)}")
    user = User.objects.create_user(is_staff=True, **fields)
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def make_admin(**fields: Any) -> User:
    """Somebody who may do everything."""
    fields.setdefault("username", f"admin-{next(_number)}")
    return User.objects.create_superuser(**fields)
