"""What engineers type of a connection: its address, how to sign in, and its key."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import formats, timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
)

from externalapi.connections.access import User
from externalapi.connections.encryption import SecretError, open_key
from externalapi.connections.key_rules import KEY_ROOM, MAX_LENGTH, problem_of
from externalapi.connections.rate_plans import (
    RATE_PLAN_LABELS,
    RATE_PLANS,
    rate_plan_code,
)
from externalapi.forms.plan_field import OWN, fills, is_typed_over, shown
from externalapi.http.auth import Auth
from externalapi.http.ssrf import GuardError, check_header, check_url
from externalapi.models import Connection
from externalapi.vendors.braze.facts.instances import INSTANCES, Instance
from lemnisk_braze.lib.names import one_line

# The fields that a way to sign in asks for beside its key.
FIELDS_OF = {
    Auth.BEARER: (),
    Auth.BASIC: ("username",),
    Auth.HEADER: ("key_name",),
    Auth.QUERY: ("key_name",),
    Auth.OAUTH2: ("token_url", "client_id", "scope"),
    Auth.NONE: (),
}
SIGN_IN_FIELDS = tuple(dict.fromkeys(name for of in FIELDS_OF.values() for name in of))
OPTIONAL = frozenset({"scope"})
RATE_FIELDS = ("requests_per_burst", "burst_seconds", "requests_per_hour")
RATE_SETS = {code: shown(plan.fields()) for code, plan in RATE_PLANS.items()}


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """`user` (set by the admin) decides whether the key can be typed."""

    user: User

    instance_choice = forms.ChoiceField(
        label="Braze instance",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="The instance is in the address of your Braze dashboard.",
    )
    key = forms.CharField(
        label="REST API key or secret",
        required=False,
        max_length=MAX_LENGTH,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password", "spellcheck": "false"}
        ),
    )

    rate_plan = forms.ChoiceField(
        required=False,
        choices=[*RATE_PLAN_LABELS.items(), (OWN, "By the limits below")],
        widget=UnfoldAdminSelectWidget,
        help_text="It fills in the limits below. Your Braze contract says which it is.",
    )
    groups = forms.ModelMultipleChoiceField(
        queryset=Group.objects.order_by("name"),
        required=False,
        label="Limited to groups",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=Connection._meta.get_field("groups").help_text,
    )

    class Meta:
        model = Connection
        fields = (
            "name",
            "base_url",
            "auth",
            *SIGN_IN_FIELDS,
            "timeout_seconds",
            *RATE_FIELDS,
            "requests_at_once",
            "groups",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A user who may only look gets no form fields.
        if "base_url" not in self.fields:
            return
        self.fields["base_url"].required = False
        self._offer_instances()
        self._mark_sign_in()
        self._name_rate_plan()
        self._explain_key()
        self.fields["timeout_seconds"].help_text = (
            f"How long one request may take. Empty: {settings.HTTP_TOTAL_SECONDS:g}, "
            "which is also the longest."
        )

    def _offer_instances(self) -> None:
        choice = self.fields["instance_choice"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [("", "Another address")] + [
            (one.rest_url, _instance_label(one)) for one in INSTANCES
        ]
        known = {one.rest_url for one in INSTANCES}
        if self.instance.base_url in known:
            self.initial["instance_choice"] = self.instance.base_url

    def _name_rate_plan(self) -> None:
        begun = {
            name: self.get_initial_for_field(self.fields[name], name)
            for name in RATE_FIELDS
        }
        self.initial["rate_plan"] = rate_plan_code(begun) or OWN
        fills(self.fields["rate_plan"], RATE_SETS)

    def _mark_sign_in(self) -> None:
        """The page's script shows each field only to the ways that ask for it."""
        for name in SIGN_IN_FIELDS:
            asked_by = [auth for auth, fields in FIELDS_OF.items() if name in fields]
            self.fields[name].widget.attrs |= {
                "data-sign-in": " ".join(asked_by),
                "autocomplete": "off",
                "spellcheck": "false",
            }
        everybody_else = " ".join(set(Auth) - {Auth.NONE})
        self.fields["key"].widget.attrs["data-sign-in"] = everybody_else

    def _explain_key(self) -> None:
        field = self.fields["key"]
        field.disabled = not self.user.has_perm("externalapi.use_secret")
        if self.instance.key_set_at:
            when = formats.date_format(
                timezone.localtime(self.instance.key_set_at), "DATETIME_FORMAT"
            )
            end = self.instance.key_last_four
            ends = f"Ends in {end}, set" if end else "Set"
            field.help_text = f"{ends} on {when}; leave it empty to keep it."
        else:
            field.help_text = (
                "Braze's is from Settings > API Keys, with the permission that the "
                "preset names (Track Users: users.track). It is stored encrypted and "
                "never shown again."
            )
        if field.disabled:
            field.help_text += " Your permissions do not include changing it."

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"].strip()
        if key and (problem := problem_of(key, self.cleaned_data.get("auth", ""))):
            raise ValidationError(problem)
        return key

    def clean_key_name(self) -> str:
        name: str = self.cleaned_data["key_name"].strip()
        if name and self.cleaned_data.get("auth") == Auth.HEADER:
            try:
                check_header(name, "")
            except GuardError as e:
                raise ValidationError(str(e)) from e
        return _printable(name)

    def clean_username(self) -> str:
        username = _printable(self.cleaned_data["username"].strip())
        if ":" in username:
            raise ValidationError("A user name cannot have a colon: it ends there.")
        return username

    def clean_token_url(self) -> str:
        url: str = self.cleaned_data["token_url"].strip()
        if url and "://" not in url:
            url = f"https://{url}"
        if url and self.cleaned_data.get("auth") == Auth.OAUTH2:
            try:
                check_url(url, settings.ALLOWED_LOCAL_ADDRESSES)
            except GuardError as e:
                raise ValidationError(str(e)) from e
        return url

    def clean_client_id(self) -> str:
        return _printable(self.cleaned_data["client_id"].strip())

    def clean_scope(self) -> str:
        return _printable(" ".join(self.cleaned_data["scope"].split()))

    def clean_timeout_seconds(self) -> int | None:
        seconds: int | None = self.cleaned_data["timeout_seconds"]
        if seconds is not None and seconds > settings.HTTP_TOTAL_SECONDS:
            raise ValidationError(
                f"A request may take {settings.HTTP_TOTAL_SECONDS:g} seconds at most."
            )
        return seconds

    def clean_groups(self) -> QuerySet[Group]:
        groups: QuerySet[Group] = self.cleaned_data["groups"]
        mine = set(self.user.groups.values_list("name", flat=True))
        is_mine = mine & {group.name for group in groups}
        if groups and not is_mine and not self.user.is_superuser:
            names = ", ".join(f"“{name}”" for name in sorted(mine))
            raise ValidationError(
                f"You would lose this connection yourself. Your groups are {names}."
                if mine
                else "You would lose this connection yourself: you are in no group."
            )
        return groups

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        named = RATE_PLANS.get(cleaned.get("rate_plan") or OWN)
        if named and not is_typed_over(self, "rate_plan", RATE_SETS):
            for name, value in named.fields().items():
                # Nor is a mistake in what is filled in one to correct.
                self.errors.pop(name, None)
                cleaned[name] = value
        typed = cleaned.get("instance_choice") or cleaned.get("base_url") or ""
        try:
            cleaned["base_url"] = self._base_url(typed.strip())
        except ValidationError as e:
            self.add_error("base_url", e)
        if "auth" in cleaned:
            self._clean_sign_in(cleaned)
        return cleaned

    def _clean_sign_in(self, cleaned: dict[str, Any]) -> None:
        """Ask for what the way needs; what another one needs is not kept."""
        asked = FIELDS_OF[Auth(cleaned["auth"])]
        for name in SIGN_IN_FIELDS:
            if name not in asked:
                # Nor is a mistake in what is put away one to correct.
                self.errors.pop(name, None)
                cleaned[name] = ""
            elif not cleaned.get(name) and name not in OPTIONAL | self.errors.keys():
                self.add_error(name, "This way to sign in needs it.")
        if cleaned["auth"] == Auth.QUERY and self._stored_key_is_too_long(cleaned):
            self.add_error(
                "auth",
                f"The key that is stored has more than the {KEY_ROOM} characters that "
                "an address has room for.",
            )
        moved = [n for n in ("auth", *SIGN_IN_FIELDS) if self._is_moved(n, cleaned)]
        # Who says how a key is sent can have it sent to where it can be read.
        if moved and self._holds_a_key_that_is_not_theirs():
            self.add_error(
                moved[0] if moved[0] == "auth" or moved[0] in asked else "auth",
                "Changing how a connection that has a key signs in needs the "
                "permission to set its key.",
            )

    def _stored_key_is_too_long(self, cleaned: dict[str, Any]) -> bool:
        """Whether the key that stays, or one that waits, cannot go into an address."""
        stays = [] if cleaned.get("key") else [self.instance.key_encrypted]
        for sealed in (*stays, self.instance.next_key_encrypted):
            try:
                key = open_key(self.instance, sealed)
            except SecretError:
                continue  # nothing can be sent with it anyway
            if key and problem_of(key, Auth.QUERY):
                return True
        return False

    def _is_moved(self, name: str, cleaned: dict[str, Any]) -> bool:
        return bool(self.initial.get(name, "") != cleaned.get(name, ""))

    def _holds_a_key_that_is_not_theirs(self) -> bool:
        return bool(self.instance.key_encrypted) and self.fields["key"].disabled

    def _base_url(self, typed: str) -> str:
        if not typed:
            raise ValidationError(
                "Choose your Braze instance or type its REST endpoint."
            )
        # As it stands in Braze's own table of instances.
        if "://" not in typed and "." in typed and not typed.startswith("/"):
            typed = f"https://{typed}"
        if "?" in typed or "{{" in typed:
            raise ValidationError("Parameters belong to the External API's path.")
        try:
            check_url(typed, settings.ALLOWED_LOCAL_ADDRESSES)
        except GuardError as e:
            raise ValidationError(str(e)) from e
        base_url = typed.rstrip("/")
        is_moved = bool(self.instance.pk) and base_url != self.initial.get("base_url")
        # Who moves the address decides where the key is sent.
        if is_moved and self._holds_a_key_that_is_not_theirs():
            raise ValidationError(
                "Changing the address of a connection that has a key needs the "
                "permission to set its key."
            )
        return base_url


def _instance_label(instance: Instance) -> str:
    label = f"{instance.name} — {instance.dashboard_url.removeprefix('https://')}"
    return label if instance.documented else f"{label} (not on Braze's own page)"


def _printable(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValidationError("Write it in visible ASCII characters.")
    return text
