"""Engagement Creation: the basic details, the configuration, and its parameters."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.datastructures import MultiValueDict

from engagements.authoring import sync_section, trigger_fields, variant_section
from engagements.authoring.guard_fields import EXCLUDED, GUARDS, GuardFields, yes_or_no
from engagements.authoring.payload_section import NAME as PAYLOAD
from engagements.authoring.payload_section import PayloadSection
from engagements.authoring.schedule_fields import SCHEDULE, ScheduleForm
from engagements.authoring.sync_section import SyncSection
from engagements.authoring.value_checks import problem
from engagements.authoring.value_widgets import (
    ParameterInput,
    value_field,
    with_fallback,
)
from engagements.authoring.variant_section import VariantSection
from engagements.guards import left_segment, quiet_hours
from engagements.models import Engagement
from engagements.payload import versions
from externalapi.connections.access import group_names
from externalapi.definitions.compiled import CompiledDefinition, compile_version
from externalapi.models import ExternalAPIVersion
from externalapi.testing import cases
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.names import one_line
from segments.models import Segment

BASIC = (
    "name",
    "description",
    "segment",
    *SCHEDULE,
    "includes_present",
    *trigger_fields.FIELDS,
    "again",
    "again_after_days",
    "skips_who_left",
)
PREFIX = "parameter_"
State = Engagement.State
# Ten years.
MAX_DAYS = 3_660
DAYS_BETWEEN = f"Enter a number of days between 1 and {MAX_DAYS:,}."


class VersionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """External APIs by name; an older version that is in use says that it is one.

    So does one whose connection is limited: only its groups activate it.
    """

    def label_from_instance(self, obj: ExternalAPIVersion) -> str:
        api = obj.external_api
        said = [f"version {obj.number}"]
        if obj.pk != api.current_version_id:
            said.append("in use here; a newer one exists")
        if groups := group_names(obj.connection):
            said.append(f"limited to {' and '.join(groups)}")
        return f"{api.name} ({', '.join(said)})"


class EngagementForm(
    GuardFields, VariantSection, SyncSection, PayloadSection, ScheduleForm
):
    """The model's fields, and one more for each parameter of the chosen version.

    `chosen_version` is what the parameters are asked for: posted, else the instance's, else
    given as initial, else the only one there is.
    """

    skips_who_left = yes_or_no(
        label="Who leaves the segment while waiting",
        yes="Is skipped",
        no="Is sent all the same",
        help_text="Looked at once more when the request is written.",
    )

    class Meta:
        model = Engagement
        fields = (
            *(*BASIC, *GUARDS, "version"),
            *sync_section.FIELDS,
            "ambiguous_policy",
        )
        field_classes = {"version": VersionField}
        widgets = {
            **ScheduleForm.Meta.widgets,
            "description": forms.Textarea(attrs={"rows": 2}),
            "again": forms.RadioSelect,
            "quiet_action": forms.RadioSelect,
            "ambiguous_policy": forms.RadioSelect,
        }
        labels = {**ScheduleForm.Meta.labels, "version": "External API"}
        help_texts = ScheduleForm.Meta.help_texts

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Before the model form mixes the instance's values into `initial`.
        self.initial_typed = frozenset(kwargs.get("initial") or ())
        super().__init__(*args, **kwargs)
        self.is_locked = is_locked(self.instance)
        self.prepare_version()
        self._prepare_fields()
        self.prepare_guards()
        self.chosen_version = self._find_version()
        self.definition = self._compiled()
        self.prepare_payload(self.chosen_segment)
        self._parameters = {
            PREFIX + digest(parameter.name): parameter
            for parameter in (
                versions.asked(self.chosen_version)
                if self.chosen_version and self.definition
                else ()
            )
        }
        for name, parameter in self._parameters.items():
            typed = self.instance.values.get(parameter.name, "")
            self.fields[name] = value_field(parameter, name, typed)
        places = {PREFIX + digest(one.name): one for one in self.payload_parameters}
        self.prepare_variants({**self._parameters, **places})
        if self.is_locked:
            self._lock()

    def prepare_fallback(self, name: str) -> bool:
        """Write a fallback into the parameter's value, up to its words; where it can be.

        Nothing is saved: whoever opens the page fills in the words.
        """
        for field_name, parameter in self._parameters.items():
            if parameter.name == name and not self.is_locked:
                field = self.fields[field_name]
                field.initial = with_fallback(str(field.initial or ""))
                field.widget.attrs["autofocus"] = True
                return True
        self.show_place(name)
        return False

    @classmethod
    def of_typed(
        cls, typed: Mapping[str, Any], instance: Engagement | None = None
    ) -> "EngagementForm":
        """A form with everything that was typed, and nothing checked yet."""
        own = (PREFIX, variant_section.PREFIX)
        names = {*cls.base_fields, *(n for n in typed if n.startswith(own))}
        initial: dict[str, object] = {name: typed.get(name, "") for name in names}
        for name in ("includes_present", "sends_deltas", "clears_who_left"):
            initial[name] = name in typed
        if isinstance(typed, MultiValueDict):
            initial["weekdays"] = typed.getlist("weekdays")
            initial[EXCLUDED] = typed.getlist(EXCLUDED)
        keeps_all = instance is not None and is_locked(instance)
        return cls(instance=instance, initial={} if keeps_all else initial)

    # What the page draws.

    @property
    def parameter_inputs(self) -> list[ParameterInput]:
        return [
            ParameterInput(parameter=parameter, field=self[name])
            for name, parameter in self._parameters.items()
        ]

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What was typed for parameters of another configuration, to be kept."""
        typed = self.data if self.is_bound else self.initial
        return [
            (name, str(value))
            for name, value in typed.items()
            if name.startswith((PREFIX, PAYLOAD, variant_section.PREFIX))
            and name not in self.fields
            and value
        ]

    @property
    def typed_values(self) -> dict[str, str]:
        """Parameter name → what stands in its field now, checked or not."""
        typed = {
            parameter.name: str(self[name].value() or "").strip()
            for name, parameter in self._parameters.items()
        }
        return {name: text for name, text in typed.items() if text}

    @property
    def chosen_segment(self) -> Segment | None:
        pk = _digits(self["segment"].value())
        return Segment.objects.filter(pk=pk).first() if pk else None

    @property
    def preview_engagement(self) -> Engagement:
        """The engagement as a preview should know it: with the name typed so far."""
        name = str(self["name"].value() or "")
        return Engagement(pk=self.instance.pk, name=name)

    @property
    def best_policy(self) -> str:
        """What the External API's payload speaks for."""
        policies = Engagement.AmbiguousPolicy
        if self.definition and not self.has_side_effects(self.typed_values):
            return policies.RESEND.value
        return policies.PARK.value

    # What is checked.

    def clean_name(self) -> str:
        return one_line(self.cleaned_data["name"])

    def clean_again(self) -> str:
        return str(self.cleaned_data["again"] or self.instance.again)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.is_locked:
            return cleaned
        self._clean_what_is_begun()
        self._clean_version(cleaned)
        self._clean_again(cleaned)
        self._clean_values(cleaned)
        sent = self.written.version if self.written else cleaned.get("version")
        self.check_sync({**cleaned, "version": sent}, _sent_again(cleaned))
        self.clean_guards(cleaned)
        trigger_fields.clean(self, cleaned)
        self.clean_variants(cleaned, cleaned.get("segment"))
        return cleaned

    # As a whole, so that nobody takes away a payload that is about to be its.
    @transaction.atomic
    def save(self, commit: bool = True) -> Engagement:
        """Save what the form asks for; never the state, which others move meanwhile."""
        engagement: Engagement = super().save(commit=False)
        written = ["name", "description", "updated_at"]
        if not self.is_locked:
            engagement.values = self._cleaned_values(self.cleaned_data)
            engagement.variants = self.cleaned_variants().as_json()
            if self.written:
                versions.save(engagement, self.written)
            written += [*self.Meta.fields, "values", "variants"]
            if set(SCHEDULE).intersection(self.changed_data):
                engagement.schedule_set_at = database_clock.now()
                written.append("schedule_set_at")
        if commit:
            is_new = engagement.pk is None
            engagement.save(update_fields=None if is_new else set(written))
            if "segment" in self.changed_data and not is_new:
                left_segment.mark_as_of_another_segment(engagement)
            if not self.is_locked:
                self.save_exclusions(engagement)
                if quiet_hours.FIELDS.intersection(self.changed_data):
                    quiet_hours.ask_again(engagement)
        return engagement

    # How it is put together.

    def _prepare_fields(self) -> None:
        self.fields["version"].queryset = _versions(self.instance)  # type: ignore[attr-defined]
        self.fields["version"].empty_label = "Choose an External API"  # type: ignore[attr-defined]
        self.fields["segment"].empty_label = "Choose a segment"  # type: ignore[attr-defined]
        self.fields["again"].required = False
        trigger_fields.prepare(self)
        days = self.fields["again_after_days"]
        days.widget.attrs.update({"min": 1, "max": MAX_DAYS})
        days.error_messages["min_value"] = DAYS_BETWEEN
        chosen = Q(archived_at=None) | Q(pk=self.instance.segment_id)
        offered = Segment.objects.filter(chosen).order_by("name")
        self.fields["segment"].queryset = offered  # type: ignore[attr-defined]
        self.prepare_schedule(self.initial_typed)

    def _find_version(self) -> ExternalAPIVersion | None:
        offered = self.fields["version"].queryset  # type: ignore[attr-defined]
        chosen = self.data.get("version") if self.is_bound else None
        if self.is_locked or chosen is None:
            chosen = self.initial.get("version")
        if pk := _digits(chosen):
            version: ExternalAPIVersion | None = offered.filter(pk=pk).first()
            return version
        return None

    def _compiled(self) -> CompiledDefinition | None:
        try:
            return compile_version(self.chosen_version) if self.chosen_version else None
        except ValueError:
            return None

    def show_only(self) -> None:
        """For somebody who may look at it and change nothing."""
        self.is_locked = True
        for field in self.fields.values():
            field.disabled = True

    def _lock(self) -> None:
        for name, field in self.fields.items():
            field.disabled = name not in ("name", "description")

    def _clean_what_is_begun(self) -> None:
        """Its run has people of the one segment, and takes in by the one trigger."""
        if self.instance.state not in (State.PAUSED, State.BLOCKED):
            return
        for name in {"segment", "trigger"}.intersection(self.changed_data):
            self.add_error(
                name,
                "This cannot change while the engagement is at work. End it first,"
                " then change it and activate it again.",
            )

    def _clean_version(self, cleaned: Mapping[str, Any]) -> None:
        """One that is only paused goes live with it as soon as somebody resumes it."""
        version = cleaned.get("version")
        if version is None or version.pk == self.initial.get("version"):
            return
        is_paused = self.instance.state in (State.PAUSED, State.BLOCKED)
        if is_paused and (reason := cases.why_not(version)):
            self.add_error("version", reason)

    def _clean_values(self, cleaned: Mapping[str, Any]) -> None:
        segment = cleaned.get("segment")
        for name, parameter in self._parameters.items():
            text = str(cleaned.get(name) or "").strip()
            if message := problem(parameter, text, segment):
                self.add_error(name, message)
        self.clean_payload_section(cleaned, self._cleaned_values(cleaned))

    def _cleaned_values(self, cleaned: Mapping[str, Any]) -> dict[str, str]:
        typed = {
            parameter.name: str(cleaned.get(name) or "").strip()
            for name, parameter in self._parameters.items()
        }
        return {name: text for name, text in typed.items() if text}

    def _clean_again(self, cleaned: Mapping[str, Any]) -> None:
        if cleaned.get("again") != Engagement.Again.AFTER_DAYS:
            trigger_fields.forget(self, ["again_after_days"])
        elif not self.has_error("again_after_days"):
            days = cleaned.get("again_after_days")
            if days is None or not 0 < days <= MAX_DAYS:
                self.add_error("again_after_days", DAYS_BETWEEN)


def _sent_again(cleaned: Mapping[str, Any]) -> str:
    """When the same person is sent again, as it would be with what was chosen."""
    names = ("again", "trigger", "repeat")
    chosen = {name: cleaned[name] for name in names if cleaned.get(name)}
    return str(Engagement(**chosen).sent_again)


def is_locked(engagement: Engagement) -> bool:
    """Whether only the name and the description may change now."""
    return engagement.state == Engagement.State.ACTIVE


def _versions(engagement: Engagement) -> QuerySet[ExternalAPIVersion]:
    """Each External API's current version, and the one that is pinned already."""
    current = Q(
        pk=F("external_api__current_version"), external_api__archived_at__isnull=True
    )
    pinned = Q(pk=engagement.version.base.pk) if engagement.version_id else Q()
    return (
        ExternalAPIVersion.objects.filter(current | pinned)
        .select_related("external_api", "connection")
        .prefetch_related("connection__groups")
        .order_by("external_api__name", "-number")
    )


def digest(name: str) -> str:
    # A parameter's name may have spaces and quotes, an HTML id may not.
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def _digits(value: object) -> int | None:
    text = str(getattr(value, "pk", value) or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
