"""What engineers type: an External API with its request."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from externalapi.connections.access import User
from externalapi.definitions import renames
from externalapi.definitions.compiled import parameters_found
from externalapi.definitions.validity import ONLY_JSON
from externalapi.definitions.versions import Draft
from externalapi.forms import body_check
from externalapi.forms.batching_and_answers import BatchingAndAnswers
from externalapi.forms.body_widget import BodyEditor
from externalapi.forms.connection_field import ConnectionField
from externalapi.forms.parameter_table import ParametersField
from externalapi.models import ExternalAPI, ExternalAPIVersion
from externalapi.template import bodies, validation
from externalapi.template.parameters import Parameter
from externalapi.template.parser import BodyError
from externalapi.template.url_and_headers import split_target
from externalapi.vendors.braze.facts.instances import is_braze
from externalapi.vendors.braze.lint.findings import Severity
from lemnisk_braze.lib.names import one_line


class HeadersField(forms.CharField):
    """One header a line, `Name: value`; its value is a dict."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return "\n".join(f"{name}: {text}" for name, text in value.items())
        return value

    def to_python(self, value: Any) -> Any:
        headers: dict[str, str] = {}
        for line in str(value or "").splitlines():
            if not line.strip():
                continue
            name, colon, text = line.partition(":")
            if not colon:
                raise ValidationError(f"Write “{line[:40]}” as Name: value.")
            if name.strip().lower() in {known.lower() for known in headers}:
                raise ValidationError(f"The header {name.strip()} is given twice.")
            headers[name.strip()] = text.strip()
        return headers

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial or {}) != str(data or "").strip())


