"""People are erased before, while and after they are sent."""

import pytest
from django.db import connection
from django.urls import reverse

from engagements.audience import expansion
from engagements.delivery import attempts, claims, outcomes, transport, writing
from engagements.models import Attempt, Batch, Delivery
from engagements.reporting import progress
from engagements.reporting import reports as reporting
from segments.models import Profile
from tests import factories
from tests.faults import invariants, working

pytestmark = pytest.mark.django_db(transaction=True)


def some(engagement, count=3, first=10):
    return list(
        Profile.objects.filter(memberships__segment=engagement.segment_id).order_by(
            "id"
        )[first : first + count]
    )


def erase(people) -> None:
    Profile.objects.filter(pk__in=[person.pk for person in people]).delete()


def assert_forgotten(engagement, people, total) -> None:
    """No id of theirs is left, and the report counts as many as before."""
    ids = {person.pk for person in people}
    held = Batch.objects.filter(run__engagement=engagement)
    assert not held.filter(profile_ids__overlap=list(ids)).exists()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM engagements_delivery d WHERE profile_id IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM segments_profile WHERE id = d.profile_id)"
        )
        assert cursor.fetchone()[0] == 0
    for attempt in Attempt.objects.filter(batch__run__engagement=engagement):
        assert not any(p.external_id in attempt.response_head for p in people)
    assert reporting.engagement_report(engagement).total == total
    assert sum(working.states(engagement).values()) == total
    going = progress.of(engagement.runs.all())
    assert sum(one.total for one in going.values()) == total


def waiting(engagement, people):
    expansion.expand(expansion.expandable_runs())
    erase(people)
    working.to_the_end(engagement)


def claimed(engagement, people):
    expansion.expand(expansion.expandable_runs())
    taken = claims.claim(32)
    erase(people)
    going = attempts.intend(list(writing.write(taken)))
    outcomes.record([transport.send(prepared) for prepared in going])


def on_the_wire(engagement, people):
    expansion.expand(expansion.expandable_runs())
    going = attempts.intend(list(writing.write(claims.claim(32))))
    results = [transport.send(prepared) for prepared in going]
    erase(people)
    outcomes.record(results)


def sent(engagement, people):
    working.to_the_end(engagement)
    erase(people)


@pytest.mark.parametrize("when", [waiting, claimed, on_the_wire, sent])
def test_nothing_names_them_and_the_report_adds_up(active, sandbox, when):
    engagement = active(150)
    people = some(engagement)

    when(engagement, people)
    working.to_the_end(engagement)

    assert_forgotten(engagement, people, 150)
    assert working.states(engagement) == {"sent": 147, "erased": 3}
    assert engagement.runs.get().state == "completed"
    invariants.check(engagement, sandbox, sandbox.key)


def test_who_is_rejected_after_they_were_erased(active, sandbox):
    """Braze refuses somebody who is not there any more, and somebody who is."""
    engagement = active(75)
    gone, there = some(engagement, 2)
    sandbox.faults([{"kind": "partial_errors", "indexes": [10, 11], "type": "No."}])

    on_the_wire(engagement, [gone])

    assert_forgotten(engagement, [gone], 75)
    assert working.states(engagement) == {"sent": 73, "erased": 1, "rejected": 1}
    assert Delivery.objects.get(state="rejected").profile == there


def naming(person):
    """An answer of the other side with somebody's name in its words."""
    body = f'{{"message": "Nobody here is called {person.external_id}."}}'
    return {"kind": "status", "status": 400, "body": body}


@pytest.mark.parametrize("when", [on_the_wire, sent])
def test_what_was_answered_does_not_name_them(active, sandbox, when):
    engagement = active(2)
    person = some(engagement, 1, first=0)[0]
    sandbox.faults([naming(person)])

    when(engagement, [person])

    answered = Attempt.objects.get(outcome="refused")
    assert person.external_id not in answered.message + answered.response_head


def test_of_who_was_not_sent_nothing_can_be_answered(active, sandbox):
    """They were erased while they waited: what is said is about the others."""
    engagement = active(2)
    gone, there = some(engagement, 2, first=0)
    sandbox.faults([naming(there)])

    claimed(engagement, [gone])

    answered = Attempt.objects.get(outcome="refused")
    assert there.external_id in answered.message
    assert there.external_id in answered.response_head


def test_what_was_odd_about_a_success_does_not_name_them_either(active, sandbox):
    engagement = active(2)
    person = some(engagement, 1, first=0)[0]
    working.to_the_end(engagement)
    Attempt.objects.update(note=f"It says: {person.external_id}")

    erase([person])

    assert Attempt.objects.get().note == ""


def test_why_nobody_answered_stays(active, sandbox):
    """Those are our own words, and about nobody."""
    engagement = active(2)
    sandbox.faults([{"kind": "delay_after", "seconds": 5}])
    working.to_the_end(engagement)
    said = Attempt.objects.get().message
    assert said

    erase(some(engagement, 1, first=0))

    assert Attempt.objects.get().message == said


def test_halves_do_not_bring_them_back(active, sandbox):
    engagement = active(4)
    people = list(Profile.objects.all())[:1]
    refusal = {"kind": "status", "status": 400, "body": '{"message": "No."}'}
    sandbox.faults([{**refusal, "times": None}])

    on_the_wire(engagement, people)
    working.to_the_end(engagement)

    assert_forgotten(engagement, people, 4)
    assert working.states(engagement) == {"dead": 3, "erased": 1}
    # Batches that were split forget as well.
    dead = Delivery.objects.filter(state="dead")[0].profile
    assert dead is not None
    erase([dead])
    assert_forgotten(engagement, [dead], 4)
    assert working.states(engagement) == {"dead": 2, "erased": 2}


def test_whoever_is_uncertain_and_erased_waits_for_no_decision(active, sandbox):
    engagement = active(2)
    sandbox.faults([{"kind": "delay_after", "seconds": 5}])
    working.to_the_end(engagement)
    assert working.states(engagement) == {"uncertain": 2}
    people = list(Profile.objects.all())

    erase(people[:1])
    assert working.states(engagement) == {"uncertain": 1, "erased": 1}
    erase(people[1:])

    assert working.states(engagement) == {"erased": 2}
    assert not Batch.objects.filter(state="uncertain").exists()
    assert_forgotten(engagement, people, 2)


def test_a_person_deleted_past_django_is_erased_when_found(active, sandbox):
    engagement = active(75)
    expansion.expand(expansion.expandable_runs())
    people = some(engagement, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM segments_profile WHERE id = %s", [people[0].pk])
        cursor.execute(
            "DELETE FROM segments_membership WHERE profile_id = %s", [people[0].pk]
        )
        cursor.execute("RESET session_replication_role")

    working.to_the_end(engagement)

    assert_forgotten(engagement, people, 75)
    assert working.states(engagement) == {"sent": 74, "erased": 1}


def test_pages_and_the_export_of_what_was_erased(active, sandbox, client):
    engagement = active(3)
    working.to_the_end(engagement)
    erase(list(Profile.objects.all())[:1])
    client.force_login(factories.make_admin())
    erased = Delivery.objects.get(state="erased")

    page = client.get(reverse("admin:engagements_delivery_change", args=[erased.pk]))
    assert "Somebody who was erased" in page.text
    rows = client.get(reverse("admin:engagements_delivery_changelist"))
    assert "Somebody who was erased" in rows.text
    batch = client.get(
        reverse("admin:engagements_batch_change", args=[erased.batch_id])
    )
    assert batch.status_code == 200
