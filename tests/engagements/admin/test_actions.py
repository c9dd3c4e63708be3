"""Activate, Pause, Resume, End, Cancel, Resend, Mark as sent: asked, allowed, done."""

import pytest
from django.test import Client
from django.urls import reverse

from engagements.models import Batch, Delivery, Engagement, Run
from externalapi.connections import encryption
from externalapi.models import TestCase
from externalapi.testing.runs import run_case
from segments.models import Segment, Transition
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

State = Engagement.State


def url(obj, act: str) -> str:
    return reverse(f"admin:engagements_{obj._meta.model_name}_{act}", args=[obj.pk])


def ready(**fields) -> Engagement:
    """An engagement that can be activated."""
    connection = factories.make_connection(key_encrypted="x", key_version=1)
    version = factories.make_version(connection=connection)
    return factories.make_engagement(
        factories.make_segment(people=3), version, **fields
    )


def state_of(obj: Engagement | Run | Batch) -> str:
    obj.refresh_from_db()
    return obj.state


def test_activate_asks_with_people_requests_and_trigger(admin_page):
    engagement = ready(includes_present=True)

    page = admin_page.get(url(engagement, "activate"))

    text = " ".join(page.content.decode().split())
    assert "<strong>3</strong> people will be sent" in text
    assert "<strong>1</strong> request needed" in text
    assert "Everybody in the segment now, then each person who enters it." in text
    assert "never tested successfully" in text
    assert state_of(engagement) == State.DRAFT


def test_activate_names_whom_it_will_skip(admin_page):
    ann = factories.make_profile(external_id="ann")
    segment = factories.make_segment(people=[ann])
    version = factories.make_version()
    engagement = factories.make_engagement(
        segment,
        version,
        includes_present=True,
        values={"Name of the User": "{{ profile.first_name }}"},
    )

    text = words(admin_page.get(url(engagement, "activate")))

    assert f'(such as <a href="{ann.get_absolute_url()}">ann</a>)' in text


@pytest.mark.parametrize("includes_present", [True, False])
def test_activate_says_how_those_who_are_in_already_are_sent(
    admin_page, includes_present
):
    engagement = ready(includes_present=includes_present)
    Segment.objects.update(size=3)
    page = words(admin_page.get(url(engagement, "activate")))
    said = "Whoever is in it already (3) is sent only with" in page
    assert said is not includes_present


def test_activate_does_not_warn_of_a_configuration_that_was_tested(admin_page):
    engagement = ready()
    factories.make_test(engagement.version)
    page = admin_page.get(url(engagement, "activate"))
    assert "never tested" not in page.content.decode()


def test_activate_activates(admin_page):
    engagement = ready()
    page = admin_page.post(url(engagement, "activate"), follow=True)
    assert state_of(engagement) == State.ACTIVE
    assert "The Engagement is active." in page.content.decode()


def test_what_cannot_be_activated_says_why(admin_page):
    engagement = factories.make_engagement()  # its connection has no key
    page = admin_page.post(url(engagement, "activate"), follow=True)
    assert state_of(engagement) == State.DRAFT
    assert "has no key yet" in page.content.decode()


@pytest.mark.parametrize(
    ("act", "before", "after"),
    [
        ("pause", State.ACTIVE, State.PAUSED),
        ("resume", State.PAUSED, State.ACTIVE),
        ("resume", State.BLOCKED, State.ACTIVE),
        ("end", State.ACTIVE, State.ENDED),
        ("end", State.PAUSED, State.ENDED),
    ],
)
def test_an_act_moves_the_engagement(admin_page, act, before, after):
    engagement = ready(state=before)
    assert admin_page.get(url(engagement, act)).status_code == 200
    assert state_of(engagement) == before

    admin_page.post(url(engagement, act))

    assert state_of(engagement) == after
    history = reverse("admin:engagements_engagement_history", args=[engagement.pk])
    assert "The Engagement" in admin_page.get(history).content.decode()


