"""Paste a curl command, see what was understood, and go on in the form with it.

Nothing is stored on the way. The key is taken out of what was pasted: it belongs to a
connection, where those who may set it do.
"""

import copy
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from externalapi.connection_use import usable_by
from externalapi.models import Connection, ExternalAPI
from externalapi.parameters import ParameterType
from externalapi.pasted.curl import MAX_CHARS, read_curl
from externalapi.pasted.imported import Imported, PasteError, Suggestion
from externalapi.pasted.preset import as_preset
from externalapi.pasted.redaction import without_secrets
from externalapi.pasted.suggestions import accept, suggest
from externalapi.preset import Preset
from externalapi.sign_in import Auth

_SIGNS_IN = {
    Auth.BEARER: "with a bearer key",
    Auth.BASIC: "with a user name and password",
    Auth.HEADER: "with a key in the header “{name}”",
    Auth.QUERY: "with a key in the address, as “{name}”",
}


class PasteForm(forms.Form):
    """`found` is what was understood; the text stays in the form without its key."""

    pasted = forms.CharField(
        label="curl command",
        strip=False,
        max_length=MAX_CHARS,
        widget=forms.Textarea(
            attrs={"rows": 9, "spellcheck": "false", "autocomplete": "off"}
        ),
        help_text=(
            "From the vendor's documentation, from Postman's code panel, or from the "
            "network tab of a browser: Copy as cURL."
        ),
    )

    found: Imported

    def clean_pasted(self) -> str:
        pasted: str = self.cleaned_data["pasted"]
        try:
            self.found = read_curl(pasted)
        except PasteError as e:
            raise forms.ValidationError(str(e)) from e
        self.data = {"pasted": without_secrets(pasted, self.found)}
        return pasted


class PastePage(ModelAdmin):
    """Mixed into the External API's admin."""

    def paste_urls(self) -> list[URLPattern]:
        return [
            path(
                "add/paste/",
                self.admin_site.admin_view(self.paste_view),
                name="externalapi_externalapi_paste",
            )
        ]

    def paste_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PasteForm(request.POST or None)
        found = form.found if form.is_valid() else None
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": ExternalAPI._meta,
            "title": "Paste a curl command",
            "form": form,
            **(_shown(request, found) if found else {}),
        }
        return TemplateResponse(request, "externalapi/paste.html", context)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form for a new one with what was pasted in it, if it was."""
        response: HttpResponse
        if "pasted" not in request.POST:
            response = super().add_view(request, form_url, extra_context)
            return response
        form = PasteForm(request.POST)
        if not self.has_add_permission(request) or not form.is_valid():
            return self.paste_view(request)
        found = accept(form.found, request.POST.getlist("name"))
        sign_in = sign_in_of(request, found)
        asked = _begun(request, as_preset(found), sign_in["connections"])
        context = {"pasted": found, "sign_in": sign_in}
        response = super().add_view(asked, form_url, context)
        return response


def _begun(
    request: HttpRequest, preset: Preset, connections: Sequence[Connection]
) -> HttpRequest:
    """Return the request as one for the form that begins with the preset."""
    asked = copy.copy(request)
    asked.method = "GET"
    asked.POST = QueryDict()
    asked.pasted = preset  # type: ignore[attr-defined]
    if len(connections) == 1:
        asked.GET = QueryDict(f"connection={connections[0].pk}")
    return asked


def pasted_preset(request: HttpRequest) -> Preset | None:
    """Return what was pasted on the way to this form, if it was."""
    return getattr(request, "pasted", None)


def sign_in_of(request: HttpRequest, found: Imported) -> dict[str, Any]:
    """How the request signs in, and which connections can take that over."""
    way = _SIGNS_IN.get(found.auth, "")
    mine = usable_by(request.user)
    same = mine.filter(base_url=found.base_url).order_by("name")
    return {
        "way": way.format(name=found.auth_name),
        "has_key": bool(found.secret),
        "connections": list(same) if found.base_url else [],
        "add": _new_connection(found)
        if request.user.has_perm("externalapi.add_connection")
        else "",
    }


def _new_connection(found: Imported) -> str:
    fields = {
        "base_url": found.base_url,
        "auth": found.auth,
        "key_name": found.auth_name,
        "username": found.username,
    }
    kept = {name: value for name, value in fields.items() if value}
    return f"{reverse('admin:externalapi_connection_add')}?{urlencode(kept)}"


def _shown(request: HttpRequest, found: Imported) -> dict[str, Any]:
    suggestions = suggest(found)
    chosen = request.POST.getlist("name") if "names" in request.POST else None
    return {
        "found": found,
        "sign_in": sign_in_of(request, found),
        "suggestions": [
            (one, _type_label(one), _is_picked(one, chosen)) for one in suggestions
        ],
    }


def _type_label(suggestion: Suggestion) -> str:
    return ParameterType(suggestion.type).label


def _is_picked(suggestion: Suggestion, chosen: list[str] | None) -> bool:
    """Gaps and the person's identifier are picked at first, for everybody to see."""
    if chosen is not None:
        return suggestion.name in chosen
    return suggestion.is_gap or suggestion.is_identifier
