"""Who may see people; and how a person is called before whoever looks."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from segments.models import Profile

PERMISSION = "segments.view_profile"
PERSONAL_DATA = "segments.view_personal_data"
ERASED = "Somebody who was erased"

User = AbstractBaseUser | AnonymousUser


def may_see_people(user: User) -> bool:
    """Whether names, identifiers and data of people are for this user, unmasked."""
    return bool(user.has_perms((PERMISSION, PERSONAL_DATA)))  # type: ignore[union-attr]


def called(person: Profile | None, user: User) -> str:
    """What people find them by; a number that tells them apart for everybody else."""
    if person is None:
        return ERASED
    return str(person) if may_see_people(user) else f"Person {person.pk}"


def column(
    request: HttpRequest, person_of: Callable[[Any], Profile | None]
) -> Callable[[Any], str]:
    """A column of an admin's list or page: what this user calls a row's person."""

    @admin.display(description="person")
    def person(row: Any) -> str:
        return called(person_of(row), request.user)

    return person
