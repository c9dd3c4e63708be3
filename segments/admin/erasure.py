"""Erasing somebody: by an identifier, or from their page; and what went each time."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.views.decorators.http import require_POST
from unfold.decorators import display

from lemnisk_braze.lib.pages.confirm import Question, confirm
from lemnisk_braze.lib.pages.context import context_of
from lemnisk_braze.lib.pages.rows import row_of
from segments import naming
from segments.admin.readonly import ReadOnlyAdmin
from segments.models import Erasure, Identifier, Profile
from segments.people import search
from segments.privacy import elsewhere, erasure

State = Erasure.State
PERMISSION = "segments.erase_profile"
# Of the question's own form.
SURE = "_sure"


class WhoForm(forms.Form):
    """By which identifier somebody is meant."""

    kind = forms.ChoiceField(label="Identifier")
    value = forms.CharField(
        label="Value",
        max_length=987,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = _kinds()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if {"kind", "value"} <= cleaned.keys():
            try:
                cleaned["key"] = erasure.normal(cleaned["kind"], cleaned["value"])
                cleaned["people"] = erasure.who([cleaned["key"]])
            except (erasure.NobodyMeantError, erasure.SeveralPeopleError) as e:
                self.add_error("value", str(e))
        return cleaned


class HowForm(forms.Form):
    """What else the question asks; External APIs that this user may choose."""

    may_return = forms.BooleanField(
        required=False,
        label="They may return",
        help_text="What they do from now on makes a new person, who has nothing of the"
        " old one. Otherwise they are kept out for good.",
    )
    also_at = forms.ChoiceField(
        required=False,
        label="Delete them in Braze too",
        help_text="Through an External API. Its answer stands in the report.",
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data)
        self._choices = {str(pk): (pk, n) for pk, n in elsewhere.choices(request.user)}
        also_at = self.fields["also_at"]
        assert isinstance(also_at, forms.ChoiceField)
        named = [(key, name) for key, (_, name) in self._choices.items()]
        also_at.choices = [("", "No"), *named]
        if not named:
            also_at.help_text = (
                "There is no External API of the preset Braze Delete users that you may"
                " use: they stay in Braze."
            )
            also_at.widget.attrs["disabled"] = True

    def options(self) -> dict[str, Any]:
        return {
            "may_return": self.cleaned_data["may_return"],
            "also_at": self._choices.get(self.cleaned_data["also_at"]),
        }


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin):
    list_display = ["name", "shown_state", "people", "asked_through", "by", "at"]
    list_select_related = ["by"]
    list_filter = ["state"]
    ordering = ["-id"]

    @admin.display(description="erasure", ordering="id")
    def name(self, row: Erasure) -> str:
        return str(row)

    @admin.display(description="people")
    def people(self, row: Erasure) -> int:
        return int(row.went.get(erasure.PEOPLE, 0))

    @display(
        description="state",
        label={State.WORKING.label: "info", State.DONE.label: "success"},
    )
    def shown_state(self, row: Erasure) -> str:
        return State(row.state).label

    def has_view_permission(
        self, request: HttpRequest, obj: Erasure | None = None
    ) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.act_view))
        return [
            path("<int:pk>/act/<str:act>/", view, name="segments_erasure_act"),
            *super().get_urls(),
        ]

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask who is meant, then whether it is sure, then do it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = WhoForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            context = self._context(request, "Erase a person") | {"form": form}
            return TemplateResponse(request, "admin/segments/erasure/who.html", context)
        key = form.cleaned_data["key"]
        how = HowForm(request, request.POST)
        if SURE in request.POST and how.is_valid():
            done = erasure.erase(
                [key],
                by=_user(request),
                asked_through="Erase a person",
                **how.options(),
            )
            return self._erased(request, done)
        people = form.cleaned_data["people"]
        hidden = {"kind": key[0], "value": key[1]}
        question = _question(request, people, f"“{key[1]}”", self._list(), hidden)
        return ask(request, question, people)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The report of what went."""
        row: Erasure = row_of(self, request, object_id)
        context = self._context(request, str(row)) | {
            "original": row,
            "went": erasure.report(row),
            "shown_state": State(row.state).label,
            "tone": "success" if row.state == State.DONE else "info",
        }
        return TemplateResponse(request, "admin/segments/erasure/report.html", context)

    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        """Try again now, or leave it at what is done."""
        row: Erasure = row_of(self, request, pk)
        if act == "again":
            erasure.try_now(row)
            self.log_change(request, row, "Tried again.")
        elif act == "close":
            erasure.close(row, request.user.get_username())
            self.log_change(request, row, "Closed it before all was done.")
        else:
            raise Http404
        return HttpResponseRedirect(row.get_absolute_url())

    def erase_person(self, request: HttpRequest, person: Profile) -> HttpResponse:
        """The same for somebody whose page it was asked on."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        how = HowForm(request, request.POST)
        if request.method == "POST" and how.is_valid():
            done = erasure.erase_person(
                person, by=_user(request), asked_through="their page", **how.options()
            )
            return self._erased(request, done)
        people = {person.merged_into_id or person.pk}
        back = person.get_absolute_url()
        return ask(
            request, _question(request, people, f"“{person.called}”", back, {}), people
        )

    def _erased(self, request: HttpRequest, done: Erasure) -> HttpResponse:
        self.log_addition(request, done, [{"added": {}}])
        words = "Erased. What went stands below, and nothing of who it was."
        if done.state == State.WORKING:
            words = "Their rows are gone. What else names them goes in a moment."
        messages.success(request, words)
        return redirect(done.get_absolute_url())

    def _list(self) -> str:
        return reverse("admin:segments_erasure_changelist")

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return context_of(self.admin_site, request, title, self.model)


def ask(request: HttpRequest, question: Question, people: set[int]) -> HttpResponse:
    response = confirm(
        admin.site,
        request,
        question,
        template="admin/segments/erasure/question.html",
        how=HowForm(request),
        goes=[(label, n) for label, n in erasure.what_goes(people).items() if n],
        opts=Erasure._meta,
    )
    response["Cache-Control"] = "no-store"
    return response


def _who(request: HttpRequest, people: set[int]) -> Iterator[str]:
    """Who is meant, for whoever may see it."""
    if naming.may_see_people(request.user):
        for person in Profile.objects.filter(pk__in=people):
            known = (person.external_id, person.email, person.phone)
            named = ", ".join(dict.fromkeys(filter(None, (person.called, *known))))
            yield f"It is about {named}, known since {date_format(person.created_at)}."


def _question(
    request: HttpRequest,
    people: set[int],
    called: str,
    back: str,
    hidden: Mapping[str, str],
) -> Question:
    if people:
        title, button = f"Erase {called} for good?", "Erase them for good"
        words = [
            *_who(request, people),
            "Everything that is known of them goes, with whatever else names them: what"
            " waits or was refused, tests, files that were imported. Numbers stay as"
            " they are: who was sent to is still counted.",
        ]
    else:
        title, button = f"Nobody has {called}", "Keep them out"
        words = [
            "Whatever else names them goes all the same, such as refused messages, and"
            " messages about them are refused from now on."
        ]
    return Question(
        title=title,
        button=button,
        back=back,
        words=words,
        warnings=["It cannot be undone."],
        tone="danger",
        hidden={**hidden, SURE: "1"},
    )


def _kinds() -> list[tuple[str, str]]:
    own = [kind for kind in search.kinds() if kind not in Identifier.Kind.values]
    known = [c for c in Identifier.Kind.choices if c[0] != Identifier.Kind.PLACEHOLDER]
    return [*((str(kind), str(label)) for kind, label in known), *((k, k) for k in own)]


def _user(request: HttpRequest) -> Any:
    return request.user