@pytest.mark.parametrize(
    ("act", "state"),
    [
        ("activate", State.ACTIVE),
        ("pause", State.DRAFT),
        ("resume", State.ENDED),
        ("end", State.DRAFT),
    ],
)
def test_an_act_that_comes_too_late_changes_nothing_and_says_so(admin_page, act, state):
    engagement = ready(state=state)
    page = admin_page.post(url(engagement, act), follow=True)
    assert state_of(engagement) == state
    assert "Nothing was changed" in page.content.decode()


@pytest.mark.parametrize(
    ("act", "permission", "state"),
    [
        ("activate", "activate_engagement", State.DRAFT),
        ("pause", "pause_engagement", State.ACTIVE),
        ("resume", "pause_engagement", State.PAUSED),
        ("end", "pause_engagement", State.ACTIVE),
    ],
)
def test_an_act_needs_its_own_permission(client: Client, act, permission, state):
    engagement = ready(state=state)
    page = reverse("admin:engagements_engagement_change", args=[engagement.pk])
    every = ["activate_engagement", "pause_engagement", "resend_engagement"]
    others = [f"engagements.{name}" for name in every if name != permission]
    view = "engagements.view_engagement"

    client.force_login(factories.make_user(view, *others))
    assert client.post(url(engagement, act)).status_code == 403
    assert url(engagement, act) not in client.get(page).content.decode()
    assert state_of(engagement) == state

    client.force_login(factories.make_user(view, f"engagements.{permission}"))
    assert url(engagement, act) in client.get(page).content.decode()
    assert client.post(url(engagement, act)).status_code == 302
    assert state_of(engagement) != state


def test_an_act_refuses_a_request_without_its_token():
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.make_admin())
    engagement = ready(state=State.ACTIVE)
    assert client.post(url(engagement, "end")).status_code == 403
    assert state_of(engagement) == State.ACTIVE


def test_end_names_those_who_wait(admin_page):
    run = factories.make_run(ready(state=State.ACTIVE))
    factories.make_batch(run, people=2)
    text = admin_page.get(url(run.engagement, "end")).content.decode()
    assert "2 people are still waiting in line" in text


@pytest.mark.parametrize("act", ["end", "cancel"])
def test_who_has_left_and_is_not_taken_in_yet_is_named_too(admin_page, act):
    """As where a run has stopped to ask: nobody is in a batch, and three would be."""
    run = factories.make_run(
        ready(trigger="on_exit", state=State.PAUSED),
        is_standing=True,
        trigger="on_exit",
        state=Run.State.SENDING,
    )
    for person in factories.make_people(3):
        Transition.objects.create(
            segment=run.engagement.segment,
            profile=person,
            kind=Transition.Kind.EXIT,
        )
    of = run.engagement if act == "end" else run
    text = words(admin_page.get(url(of, act)))
    assert "3 people wait to be taken in: nothing will be sent to them." in text
    factories.make_batch(run, people=1)
    text = words(admin_page.get(url(of, act)))
    assert (
        "1 person is still waiting in line, and 3 people wait to be taken in: nothing"
        " will be sent to them." in text
    )


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("on_entry", "People who enter the segment from now on are not sent."),
        ("each_event", "What people do from now on is not taken in."),
        ("on_exit", "People who leave the segment from now on are not sent."),
        ("schedule", "No run begins any more."),
    ],
)
def test_end_says_what_ends(admin_page, trigger, said):
    engagement = ready(trigger=trigger, state=State.ACTIVE)
    assert said in words(admin_page.get(url(engagement, "end")))


def test_a_run_can_be_cancelled(admin_page):
    run = factories.make_run(ready(state=State.ACTIVE), state=Run.State.SENDING)
    batch = factories.make_batch(run, people=2)
    assert "2 people" in admin_page.get(url(run, "cancel")).content.decode()

    admin_page.post(url(run, "cancel"))

    assert state_of(run) == Run.State.CANCELLED
    assert {d.state for d in batch.deliveries.all()} == {Delivery.State.CANCELLED}


