"""Paste a curl command, an OpenAPI document or a Postman collection, see what was
understood, and go on in the form with it.

Nothing is stored on the way. A key is taken out of what was pasted: it belongs to a
connection, where those who may set it do.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminFileFieldWidget

from externalapi.connections.access import usable_by
from externalapi.http.auth import Auth
from externalapi.importers import reader
from externalapi.importers.common.types import (
    Imported,
    Operation,
    PasteError,
    Suggestion,
    Understood,
)
from externalapi.importers.detect import MAX_CHARS, MAX_FILE_BYTES
from externalapi.importers.reader import Pasted
from externalapi.importers.to_preset import as_preset
from externalapi.models import Connection, ExternalAPI
from externalapi.vendors.preset import Preset
from lemnisk_braze.lib.pages.context import context_of

_SIGNS_IN = {
    Auth.BEARER: "with a bearer key",
    Auth.BASIC: "with a user name and password",
    Auth.HEADER: "with a key in the header “{name}”",
    Auth.QUERY: "with a key in the address, as “{name}”",
    Auth.OAUTH2: "with OAuth 2 client credentials",
}


class PasteForm(forms.Form):
    """`read` is what was understood; the text stays in the form without its keys."""

    pasted = forms.CharField(
        label="curl command, OpenAPI document or Postman collection",
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 9,
                "spellcheck": "false",
                "autocomplete": "off",
                # One more than is taken: a text that was cut here says that it is.
                "maxlength": MAX_CHARS + 1,
            }
        ),
        help_text=(
            "From the vendor's documentation, from Postman, or from the network tab of "
            "a browser: Copy as cURL. A document is JSON: OpenAPI 3, or a Postman "
            "collection exported as v2.1."
        ),
    )
    file = forms.FileField(
        label="Or a file",
        required=False,
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".json,.txt,.sh"}),
    )
    # The request of a document that was chosen now, or before.
    operation = forms.CharField(required=False)
    chosen = forms.CharField(required=False)

    # Base URLs of connections; of several servers one of them is taken.
    known: Collection[str] = ()

    read: Pasted

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        upload = cleaned.get("file")
        try:
            text = _text(cleaned.get("pasted", ""), upload)
            self.read = self._read(text, is_new=bool(upload))
        except PasteError as e:
            self.add_error("file" if upload else "pasted", str(e))
        else:
            self.data = {"pasted": self.read.text}
        return cleaned

    def _read(self, text: str, *, is_new: bool) -> Pasted:
        operation = self.cleaned_data["operation"]
        picked = None
        if not operation and not is_new and "look" not in self.data:
            operation = self.cleaned_data["chosen"]
        if not self.cleaned_data["operation"] and "names" in self.data:
            picked = self.data.getlist("name")  # type: ignore[attr-defined]
        return reader.read(text, operation, picked, self.known)


def _text(typed: str, upload: Any) -> str:
    if upload is None:
        if not typed.strip():
            raise PasteError("Paste a command or a document, or choose a file.")
        reader.check_length(typed)
        return typed
    if upload.size > MAX_FILE_BYTES:
        raise PasteError(f"The file is larger than {MAX_FILE_BYTES // 1_000_000} MB.")
    return reader.decoded(upload.read())


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
        form = _form(request)
        pasted = form.read if form.is_bound and form.is_valid() else None
        title = "Paste a request"
        context = context_of(self.admin_site, request, title, ExternalAPI, form=form)
        if pasted:
            context |= _shown(request, pasted)
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
        form = _form(request)
        may_add = self.has_add_permission(request)
        understood = form.read.understood if may_add and form.is_valid() else None
        if understood is None:
            return self.paste_view(request)
        found, connections = on_connections(request, understood.found)
        sign_in = sign_in_of(request, found, connections)
        asked = _begun(request, as_preset(found), connections)
        context = {"pasted": found, "sign_in": sign_in}
        response = super().add_view(asked, form_url, context)
        return response


def _form(request: HttpRequest) -> PasteForm:
    if request.method != "POST":
        return PasteForm()
    form = PasteForm(request.POST, request.FILES)
    form.known = set(usable_by(request.user).values_list("base_url", flat=True))
    return form


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


def on_connections(
    request: HttpRequest, found: Imported
) -> tuple[Imported, list[Connection]]:
    """Return the connections that lead there, and the definition as it is on them.

    A connection's address may have the beginning of the path in it.
    """
    if not found.base_url:
        return found, []
    whole = f"{found.base_url}{found.path}"
    near = usable_by(request.user).filter(base_url__startswith=found.base_url)
    leading = [
        one
        for one in near.order_by("name")
        if whole.startswith(f"{one.base_url.rstrip('/')}/")
    ]
    longest = max((one.base_url for one in leading), key=len, default="")
    path = whole.removeprefix(longest.rstrip("/")) if longest else found.path
    return replace(found, path=path), [o for o in leading if o.base_url == longest]


def sign_in_of(
    request: HttpRequest, found: Imported, connections: Sequence[Connection]
) -> dict[str, Any]:
    """How the request signs in, and which connections can take that over."""
    way = _SIGNS_IN.get(found.auth, "")
    return {
        "way": way.format(name=found.auth_name),
        "has_key": bool(found.secret),
        "connections": connections,
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
        "token_url": found.token_url,
        "client_id": found.client_id,
        "scope": found.scope,
    }
    kept = {name: value for name, value in fields.items() if value}
    return f"{reverse('admin:externalapi_connection_add')}?{urlencode(kept)}"


def _shown(request: HttpRequest, pasted: Pasted) -> dict[str, Any]:
    context: dict[str, Any] = {"reading": pasted}
    if pasted.document:
        groups: dict[str, list[Operation]] = {}
        for one in pasted.document.operations:
            groups.setdefault(one.group, []).append(one)
        context["groups"] = groups
    if understood := pasted.understood:
        found, connections = on_connections(request, understood.found)
        context |= {
            "found": found,
            "sign_in": sign_in_of(request, found, connections),
            "suggestions": _rows(understood),
        }
    return context


def _rows(understood: Understood) -> list[tuple[Suggestion, str, bool]]:
    """Each value that may be a parameter, with its type and whether it is one."""
    return [
        (one, one.type.label, one.is_required or one.name in understood.picked)
        for one in understood.offered
    ]
