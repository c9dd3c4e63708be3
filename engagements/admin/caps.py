"""Frequency caps: how often anybody may be sent, by all Engagements or by some."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from engagements import time_zones
from engagements.models import FrequencyCap
from externalapi.models import ExternalAPI
from lemnisk_braze.lib.filtering import OfferedFilters
from lemnisk_braze.lib.names import one_line
from lemnisk_braze.lib.pages.active import active_badge
from lemnisk_braze.lib.pages.deleting import CarefulDelete

EVERYTHING = {
    "channel": "Every channel",
    "segment": "Every segment",
    "engagement": "All Engagements together",
}

NUMBERS = {"most": FrequencyCap.MOST, "every": FrequencyCap.LONGEST}


class FrequencyCapForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = FrequencyCap
        fields = (
            "name",
            "is_active",
            "channel",
            "segment",
            "engagement",
            "most",
            "every",
            "period",
            "window",
            "zone_attribute",
            "time_zone",
            "kept",
        )
        # As the list says it.
        labels = {"is_active": "Active"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What is left open is all of them, and says so.
        for name, words in EVERYTHING.items():
            field = self.fields.get(name)
            if field is None:
                # Who may only look has no fields.
                continue
            field.widget.attrs["data-placeholder"] = words
            if isinstance(field, forms.ModelChoiceField):
                field.empty_label = words
            elif isinstance(field, forms.TypedChoiceField):
                field.choices = [("", words), *ExternalAPI.Channel.choices]
        for name, most in NUMBERS.items():
            if field := self.fields.get(name):
                # As the model's own check, and not as far as the column reaches.
                field.widget.attrs.update({"min": 1, "max": most})
                words = f"Enter a number between 1 and {most:,}."
                field.error_messages |= dict.fromkeys(("min_value", "max_value"), words)

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_time_zone(self) -> str:
        return time_zones.check(self.cleaned_data["time_zone"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("segment") and cleaned.get("engagement"):
            self.add_error(
                "engagement",
                "A cap is of a segment's Engagements, or of one Engagement.",
            )
        most, kept = cleaned.get("most"), cleaned.get("kept")
        if most is not None and kept is not None and kept >= most:
            self.add_error("kept", "Fewer than all of them can be kept.")
        return cleaned


@admin.register(FrequencyCap)
class FrequencyCapAdmin(CarefulDelete, OfferedFilters):
    form = FrequencyCapForm
    list_display = ("name", "scope", "limit", active_badge)
    search_fields = ("name",)
    search_help_text = "A part of a name."
    list_select_related = ("segment", "engagement")
    fieldsets = (
        (None, {"fields": ("name", "is_active")}),
        ("What is counted", {"fields": ("channel", "segment", "engagement")}),
        (
            "How often",
            {
                "fields": (
                    "most",
                    "every",
                    "period",
                    "window",
                    "zone_attribute",
                    "time_zone",
                ),
                "description": (
                    "Counted is what was sent, or may have been, and what is on its way,"
                    " from when the cap is made. Who has no room left is skipped, with"
                    " the reason in the report."
                ),
            },
        ),
        ("Priority", {"fields": ("kept",)}),
    )

    @admin.display(description="Of")
    def scope(self, cap: FrequencyCap) -> str:
        channel = f" through {cap.get_channel_display()}" if cap.channel else ""
        if cap.engagement:
            return f"“{cap.engagement}”{channel}"
        if cap.segment:
            return f"Engagements of “{cap.segment}”{channel}"
        return f"All Engagements{channel}"

    @admin.display(description="Limit")
    def limit(self, cap: FrequencyCap) -> str:
        kept = (
            f", {cap.kept:,} of them kept for those that go first" if cap.kept else ""
        )
        return f"{cap.in_words}{kept}".capitalize()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str]:
        return {
            "most": "2",
            "every": "1",
            "period": FrequencyCap.Period.WEEK,
            **super().get_changeform_initial_data(request),
        }
