"""Each trigger, guard and sync mode, and all pairs of them: what arrived, by person.

One story for all engagements of the table (`features.rows`): people come in, guards are
set while they wait, everything is sent; a day later it all happens again, with some of
them changed and some gone. Tick, inbox and worker are the real ones, Braze the sandbox;
`oracle` says what must come of each.
"""

import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from typing import Any

import pytest

from engagements.authoring import guard_fields, sync_section, trigger_fields
from engagements.authoring.forms import EngagementForm, digest
from engagements.authoring.variant_section import name_of, share_of
from engagements.guards import caps, pipeline
from engagements.guards.reasons import REASONS
from engagements.models import Engagement
from tests import factories
from tests.engagements.pairs import features, oracle, people
from tests.engagements.pairs.features import (
    FEATURES,
    GUARDS,
    SLOTS,
    TRIGGERS,
    Feature,
    Row,
)
from tests.engagements.pairs.oracle import End, Story
from tests.engagements.pairs.world import World
from tests.engagements.payload.conftest import payload_version
from tests.engagements.sync.conftest import attributes_version

# A beginning of a schedule.
START = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
# As the guards call themselves, with the features that set them.
ASKS: Mapping[str, set[str]] = {
    "Suppression list": {"suppression segment", "suppression list"},
    "Consent": {"consent"},
    "Excluded segments": {"exclusion"},
    "Still in the segment": {"left"},
    "Holdout of all Engagements": {"holdout of all"},
    "Holdout": {"holdout"},
    "Quiet hours": {"quiet hours, later", "quiet hours, skip"},
    "Frequency caps": {*oracle.CAPS},
}
# Fields that have tests of their own (guards/test_caps.py, guards/test_quiet_hours.py).
APART = {"heeds_caps", "has_priority", "quiet_time_zone"}
# Differences that a failure tells.
MOST_SAID = 30


@pytest.mark.django_db(transaction=True)
def test_what_arrived_is_what_the_oracle_says(braze, sandbox):
    rows = features.rows()
    stories = [Story(row=row) for row in rows]
    world = World(rows, braze, sandbox)
    for wave in (1, 2):
        ends: dict[str, End] = {}
        stops: dict[str, dict[int, str]] = {"a": {}, "b": {}}
        for story in stories:
            own = story.wave(world.people[story.row.number], wave)
            if stop := story.stops(own):
                stops[stop.look][story.row.number] = stop.why
            ends |= own
        world.begin(wave)
        check(world, f"{wave}a", "a", ends, stops, lambda: world.mark(wave))  # noqa: B023
        world.pass_later()
        check(world, f"{wave}b", "b", ends, stops)
        if wave == 1:
            world.pass_until_the_second()


def check(world, when, look, ends, stops, meanwhile=lambda: None) -> None:
    """Take in and send, and compare."""
    assert world.take_in() == stops[look], when
    meanwhile()
    arrived, said = world.work(), world.ended()
    its = {name: end for name, end in ends.items() if end.look == look}
    bodies = {name: [end.body] for name, end in its.items() if end.body is not None}
    codes = {name: [(end.code, end.variant)] for name, end in its.items()}
    wrong = differences(world, codes, said) + differences(world, bodies, arrived)
    assert not wrong, "\n".join([f"{len(wrong)} in {when}:", *wrong[:MOST_SAID]])


def differences(
    world, expected: Mapping[str, Any], found: Mapping[str, Any]
) -> list[str]:
    """Who differs, in words that name the row and the person."""
    said = []
    for row in world.rows:
        for person in world.people[row.number]:
            want, got = expected.get(person.name, []), found.get(person.name, [])
            if want != got:
                kind = f"{'changes ' * person.changes}{'absent' * person.is_absent}"
                marks = ", ".join(sorted(person.marks)) or "no mark"
                said.append(
                    f"{row.name}; {person.name}, {marks} {kind}: {got}, not {want}"
                )
    return said


