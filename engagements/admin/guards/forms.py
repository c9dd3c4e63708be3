"""What people type about guards of all engagements, checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import connection

from engagements.models import (
    ApprovalLimit,
    ConsentRule,
    GlobalHoldout,
    Suppression,
    channels_in_words,
)
from externalapi.models import ExternalAPI
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.counted import counted
from lemnisk_braze.lib.names import one_line
from segments.lists import reading
from segments.models import Profile

# By hand; longer ones are uploaded as a list.
MOST = 1_000
MAX_TYPED = 200_000
Channel = ExternalAPI.Channel


class ChannelsForm(forms.Form):
    """The channels that something is for; none are all of them."""

    channels = forms.MultipleChoiceField(
        label="Through which channels",
        choices=Channel.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="As External APIs are sorted by. None: nothing goes through any.",
    )

    def clean_channels(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["channels"]
        return [] if len(chosen) == len(Channel) else sorted(chosen)


@dataclass(slots=True)
class Listed:
    """Entries that are on the list by now, and how many of them were there before.

    `kept`: of these, how many had another “Why”, which stays.
    """

    entries: list[Suppression] = field(default_factory=list)
    known: int = 0
    kept: int = 0

    def in_words(self) -> str:
        words = (
            f"{counted(len(self.entries), 'entry is', 'entries are')} on the list now"
        )
        if self.known:
            words += f"; {counted(self.known, 'was', 'were')} on it before"
        if self.kept:
            words += f", {self.kept:,} with another “Why”, which stays"
        return f"{words}."


class SuppressionForm(ChannelsForm):
    """A person, or identifiers of one kind, one on each line."""

    kind = forms.ChoiceField(label="Identifiers are")
    typed = forms.CharField(
        label="Identifiers",
        max_length=MAX_TYPED,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=f"One on each line, up to {MOST:,}. Who has one of them is on the "
        "list, also those who appear with it later.",
    )
    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="It stands beside them on the list.",
    )
    field_order = ["kind", "typed", "channels", "reason"]

    def __init__(self, *args: Any, person: Profile | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person
        if person:
            del self.fields["kind"], self.fields["typed"]
        else:
            self.fields["kind"].choices = reading.kinds()  # type: ignore[attr-defined]

    def clean_reason(self) -> str:
        return one_line(self.cleaned_data["reason"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if {"kind", "typed"} <= cleaned.keys():
            try:
                cleaned["values"] = _values(cleaned["kind"], cleaned["typed"])
            except ValidationError as e:
                self.add_error("typed", e)
        return cleaned

    def save(self, user: AbstractBaseUser | AnonymousUser) -> Listed:
        """In a transaction. Who was on the list already stays for more channels."""
        if self.person:
            keys: list[dict[str, Any]] = [
                {"kind": Suppression.PERSON, "profile": self.person}
            ]
        else:
            kind, values = self.cleaned_data["kind"], self.cleaned_data["values"]
            # Who is being erased is waited for, and not written down again.
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE segments_tombstone IN SHARE MODE")
            gone = reading.erased(kind, set(values))
            keys = [{"kind": kind, "value": v} for v in values if v not in gone]
        said = {
            "channels": self.cleaned_data["channels"],
            "reason": self.cleaned_data["reason"],
            "created_by": user,
        }
        listed = Listed()
        for key in keys:
            self._add(key, said, listed)
        return listed

    def in_words(self) -> str:
        words = f"Never sent to: {channels_in_words(self.cleaned_data['channels'])}."
        why = self.cleaned_data["reason"]
        return f"{words} Why: {why}" if why else words

    def _add(self, key: dict[str, Any], said: dict[str, Any], listed: Listed) -> None:
        one, is_new = Suppression.objects.select_for_update().get_or_create(
            **key, defaults=said
        )
        listed.entries.append(one)
        if is_new:
            return
        listed.known += 1
        if one.channels:
            one.channels = (
                sorted({*one.channels, *said["channels"]}) if said["channels"] else []
            )
        # What the first has said of it is not written over.
        one.reason = one.reason or said["reason"]
        listed.kept += said["reason"] not in ("", one.reason)
        one.save(update_fields=["channels", "reason"])


def _values(kind: str, typed: str) -> Sequence[str]:
    """The identifiers as they are kept, each once; raises ValidationError."""
    found: dict[str, None] = {}
    for number, line in enumerate(typed.splitlines(), start=1):
        if not line.strip():
            continue
        value = reading.normal(kind, line)
        if problem := reading.problem(kind, value):
            raise ValidationError(f"Line {number}: {problem}")
        found[value] = None
    if not found:
        raise ValidationError("Enter at least one.")
    if len(found) > MOST:
        raise ValidationError(
            f"These are {len(found):,}. Upload a list, and let a segment that asks for"
            " it suppress its people."
        )
    if erased := reading.erased(kind, set(found)):
        lines = [n for n, v in enumerate(found, start=1) if v in erased]
        raise ValidationError(
            f"Number {lines[0]} was erased, and is kept out everywhere: it must not be"
            " written down again."
        )
    return list(found)


class ConsentForm(forms.Form):
    """What a channel asks people for; empty: nothing."""

    attribute = forms.CharField(
        label="Attribute",
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    values = forms.CharField(
        label="Means yes",
        required=False,
        max_length=1_000,
        initial="true, yes, 1",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any, channel: str) -> None:
        self.channel = channel
        self.label = str(Channel(channel).label)
        rule = ConsentRule.objects.filter(channel=channel).first()
        initial = {}
        if rule:
            initial = {"attribute": rule.attribute, "values": ", ".join(rule.values)}
        super().__init__(data, prefix=channel, initial=initial)

    def clean_attribute(self) -> str:
        return one_line(self.cleaned_data["attribute"].strip())

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        values = [v.strip() for v in cleaned.get("values", "").split(",")]
        cleaned["values"] = list(filter(None, values))
        if cleaned.get("attribute") and not cleaned["values"]:
            self.add_error("values", "Say which values mean yes.")
        return cleaned

    def save(self) -> str:
        """Write it down; return what changed in words, "" for nothing."""
        attribute, values = self.cleaned_data["attribute"], self.cleaned_data["values"]
        rule = ConsentRule.objects.filter(channel=self.channel).first()
        if not attribute:
            if rule is None:
                return ""
            rule.delete()
            return f"{self.label}: no consent is asked for."
        if rule and (rule.attribute, rule.values) == (attribute, values):
            return ""
        ConsentRule.objects.update_or_create(
            channel=self.channel, defaults={"attribute": attribute, "values": values}
        )
        return f"{self.label}: “{attribute}” must be {' or '.join(values)}."


class HoldoutForm(forms.Form):
    """The share of all people who are sent nothing."""

    share = forms.FloatField(
        label="Holdout of all Engagements, in percent",
        required=False,
        min_value=0,
        max_value=99.9,
        error_messages=dict.fromkeys(
            ("min_value", "max_value"), "Enter a share between 0 and 99.9 percent."
        ),
        widget=forms.NumberInput(attrs={"min": 0, "max": 99.9, "step": "any"}),
        help_text="Always the same people, drawn by chance. A larger share adds to them, "
        "a smaller one lets some of them go. Who becomes part of another person counts "
        "as that one.",
    )
    draws_anew = forms.BooleanField(
        label="Draw others from now on",
        required=False,
        help_text="Such as for a new quarter. Who was kept out so far is sent again.",
    )

    def __init__(self, data: Any) -> None:
        self.row = GlobalHoldout.objects.order_by("pk").first()
        share = self.row.share if self.row else 0
        super().__init__(data, prefix="holdout", initial={"share": share})

    def save(self) -> str:
        """Write it down; return what changed in words, "" for nothing."""
        share = float(self.cleaned_data["share"] or 0)
        before = self.row.share if self.row else 0
        draws_anew = self.cleaned_data["draws_anew"]
        if share == before and not draws_anew:
            return ""
        row = self.row or GlobalHoldout()
        row.share = share
        if draws_anew and row.pk:
            row.salt = GlobalHoldout().salt
            row.drawn_at = database_clock.now()
        row.save()
        words = f"Holdout of all Engagements: {before:g} % → {share:g} %."
        return f"{words} Others are drawn." if draws_anew else words


class LimitForm(forms.Form):
    """Above how many people a second person approves; empty: nobody has to."""

    above = forms.IntegerField(
        label="A second person must approve a run to more than so many people",
        required=False,
        min_value=1,
        max_value=2_000_000_000,
        error_messages={"min_value": "Enter 1 or more, or leave it empty."},
        widget=forms.NumberInput(attrs={"min": 1}),
        help_text="Of an Engagement that listens, people a day; counted is whom it takes "
        "in, before guards skip some. Empty: nobody has to.",
    )

    def __init__(self, data: Any) -> None:
        self.row = ApprovalLimit.objects.first()
        above = self.row.above if self.row else None
        super().__init__(data, prefix="approval", initial={"above": above})

    def save(self) -> str:
        """Write it down; return what changed in words, "" for nothing."""
        above, before = self.cleaned_data["above"], self.row.above if self.row else None
        if above == before:
            return ""
        if above is None:
            ApprovalLimit.objects.all().delete()
            return "No run takes a second person any more."
        row = self.row or ApprovalLimit()
        row.above = above
        row.save()
        most = counted(above, "person", "people")
        return f"A second person must approve a run to more than {most}."
