"""An engagement that mostly fails pauses by itself, says why, and its owner is told."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse

from engagements.lifecycle import transitions
from engagements.models import Destination, Engagement, Run
from engagements.tick import tick
from segments.models import Membership, Transition
from tests import factories
from tests.faults import invariants, working
from tests.pages import words

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "olga@example.com"
REPEATS = Engagement.Repeat.DAILY


@pytest.fixture
def owner():
    return factories.make_user(email=OWNER)


@pytest.fixture
def mixed(active):
    """An engagement for people of whom some have no name, which is required."""

    def make(with_name: int, without: int, **fields) -> Engagement:
        people = factories.make_people(with_name + without)
        for person in people[:without]:
            person.attributes = {}
        type(people[0]).objects.bulk_update(people[:without], ["attributes"], 500)
        engagement: Engagement = active(people, repeat=REPEATS, **fields)
        return engagement

    return make


def look(engagement: Engagement) -> tuple[str, str]:
    tick()
    engagement.refresh_from_db()
    return engagement.state, engagement.blocked_reason


def minutes_pass(minutes: int) -> None:
    """Everything that is remembered happened so much earlier."""
    by = timedelta(minutes=minutes)
    for model, fields in (
        (Engagement, ["active_since"]),
        (Run, ["started_at", "half_hour_began"]),
        (Destination, ["failing_since", "succeeded_at"]),
    ):
        for row in model.objects.all():
            for field in fields:
                if value := getattr(row, field):
                    setattr(row, field, value - by)
            row.save(update_fields=fields)


@pytest.mark.parametrize(
    ("with_name", "without", "state"),
    [(820, 280, "paused"), (920, 180, "active"), (600, 380, "active")],
    ids=["a quarter", "a sixth", "a third of fewer than 1,000"],
)
def test_a_share_that_has_no_payload(mixed, sandbox, with_name, without, state):
    engagement = mixed(with_name, without)
    working.to_the_end(engagement)

    found, reason = look(engagement)

    assert found == state
    assert ("280 of the last 1,100 people" in reason) == (state == "paused")
    invariants.check(engagement, sandbox, sandbox.key)


def test_a_share_that_is_rejected_stops_what_is_left(active, sandbox, braze):
    engagement = active(4_050, version=factories.make_version(connection=braze))
    # A third of each request: all of them for the same reason would be everybody.
    thirds = list(range(0, 75, 3))
    sandbox.faults([{"kind": "partial_errors", "indexes": thirds, "times": 20}])
    sandbox.faults([{"kind": "status", "status": 429, "times": None}])
    working.once()
    working.once()

    state, reason = look(engagement)

    assert state == "paused"
    assert "500 of the last 1,500 people were rejected" in reason
    sandbox.clear_faults()
    working.make_due(engagement)
    seen = len(sandbox.requests())
    working.once()
    assert len(sandbox.requests()) == seen

    assert transitions.resume(engagement)
    assert look(engagement) == ("active", "")
    working.to_the_end(engagement)
    # What comes after the resume is judged by itself: 2,550 people, and all is well.
    assert look(engagement)[0] == Engagement.State.ENDED
    assert working.states(engagement) == {"rejected": 500, "sent": 3_550}
    invariants.check(engagement, sandbox, sandbox.key)


def test_many_good_people_before_do_not_hide_it(active, sandbox, braze):
    engagement = active(0, trigger="on_entry")
    enter(engagement, factories.make_people(1_500))
    working.once()
    assert look(engagement)[0] == "active"
    enter(engagement, [factories.make_profile() for _ in range(205)])
    working.once()
    # 205 of 1,705: a window ends here.
    assert look(engagement)[0] == "active"

    people = factories.make_people(900)
    enter(engagement, [*people, *(factories.make_profile() for _ in range(260))])
    working.once()

    state, reason = look(engagement)
    assert (state, "260 of the last 1,160" in reason) == ("paused", True)


@pytest.mark.parametrize(
    ("failing", "times", "state", "words"),
    [
        (1, 300, "active", ""),
        (150, 3, "active", ""),
        (280, 2, "paused", "280 of the last 1,080 people were rejected"),
    ],
)
def test_who_fails_again_and_again_counts_once(
    active, sandbox, failing, times, state, words
):
    engagement = active(0, trigger="on_entry", again=Engagement.Again.ALWAYS)
    enter(engagement, factories.make_people(800))
    nobodies = [factories.make_profile() for _ in range(failing)]
    enter(engagement, nobodies)
    enter_again(engagement, nobodies * (times - 1))
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 800, "skipped": failing * times}

    assert look(engagement)[0] == state
    assert words in engagement.blocked_reason


def test_a_run_that_ended_says_how_many_people_failed(active, sandbox):
    engagement = active(0, trigger="on_entry", again=Engagement.Again.ALWAYS)
    nobody, *_ = nobodies = [factories.make_profile() for _ in range(3)]
    enter(engagement, [*nobodies, *factories.make_people(2)])
    enter_again(engagement, [nobody] * 5)
    working.to_the_end(engagement)
    # As a change of its values ends it.
    Run.objects.update(is_standing=False)

    _, reason = look(engagement)

    assert "3 of 5 people in the run" in reason
    assert "3 skipped" in reason


def enter(engagement: Engagement, people) -> None:
    segment = engagement.segment
    people = list(people)
    Membership.objects.bulk_create(
        Membership(segment=segment, profile=person) for person in people
    )
    enter_again(engagement, people)


def enter_again(engagement: Engagement, people) -> None:
    """They left and come back, as often as they are named."""
    Transition.objects.bulk_create(
        Transition(
            segment=engagement.segment, profile=person, kind=Transition.Kind.ENTRY
        )
        for person in people
    )


def test_a_few_people_who_all_fail_for_half_an_hour(active, sandbox):
    engagement = active(0, trigger="on_entry")
    enter(engagement, [factories.make_profile() for _ in range(5)])
    working.once()
    assert look(engagement)[0] == "active"

    minutes_pass(31)

    state, reason = look(engagement)
    assert (state, "all 5 people failed" in reason) == ("paused", True)
    # After the resume another half hour counts.
    transitions.resume(engagement)
    assert look(engagement)[0] == "active"


def test_one_person_who_fails_again_and_again_is_not_a_few(active, sandbox):
    engagement = active(0, trigger="on_entry", again=Engagement.Again.ALWAYS)
    nobody = factories.make_profile()
    for _ in range(6):
        enter(engagement, [nobody])
        working.once()
        engagement.segment.memberships.all().delete()
    assert working.states(engagement) == {"skipped": 6}

    minutes_pass(31)

    assert look(engagement)[0] == "active"


def test_one_of_them_who_was_taken_is_enough(active, sandbox):
    engagement = active(0, trigger="on_entry")
    enter(engagement, [factories.make_profile() for _ in range(5)])
    enter(engagement, factories.make_people(1))
    working.once()

    minutes_pass(31)

    assert look(engagement)[0] == "active"


def test_a_connection_that_is_dead_for_half_an_hour(active, sandbox):
    engagement = active(200)
    sandbox.faults([{"kind": "status", "status": 503, "times": None}])
    for _ in range(10):
        working.once()
        working.make_due(engagement)
    minutes_pass(29)
    assert look(engagement)[0] == "active"
    minutes_pass(2)

    state, reason = look(engagement)

    assert state == "paused"
    assert "For 31 minutes nothing could be sent" in reason
    assert "503" in reason
    transitions.resume(engagement)
    assert look(engagement)[0] == "active"
    sandbox.clear_faults()
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 200}
    invariants.check(engagement, sandbox, sandbox.key)


def test_its_owner_is_told_once_and_its_pages_say_why(mixed, owner, client):
    engagement = mixed(800, 300, created_by=owner)
    working.to_the_end(engagement)

    _, reason = look(engagement)
    tick()

    (letter,) = mail.outbox
    assert letter.to == [OWNER]
    assert engagement.name in letter.subject
    assert reason in letter.body
    assert f"http://localhost:8000{engagement.get_absolute_url()}" in letter.body
    client.force_login(factories.make_admin())
    for page in (
        engagement.get_absolute_url(),
        reverse("admin:engagements_engagement_changelist"),
        reverse("admin:index"),
    ):
        text = client.get(page).text
        assert "300 of the last 1,100 people were rejected" in text, page


def test_a_wrong_key_is_told_too(active, sandbox, owner):
    engagement = active(3, created_by=owner)
    sandbox.faults([{"kind": "status", "status": 401}])
    working.once()

    assert look(engagement)[0] == Engagement.State.BLOCKED

    (letter,) = mail.outbox
    assert "key was not accepted" in letter.body


def test_stopped_twice_its_owner_is_told_twice(active, sandbox, owner):
    """TRAPS 37: not with each look while it is so, and once more when it is so again."""
    engagement = active(3, repeat=REPEATS, created_by=owner)
    for letters in (1, 2):
        sandbox.faults([{"kind": "status", "status": 401, "times": None}])
        working.make_due(engagement)
        working.once()
        for _ in range(3):
            tick()
        assert look(engagement)[0] == Engagement.State.BLOCKED
        assert len(mail.outbox) == letters
        sandbox.clear_faults()
        assert transitions.resume(engagement)
        tick()
        assert len(mail.outbox) == letters
    working.to_the_end(engagement)
    assert working.states(engagement) == {"sent": 3}


def test_a_mail_server_that_is_away_costs_a_line_in_the_log(
    active, sandbox, owner, settings, caplog
):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    engagement = active(3, created_by=owner)
    sandbox.faults([{"kind": "status", "status": 401}])
    working.once()

    assert tick()

    assert "mail.failed" in caplog.text
    engagement.refresh_from_db()
    assert not engagement.is_notice_due


def test_without_an_address_nobody_is_written_to(active, sandbox):
    engagement = active(3, created_by=factories.make_user(email=""))
    sandbox.faults([{"kind": "status", "status": 401}])
    working.once()
    engagement.refresh_from_db()
    assert engagement.is_notice_due

    tick()

    assert mail.outbox == []


def test_who_pauses_it_gives_no_reason(active):
    engagement = active(3, repeat=REPEATS, created_by=factories.make_user(email=OWNER))
    transitions.pause(engagement)
    tick()
    assert (engagement.blocked_reason, mail.outbox) == ("", [])


def test_what_nobody_can_verify_raises_an_alert(active, sandbox, client):
    engagement = active(75, repeat=REPEATS)
    sandbox.faults([{"kind": "malformed_json"}])
    working.to_the_end(engagement)

    client.force_login(factories.make_admin())
    pages = [engagement.get_absolute_url(), engagement.runs.get().get_absolute_url()]
    for page in pages:
        text = words(client.get(page))
        assert "Nobody can tell what was taken" in text
        assert "75 people" in text
