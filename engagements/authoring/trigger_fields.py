"""What an Engagement that listens is asked besides: how long it waits, and how often."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from django import forms
from django.forms.utils import ErrorDict

from engagements.models import Engagement

Trigger = Engagement.Trigger
FIELDS = ("delay", "delay_unit", "most_events", "most_events_per")
# A year.
MOST_DELAY = {"minutes": 525_600, "hours": 8_760, "days": 365}
MOST_EVENTS = 1_000
EVENTS_BETWEEN = f"Enter a number between 1 and {MOST_EVENTS:,}, or leave it empty."


class Form(Protocol):
    """An EngagementForm, as far as it is asked here."""

    fields: dict[str, forms.Field]
    cleaned_data: dict[str, Any]

    def add_error(self, field: str | None, error: Any) -> None: ...
    def has_error(self, field: str) -> bool: ...
    @property
    def errors(self) -> ErrorDict: ...


def forget(form: Form, names: Iterable[str]) -> None:
    """Leave empty what the page does not show, with whatever is wrong there.

    Fields of another trigger, or of another choice: nobody would see the error.
    """
    for name in names:
        form.errors.pop(name, None)
        form.cleaned_data[name] = getattr(form.fields[name], "empty_value", None)


def prepare(form: Form) -> None:
    """Let what is left out be what it was before there were such fields."""
    for name in ("delay_unit", "most_events_per"):
        form.fields[name].required = False
    form.fields["delay_unit"].label = "Unit"
    form.fields["most_events"].label = "Events of a person, at most"
    form.fields["most_events_per"].label = "In"
    form.fields[
        "includes_present"
    ].help_text = "They are sent when you activate; what comes later follows."
    form.fields["delay"].widget.attrs.update({"min": 0, "max": MOST_DELAY["minutes"]})
    form.fields["most_events"].widget.attrs.update({"min": 1, "max": MOST_EVENTS})
    form.fields["most_events"].error_messages["min_value"] = EVENTS_BETWEEN


def clean(form: Form, cleaned: Mapping[str, Any]) -> None:
    """Check the fields, and drop what does not belong to the trigger."""
    trigger = cleaned.get("trigger")
    form.cleaned_data["delay_unit"] = cleaned.get("delay_unit") or "minutes"
    form.cleaned_data["most_events_per"] = cleaned.get("most_events_per") or "hour"
    if trigger == Trigger.SCHEDULE:
        forget(form, ["delay"])
    elif not form.has_error("delay"):
        _clean_delay(form, cleaned)
    if trigger == Trigger.ON_EXIT:
        form.cleaned_data["includes_present"] = False
    if trigger == Trigger.EACH_EVENT:
        _clean_events(form, cleaned)
    else:
        forget(form, ["most_events"])


def _clean_delay(form: Form, cleaned: Mapping[str, Any]) -> None:
    unit = form.cleaned_data["delay_unit"]
    delay, most = cleaned.get("delay") or None, MOST_DELAY[unit]
    form.cleaned_data["delay"] = delay
    if delay and delay > most:
        form.add_error("delay", f"Enter at most {most:,} {unit}, or leave it empty.")


def _clean_events(form: Form, cleaned: Mapping[str, Any]) -> None:
    segment = cleaned.get("segment")
    if segment and not segment.event_names:
        form.add_error(
            "trigger",
            f"The rule of “{segment}” asks for no event. Choose another trigger, or a"
            " segment of people who did something.",
        )
    if form.has_error("most_events"):
        return
    most = cleaned.get("most_events")
    if most is not None and not 0 < most <= MOST_EVENTS:
        form.add_error("most_events", EVENTS_BETWEEN)
    again = cleaned.get("again") or Engagement.Again.USUAL
    sent_again = Engagement(trigger=Trigger.EACH_EVENT, again=again).sent_again
    if most and sent_again != Engagement.Again.ALWAYS:
        form.add_error(
            "most_events",
            "Who is sent once, or again after a number of days, has no second event to"
            " limit. Choose “Every time” below, or leave this empty.",
        )
