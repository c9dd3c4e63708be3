"""End to end against the sandbox: what each person got, compared one by one."""

from collections import Counter
from dataclasses import replace

import pytest

from engagements.audience import expansion
from engagements.authoring import forecast
from engagements.lifecycle import winner
from engagements.models import Batch, Delivery, Engagement
from engagements.recovery import retry_failed
from engagements.sync import comparing, order
from engagements.variants import plan
from segments.models import Profile
from tests import factories
from tests.engagements.sync.conftest import bodies, requests, run_once
from tests.engagements.variants.conftest import (
    HALF,
    LONG,
    NAME,
    begun,
    expected,
    got,
    number_of,
    variants,
)
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db


def stored(engagement: Engagement) -> dict[str | None, int | None]:
    rows = Delivery.objects.filter(run__engagement=engagement).order_by("pk")
    return dict(rows.values_list("profile__external_id", "variant"))


def test_each_person_gets_what_they_were_drawn_for(tested, sandbox):
    engagement = begun(tested(90))
    working.to_the_end(engagement)

    wanted = expected(engagement)
    assert len(set(wanted.values())) == 90
    assert {text.startswith("Dear") for text in wanted.values()} == {True, False}
    assert got(sandbox) == wanted
    assert invariants.received(sandbox) == dict.fromkeys(wanted, 1)
    assert stored(engagement) == {n: number_of(engagement, n) for n in wanted}
    # The two share requests: 75 people go into one.
    assert len(requests(sandbox)) == 2


def test_every_run_draws_the_same(tested, sandbox):
    engagement = begun(tested(30, repeat=Engagement.Repeat.HOURLY))
    engagement.runs.all().delete()
    run_once(engagement)
    first = stored(engagement)
    run_once(engagement)

    assert stored(engagement) == first
    assert Counter(one["external_id"] for one in bodies(sandbox)) == dict.fromkeys(
        first, 2
    )
    assert got(sandbox) == expected(engagement)


def test_without_variants_nothing_is_kept(tested, sandbox):
    engagement = begun(tested(5, its=plan.NONE))
    working.to_the_end(engagement)

    assert set(stored(engagement).values()) == {None}
    assert list(Batch.objects.values_list("variants", flat=True)) == [[]]


def test_who_became_part_of_another_gets_that_ones(tested, sandbox):
    engagement = tested(30)
    numbers = {f"p{n}": number_of(engagement, f"p{n}") for n in range(30)}
    first = next(name for name in numbers if numbers[name] == 1)
    other = next(name for name in numbers if numbers[name] == 2)
    kept = Profile.objects.get(external_id=first)
    gone = Profile.objects.get(external_id=other)
    begun(engagement)
    # They wait in the batch by both names.
    expansion.expand(expansion.expandable_runs())
    Profile.objects.filter(pk=gone.pk).update(merged_into=kept, external_id=None)
    working.to_the_end(engagement)

    rows = dict(Delivery.objects.values_list("profile_id", "variant"))
    assert rows[gone.pk] == rows[kept.pk] == 1


def test_a_holdout_is_of_no_variant(tested, sandbox):
    engagement = begun(tested(60, holdout_share=30))
    working.to_the_end(engagement)

    rows = Delivery.objects.values_list("profile__external_id", "state", "variant")
    held = {name for name, state, variant in rows if variant == 0}
    assert {name for name, state, _ in rows if state == "skipped"} == held
    assert 1 < len(held) < 42
    wanted = expected(engagement)
    assert got(sandbox) == {n: text for n, text in wanted.items() if n not in held}
    assert {n: v for n, _, v in rows if v} == {
        n: number_of(engagement, n) for n in wanted if n not in held
    }


def test_who_is_skipped_for_another_reason_keeps_their_variant(tested, sandbox):
    engagement = begun(tested(20))
    Profile.objects.filter(external_id__in=["p1", "p2", "p3", "p4"]).update(
        attributes={}
    )
    working.to_the_end(engagement)

    rows = Delivery.objects.filter(state="skipped")
    found = dict(rows.values_list("profile__external_id", "variant"))
    assert found == {f"p{n}": number_of(engagement, f"p{n}") for n in (1, 2, 3, 4)}


