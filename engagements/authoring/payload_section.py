"""The part of Engagement Creation in which a payload is written, where the API asks so."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.urls import reverse

from engagements.authoring.value_checks import problem
from engagements.models import Engagement
from engagements.payload import versions
from engagements.payload.beginning import beginning
from engagements.payload.versions import Written
from engagements.personalization.renderer import compile_recipe, people_per_request
from engagements.personalization.variable_catalog import known_variables
from externalapi.definitions.compiled import compile_version
from externalapi.forms import body_check
from externalapi.forms.body_widget import BodyEditor
from externalapi.models import ExternalAPIVersion
from externalapi.template.batching import plan_problems
from externalapi.template.parameters import Parameter
from externalapi.template.parser import BodyError
from externalapi.template.placeholders import find, find_in_tree
from externalapi.template.spans import Path
from externalapi.vendors.braze.facts.instances import is_braze
from externalapi.vendors.braze.lint.findings import Finding, Severity
from segments.models import Segment

NAME = "payload"
ERRORS_SHOWN = 5
STILL_TO_WRITE = (
    "“{}” is a place of the External API’s body that is still to be filled."
)
BRACES = "Here braces hold variables: write one, such as {{ profile.first_name }}, or a text."
ONE_BY_ONE = "This is another one for each person, so a request takes one person only."
TAKE_IN = "Put it into the objects of {}, and people go together."


class PayloadEditor(BodyEditor):
    """The body's editor, which offers variables."""

    template_name = "engagements/payload_editor.html"

    def __init__(self, segment: Segment | None = None) -> None:
        super().__init__(attrs={"rows": 18, "spellcheck": "false", "data-value": ""})
        self.segment = segment

    def get_context(
        self, name: str, value: Any, attrs: dict[str, Any] | None
    ) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["check_url"] = reverse("admin:engagements_engagement_check_payload")
        groups = known_variables(self.segment)
        paths = [one.path for group in groups for one in group.variables]
        context["common"] = json.dumps(paths)
        return context


class PayloadSection(forms.Form):
    """The field, its checks, and what is sent with it; for the form of an engagement."""

    instance: Engagement
    chosen_version: ExternalAPIVersion | None
    written: Written | None = None

    payload = forms.CharField(
        label="Payload",
        required=False,
        strip=False,
        widget=PayloadEditor,
        help_text="Braces hold personalization variables, with filters and tags, with or"
        " without quotes around them. A value that a person lacks is left out with its"
        " key; a person without what Braze needs, such as an event’s name or time, is"
        " skipped.",
    )

    def prepare_version(self) -> None:
        """Show the version that the payload is written on, and not its own."""
        own = _own_version(self.instance)
        if own and self.initial.get("version") == own.pk:
            self.initial["version"] = own.base.pk

    def prepare_payload(self, segment: Segment | None) -> None:
        """Keep the field where the chosen External API has its payload written here."""
        version = self.chosen_version
        if version is None or not versions.is_written(version):
            del self.fields[NAME]
            return
        self.fields[NAME].widget.segment = segment
        if not self.initial.get(NAME):
            self.initial[NAME] = self._begun(version)

    def _begun(self, version: ExternalAPIVersion) -> str:
        own = _own_version(self.instance)
        if own and own.payload:
            return own.payload
        is_same = own and own.external_api_id == version.external_api_id
        return beginning(version, self.instance.values if is_same else {})

    @property
    def has_payload(self) -> bool:
        return NAME in self.fields

    @property
    def typed_payload(self) -> str:
        return _lines(str(self[NAME].value() or ""))

    def show_place(self, name: str) -> None:
        """Let the editor begin at a value of the payload, by its parameter's name."""
        if not self.has_payload or self.chosen_version is None:
            return
        try:
            written = versions.write(self.chosen_version, self.typed_payload, {})
        except BodyError:
            return
        for leaf, parameter in zip(
            written.reading.leaves, written.parameters, strict=True
        ):
            if parameter.name == name:
                at = written.reading.where[leaf.path].start
                line = self.typed_payload.count("\n", 0, at) + 1
                self.fields[NAME].widget.attrs["data-error-line"] = line

    def sent_as(
        self, values: Mapping[str, str]
    ) -> tuple[ExternalAPIVersion, Mapping[str, str]]:
        """The chosen version and values as they would be sent; raises BodyError."""
        assert self.chosen_version is not None
        if not self.has_payload:
            return self.chosen_version, values
        written = versions.write(self.chosen_version, self.typed_payload, values)
        return written.version, written.values

    @property
    def payload_parameters(self) -> tuple[Parameter, ...]:
        """The values of the payload as typed, by their places; none where it is not one."""
        if not self.has_payload or self.chosen_version is None:
            return ()
        try:
            return versions.write(
                self.chosen_version, self.typed_payload, {}
            ).parameters
        except BodyError:
            return ()

    def places_left(self) -> dict[str, str]:
        """By parameter, what is said of the External API's places that are left."""
        base = self.chosen_version
        if not self.has_payload or base is None:
            return {}
        try:
            written = versions.write(base, self.typed_payload, {})
        except BodyError:
            return {}
        both = zip(written.reading.leaves, written.parameters, strict=True)
        said = {one.name: _still_to_write(base, leaf.source) for leaf, one in both}
        return {name: words for name, words in said.items() if words}

    def has_side_effects(self, values: Mapping[str, str]) -> bool:
        """Whether the request does more when it is sent twice, as far as is known."""
        try:
            return compile_version(self.sent_as(values)[0]).has_side_effects
        except ValueError:
            return True

    def check_payload(
        self, values: Mapping[str, str], segment: Segment | None
    ) -> body_check.Check:
        """What is to be said of the payload as typed, whatever it is."""
        assert self.chosen_version is not None
        return check(self.chosen_version, self.typed_payload, values, segment)[0]

    def clean_payload_section(
        self, cleaned: Mapping[str, Any], values: Mapping[str, str]
    ) -> None:
        """Say at the field what keeps the payload from being sent, with its lines."""
        if not self.has_payload or self.chosen_version is None:
            return
        text = _lines(str(cleaned.get(NAME) or ""))
        segment = cleaned.get("segment")
        found, self.written = check(self.chosen_version, text, values, segment)
        for one in found.of(Severity.ERROR)[:ERRORS_SHOWN]:
            self.fields[NAME].widget.attrs.setdefault("data-error-line", one.line)
            self.add_error(NAME, str(one).strip())