def an_uncertain_batch() -> Batch:
    run = factories.make_run(ready(state=State.ACTIVE), state=Run.State.SENDING)
    batch = factories.make_batch(
        run, people=2, state=Batch.State.UNCERTAIN, delivery_state="uncertain"
    )
    factories.make_attempt(batch, outcome="ambiguous", status=None)
    return batch


def test_resend_warns_of_duplicates_and_puts_the_people_back(admin_page):
    batch = an_uncertain_batch()
    text = admin_page.get(url(batch, "resend")).content.decode()
    assert "2 people" in text and "Duplicates are possible" in text
    assert state_of(batch) == Batch.State.UNCERTAIN

    admin_page.post(url(batch, "resend"))

    assert state_of(batch) == Batch.State.PENDING
    assert not batch.deliveries.exists()


def test_mark_as_sent_ends_the_matter(admin_page):
    batch = an_uncertain_batch()
    assert "2 people" in admin_page.get(url(batch, "mark_sent")).content.decode()

    admin_page.post(url(batch, "mark_sent"))

    assert state_of(batch) == Batch.State.DONE
    assert {d.state for d in batch.deliveries.all()} == {Delivery.State.SENT}


def test_nothing_is_resent_after_the_engagement_was_ended(admin_page):
    batch = an_uncertain_batch()
    Engagement.objects.update(state=State.ENDED)

    page = admin_page.post(url(batch, "resend"), follow=True)

    assert state_of(batch) == Batch.State.UNCERTAIN
    assert "Nothing was sent" in page.content.decode()


def test_a_decision_needs_its_permission(client: Client):
    batch = an_uncertain_batch()
    client.force_login(
        factories.make_user("engagements.view_batch", "engagements.pause_engagement")
    )
    for act in ("resend", "mark_sent"):
        assert client.get(url(batch, act)).status_code == 403
        assert client.post(url(batch, act)).status_code == 403
    page = reverse("admin:engagements_batch_change", args=[batch.pk])
    assert "Resend" not in client.get(page).content.decode()
    assert state_of(batch) == Batch.State.UNCERTAIN


def test_somebody_who_is_not_signed_in_is_sent_to_the_door(client: Client):
    engagement = ready()
    answer = client.post(url(engagement, "activate"))
    assert answer.status_code == 302 and "/login/" in answer["Location"]
    assert state_of(engagement) == State.DRAFT


def test_test_cases_that_must_pass_keep_an_engagement_back(client, sandbox):
    connection = factories.make_connection(base_url=sandbox.url)
    encryption.set_key(connection, sandbox.key)
    version = factories.make_version(connection=connection)
    api = version.external_api
    api.must_pass_cases = True
    api.save()
    values = {"User ID": "u-1", "Name of the User": "Ann"}
    case = TestCase.objects.create(external_api=api, name="Ann", values=values)
    engagement = factories.make_engagement(
        factories.make_segment([]), version, values={"Name of the User": "Ann"}
    )
    admin = factories.make_admin()
    client.force_login(admin)
    url = reverse("admin:engagements_engagement_activate", args=[engagement.pk])
    results = f"/admin/externalapi/externalapi/{api.pk}/test/cases/?version=1"

    assert f'href="{results}"' in client.get(url).content.decode()
    refused = client.post(url, follow=True).content.decode()
    assert "Not run on it yet: “Ann”. Run them under Test API" in refused
    assert f'href="{results}"' in refused
    engagement.refresh_from_db()
    assert engagement.state == "draft"

    run_case(case, version, admin)
    client.post(url)
    engagement.refresh_from_db()
    assert engagement.state == "active"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("resend", "Guards are asked again: who is stopped by one of them by now"),
        ("mark_sent", "2 people count as sent from now on"),
    ],
)
def test_who_decides_about_a_lost_answer_reads_what_comes_of_it(admin_page, act, said):
    batch = factories.make_batch(
        people=2, state="uncertain", delivery_state="uncertain"
    )
    page = words(admin_page.get(url(batch, act)))
    assert said in page
    run = batch.run
    assert f"{run.engagement} · run {run.pk} · batch {batch.sequence}" in page
