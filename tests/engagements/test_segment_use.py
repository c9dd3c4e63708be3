"""A change of a segment that engagements read: asked before, or proposed."""

import json
import re
import threading

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext

from engagements.delivery import loop
from engagements.lifecycle import transitions
from engagements.models import Delivery, Engagement
from segments.membership import refresh, rule_changes
from segments.models import Proposal, Segment
from tests import factories
from tests.faults import working
from tests.pages import words

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
DELHI = {"attribute": "city", "is": "equals", "value": "Delhi"}
EITHER = {"any": [PUNE, DELHI]}
MARKETER = (
    "segments.view_segment",
    "segments.change_segment",
    "segments.view_profile",
    "segments.view_personal_data",
    "engagements.view_engagement",
)
APPROVER = ("segments.view_segment", "engagements.activate_engagement")


@pytest.fixture
def segment(db) -> Segment:
    """Two people from Pune are in it; three from Delhi are not."""
    for city in ("Pune", "Pune", "Delhi", "Delhi", "Delhi"):
        factories.make_profile(city=city, first_name=f"From {city}")
    made = factories.make_segment(rule=PUNE, name="Locals")
    refresh.refresh(made.pk)
    made.refresh_from_db()
    return made


def read_by(segment, **fields) -> Engagement:
    fields.setdefault("state", "active")
    return factories.make_engagement(segment, **fields)


def signed_in(*permissions) -> Client:
    client = Client()
    client.force_login(factories.make_user(*permissions))
    return client


def post(client, segment, rule, **fields):
    """What the form posts; without `is_active` it is switched off."""
    fields.setdefault("is_active", "on")
    data = {"name": segment.name, "rule": json.dumps(rule), **fields}
    return client.post(
        segment.get_absolute_url(), {k: v for k, v in data.items() if v is not None}
    )


def answer(client, page, button):
    """Press a button of the question; what follows a commit follows."""
    names = re.findall(r'type="hidden" name="([^"]+)"', page.text)
    context = page.context
    data = {**dict(context["typed"]), "_seen": context["seen"], button: "1"}
    assert set(names) - {"csrfmiddlewaretoken"} == set(data) - {button}
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(page.request["PATH_INFO"], data)


def stored(segment) -> tuple[dict[str, object], bool]:
    segment.refresh_from_db()
    return segment.rule, segment.is_active


def test_a_change_of_the_rule_is_asked_about_and_saved_after_a_yes(admin_page, segment):
    engagement = read_by(segment, name="Welcome")
    page = post(admin_page, segment, DELHI)

    assert page.status_code == 200
    assert stored(segment) == (PUNE, True)
    found = page.context["forecast"]
    assert (found.entering.count, found.leaving.count) == (3, 2)
    assert [(e.name, e.sent, e.when) for e in found.effects] == [
        ("Welcome", 3, "at once")
    ]
    said = words(page)
    for part in ("City equals Pune.", "City equals Delhi.", "Welcome</a> (Active)"):
        assert part in said
    assert engagement.get_absolute_url() in said

    assert answer(admin_page, page, "_confirm").status_code == 302
    assert stored(segment) == (DELHI, True)
    assert segment.size == 3


def test_what_nobody_sends_to_is_saved_without_a_question(admin_page, segment):
    for state in ("draft", "ended"):
        read_by(segment, state=state)
    assert post(admin_page, segment, DELHI).status_code == 302
    assert stored(segment) == (DELHI, True)


@pytest.mark.parametrize("state", ["paused", "blocked"])
def test_what_is_resumed_later_counts(admin_page, segment, state):
    read_by(segment, state=state)
    page = post(admin_page, segment, EITHER)
    (effect,) = page.context["forecast"].effects
    assert (effect.sent, effect.when) == (3, "at once after Resume")
    assert stored(segment) == (PUNE, True)


@pytest.mark.parametrize(
    "fields",
    [{"name": "Renamed"}, {"description": "Other words"}, {}],
)
def test_who_is_in_stays_the_same_and_nobody_is_asked(admin_page, segment, fields):
    read_by(segment)
    assert post(admin_page, segment, PUNE, **fields).status_code == 302


def test_switching_off_and_on_is_asked_about(admin_page, segment):
    read_by(segment)
    page = post(admin_page, segment, PUNE, is_active=None)
    assert "Not live: nobody enters or leaves any more." in words(page)
    answer(admin_page, page, "_confirm")
    assert stored(segment) == (PUNE, False)

    # While it is off its rule moves nobody.
    assert post(admin_page, segment, EITHER, is_active=None).status_code == 302
    page = post(admin_page, segment, EITHER)
    assert page.context["forecast"].entering.count == 3
    answer(admin_page, page, "_confirm")
    assert stored(segment) == (EITHER, True)


