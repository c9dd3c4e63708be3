"""What people type about segments, checked."""

import json
from collections import Counter
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from lemnisk_braze.lib.names import one_line
from segments.membership import counting
from segments.membership.references import graph
from segments.models import Segment, Source
from segments.rules import tree
from segments.tracking import origins

# In bytes, a pasted list included.
MAX_RULE = 2_400_000
MAX_TAGS, MAX_TAG = 20, 50
# What decides about nobody.
WORDS = ("name", "description", "tags", "priority", "owner")


class RuleWidget(forms.Textarea):
    """The rule as JSON; static/segments/rule_builder.js makes rows of conditions of it."""

    def __init__(self) -> None:
        super().__init__(
            attrs={
                "class": "lb-code rule-json",
                "rows": 8,
                "spellcheck": "false",
                "data-rule-builder": "",
            }
        )


class RuleDecoder(json.JSONDecoder):
    """Reads no object that has a key twice: of two values one would be lost."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, object_pairs_hook=_an_object)


def _an_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        said = twice[:50].encode(errors="replace").decode()
        raise ValidationError(f"Rule: “{said}” stands twice in one object.")
    return found


class RuleField(forms.JSONField):
    """A rule tree; what was typed stays when it is wrong."""

    widget = RuleWidget
    default_error_messages = {"invalid": "This is not valid JSON."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, decoder=RuleDecoder)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and len(value.encode(errors="replace")) > MAX_RULE:
            raise ValidationError(
                f"A rule has at most {MAX_RULE / 10**6:g} MB. Upload a long list on the"
                " page Lists, and ask for that."
            )
        try:
            return super().to_python(value)
        except (RecursionError, ValueError) as e:
            raise ValidationError(self.error_messages["invalid"]) from e

    def validate(self, value: Any) -> None:
        tree.validate(value)
        tree.check_order(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        # Shown again as it was typed, not as it was understood.
        return InvalidJSONInput(data) if isinstance(data, str) else data

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False, indent=2)
        return super().prepare_value(value)


class TagsField(forms.Field):
    """Tags with commas between them, each once however it is written."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        found: dict[str, str] = {}
        for tag in map(str.strip, (value or "").split(",")):
            if tag:
                found.setdefault(tag.casefold(), one_line(tag))
        if len(found) > MAX_TAGS:
            raise ValidationError(f"A segment has at most {MAX_TAGS} tags.")
        if any(len(tag) > MAX_TAG for tag in found.values()):
            raise ValidationError(f"A tag has at most {MAX_TAG} characters.")
        return list(found.values())

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(data) != (initial or [])
        except ValidationError:
            return True


class SegmentForm(forms.ModelForm):  # type: ignore[type-arg]
    rule = RuleField(
        label="People who match",
        initial=dict,
        help_text="Upper and lower case differ where no option says otherwise. "
        "“Does not equal” includes people without the attribute.",
    )
    tags = TagsField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Separated by commas. The list can be filtered by them.",
    )

    class Meta:
        model = Segment
        fields = [*WORDS, "rule", "is_active"]
        widgets = {
            "description": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }
        help_texts = {
            "priority": "Of several segments that are due, those with a high one are "
            "counted first.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "priority" in self.fields:
            self.fields["priority"].required = False

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_priority(self) -> int:
        """What was not asked stays as it is."""
        priority: int = self.cleaned_data["priority"] or self.instance.priority
        return priority

    def clean_rule(self) -> dict[str, Any]:
        rule: dict[str, Any] = self.cleaned_data["rule"]
        graph.check(self.instance, rule)
        return rule

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, error)
        if field == "rule":
            # The row builder puts it beside the row that it names.
            message = str(self.errors["rule"][0])
            self.fields["rule"].widget.attrs["data-error"] = message

    def save(self, commit: bool = True) -> Segment:
        """Save; a new rule, or being active again, asks for a new count."""
        if self.instance.pk is None:
            self.instance.is_draft = not self.cleaned_data["is_active"]
        if {"rule", "is_active"} & set(self.changed_data):
            counting.mark_changed(self.instance)
        saved: Segment = super().save(commit)
        return saved


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Source
        fields = ["name", "is_active", "allowed_origins"]
        widgets = {"allowed_origins": UnfoldAdminTextareaWidget(attrs={"rows": 3})}
        help_texts = {
            "allowed_origins": "Websites whose pages may send from a browser, one a "
            "line: https://shop.example, https://*.shop.example for all names below it, "
            "* for everybody. Servers and apps need none."
        }

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_allowed_origins(self) -> str:
        lines = origins.listed(self.cleaned_data["allowed_origins"])
        for line in lines:
            if not origins.ORIGIN.fullmatch(line):
                raise ValidationError(
                    f"“{line}” is no origin: write https:// and a name, no path."
                )
        return "\n".join(lines)


class WriteKeyForm(forms.Form):
    """What a new key is called, and who speaks with it."""

    REST = "rest"
    name = forms.CharField(
        max_length=255,
        help_text="Where it is used, such as Website or CRM.",
        widget=UnfoldAdminTextInputWidget,
    )
    kind = forms.ChoiceField(
        label="For",
        choices=[
            ("", "Segment’s and RudderStack’s libraries, and plain HTTP under /v1"),
            (REST, "Lemnisk’s REST calls: an API key and a passkey"),
        ],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])