def check(
    base: ExternalAPIVersion,
    text: str,
    values: Mapping[str, str],
    segment: Segment | None,
) -> tuple[body_check.Check, Written | None]:
    """What is to be said of a payload on a version; None: it cannot be read."""
    try:
        written = versions.write(base, text, values)
    except BodyError as e:
        return body_check.unreadable(text, e), None
    typed = body_check.Typed(
        kind="json",
        text=text,
        method=base.method,
        path=base.path,
        headers=base.headers,
        parameters=written.parameters,
        is_braze=is_braze(base.connection.base_url),
        limit=body_check.limit_of(base.plan),
        tree=written.tree,
        likeness=written.reading.likeness,
        more=tuple(_findings(base, written, segment)),
        word="variable",
    )
    return body_check.check(typed), written


def _findings(
    base: ExternalAPIVersion, written: Written, segment: Segment | None
) -> Iterator[Finding]:
    mistakes = list(_mistakes(base, written, segment))
    yield from mistakes
    for _, words in plan_problems(base.plan, written.tree):
        yield _error((), words)
    if not mistakes:
        try:
            compile_recipe(written.version, written.values)
        except ValueError as e:
            yield _error((), str(e))
        else:
            yield from _apart(written)


def _mistakes(
    base: ExternalAPIVersion, written: Written, segment: Segment | None
) -> Iterator[Finding]:
    """What is wrong with single values."""
    both = zip(written.reading.leaves, written.parameters, strict=True)
    for leaf, parameter in both:
        words = problem(parameter, leaf.source, segment)
        left = _still_to_write(base, leaf.source)
        if words and left:
            yield _error(leaf.path, left, BRACES)
        elif words:
            yield _error(leaf.path, words)


def _still_to_write(base: ExternalAPIVersion, source: str) -> str:
    """What is said of a value that has a place of the External API; "" where none."""
    names = {one.name for one in base.read_parameters()}
    left = names.intersection(find(source))
    return STILL_TO_WRITE.format(min(left)) if left else ""


def _apart(written: Written) -> Iterator[Finding]:
    """Where the External API puts people together, and this payload cannot."""
    plan, tree = written.version.plan, written.tree
    if not plan.arrays or people_per_request(written.version, written.values) > 1:
        return
    if not isinstance(tree, dict):
        return
    for name in (key for key in tree if key not in plan.arrays):
        if find_in_tree(tree[name]):
            advice = TAKE_IN.format(" or ".join(plan.arrays))
            yield Finding(
                severity=Severity.WARNING,
                message=ONE_BY_ONE,
                advice=advice,
                page="",
                path=(name,),
            )


def _error(path: Path, message: str, advice: str = "") -> Finding:
    return Finding(
        severity=Severity.ERROR, message=message, advice=advice, page="", path=path
    )


def _own_version(engagement: Engagement) -> ExternalAPIVersion | None:
    return engagement.version if engagement.version_id else None


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")