# --- The table is whole -----------------------------------------------------------------


def test_the_table_has_every_pair():
    found = set().union(*(features.pairs_of(row.features) for row in features.rows()))
    assert found == features.pairs()


def test_each_trigger_guard_and_mode_is_in_it():
    fields = [one.fields(START) for one in FEATURES]
    for name, choices in {
        "trigger": Engagement.Trigger,
        "repeat": Engagement.Repeat,
        "sync_mode": Engagement.SyncMode,
        "quiet_action": Engagement.Quiet,
    }.items():
        assert {str(own[name]) for own in fields if name in own} == set(choices.values)
    assert ASKS.keys() == {guard.name for guard in (*pipeline.ORDER, caps.GUARD)}
    assert set().union(*ASKS.values()) <= {one.name for one in GUARDS}


def test_each_field_of_the_form_is_set_in_it():
    own = set().union(*(one.fields(START) for one in FEATURES))
    asked = {*guard_fields.GUARDS, *trigger_fields.FIELDS, *sync_section.FIELDS}
    assert asked - own - APART == {"heeds_global_holdout"}  # world.World._make


def test_each_reason_is_met():
    met = set[str]()
    for row in features.rows():
        story = Story(row=row)
        for wave in (1, 2):
            met |= {end.code for end in story.wave(people.of(row), wave).values()}
    assert REASONS.keys() <= met
    assert {"sent", "not_new", "unchanged", oracle.LEFT_OUT} <= met


# --- The form agrees ----------------------------------------------------------------------


@pytest.fixture
def typed(braze):
    """A form with what these features set."""
    version, of_payloads = attributes_version(braze), payload_version(connection=braze)
    segment = factories.make_segment(event_names=["Lead"])

    def make(chosen: Iterable[Feature]) -> EngagementForm:
        row = Row(number=1, features=list(chosen))
        said = {**row.fields(START), **_variants(row)}
        own = {name: _as_typed(value) for name, value in said.items()}
        if row.has("payload"):
            own |= {"version": of_payloads.pk, "payload": features.PAYLOAD}
        return EngagementForm(
            {
                "name": "Plans",
                "segment": segment.pk,
                "version": version.pk,
                "repeat": "once",
                "time_zone": "UTC",
                "ambiguous_policy": "resend",
                **own,
            }
        )

    return make


def _variants(row: Row) -> dict[str, Any]:
    typed: dict[str, Any] = {}
    for one in row.variants.variants:
        typed |= {name_of(one.letter): one.name, share_of(one.letter): one.share}
        for name, value in one.values.items():
            typed[f"variant_{one.letter}_parameter_{digest(name)}"] = value
    return typed


def _as_typed(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M}"
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return "on" if value is True else value


@pytest.mark.django_db
def test_the_form_takes_each_row(typed):
    for row in features.rows():
        form = typed(row.features)
        assert form.is_valid(), (row.name, form.errors)
        assert form.typed_variants == row.variants


@pytest.mark.django_db
def test_what_the_table_leaves_out_the_form_refuses_or_forgets(typed):
    for a, b in itertools.combinations(FEATURES, 2):
        own, others = a.fields(START), b.fields(START)
        if a.goes_with(b) or (a.slot == b.slot and SLOTS[a.slot] == 1):
            continue
        if "trigger" not in {a.slot, b.slot}:
            is_of_events = "limit of events" in {a.name, b.name}
            named = {one.name: one for one in TRIGGERS}
            chosen = [named["each_event" if is_of_events else "daily"], a, b]
        else:
            chosen = [a, b]
        form = typed(chosen)
        is_either = own.keys() & others.keys()
        is_kept = (
            form.is_valid()
            and {**own, **others}.items()
            <= {
                **form.cleaned_data,
                "starts_at": START,
            }.items()
        )
        assert is_either or not is_kept, (a.name, b.name)
