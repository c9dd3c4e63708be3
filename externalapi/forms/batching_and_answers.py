"""The form's part "Batching and answers": what a preset fills in and few people change."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from externalapi.forms.plan_field import OWN, Sets, fills, is_typed_over, shown
from externalapi.http.answer_rules import BRAZE, GENERIC, NO_SUCCESS, AnswerRules
from externalapi.template.batching import (
    BYTES,
    MAX_BYTES,
    OBJECTS,
    PLAN_LABELS,
    PLANS,
    BatchPlan,
    plan_code,
    plan_problems,
)
from lemnisk_braze.lib.json_types import JSON

RULES: Mapping[str, AnswerRules] = {"braze": BRAZE, "http": GENERIC}
RULE_LABELS = {
    "braze": "As Braze does: a 2xx with the message success",
    "http": "Plain HTTP: any 2xx has taken the request",
    OWN: "By the rules below",
}
# A rule's field on the page, in order; `permission` stands by itself.
RULE_FIELDS = (
    "success_statuses",
    "success_path",
    "success_values",
    "errors_path",
    "errors_array",
    "errors_index",
    "errors_message",
    "retry_statuses",
    "refused_statuses",
    "wait_headers",
)
LISTS = frozenset({"success_values", "wait_headers"})
BATCH_FIELDS = ("batch_arrays", "batch_each", "batch_combined", "batch_bytes")
# What the fields show for each name.
PLAN_SETS = {code: shown(plan.fields()) for code, plan in PLANS.items()}
RULE_SETS = {
    code: shown({name: rules.to_dict()[name] for name in RULE_FIELDS})
    for code, rules in RULES.items()
}
FIELDS = ("batching", *BATCH_FIELDS, "answers", *RULE_FIELDS, "permission")


def _text(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=1024,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(
            attrs={"spellcheck": "false", "autocomplete": "off"}
        ),
    )


def _number(
    label: str, help_text: str = "", allowed: range = OBJECTS
) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        help_text=help_text,
        widget=UnfoldAdminIntegerFieldWidget(),
        min_value=allowed[0],
        max_value=allowed[-1],
    )


class BatchingAndAnswers(forms.ModelForm):  # type: ignore[type-arg]
    """A named plan or reading fills its fields; "below" takes what is in them."""

    batching = forms.ChoiceField(
        choices=[*PLAN_LABELS.items(), (OWN, "By the limits below")],
        widget=UnfoldAdminSelectWidget,
        help_text="How many people go into one request. Your Braze contract says it.",
    )
    batch_arrays = _text(
        "Arrays that are merged",
        "Names in the body with commas; none sends one by one.",
    )
    batch_each = _number("Objects in each array")
    batch_combined = _number("Objects together")
    batch_bytes = _number("Bytes of a request", f"Empty: {MAX_BYTES:,}.", BYTES)
    answers = forms.ChoiceField(
        label="Answers are read",
        required=False,
        choices=list(RULE_LABELS.items()),
        widget=UnfoldAdminSelectWidget,
    )
    success_statuses = _text("Statuses of a success", "For example 200-299, 304.")
    success_path = _text(
        "Success stands at", "A path in the answer's JSON, as data.status."
    )
    success_values = _text("Words of a success", "With commas; none means any.")
    errors_path = _text("Refused objects stand at", "A path to a list, as errors.")
    errors_array = _text("Name of its array", "Empty where only one can be meant.")
    errors_index = _text("Name of its index", "It counts from 0.")
    errors_message = _text("Name of its reason", "")
    retry_statuses = _text("Statuses to try again", "Beside HTTP's own, as 503.")
    refused_statuses = _text("Statuses that refuse", "Beside HTTP's own, as 422.")
    wait_headers = _text("Headers that ask to wait", "With commas; the first counts.")
    permission = _text("Permission of the key", "Named where a key is not accepted.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look has no form, and so none of these.
        if "batching" in self.fields:
            self._begin()

    def _begin(self) -> None:
        plan: BatchPlan = self.initial.get("plan") or BatchPlan()
        rules: AnswerRules = self.initial.get("rules") or BRAZE
        begun = {
            **shown(plan.fields()),
            **shown(rules.to_dict()),
            "batching": plan_code(plan) or OWN,
            "answers": rules_code(rules),
        }
        self.initial = {**begun, **self.initial}
        fills(self.fields["batching"], PLAN_SETS)
        fills(self.fields["answers"], RULE_SETS)

    def plan(self, cleaned: Mapping[str, Any]) -> BatchPlan:
        """The plan of what is typed, valid or not."""
        known = PLANS.get(cleaned.get("batching", ""))
        if known is not None and not is_typed_over(self, "batching", PLAN_SETS):
            return known
        return BatchPlan(
            arrays=tuple(_names(cleaned.get("batch_arrays") or "")),
            each=cleaned.get("batch_each"),
            combined=cleaned.get("batch_combined"),
            max_bytes=cleaned.get("batch_bytes") or MAX_BYTES,
        )

    def rules(self, cleaned: Mapping[str, Any]) -> AnswerRules:
        """The rules of what is typed; raises ValueError with a sentence."""
        permission = cleaned.get("permission") or ""
        known = RULES.get(cleaned.get("answers") or "braze")
        if known is None or is_typed_over(self, "answers", RULE_SETS):
            typed = _typed(cleaned)
        else:
            typed = known.to_dict()
        return AnswerRules.from_dict({**typed, "permission": permission})

    def _is_own(self, choice: str, sets: Sets) -> bool:
        is_chosen = self.cleaned_data.get(choice) == OWN
        return is_chosen or is_typed_over(self, choice, sets)

    def check_batching(self, cleaned: Mapping[str, Any], tree: JSON) -> None:
        """Say at its field what own limits cannot do with this body."""
        if not self._is_own("batching", PLAN_SETS):
            return
        for field, problem in plan_problems(self.plan(cleaned), tree):
            self.add_error(field, problem)

    def check_rules(self, cleaned: Mapping[str, Any]) -> None:
        """Say at its field which own rule cannot be."""
        if not self._is_own("answers", RULE_SETS):
            return
        for name in (*RULE_FIELDS, "permission"):
            try:
                AnswerRules.from_dict({name: _value(name, cleaned)})
            except ValueError as e:
                text = str(e)
                self.add_error(name, ValidationError(f"{text[:1].upper()}{text[1:]}."))
        if not str(cleaned.get("success_statuses") or "").strip():
            self.add_error("success_statuses", NO_SUCCESS)


def rules_code(rules: AnswerRules) -> str:
    """Return the code of a known reading, whatever permission goes with it."""
    said = {**rules.to_dict(), "permission": ""}
    return next((code for code, one in RULES.items() if one.to_dict() == said), OWN)


def _typed(cleaned: Mapping[str, Any]) -> dict[str, JSON]:
    return {name: _value(name, cleaned) for name in RULE_FIELDS}


def _value(name: str, cleaned: Mapping[str, Any]) -> JSON:
    text = str(cleaned.get(name) or "")
    return [*_names(text)] if name in LISTS else text


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
