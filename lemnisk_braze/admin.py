"""The admin's pages of users and groups."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from django.urls import reverse
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from externalapi.models import Connection
from lemnisk_braze import groups
from lemnisk_braze.lib.deleting import NAMED, CarefulDelete, Dependant, Instead
from lemnisk_braze.lib.filtering import OfferedFilters

admin.site.index_title = "Home"
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(CarefulDelete, DjangoUserAdmin, OfferedFilters):  # type: ignore[misc, type-arg]
    """Django's own, except that nobody makes or changes more than they are."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "groups_of", "is_active", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Personal details", {"fields": ("first_name", "last_name", "email")}),
        (
            "What they may do",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups")},
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "password1", "password2", "is_staff", "groups"),
            },
        ),
    )
    readonly_fields = ("last_login", "date_joined")

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="groups")
    def groups_of(self, user: User) -> str:
        if user.is_superuser:
            return "Superuser"
        return ", ".join(group.name for group in user.groups.all()) or "—"

    def get_readonly_fields(
        self, request: HttpRequest, obj: User | None = None
    ) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else [*fields, "is_superuser"]

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        return super().has_change_permission(request, obj) and _is_within_reach(
            request, obj
        )

    def has_delete_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        return super().has_delete_permission(request, obj) and _is_within_reach(
            request, obj
        )

    def goes_with(self, obj: User) -> str:
        return "every line of the histories that says what they did"

    def instead(self, request: HttpRequest, obj: User) -> Instead:
        return Instead(
            text="Switched off (“Active” on their page), they can no longer sign in, "
            "and the histories still say who did what.",
            label="Open the user",
            url=reverse("admin:auth_user_change", args=[obj.pk]),
        )


class PermissionsField(ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Permission) -> str:
        app = apps.get_app_config(obj.content_type.app_label)
        return f"{app.verbose_name}: {obj.name.removeprefix('Can ')}"


@admin.register(Group)
class GroupAdmin(CarefulDelete, DjangoGroupAdmin, OfferedFilters):  # type: ignore[misc]
    filter_horizontal = ()

    def users_of(self, obj: Group) -> list[Dependant]:
        """With its last group gone, a limited connection would be everybody's."""
        limited = Connection.objects.filter(groups=obj).order_by("name")[:NAMED]
        return [
            Dependant(
                name=f"Connection: {one} is limited to this group",
                url=reverse("admin:externalapi_connection_change", args=[one.pk]),
            )
            for one in limited
        ]

    def goes_with(self, obj: Group) -> str:
        return f"what its {obj.user_set.count():,} members may do because of it"

    def formfield_for_manytomany(
        self,
        db_field: "ManyToManyField[Any, Any]",
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> Any:
        kwargs["form_class"] = PermissionsField
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        # Only what has a page or a button: nobody can be allowed to add an attempt.
        kwargs["queryset"] = groups.permissions().select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **kwargs)


def _is_within_reach(request: HttpRequest, user: User | None) -> bool:
    """A superuser's password in other hands would be a way to become one."""
    return user is None or not user.is_superuser or bool(request.user.is_superuser)