def test_what_stands_once_in_a_request_keeps_the_variants_apart(tested, braze, sandbox):
    """Such as a campaign's name in a header: a request has people of one variant."""
    version = factories.make_version(
        {"attributes": [{"external_id": "{{User ID}}", "first_name": "{{Campaign}}"}]},
        [
            factories.parameter("User ID", level="identifier"),
            factories.parameter("Campaign"),
        ],
        connection=braze,
        headers={"X-Campaign": "{{Campaign}}"},
    )
    names = {1: "first", 2: "second", 3: "third"}
    its = variants((50, {"Campaign": "second"}), (20, {"Campaign": "third"}))
    values = {"Campaign": "first"}
    engagement = tested(150, its, version=version, values=values)
    planned = forecast.activation_impact(engagement).requests
    working.to_the_end(begun(engagement))

    numbers = {f"p{n}": number_of(engagement, f"p{n}") for n in range(150)}
    assert got(sandbox) == {name: names[number] for name, number in numbers.items()}
    assert stored(engagement) == numbers
    assert invariants.received(sandbox) == dict.fromkeys(numbers, 1)
    said = [
        {one["first_name"] for one in body["attributes"]} for body in requests(sandbox)
    ]
    assert all(len(own) == 1 for own in said)
    # Of two batches of 75 most stay; the others go with those of the other's rest. Who
    # are most is drawn, of the same variant in nearly all of the draws.
    drawn = [numbers[f"p{n}"] for n in range(150)]
    leave = [own for batch in (drawn[:75], drawn[75:]) for own in but_most(batch)]
    assert len(said) == 2 + len(set(leave))
    assert planned == 4


def but_most(drawn: list[int]) -> set[int]:
    """The variants of a batch but the one that most of its people get."""
    return set(drawn) - {max(drawn, key=drawn.count)}


def test_what_only_another_variant_says_keeps_them_apart(tested, braze, sandbox):
    """A has nothing in its header, for all of its people, who go together."""
    version = factories.make_version(
        {"attributes": [{"external_id": "{{User ID}}", "campaign": "{{Campaign}}"}]},
        [
            factories.parameter("User ID", level="identifier"),
            factories.parameter("Campaign", required=False),
        ],
        connection=braze,
        headers={"X-Campaign": "{{Campaign}}"},
    )
    its = variants((50, {"Campaign": "second"}))
    engagement = begun(tested(60, its, version=version, values={}))
    working.to_the_end(engagement)

    texts = {1: None, 2: "second"}
    said = [
        {one["external_id"]: one.get("campaign") for one in body["attributes"]}
        for body in requests(sandbox)
    ]
    assert len(said) == 2
    assert said[0] | said[1] == {
        f"p{n}": texts[number_of(engagement, f"p{n}")] for n in range(60)
    }
    assert [set(own.values()) for own in said] in (
        [{None}, {"second"}],
        [{"second"}, {None}],
    )


def test_from_now_on_everybody_gets_the_winner(tested, sandbox):
    engagement = begun(tested(30, repeat=Engagement.Repeat.HOURLY))
    engagement.runs.all().delete()
    run_once(engagement)
    before = got(sandbox)
    assert before == expected(engagement)

    assert winner.choose(engagement, "B", None)
    assert not winner.choose(engagement, "B", None)
    run_once(engagement)
    assert got(sandbox) == {f"p{n}": f"Dear N{n}" for n in range(30)}
    assert set(stored(engagement).values()) == {2}

    assert winner.choose(engagement, "", None)
    run_once(engagement)
    assert got(sandbox) == before


def test_whom_a_run_has_taken_in_is_sent_as_it_was(tested, sandbox):
    engagement = begun(tested(20))
    wanted = expected(engagement)
    winner.choose(engagement, "A", None)
    working.to_the_end(engagement)

    assert got(sandbox) == wanted


def test_who_enters_after_the_choice_gets_the_winner(tested, sandbox):
    engagement = tested(0, trigger=Engagement.Trigger.ON_ENTRY)
    begun(engagement)
    people = factories.make_people(12)
    for person in people[:6]:
        factories.enter(engagement.segment, person)
    working.to_the_end(engagement)
    drawn = got(sandbox)
    winner.choose(engagement, "B", None)
    for person in people[6:]:
        factories.enter(engagement.segment, person)
    working.to_the_end(engagement)

    later = {n: text for n, text in got(sandbox).items() if n not in drawn}
    assert len(later) == 6
    assert all(text.startswith("Dear ") for text in later.values())


