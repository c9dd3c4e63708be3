"""The part of Engagement Creation that says whom of the segment's people it sends to."""

from collections.abc import Mapping
from typing import Any

from django import forms

from engagements.models import Engagement
from engagements.sync import shape

FIELDS = ("sync_mode", "sends_deltas", "clears_who_left")
MODE_WORDS = (
    (Engagement.SyncMode.EVERYONE, "Everyone, each time"),
    (
        Engagement.SyncMode.NEW,
        "Only the new: whom Braze has not accepted from this Engagement before",
    ),
    (
        Engagement.SyncMode.CHANGED,
        "Only the changed: whose request reads differently from what Braze last accepted",
    ),
)
SENT_ONCE = (
    "Each person is sent once, so nothing can change between two times. Choose “Every"
    " time”, or after a number of days, as when the same person is sent."
)
NOTHING_TO_COMPARE = (
    "“Only the new” sends each person once and compares nothing. Choose “Everyone” or"
    " “Only the changed”."
)
NO_SCHEDULE = (
    "Who has left is looked for at each run: choose a schedule as the trigger."
)


class SyncSection(forms.Form):
    """Fields and checks of the sync mode, for the form of an engagement."""

    sync_mode = forms.ChoiceField(
        label="Of the segment’s people, send",
        choices=MODE_WORDS,
        initial=Engagement.SyncMode.EVERYONE,
        required=False,
        widget=forms.RadioSelect,
        help_text="Rejected and uncertain count as not sent. What is made of “now” or"
        " “engagement.delivery_id” is not compared: it goes along when something else"
        " changes.",
    )
    sends_deltas = forms.BooleanField(
        label="Deltas: of “attributes” only what changed",
        required=False,
        help_text="Keys that Braze has accepted with the same value are left out, and"
        " null is sent where a value went away. A key that is not in the body any more"
        " is left alone. Events and purchases go as always.",
    )
    clears_who_left = forms.BooleanField(
        label="Clear the attributes of people who leave",
        required=False,
        help_text="Whoever was accepted and is not in the segment any more when a run"
        " starts is sent null for each attribute that this Engagement has written,"
        " whatever holdout, quiet hours and caps say. Not who is suppressed, has not"
        " consented or is in an excluded segment.",
    )

    def clean_sync_mode(self) -> str:
        return str(self.cleaned_data["sync_mode"] or Engagement.SyncMode.EVERYONE)

    def check_sync(self, cleaned: Mapping[str, Any], sent_again: str) -> None:
        """Add what the choices cannot mean together, at the field that would change."""
        mode = cleaned.get("sync_mode")
        deltas, clears = cleaned.get("sends_deltas"), cleaned.get("clears_who_left")
        is_once = sent_again == Engagement.Again.ONCE
        if is_once and mode == Engagement.SyncMode.CHANGED:
            self.add_error("sync_mode", SENT_ONCE)
        if deltas and mode == Engagement.SyncMode.NEW:
            self.add_error("sends_deltas", NOTHING_TO_COMPARE)
        elif deltas and is_once:
            self.add_error("sends_deltas", SENT_ONCE)
        if clears and cleaned.get("trigger") != Engagement.Trigger.SCHEDULE:
            self.add_error("clears_who_left", NO_SCHEDULE)
        elif clears and is_once:
            self.add_error("clears_who_left", SENT_ONCE)
        version = cleaned.get("version")
        problem = shape.problem(version) if version else ""
        for name, is_on in (("sends_deltas", deltas), ("clears_who_left", clears)):
            if is_on and problem and not self.has_error(name):
                self.add_error(name, problem)
