"""What people say of a name in the dictionary."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from lemnisk_braze.lib.names import one_line
from segments.models import DictionaryEntry, ValueType

MAX_DESCRIPTION = 2_000


class DictionaryForm(forms.ModelForm):  # type: ignore[type-arg]
    description = forms.CharField(
        max_length=MAX_DESCRIPTION,
        required=False,
        help_text="What it means, and where it comes from, for whoever picks it.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    is_personal = forms.TypedChoiceField(
        label="Personal data",
        required=False,
        coerce=lambda text: {"yes": True, "no": False}.get(text),
        empty_value=None,
        widget=UnfoldAdminSelectWidget,
        help_text="Values of it are for those alone who may see personal data.",
    )
    expected_type = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        choices=[
            ("", "Any type"),
            *(one for one in ValueType.choices if one[0] != ValueType.NULL),
        ],
        help_text="A date is a text as well; an empty value fits any type.",
    )

    class Meta:
        model = DictionaryEntry
        fields = [
            "description",
            "owner",
            "is_personal",
            "expected_type",
            "on_mismatch",
            "is_planned",
            "is_hidden",
        ]
        widgets = {
            "owner": UnfoldAdminTextInputWidget,
            "on_mismatch": UnfoldAdminSelectWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "is_personal" in self.fields:
            looks = self.instance.get_looks_personal_display()
            seems = f"yes: it looks like {looks}" if looks else "no: it looks like none"
            self.fields["is_personal"].choices = [  # type: ignore[attr-defined]
                ("", f"As it looks ({seems})"),
                ("yes", "Yes"),
                ("no", "No"),
            ]
            said = {True: "yes", False: "no", None: ""}
            self.initial["is_personal"] = said[self.instance.is_personal]

    def clean_owner(self) -> str:
        return one_line(self.cleaned_data["owner"])

    def clean(self) -> dict[str, Any]:
        """Whoever describes it knows of it."""
        cleaned = super().clean() or {}
        is_described = "description" in self.changed_data and cleaned.get("description")
        if is_described and "is_planned" not in self.changed_data:
            cleaned["is_planned"] = True
        return cleaned