def test_who_is_tried_again_keeps_their_variant(tested, sandbox):
    """With other shares meanwhile; the values are those of now."""
    engagement = begun(tested(20))
    indexes = list(range(8))
    sandbox.faults([{"kind": "partial_errors", "indexes": indexes, "type": "Bad."}])
    working.to_the_end(engagement)
    sandbox.clear_faults()
    first = stored(engagement)
    failed = set(
        Delivery.objects.filter(state="rejected").values_list(
            "profile__external_id", flat=True
        )
    )
    assert len(failed) == 8
    assert {first[name] for name in failed} == {1, 2}
    engagement.refresh_from_db()
    before = plan.of(engagement)
    a, b = before.variants
    hi = {NAME: "Hi {{ profile.first_name }}"}
    changed = [a._replace(share=99), b._replace(share=1, values=hi)]
    Engagement.objects.update(variants=plan.made(changed, before).as_json())
    retry_failed.retry(Delivery.objects.filter(state="rejected"))
    engagement.refresh_from_db()
    working.to_the_end(engagement)

    again = Delivery.objects.filter(run__retry_of__isnull=False)
    assert dict(again.values_list("profile__external_id", "variant")) == {
        name: first[name] for name in failed
    }
    assert {name: text for name, text in got(sandbox).items() if name in failed} == {
        name: f"Hi N{str(name)[1:]}" if first[name] == 2 else f"N{str(name)[1:]}"
        for name in failed
    }


def test_another_variant_is_a_change(tested, braze, sandbox):
    engagement = begun(
        tested(
            30,
            repeat=Engagement.Repeat.HOURLY,
            sync_mode=Engagement.SyncMode.CHANGED,
            sends_deltas=True,
        )
    )
    engagement.runs.all().delete()
    assert set(run_once(engagement).values()) == {"sent"}
    assert set(run_once(engagement).values()) == {"unchanged"}
    drawn = {f"p{n}": number_of(engagement, f"p{n}") for n in range(30)}

    winner.choose(engagement, "B", None)
    found = run_once(engagement)
    assert found == {
        name: "sent" if number == 1 else "unchanged" for name, number in drawn.items()
    }
    assert got(sandbox) == {f"p{n}": f"Dear N{n}" for n in range(30)}


def test_shares_that_change_move_only_whom_they_must(tested, sandbox):
    engagement = begun(tested(200, repeat=Engagement.Repeat.HOURLY))
    engagement.runs.all().delete()
    run_once(engagement)
    first = stored(engagement)
    before = plan.of(engagement)
    third = plan.Variant("C", "Third", 10, LONG)
    wider = [*before.variants[:1], before.variants[1]._replace(share=40), third]
    Engagement.objects.update(variants=plan.made(wider, before).as_json())
    run_once(engagement)
    after = stored(engagement)

    moves = Counter(
        (first[name], after[name]) for name in first if first[name] != after[name]
    )
    assert set(moves) == {(2, 3)}
    assert replace(HALF, winner="A").at(0) == 1


def test_what_one_variant_is_made_of_is_so_for_the_run(tested):
    """A constant in B ages, though A is read anew; and the time in C is not compared."""
    now = {NAME: "{{ now | date: '%Y' }}"}
    run = factories.make_run(tested(1, variants((30, {NAME: "you"}), (20, now))))

    writes = order.written_by(run)
    assert writes is not None
    assert "first_name" in (writes.aged or ())
    assert comparing.compile_comparison(run.engagement, run).is_volatile

    plain = factories.make_run(tested(0, plan.NONE))
    writes = order.written_by(plain)
    assert writes is not None
    assert "first_name" not in (writes.aged or ())


def test_a_deliverys_name_in_one_variant_alone(tested, sandbox):
    named = {NAME: "{{ engagement.delivery_id }}"}
    engagement = begun(tested(12, variants((50, named))))
    working.to_the_end(engagement)

    run = engagement.runs.get()
    ids = dict(Profile.objects.values_list("external_id", "pk"))
    assert got(sandbox) == {
        name: f"{run.pk}-{ids[name]}-0"
        if number_of(engagement, name) == 2
        else f"N{name[1:]}"
        for name in (f"p{n}" for n in range(12))
    }


def test_who_left_is_cleared_whatever_their_variant(tested, sandbox):
    engagement = begun(
        tested(
            12,
            repeat=Engagement.Repeat.HOURLY,
            sends_deltas=True,
            clears_who_left=True,
        )
    )
    engagement.runs.all().delete()
    run_once(engagement)
    engagement.segment.memberships.all().delete()
    run_once(engagement)

    assert {
        one["external_id"]: one["first_name"] for one in bodies(sandbox)[12:]
    } == dict.fromkeys((f"p{n}" for n in range(12)), None)