def test_a_wrong_rule_is_refused_before_anything_is_asked(admin_page, segment):
    read_by(segment)
    page = post(admin_page, segment, {"broken": 1})
    assert "use exactly one of" in page.text


def test_it_is_asked_again_where_the_segment_changed_meanwhile(admin_page, segment):
    read_by(segment)
    page = post(admin_page, segment, DELHI)
    Segment.objects.filter(pk=segment.pk).update(rule=EITHER)

    again = answer(admin_page, page, "_confirm")
    assert "The segment was changed meanwhile." in again.text
    assert stored(segment) == (EITHER, True)
    assert answer(admin_page, again, "_confirm").status_code == 302
    assert stored(segment) == (DELHI, True)


def test_an_edit_and_the_edit_back_send_nobody_twice(admin_page, braze):
    people = [factories.make_profile(city="Pune", first_name="A") for _ in range(3)]
    segment = factories.make_segment(rule=PUNE)
    version = factories.make_version(connection=braze)
    engagement = factories.make_engagement(segment, version)
    transitions.activate(engagement)
    refresh.refresh(segment.pk)
    loop.work()
    assert Delivery.objects.filter(state="sent").count() == len(people)

    for rule, entering, sent in ((DELHI, 0, 0), (PUNE, 3, 0)):
        page = post(admin_page, segment, rule)
        (effect,) = page.context["forecast"].effects
        assert (page.context["forecast"].entering.count, effect.sent) == (
            entering,
            sent,
        )
        answer(admin_page, page, "_confirm")
        loop.work()

    assert Delivery.objects.filter(state="sent").count() == len(people)
    assert segment.memberships.count() == len(people)


def test_a_schedule_says_when_and_a_run_that_was_is_none(admin_page, segment):
    read_by(segment, trigger="schedule", repeat="daily", name="A")
    over = read_by(segment, trigger="schedule", name="B")
    factories.make_run(over)
    page = post(admin_page, segment, EITHER)
    effects = page.context["forecast"].effects
    assert [(e.sent, e.when) for e in effects] == [
        (3, "in its next run"),
        (0, "in its next run"),
    ]


def test_names_are_for_those_who_may_see_people(segment):
    read_by(segment)
    person = segment.memberships.first().profile
    may = (*MARKETER, "engagements.activate_engagement")
    assert str(person) in post(signed_in(*may), segment, DELHI).text
    blind = [p for p in may if p != "segments.view_profile"]
    assert str(person) not in post(signed_in(*blind), segment, DELHI).text


# --- Without the right to activate ----------------------------------------------------


def test_who_may_not_activate_proposes(segment):
    read_by(segment)
    marketer = signed_in(*MARKETER)
    page = post(marketer, segment, DELHI, name="Renamed")
    assert "Propose the change" in page.text
    assert "Save the change" not in page.text

    assert answer(marketer, page, "_propose").status_code == 302
    assert stored(segment) == (PUNE, True)
    assert segment.name == "Renamed"
    proposal = Proposal.objects.get()
    assert (proposal.rule, proposal.state) == (DELHI, "open")
    own = marketer.get(segment.get_absolute_url()).text
    assert "Proposed change: waits for a decision" in own


def test_a_yes_of_somebody_who_may_not_activate_is_refused(segment):
    read_by(segment)
    marketer = signed_in(*MARKETER)
    page = post(marketer, segment, DELHI)
    assert answer(marketer, page, "_confirm").status_code == 403
    assert stored(segment) == (PUNE, True)


def proposed(segment, rule=DELHI) -> Proposal:
    read_by(segment)
    marketer = factories.make_user(*MARKETER, username="mara")
    return rule_changes.propose(segment, rule, True, marketer)


def test_an_approver_finds_it_at_home_and_accepts(segment):
    proposal = proposed(segment)
    approver = signed_in(*APPROVER)
    assert proposal.get_absolute_url() in approver.get("/admin/").text
    page = approver.get(proposal.get_absolute_url())
    assert "Proposed by mara" in words(page)
    assert page.context["forecast"].entering.count == 3

    assert answer(approver, page, "_accept").status_code == 302
    assert stored(segment) == (DELHI, True)
    assert segment.size == 3
    proposal.refresh_from_db()
    assert (proposal.state, bool(proposal.decided_at)) == ("accepted", True)
    log = LogEntry.objects.latest("pk")
    assert "Accepted the change that mara proposed." in log.change_message
    assert log.user == proposal.decided_by
    assert proposal.get_absolute_url() not in approver.get("/admin/").text


def test_or_rejects_and_the_one_who_proposed_sees_it(segment):
    proposal = proposed(segment)
    approver = signed_in(*APPROVER)
    page = approver.get(proposal.get_absolute_url())
    answer(approver, page, "_reject")

    assert stored(segment) == (PUNE, True)
    own = signed_in(*MARKETER).get(segment.get_absolute_url()).text
    assert "Proposed change: rejected" in own
    shown = approver.get(proposal.get_absolute_url()).text
    assert "_accept" not in shown


