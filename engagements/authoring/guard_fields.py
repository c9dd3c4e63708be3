"""The part of an engagement's form that says whom its guards keep out."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q

from engagements import time_zones
from engagements.models import ApprovalLimit, Engagement
from lemnisk_braze.lib.names import one_line
from segments.models import Segment

GUARDS = (
    "holdout_share",
    "heeds_global_holdout",
    "quiet_from",
    "quiet_to",
    "quiet_zone_attribute",
    "quiet_time_zone",
    "quiet_action",
    "heeds_caps",
    "has_priority",
    "ceiling",
    "approval_above",
)
EXCLUDED = "excluded_segments"


def _clock() -> forms.TimeInput:
    return forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


def yes_or_no(label: str, yes: str, no: str, help_text: str = "") -> forms.Field:
    """Two radios in words for a setting that is on unless somebody says otherwise."""
    return forms.TypedChoiceField(
        label=label,
        choices=[("True", yes), ("False", no)],
        initial=True,
        coerce=lambda value: value == "True",
        empty_value=True,  # type: ignore[arg-type]
        required=False,
        widget=forms.RadioSelect,
        help_text=help_text,
    )


class GuardFields(forms.Form):
    """Mixed into the form of an engagement; it calls the three functions at the end."""

    if TYPE_CHECKING:
        instance: Engagement

    excluded_segments = forms.ModelMultipleChoiceField(
        label="But nobody who is in",
        queryset=Segment.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Who is in one of these when the request is written is skipped.",
    )
    holdout_share = forms.FloatField(
        label="Holdout, in percent",
        required=False,
        min_value=0,
        max_value=99.9,
        error_messages=dict.fromkeys(
            ("min_value", "max_value"), "Enter a share between 0 and 99.9 percent."
        ),
        widget=forms.NumberInput(attrs={"min": 0, "max": 99.9, "step": "any"}),
        help_text="So many of the people are sent nothing, always the same ones, drawn "
        "by chance: compare the others with them. Another share only adds or lets go at "
        "the edge. Who becomes part of another person counts as that one.",
    )
    heeds_global_holdout = yes_or_no(
        label="The holdout of all Engagements",
        yes="Is kept out of this one",
        no="Is sent all the same: what everybody must get",
    )
    heeds_caps = yes_or_no(
        label="Who has no room left under a frequency cap",
        yes="Is skipped",
        no="Is sent all the same, and it counts: what everybody must get",
    )
    has_priority = forms.BooleanField(
        label="It goes first",
        required=False,
        help_text="It may use the last room under a cap that keeps some for priority.",
    )
    quiet_from = forms.TimeField(label="Quiet from", required=False, widget=_clock())
    quiet_to = forms.TimeField(
        label="Until",
        required=False,
        widget=_clock(),
        help_text="By each person’s own clock, over midnight as well.",
    )
    quiet_zone_attribute = forms.CharField(
        label="Attribute with their time zone",
        required=False,
        max_length=255,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "list": "zone-attributes",
                "placeholder": "timezone",
            }
        ),
        help_text="Such as Europe/Berlin. Empty: everybody is in that of the others.",
    )
    quiet_time_zone = forms.CharField(
        label="Time zone of the others",
        required=False,
        max_length=64,
        initial="UTC",
        widget=forms.TextInput(
            attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text="Of who has no such attribute, or a value that names no zone.",
    )
    ceiling = forms.IntegerField(
        label="Stop and ask above",
        required=False,
        min_value=1,
        max_value=2_000_000_000,
        error_messages={"min_value": "Enter 1 or more, or leave it empty."},
        widget=forms.NumberInput(attrs={"min": 1}),
        help_text="People a run; where it listens to entries, events or exits, people a "
        "day. Before the first of them above it is taken in, it is paused, and an Approver lets it go "
        "on. Who is tried again was counted before. Empty: no ceiling.",
    )
    approval_above = forms.IntegerField(
        label="A second person approves above",
        required=False,
        min_value=1,
        max_value=2_000_000_000,
        error_messages={"min_value": "Enter 1 or more, or leave it empty."},
        widget=forms.NumberInput(attrs={"min": 1}),
    )

    def prepare_guards(self) -> None:
        """Offer the segments that are there, and what is chosen."""
        chosen: list[int] = []
        if self.instance.pk:
            rows = self.instance.exclusions.order_by("segment")
            chosen = list(rows.values_list("segment_id", flat=True))
        # As they come with a form that is not checked yet.
        self.initial.setdefault(EXCLUDED, chosen)
        offered = Segment.objects.filter(Q(archived_at=None) | Q(pk__in=chosen))
        self.fields[EXCLUDED].queryset = offered.order_by("name")  # type: ignore[attr-defined]
        self.fields["quiet_action"].required = False
        self.fields["approval_above"].help_text = _above_in_words()

    def clean_holdout_share(self) -> float:
        return float(self.cleaned_data["holdout_share"] or 0)

    def clean_quiet_zone_attribute(self) -> str:
        return one_line(self.cleaned_data["quiet_zone_attribute"])

    def clean_quiet_time_zone(self) -> str:
        typed = self.cleaned_data["quiet_time_zone"]
        return time_zones.check(str(typed or self.instance.quiet_time_zone))

    def clean_quiet_action(self) -> str:
        return str(self.cleaned_data["quiet_action"] or self.instance.quiet_action)

    def clean_guards(self, cleaned: dict[str, Any]) -> None:
        """What fits no single field."""
        begins, ends = cleaned.get("quiet_from"), cleaned.get("quiet_to")
        if (begins is None) is not (ends is None):
            missing = "quiet_to" if ends is None else "quiet_from"
            if not self.has_error(missing):
                self.add_error(missing, "Quiet hours have a beginning and an end.")
        elif begins is not None and begins == ends:
            self.add_error("quiet_to", "They end at another time than they begin.")
        if cleaned.get("segment") in (cleaned.get(EXCLUDED) or ()):
            self.add_error(
                EXCLUDED,
                ValidationError(
                    f"“{cleaned['segment']}” is whom it sends to: nobody would be left."
                ),
            )

    def save_exclusions(self, engagement: Engagement) -> None:
        """Write them down; the engagement itself was saved a moment ago."""
        wanted = {segment.pk for segment in self.cleaned_data[EXCLUDED]}
        engagement.exclusions.exclude(segment__in=wanted).delete()
        there = set(engagement.exclusions.values_list("segment_id", flat=True))
        for segment_id in sorted(wanted - there):
            engagement.exclusions.create(segment_id=segment_id)


def _above_in_words() -> str:
    counted = "People a run; of an Engagement that listens, people a day."
    site = ApprovalLimit.objects.values_list("above", flat=True).first()
    if site is None:
        return f"{counted} Empty: nobody has to."
    return f"{counted} For all Engagements it is {site:,}; a lower number counts."
