"""When an engagement runs, as its form asks for it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone

from engagements import time_zones
from engagements.authoring import trigger_fields
from engagements.models import Engagement
from engagements.schedules import cron, words, years
from engagements.schedules.readings import LAST_DAY
from lemnisk_braze.lib import database_clock
from segments.dictionary import catalog

Repeat = Engagement.Repeat
# The fields that say when it runs.
SCHEDULE = (
    "trigger",
    "starts_at",
    "time_zone",
    "repeat",
    "weekdays",
    "month_day",
    "cron",
    "ends_at",
    "zone_attribute",
)
MONTH_DAYS = [
    ("", "The day on which it starts"),
    *((str(day), str(day)) for day in range(1, LAST_DAY)),
    (str(LAST_DAY), "The last day"),
]
OWN_ZONE = (
    "The attribute that has each person’s zone, such as Europe/Berlin. Empty: everybody at"
    " the same moment. With one, the run takes in who is in the segment when the first"
    " place on Earth reaches the time (14 hours ahead of UTC), and each person is sent"
    " when the clocks where they are show it. Who has no zone, or one that nobody knows,"
    " goes by the time zone above. For whom the time is over when you activate, the next"
    " one counts; where it runs once, they are sent at once."
)


class WallClockField(forms.DateTimeField):
    """A date and time whose zone is another field; UTC until that one is known."""

    widget = forms.DateTimeInput(
        attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
    )

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(UTC):
            return super().to_python(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        if isinstance(initial, datetime):
            initial = initial.replace(tzinfo=UTC)
        return super().has_changed(initial, data)


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """The part of an engagement's form that says when it runs.

    Alone it tells the next times of what is typed; nothing is saved.
    """

    starts_at = WallClockField(
        required=False, label="Starts", help_text="Empty: as soon as you activate."
    )
    ends_at = WallClockField(
        required=False,
        label="Ends",
        help_text="Nothing begins after that, and the Engagement ends by itself. Empty: "
        "until somebody ends it.",
    )
    weekdays = forms.TypedMultipleChoiceField(
        label="On these days",
        choices=words.weekday_choices,
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    month_day = forms.TypedChoiceField(
        label="Day of the month",
        choices=MONTH_DAYS,
        coerce=int,
        empty_value=None,
        required=False,
        help_text="In a shorter month its last day.",
    )
    cron = forms.CharField(
        label="Cron expression",
        required=False,
        max_length=cron.MAX_LENGTH,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "0 9 * * MON-FRI",
            }
        ),
        help_text="Minute, hour, day of the month, month and weekday, in the time zone "
        "above. With a day of the month and a weekday, either is enough; where one of them"
        " begins with *, such as */2, it has to be both.",
    )
    zone_attribute = forms.CharField(
        label="Each person’s own time zone",
        required=False,
        max_length=255,
        widget=forms.TextInput(
            attrs={
                "list": "zone-attributes",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "timezone",
            }
        ),
        help_text=OWN_ZONE,
    )

    class Meta:
        model = Engagement
        fields = SCHEDULE
        labels = {"time_zone": "Time zone"}
        help_texts = {
            "time_zone": "Where a day begins and ends: the days between two times of the"
            " same person are its days."
        }
        widgets = {
            "trigger": forms.RadioSelect,
            "time_zone": forms.TextInput(
                attrs={
                    "list": "time-zones",
                    "autocomplete": "off",
                    "spellcheck": "false",
                }
            ),
        }

    def prepare_schedule(self, typed: frozenset[str]) -> None:
        """Show times as the clocks of the instance's zone do, but for what is `typed`."""
        zone = ZoneInfo(self.instance.time_zone)
        for name in ("starts_at", "ends_at"):
            moment = getattr(self.instance, name)
            if moment and name not in typed:
                self.initial[name] = years.local(moment, zone).replace(tzinfo=None)

    @property
    def time_zones(self) -> list[str]:
        return sorted(time_zones.names())

    @property
    def next_times(self) -> list[words.Time]:
        """The next times of what is typed; none where it cannot be told."""
        engagement = self.instance
        if self.is_bound and set(self.errors).intersection(SCHEDULE):
            return []
        if engagement.trigger != Engagement.Trigger.SCHEDULE:
            return []
        return words.next_times(engagement, database_clock.now())

    @property
    def schedule_problem(self) -> str:
        """What is to be corrected before the next times can be told; "" if nothing is."""
        if not self.is_bound:
            return years.problem(self.instance)
        wrong = [str(self.errors[name][0]) for name in SCHEDULE if name in self.errors]
        return wrong[0] if wrong else ""

    @property
    def attribute_names(self) -> list[str]:
        """What people have, as far as it is known."""
        return [one.name for one in catalog.attributes()]

    # What is checked.

    def clean_time_zone(self) -> str:
        return time_zones.check(str(self.cleaned_data["time_zone"]))

    def clean_cron(self) -> str:
        return " ".join(str(self.cleaned_data["cron"]).split())

    def clean_zone_attribute(self) -> str:
        return str(self.cleaned_data["zone_attribute"]).strip()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.fields["repeat"].disabled:
            return cleaned
        trigger_fields.forget(self, _not_shown(cleaned))
        self._clean_moments(cleaned)
        self._clean_repeat(cleaned)
        return cleaned

    def _clean_moments(self, cleaned: Mapping[str, Any]) -> None:
        zone_name = cleaned.get("time_zone")
        if not zone_name:
            return
        for name in ("starts_at", "ends_at"):
            moment = cleaned.get(name)
            if moment and moment.year not in years.TYPED:
                self.add_error(name, years.CHOOSE)
            elif moment:
                self.cleaned_data[name] = self._in_zone(name, moment, zone_name)
        start, end = (
            self.cleaned_data.get("starts_at"),
            self.cleaned_data.get("ends_at"),
        )
        if start and end and end < start and not self.has_error("ends_at"):
            self.add_error("ends_at", "It would end before it starts.")

    def _in_zone(self, name: str, moment: datetime, zone_name: str) -> datetime:
        zone = ZoneInfo(zone_name)
        local = moment.replace(tzinfo=zone)
        # A round trip through UTC moves a time that the clocks skip.
        if local.astimezone(UTC).astimezone(zone).replace(tzinfo=zone) != local:
            self.add_error(
                name, f"The clocks in {zone_name} skip this time. Choose another one."
            )
        return local

    def _clean_repeat(self, cleaned: Mapping[str, Any]) -> None:
        """What its kind of repeat needs, or cannot have."""
        if cleaned.get("trigger") != Engagement.Trigger.SCHEDULE:
            return
        repeat = cleaned.get("repeat")
        if repeat == Repeat.WEEKDAYS and not cleaned.get("weekdays"):
            self.add_error("weekdays", "Choose at least one day.")
        if repeat == Repeat.CRON:
            self._clean_expression(str(cleaned.get("cron") or ""))
        if repeat == Repeat.HOURLY and cleaned.get("zone_attribute"):
            self.add_error(
                "zone_attribute",
                "An hour is an hour everywhere: leave it empty, or repeat by days.",
            )

    def _clean_expression(self, text: str) -> None:
        if self.has_error("cron"):
            return
        try:
            cron.check(text)
        except cron.CronError as e:
            self.add_error("cron", str(e))


def _not_shown(cleaned: Mapping[str, Any]) -> Iterator[str]:
    """The fields of another trigger, and of another kind of repeat."""
    is_schedule = cleaned.get("trigger") == Engagement.Trigger.SCHEDULE
    repeat = cleaned.get("repeat") if is_schedule else None
    if not is_schedule:
        yield from ("starts_at", "zone_attribute")
    if repeat in (None, Repeat.ONCE):
        yield "ends_at"
    of_one = {
        Repeat.WEEKDAYS: "weekdays",
        Repeat.MONTHLY: "month_day",
        Repeat.CRON: "cron",
    }
    yield from (name for kind, name in of_one.items() if kind != repeat)
