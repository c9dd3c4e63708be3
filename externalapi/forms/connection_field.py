"""The field that chooses a connection: one that is limited to others is only shown."""

from typing import Any

from django import forms
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget

from externalapi.connections.access import User, group_names, usable_by, why_not
from externalapi.models import Connection


class ConnectionSelect(UnfoldAdminSelectWidget):  # type: ignore[misc]
    """`usable`: the ids of those that can be chosen."""

    usable: frozenset[int] = frozenset()

    def create_option(
        self, name: str, value: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        option: dict[str, Any] = super().create_option(name, value, *args, **kwargs)
        if value and value.value not in self.usable:
            option["attrs"]["disabled"] = True
        return option


class ConnectionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """`user` is who chooses; until it is set, somebody who is in no group."""

    widget = ConnectionSelect

    def __init__(self, **kwargs: Any) -> None:
        self._user: User = AnonymousUser()
        connections = Connection.objects.order_by("name").prefetch_related("groups")
        super().__init__(queryset=connections, **kwargs)

    @property
    def user(self) -> User:
        return self._user

    @user.setter
    def user(self, user: User) -> None:
        self._user = user
        assert isinstance(self.widget, ConnectionSelect)
        self.widget.usable = frozenset(usable_by(user).values_list("pk", flat=True))

    def label_from_instance(self, obj: Connection) -> str:
        groups = ", ".join(group_names(obj))
        return f"{obj} (limited to {groups})" if groups else str(obj)

    def clean(self, value: Any) -> Any:
        connection = super().clean(value)
        if connection and (why := why_not(connection, self.user)):
            raise ValidationError(why)
        return connection
