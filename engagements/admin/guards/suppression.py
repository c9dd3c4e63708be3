"""The suppression list: who is on it, adding to it, and taking somebody off."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from engagements.admin.guards.forms import ChannelsForm, SuppressionForm
from engagements.models import SuppressedChannels, Suppression, channels_in_words
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.keyset import KeysetList
from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.deleting import CarefulDelete
from lemnisk_braze.lib.pages.rows import as_id, row_of
from segments import naming
from segments.models import Identifier, Profile, Segment

LOOK = "engagements.view_engagement"
# Who is suppressed is not sent: whoever builds may see to that. To end it lets
# engagements send: it takes the right to activate them.
ADD = "engagements.change_engagement"
END = "engagements.activate_engagement"
CHANGELIST = "admin:engagements_suppression_changelist"


class ChannelFilter(admin.SimpleListFilter):
    """Those who are sent nothing through a channel."""

    title = "channel"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return ChannelsForm.base_fields["channels"].choices  # type: ignore[attr-defined]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Suppression]
    ) -> QuerySet[Suppression]:
        if not self.value():
            return queryset
        one = Q(channels=[]) | Q(channels__contains=[self.value()])
        return queryset.filter(one)


@admin.register(Suppression)
class SuppressionAdmin(CarefulDelete, KeysetList, OfferedFilters):
    actions = None
    ordering = ("-pk",)
    list_filter = (ChannelFilter,)
    list_filter_submit = False
    list_select_related = ("profile", "created_by")
    list_before_template = "engagements/guards/suppression_links.html"
    search_help_text = "A whole identifier."

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(LOOK))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(ADD))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(END))

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "segments/<int:segment_id>/",
            self.admin_site.admin_view(self.channels_view),
            name="engagements_suppression_channels",
        )
        return [own, *super().get_urls()]

    # --- The list -------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        @admin.display(description="who")
        def who(one: Suppression) -> str:
            return called(one, request)

        return (who, "kind_in_words", "through", "reason", "created_by", "created_at")

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        # No question may tell what no column shows.
        if not naming.may_see_people(request.user):
            return ()
        return ("value__exact", "profile__external_id__exact")

    @admin.display(description="by")
    def kind_in_words(self, one: Suppression) -> str:
        return dict(Identifier.Kind.choices).get(one.kind, one.kind.replace("_", " "))

    @admin.display(description="not through")
    def through(self, one: Suppression) -> str:
        return channels_in_words(one.channels)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        only = dict(SuppressedChannels.objects.values_list("segment", "channels"))
        marked = Segment.objects.filter(is_suppression=True).order_by("name")
        segments = [(one, channels_in_words(only.get(one.pk, []))) for one in marked]
        context = {"segments": segments, "may_end": request.user.has_perm(END)}
        response: HttpResponse = super().changelist_view(
            request, {**context, **(extra_context or {})}
        )
        return response

    # --- One entry ------------------------------------------------------------------

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        person = _person(request)
        form = SuppressionForm(request.POST or None, person=person)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                listed = form.save(request.user)
                for one in listed.entries:
                    self.log_addition(request, one, form.in_words())
            say = messages.warning if listed.kept else messages.success
            say(request, listed.in_words())
            return redirect(person.get_absolute_url() if person else CHANGELIST)
        title = "Never send to somebody"
        context = context_of(self.admin_site, request, title, self.model) | {
            "form": form,
            "who": naming.called(person, request.user) if person else "",
            "back": person.get_absolute_url() if person else reverse(CHANGELIST),
        }
        return TemplateResponse(request, "engagements/guards/suppress.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        one: Suppression = row_of(self, request, object_id)
        title = called(one, request)
        context = context_of(self.admin_site, request, title, self.model) | {
            "entry": one,
            "who": called(one, request),
            "kind": self.kind_in_words(one),
            "channels": channels_in_words(one.channels),
            "may_end": self.has_delete_permission(request, one),
        }
        return TemplateResponse(request, "engagements/guards/entry.html", context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Take an entry off the list, after a page has said what comes of it."""
        one: Suppression = row_of(self, request, object_id)
        if not self.has_delete_permission(request, one):
            raise PermissionDenied
        who = called(one, request)
        if request.method == "POST":
            with transaction.atomic():
                self.log_deletions(request, Suppression.objects.filter(pk=one.pk))
                one.delete()
            messages.success(request, f"{who} is off the list.")
            return redirect(CHANGELIST)
        question = Question(
            title=f"Take {who} off the list?",
            button="Take off the list",
            back=one.get_absolute_url(),
            words=[
                "From the next request on Engagements send to them again, unless another"
                " entry or a segment keeps them out. Who was skipped is not sent later.",
            ],
            tone="danger",
        )
        return confirm(self.admin_site, request, question, one)

    # --- A suppression segment's channels -----------------------------------------

    def channels_view(self, request: HttpRequest, segment_id: int) -> HttpResponse:
        """Let a suppression segment be for some channels; fewer let people be sent."""
        if not request.user.has_perm(END):
            raise PermissionDenied
        segment = get_object_or_404(Segment, pk=segment_id, is_suppression=True)
        row = SuppressedChannels.objects.filter(segment=segment).first()
        before = row.channels if row else []
        form = ChannelsForm(request.POST or None, initial={"channels": before})
        if request.method == "POST" and form.is_valid():
            channels = form.cleaned_data["channels"]
            SuppressedChannels.objects.update_or_create(
                segment=segment, defaults={"channels": channels}
            )
            words = f"Suppressed through: {channels_in_words(channels).lower()}."
            admin.site.get_model_admin(Segment).log_change(request, segment, words)
            messages.success(request, f"“{segment}”: {words}")
            return redirect(CHANGELIST)
        title = f"Channels of “{segment}”"
        context = context_of(self.admin_site, request, title, self.model) | {
            "segment": segment,
            "form": form,
            "back": reverse(CHANGELIST),
        }
        return TemplateResponse(request, "engagements/guards/channels.html", context)


def called(one: Suppression, request: HttpRequest) -> str:
    """Who an entry is about, as this user may read it."""
    if one.kind == Suppression.PERSON:
        return naming.called(one.profile, request.user)
    may_see = naming.may_see_people(request.user)
    return one.value if may_see else str(naming.masked(one.value))


def _person(request: HttpRequest) -> Profile | None:
    """Whom the address names: ?person=ID, as they are now."""
    pk = as_id(request.GET.get("person", ""))
    if pk is None or not naming.may_see_people(request.user):
        return None
    found = get_object_or_404(Profile.objects.select_related("merged_into"), pk=pk)
    return found.merged_into or found
