"""The admin's pages of users and groups."""

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ValidationError
from django.db.models import ManyToManyField
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from django.urls import reverse
from unfold.forms import (
    AdminPasswordChangeForm,
    AuthenticationForm,
    UserChangeForm,
    UserCreationForm,
)
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from externalapi.models import Connection
from lemnisk_braze import groups
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.form_changes import ChangesInWords
from lemnisk_braze.lib.pages.active import active_badge
from lemnisk_braze.lib.pages.deleting import NAMED, CarefulDelete, Dependant, Instead


class SignInForm(AuthenticationForm):
    """Says to whom the password is right, but no group lets in, what is missing."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "The username or the password is not right; capitals count "
        "in both. If you are sure of them, ask an administrator whether your account "
        "is active.",
        "no_group": "The password is right, but you are in no group yet. Ask an "
        "administrator to add you to one: Marketer, Approver, Engineer or Analyst.",
    }

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        # Longer than anybody's, and than the log of failures takes.
        if len(username) > self.fields["username"].max_length:
            raise self.get_invalid_login_error()
        return username

    def confirm_login_allowed(self, user: Any) -> None:
        if user.is_active and not user.is_staff:
            raise ValidationError(self.error_messages["no_group"], code="no_group")
        super().confirm_login_allowed(user)


admin.site.login_form = SignInForm
admin.site.index_title = "Home"
# The dash that all pages have where there is nothing.
admin.site.empty_value_display = "–"
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(ChangesInWords, CarefulDelete, DjangoUserAdmin, OfferedFilters):  # type: ignore[misc, type-arg]
    """Django's own, except that nobody makes or changes more than they are."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "groups_of", active_badge, "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    search_help_text = "A part of a username, of a name or of an e-mail address."
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Personal details", {"fields": ("first_name", "last_name", "email")}),
        (
            "What they may do",
            {"fields": ("is_active", "is_superuser", "groups")},
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "password1", "password2", "groups"),
            },
        ),
    )
    readonly_fields = ("last_login", "date_joined")
    # In place of the framework's words for engineers.
    words: Mapping[str, Mapping[str, str]] = {
        "username": {
            "help_text": "What they sign in with: letters, digits and @ . + - _, at "
            "most 150."
        },
        "is_active": {
            "help_text": "Whether they may sign in. Switch it off instead of deleting "
            "somebody: the histories then still say who did what."
        },
        "is_superuser": {
            "label": "Superuser",
            "help_text": "They may do everything, whatever their groups are.",
        },
        "groups": {"help_text": "They may do what any of their groups may do."},
    }
    untold = frozenset({"password", "password1", "password2", "usable_password"})

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        # A group lets somebody in; a superuser needs none.
        obj.is_staff = obj.is_staff or obj.is_superuser
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        user: User = form.instance
        if not user.is_superuser and not user.groups.exists():
            messages.warning(
                request,
                f"“{user}” is in no group, and so may do nothing here. Choose one: "
                "Marketer, Approver, Engineer, Analyst or Administrator.",
            )

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        kwargs |= self.words.get(db_field.name, {})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

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
        # The framework calls its own app “Authentication and Authorization”.
        of = "Administration" if app.label == "auth" else app.verbose_name
        return f"{of}: {obj.name.removeprefix('Can ')}"


@admin.register(Group)
class GroupAdmin(ChangesInWords, CarefulDelete, DjangoGroupAdmin, OfferedFilters):  # type: ignore[misc]
    filter_horizontal = ()
    search_help_text = "A part of a name."

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
        return f"what {counted(obj.user_set.count(), 'member')} may do because of it"

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