def test_a_decision_is_made_once(segment):
    proposal = proposed(segment)
    approver = signed_in(*APPROVER)
    page = approver.get(proposal.get_absolute_url())
    answer(approver, page, "_reject")
    answer(approver, page, "_accept")

    assert stored(segment) == (PUNE, True)
    proposal.refresh_from_db()
    assert proposal.state == "rejected"


def test_it_is_accepted_only_as_it_was_shown(segment):
    proposal = proposed(segment)
    approver = signed_in(*APPROVER)
    page = approver.get(proposal.get_absolute_url())
    Segment.objects.filter(pk=segment.pk).update(rule=EITHER)
    response = answer(approver, page, "_accept")

    assert response.url == proposal.get_absolute_url()
    assert stored(segment) == (EITHER, True)
    proposal.refresh_from_db()
    assert proposal.state == "open"


@pytest.mark.parametrize("button", ["_accept", "_reject"])
def test_only_who_may_activate_decides(segment, button):
    proposal = proposed(segment)
    marketer = signed_in(*MARKETER)
    page = marketer.get(proposal.get_absolute_url())
    assert "An Approver accepts or rejects it." in page.text
    seen = {"_seen": rule_changes.fingerprint(segment), button: "1"}
    assert marketer.post(proposal.get_absolute_url(), seen).status_code == 403
    proposal.refresh_from_db()
    assert proposal.state == "open"
    assert signed_in().get(proposal.get_absolute_url()).status_code == 403


def test_a_decision_needs_the_csrf_token(segment):
    proposal = proposed(segment)
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.make_user(*APPROVER))
    seen = {"_seen": rule_changes.fingerprint(segment), "_accept": "1"}
    assert client.post(proposal.get_absolute_url(), seen).status_code == 403
    assert stored(segment) == (PUNE, True)


def test_a_newer_proposal_replaces_the_one_that_waits(segment):
    first = proposed(segment)
    second = rule_changes.propose(segment, EITHER, True, factories.make_user(*MARKETER))
    states = dict(Proposal.objects.values_list("pk", "state"))
    assert states == {first.pk: "replaced", second.pk: "open"}


# --- How much is counted --------------------------------------------------------------


FILL = """
    INSERT INTO segments_profile (external_id, attributes)
    SELECT 'many-' || n, '{"city": "Delhi"}' FROM generate_series(1, 100001) n
"""


def test_more_than_many_is_not_counted_further(segment):
    read_by(segment)
    with connection.cursor() as cursor:
        cursor.execute(FILL)
    found = rule_changes.forecast(segment, DELHI, True)
    assert (found.entering.word, found.entering.count) == ("more than", 100_000)
    assert (found.word, found.effects[0].sent) == ("more than", 100_000)
    assert (found.leaving.word, found.leaving.count) == ("", 2)


def test_some_are_counted_and_taken_for_all(segment):
    read_by(segment)
    with connection.cursor() as cursor:
        with transaction.atomic():
            cursor.execute(FILL)
            # They leave their pages empty.
            transaction.set_rollback(True)
        cursor.execute(FILL)
    found = rule_changes.estimate(segment, DELHI, rule_changes.PATIENCE)
    assert found.entering.word == found.word == "about"
    assert found.entering.count == pytest.approx(100_004, rel=0.5)
    assert found.effects[0].sent == found.entering.count


@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_is_not_waited_for(admin_page, segment):
    read_by(segment)
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE segments_event IN ACCESS EXCLUSIVE MODE")
            locked.set()
            done.wait(60)

    with working.in_thread(hold):
        assert locked.wait(20)
        found = rule_changes.forecast(segment, {"event": "Lead"}, True, patience=100)
        done.set()

    assert (found.entering, found.leaving) == (None, None)
    assert [effect.name for effect in found.effects]
    # And the connection waits as long as ever afterwards.
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "2min"


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_the_segment_while_its_change_is_counted(admin_page, segment):
    read_by(segment)
    with CaptureQueriesContext(connection) as queries:
        page = post(admin_page, segment, DELHI)
    said = [query["sql"] for query in queries]

    assert page.context["forecast"].entering.count == 3
    (locks,) = (n for n, sql in enumerate(said) if "FOR NO KEY UPDATE" in sql)
    (counts,) = (n for n, sql in enumerate(said) if "matched (id)" in sql)
    assert "COMMIT" in said[locks:counts]


def test_who_leaves_is_asked_about_where_that_is_what_is_sent(admin_page, segment):
    read_by(segment, name="Goodbye", trigger="on_exit", delay=2, delay_unit="hours")
    page = post(admin_page, segment, DELHI)
    effects = [(e.name, e.sent, e.when) for e in page.context["forecast"].effects]
    assert effects == [("Goodbye", 2, "2 hours later, as they leave")]