class ExternalAPIForm(BatchingAndAnswers):
    """Basic Details are the External API's, External API Details its next version's.

    `user` (set by the admin) decides which connections can be chosen.
    """

    user: User = AnonymousUser()

    connection = ConnectionField(
        empty_label="Choose a connection",
        help_text="Where the API lives and how to sign in.",
    )
    method = forms.ChoiceField(
        choices=ExternalAPIVersion.Method.choices, widget=UnfoldAdminSelectWidget
    )
    path = forms.CharField(
        max_length=1024,
        widget=UnfoldAdminTextInputWidget(attrs={"spellcheck": "false"}),
        help_text="It follows the connection's address, for example /users/track.",
    )
    headers = HeadersField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One a line, as Name: value. The key comes from the connection.",
    )
    body_kind = forms.ChoiceField(
        label="Body is",
        choices=ExternalAPIVersion.BodyKind.choices,
        widget=UnfoldAdminSelectWidget,
    )
    payload_level = forms.ChoiceField(
        label="Payload",
        required=False,
        choices=ExternalAPIVersion.PayloadLevel.choices,
        widget=UnfoldAdminSelectWidget,
        help_text=(
            "The same for all: the body below is sent, and each Engagement gives values "
            "for its parameters. Written in each: an Engagement writes its own JSON, "
            "and the body below is only what it begins with; it may be empty. Where "
            "requests go, how many people they take and how answers are read stays here."
        ),
    )
    body = forms.CharField(
        label="Body",
        required=False,
        strip=False,
        widget=BodyEditor(attrs={"rows": 18, "spellcheck": "false"}),
        help_text=(
            "Write {{Name of the User}} where each engagement sets its own value, "
            "with or without quotes. Every name becomes a parameter when you save. "
            "A form has one field a line, as name = value."
        ),
    )
    parameters = ParametersField(required=False)
    note = forms.CharField(
        label="What did you change, and why?",
        required=False,
        max_length=255,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Optional. It stands beside the new version.",
    )

    class Meta:
        model = ExternalAPI
        fields = ("name", "description", "channel", "channel_identifier")
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look has no form, and so none of these.
        if "connection" in self.fields:
            self.fields["connection"].user = self.user  # type: ignore[attr-defined]

    draft: Draft
    # What a save says and does not stop for.
    warnings: tuple[str, ...] = ()

    def check(self) -> body_check.Check:
        """Return what is to be said about the body as it is typed, valid or not."""
        self.full_clean()
        cleaned = self.cleaned_data
        return body_check.check(
            self._typed({**cleaned, "body": str(self["body"].value() or "")})
        )

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_path(self) -> str:
        path: str = self.cleaned_data["path"]
        with _at_the_field():
            validation.check_path(path)
            validation.check_query(split_target(path)[1])
        return path

    def clean_headers(self) -> dict[str, str]:
        headers: dict[str, str] = self.cleaned_data["headers"]
        with _at_the_field():
            validation.check_headers(headers)
        return headers

    def clean_payload_level(self) -> str:
        level: str = self.cleaned_data["payload_level"]
        levels = ExternalAPIVersion.PayloadLevel
        if level == levels.ENGAGEMENT and self.cleaned_data.get("body_kind") != "json":
            raise ValidationError(ONLY_JSON)
        return level or levels.GLOBAL

    def clean_body(self) -> str:
        body: str = self.cleaned_data["body"].replace("\r\n", "\n")
        kind: str = self.cleaned_data.get("body_kind", "json")
        headers: dict[str, str] = self.cleaned_data.get("headers", {})
        if not self._has_its_content_type(kind, headers):
            headers = {}
        try:
            validation.check_body(kind, body, headers)
        except BodyError as e:
            self.fields["body"].widget.attrs["data-error-line"] = e.line
            raise ValidationError(str(e)) from e
        return body

    def _has_its_content_type(self, kind: str, headers: Mapping[str, str]) -> bool:
        """Say at the headers what contradicts the body, not at both."""
        try:
            validation.check_content_type(kind, headers)
        except ValueError as e:
            self.add_error("headers", str(e))
            return False
        return True

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        needed = (
            "connection",
            "method",
            "path",
            "headers",
            "body_kind",
            "body",
            "batching",
        )
        self.check_rules(cleaned)
        if "body" in cleaned:
            tree = bodies.parse(cleaned.get("body_kind", "json"), cleaned["body"])
            if tree is not None or not _is_in_engagement(cleaned):
                self.check_batching(cleaned, tree)
        if not self.errors and all(name in cleaned for name in needed):
            self.draft = self._draft(cleaned)
            self._check(cleaned)
        return cleaned

    def _check(self, cleaned: Mapping[str, Any]) -> None:
        check = body_check.check(self._typed(cleaned))
        for one in check.of(Severity.ERROR):
            if one.finding.field == "body":
                attrs = self.fields["body"].widget.attrs
                attrs.setdefault("data-error-line", one.line)
            self.add_error(one.finding.field, str(one))
        self.warnings = tuple(str(one) for one in check.of(Severity.WARNING))

    def _typed(self, cleaned: Mapping[str, Any]) -> body_check.Typed:
        connection = cleaned.get("connection")
        return body_check.Typed(
            kind=cleaned.get("body_kind", "json"),
            text=cleaned["body"].replace("\r\n", "\n"),
            method=cleaned.get("method", "POST"),
            path=cleaned.get("path", ""),
            headers=cleaned.get("headers", {}),
            parameters=self._known(),
            identifier=cleaned.get("channel_identifier")
            or self.instance.channel_identifier,
            is_braze=connection is None or is_braze(connection.base_url),
            limit=body_check.limit_of(self.plan(cleaned)),
        )

    def _draft(self, cleaned: Mapping[str, Any]) -> Draft:
        path, query = split_target(cleaned["path"])
        draft = Draft(
            connection=cleaned["connection"],
            method=cleaned["method"],
            path=path,
            query=tuple(query),
            headers=cleaned["headers"],
            body_kind=cleaned["body_kind"],
            payload_level=cleaned["payload_level"],
            body=cleaned["body"],
            **self.plan(cleaned).fields(),
            answer_rules=self.rules(cleaned).to_dict(),
        )
        known = self._known()
        if before := self.instance.current_version:
            known = [*renames.renamed_settings(before, draft, known), *known]
        found = parameters_found(
            path,
            cleaned["headers"],
            cleaned["body"],
            known,
            query=query,
            body_kind=cleaned["body_kind"],
            identifier=cleaned.get("channel_identifier")
            or self.instance.channel_identifier,
        )
        return replace(draft, parameters=tuple(found))

    def _known(self) -> list[Parameter]:
        """The table's rows, else what the page began with: a preset or the version."""
        rows = self.cleaned_data.get("parameters") or ()
        return [*self.initial.get("parameters", ()), *rows]


def _is_in_engagement(cleaned: Mapping[str, Any]) -> bool:
    engagement = ExternalAPIVersion.PayloadLevel.ENGAGEMENT
    return bool(cleaned.get("payload_level") == engagement)


@contextmanager
def _at_the_field() -> Iterator[None]:
    try:
        yield
    except ValueError as e:
        message = str(e)
        sentence = f"{message[:1].upper()}{message[1:].rstrip('.')}."
        raise ValidationError(sentence) from e
