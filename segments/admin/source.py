"""Sources: how they are doing, how to send to them, and their write keys.

A key is shown once. What people sent is shown to those who may see people.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.views.decorators.cache import never_cache

from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.form_changes import ChangesInWords
from lemnisk_braze.lib.pages.active import active_badge
from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.deleting import CarefulDelete, Dependant, Instead
from lemnisk_braze.lib.pages.rows import row_of
from segments import naming
from segments.forms import SourceForm, WriteKeyForm
from segments.models import (
    Event,
    Import,
    InboxRequest,
    Profile,
    RefusedMessage,
    Source,
    SourceQuery,
    WatchedFolder,
    WriteKey,
)
from segments.sources import now, refusals, snippets, trial
from segments.sources.refusals import Reason
from segments.tracking import replaying, write_keys

PLACEHOLDER = "WRITE_KEY"


@admin.register(Source)
class SourceAdmin(ChangesInWords, CarefulDelete, OfferedFilters):
    form = SourceForm
    list_display = ["name", active_badge, "keys", "created_at"]
    fields = ["name", "is_active", "allowed_origins", "created_at"]
    readonly_fields = ["created_at"]
    search_fields = ["name"]
    search_help_text = "A part of a name."
    change_form_template = "admin/segments/source/change_form.html"

    def get_fields(self, request: HttpRequest, obj: Source | None = None) -> list[str]:
        # A new one has no time of its own before the database gives it.
        return [name for name in self.fields if obj or name != "created_at"]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {**(extra_context or {})}
        source = self.get_object(request, object_id) if object_id else None
        if source is not None and self.has_view_permission(request, source):
            context["keys"] = source.write_keys.order_by("-pk")
            context |= self._now(request, source)
            context["snippets"] = snippets.all_of(_host(request), PLACEHOLDER)
        return super().changeform_view(request, object_id, form_url, context)

    def _now(self, request: HttpRequest, source: Source) -> dict[str, Any]:
        """What changes by itself, for the page and for the piece that it reads again."""
        message_id = request.GET.get("test", "")[:255]
        found = now.read(source, message_id)
        for warning in found.warnings:
            warning.message = naming.scrubbed(warning.message, request.user)
        return {
            "now": found,
            "now_query": urlencode({"test": message_id}) if message_id else "",
            "may_see_people": naming.may_see_people(request.user),
            "may_change": self.has_change_permission(request, source),
        }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        in_use = Count("write_keys", filter=Q(write_keys__revoked_at=None))
        found: QuerySet[Source] = super().get_queryset(request)
        return found.annotate(keys_in_use=in_use)

    @admin.display(description="write keys")
    def keys(self, source: Source) -> int:
        in_use: int = source.keys_in_use  # type: ignore[attr-defined]
        return in_use

    @transaction.atomic
    def users_of(self, obj: Source) -> list[Dependant]:
        # Nobody adds to its inbox before it is gone, and what leaves the inbox meanwhile
        # is found among the events, where no foreign key would hold it.
        Source.objects.select_for_update().filter(pk=obj.pk).first()
        lists = (
            (InboxRequest, "its inbox", "admin:segments_inboxrequest_changelist"),
            (Event, "events that it sent", "admin:segments_event_changelist"),
            (Import, "files imported for it", "admin:segments_import_changelist"),
            (SourceQuery, "SQL sources", "admin:segments_sourcequery_changelist"),
            (
                WatchedFolder,
                "watched folders",
                "admin:segments_watchedfolder_changelist",
            ),
        )
        found = [
            Dependant(name=name, url=reverse(url))
            for model, name, url in lists
            if model.objects.filter(source=obj).exists()
        ]
        if RefusedMessage.objects.filter(source=obj).exists():
            page = reverse("admin:segments_source_change", args=[obj.pk])
            found.append(Dependant(name="what was refused of it", url=page))
        return found

    def instead(self, request: HttpRequest, obj: Source) -> Instead:
        return Instead(
            text="Switched off (“Active” on its page), its write key is refused and "
            "everything that it sent stays.",
            label="Open the source",
            url=reverse("admin:segments_source_change", args=[obj.pk]),
        )

    def get_urls(self) -> list[URLPattern]:
        return [
            self._path("now/", self.now_view, "now"),
            self._path("test/", self.test_view, "test"),
            self._path("refused/<slug:code>/", self.try_again_view, "try_again"),
            self._path("keys/add/", self.add_key_view, "add_key"),
            self._path("keys/<int:key_id>/revoke/", self.revoke_key_view, "revoke_key"),
            *super().get_urls(),
        ]

    def _path(self, way: str, view: Callable[..., HttpResponse], name: str) -> Any:
        return path(
            f"<int:object_id>/{way}",
            self.admin_site.admin_view(never_cache(view)),
            name=f"segments_source_{name}",
        )

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            # For this request only: the page after it shows the key for once.
            request.write_key = write_keys.issue(obj)  # type: ignore[attr-defined]
        # A new one may have new origins too.
        write_keys.forget()

    def response_add(
        self, request: HttpRequest, obj: Source, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show(request, obj, request.write_key)  # type: ignore[attr-defined]

    def now_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """How it is doing: the piece that the page reads again."""
        source: Source = row_of(self, request, object_id)
        context = {**self._now(request, source), "original": source}
        return TemplateResponse(request, "admin/segments/source/now.html", context)

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send a test event; the page shows what becomes of it."""
        source: Source = row_of(self, request, object_id, "change")
        url = reverse("admin:segments_source_change", args=[source.pk])
        if request.method == "POST" and source.is_active:
            query = urlencode({"test": trial.send(source)})
            self.log_change(request, source, "Sent a test event.")
            url = f"{url}?{query}"
        return redirect(url)

    def try_again_view(
        self, request: HttpRequest, object_id: int, code: str
    ) -> HttpResponse:
        """Ask, then send in again what was refused for one reason."""
        source: Source = row_of(self, request, object_id, "change")
        if request.method == "POST":
            if replaying.ask(source, code):
                self.log_change(request, source, f"Sent in again what was “{code}”.")
            return redirect("admin:segments_source_change", source.pk)
        found = [r for r in refusals.by_reason(source) if r.code == code]
        return confirm(self.admin_site, request, _trying(source, found), source)

    def add_key_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for a name, then make one more key and show it for once."""
        source: Source = row_of(self, request, object_id, "change")
        form = WriteKeyForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            name = form.cleaned_data["name"]
            self.log_change(request, source, f"Added the write key “{name}”.")
            if form.cleaned_data["kind"] == WriteKeyForm.REST:
                key, passkey = write_keys.issue_pair(source, name)
                return self._show(request, source, key, passkey)
            return self._show(request, source, write_keys.issue(source, name))
        context = self._context(request, source, f"Add a write key to {source.name}")
        return TemplateResponse(
            request, "admin/segments/source/add_key.html", {**context, "form": form}
        )

    def revoke_key_view(
        self, request: HttpRequest, object_id: int, key_id: int
    ) -> HttpResponse:
        """Ask, then refuse a key from now on."""
        source: Source = row_of(self, request, object_id, "change")
        key = get_object_or_404(WriteKey, pk=key_id, source=source, revoked_at=None)
        if request.method == "POST":
            write_keys.revoke(key)
            self.log_change(request, source, f"Revoked the write key “{key}”.")
            self.message_user(request, f"The write key “{key}” is refused from now on.")
            return redirect("admin:segments_source_change", source.pk)
        return confirm(self.admin_site, request, _revocation(source, key), source)

    def _show(
        self, request: HttpRequest, source: Source, key: str, passkey: str = ""
    ) -> HttpResponse:
        context = self._context(request, source, f"Write key of {source.name}")
        host = _host(request)
        context |= {
            "write_key": key,
            "passkey": passkey,
            "snippets": snippets.with_passkey(host, key, passkey)
            if passkey
            else snippets.all_of(host, key),
        }
        context["is_first"] = not Profile.objects.exists()
        response = TemplateResponse(
            request, "admin/segments/source/write_key.html", context
        )
        response["Cache-Control"] = "no-store"
        return response

    def _context(
        self, request: HttpRequest, source: Source, title: str
    ) -> dict[str, Any]:
        return context_of(self.admin_site, request, title, source)


def _revocation(source: Source, key: WriteKey) -> Question:
    used = "It was never used."
    if at := key.last_used_at:
        used = f"It was used last on {date_format(localtime(at), 'DATETIME_FORMAT')}."
    return Question(
        title=f"Revoke the write key “{key}” of {source}?",
        button="Revoke the write key",
        back=reverse("admin:segments_source_change", args=[source.pk]),
        words=[
            f"It is refused within {write_keys.KNOWN_FOR} seconds: whatever still sends "
            "with it must have another one by then.",
            used,
        ],
    )


def _trying(source: Source, found: Sequence[Reason]) -> Question:
    back = reverse("admin:segments_source_change", args=[source.pk])
    if not found:
        refusal = "Nothing is refused for this reason any more."
        title = f"Try again what {source} sent?"
        return Question(title=title, button="", back=back, refusal=refusal)
    [reason] = found
    them = f"{reason.shown:,} message{pluralize(reason.shown)}"
    if reason.is_more:
        them = f"More than {them}"
    return Question(
        title=f"Try again: {reason.called} ({reason.shown:,})?",
        button=f"Try {them[0].lower()}{them[1:]} again",
        back=back,
        words=[
            f"{them} of {source} {'is' if reason.shown == 1 else 'are'} sent in "
            "again, oldest first, as if they came when they did: people and segments "
            "change by them, and Engagements that are active send to who enters.",
            "Whatever is refused again stays, with the reason that there is then.",
        ],
    )


def _host(request: HttpRequest) -> str:
    """Where libraries send to: this site's address, without a slash at its end."""
    return request.build_absolute_uri("/")[:-1]
