"""The home page: the way through the three steps, numbers, and what needs somebody."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from engagements.models import Delivery, Engagement
from externalapi.connections import encryption
from lemnisk_braze.dashboard import home, steps
from segments.models import Event
from tests import factories

pytestmark = pytest.mark.django_db
HOME = "/admin/"


def member(group):
    user = factories.make_user()
    user.groups.add(Group.objects.get(name=group))
    return user


def connected():
    connection = factories.make_connection()
    encryption.set_key(connection, "0f9e8d7c-braze")
    return connection


def described():
    return factories.make_version(connection=connected())


def braze_accepted():
    version = described()
    factories.make_test(version)
    return version


def segmented():
    return braze_accepted(), factories.make_segment()


def engaged():
    version, segment = segmented()
    return factories.make_engagement(segment, version)


def asked_for():
    return factories.make_approval(engaged())


def activated():
    engagement = engaged()
    engagement.activated_at = timezone.now()
    engagement.state = Engagement.State.ACTIVE
    engagement.save()


# --- The three steps --------------------------------------------------------------


@pytest.mark.parametrize(
    ("world", "done", "button"),
    [
        (lambda: None, "......", "Add a connection"),
        # A connection without its key is of no use yet.
        (factories.make_connection, "......", "Add a connection"),
        (connected, "x.....", "Add New External API"),
        (described, "xx....", "Open the Test API page"),
        (braze_accepted, "xxx...", "Add a segment"),
        (segmented, "xxxx..", "Add Engagement"),
        (engaged, "xxxxx.", "Activate"),
        (activated, "xxxxxx", ""),
    ],
)
def test_the_next_step_has_the_button(client, world, done, button):
    factories.make_profile()
    world()
    user = factories.make_admin()
    found = steps.journey(user)
    tasks = [task.is_done for step in found for task in step.tasks]
    assert "".join("x" if is_done else "." for is_done in tasks) == done
    following = [step.way.label for step in found if step.is_next]
    assert following == ([button] if button else [])
    client.force_login(user)
    page = client.get(HOME).content.decode()
    assert (f">{button}</a>" in page) or not button


@pytest.mark.parametrize(
    ("world", "done", "following", "label"),
    [
        (lambda: None, "..", 0, "Add a source"),
        # A website that is to send its people may take days: the others go on.
        (factories.make_source, "x.", 1, "How to send people"),
        (lambda: (factories.make_source(), connected()), "x.", 1, "How to send people"),
    ],
)
def test_the_steps_begin_with_where_people_come_from(
    client, world, done, following, label
):
    world()
    user = factories.make_admin()
    found = steps.journey(user)
    assert [step.number for step in found] == [0, 1, 2, 3]
    assert [step.number for step in found if step.is_next] == [following]
    assert found[0].title == "Get people in"
    assert found[0].other.label == "Import a file"
    assert "".join("x" if task.is_done else "." for task in found[0].tasks) == done
    client.force_login(user)
    page = client.get(HOME)
    assert f">{label}</a>" in page.text
    assert client.get(found[0].way.url).status_code == 200


def test_with_the_first_person_the_steps_are_three():
    factories.make_profile()
    assert [step.number for step in steps.journey(factories.make_admin())] == [1, 2, 3]


def test_where_people_come_from_is_for_those_who_may_see_people():
    user = factories.make_user("externalapi.view_externalapi")
    assert [step.number for step in steps.journey(user)] == [1, 2]


def test_a_failed_test_is_no_test():
    factories.make_profile()
    factories.make_test(described(), is_success=False)
    assert not steps.journey(factories.make_admin())[1].is_done


def test_an_engagement_that_has_ended_was_activated():
    factories.make_profile()
    activated()
    Engagement.objects.update(state=Engagement.State.ENDED)
    assert steps.journey(factories.make_admin())[2].is_done


@pytest.mark.parametrize(
    ("group", "world", "expected"),
    [
        ("Marketer", lambda: None, "An Engineer adds the connection"),
        ("Engineer", lambda: None, "Add a connection"),
        ("Analyst", connected, "Somebody in the group Marketer or Engineer"),
        ("Approver", described, "Somebody in the group Marketer or Engineer"),
        ("Engineer", braze_accepted, "Somebody in the group Marketer builds it"),
        ("Marketer", engaged, "Ask for approval"),
        ("Approver", engaged, "Activate"),
        ("Marketer", asked_for, "It waits for approval: somebody in the group"),
        ("Approver", asked_for, "What is asked, and the answer"),
    ],
)
def test_a_step_says_whose_turn_it_is(group, world, expected):
    factories.make_profile()
    world()
    following = next(s for s in steps.journey(member(group)) if s.is_next)
    assert (following.way.label or following.way.note).startswith(expected)


@pytest.mark.parametrize(
    ("group", "make", "expected"),
    [
        ("Engineer", lambda: None, "Add a source"),
        ("Marketer", lambda: None, "Somebody in the group Engineer adds a source"),
        ("Engineer", factories.make_source, "How to send people"),
        ("Marketer", factories.make_source, "They arrive as soon as your website"),
    ],
)
def test_step_0_says_whose_turn_it_is(group, make, expected):
    make()
    way = steps.journey(member(group))[0].way
    assert (way.label or way.note).startswith(expected)


def test_every_button_opens_a_page(client):
    client.force_login(factories.make_admin())
    for world in (
        lambda: None,
        connected,
        described,
        braze_accepted,
        segmented,
        engaged,
    ):
        world()
        ways = [step.way.url for step in steps.journey(factories.make_admin())]
        assert {client.get(url).status_code for url in ways if url} == {200}


# --- Numbers ----------------------------------------------------------------------


def numbers(client, user):
    client.force_login(user)
    shown = client.get(HOME).context["numbers"]
    return {number.label: number.value for number in shown}


def make_world():
    ann, ben = factories.make_people(2)
    factories.make_event(ann)
    Event.objects.filter(pk=factories.make_event(ben).pk).update(
        received_at=timezone.now() - timedelta(hours=25)
    )
    run = factories.make_run(factories.make_engagement(state="active"))
    for state in ("sent", "sent", "accepted_unverified", "rejected", "uncertain"):
        factories.make_delivery(ann, run, state=state, transition_id=run.pk)
        run = factories.make_run(run.engagement)
    old = factories.make_delivery(ben, run, state=Delivery.State.SENT)
    Delivery.objects.filter(pk=old.pk).update(
        updated_at=timezone.now() - timedelta(hours=25)
    )


def test_numbers_count_the_last_day(client):
    make_world()
    assert numbers(client, factories.make_admin()) == {
        "People": 2,
        "Events": 1,
        "Engagements": 1,
        "Sent": 3,
        "Rejected": 1,
        "Uncertain": 1,
    }


def test_every_number_opens_its_rows(client):
    make_world()
    client.force_login(factories.make_admin())
    for number in client.get(HOME).context["numbers"]:
        assert client.get(number.url).status_code == 200, number.label


@pytest.mark.parametrize(
    ("permission", "labels"),
    [
        ("segments.view_profile", {"People"}),
        ("segments.view_event", {"Events"}),
        ("engagements.view_engagement", {"Engagements"}),
        (
            "engagements.view_delivery",
            {"Sent", "Rejected", "Uncertain"},
        ),
    ],
)
def test_a_number_is_for_those_who_may_see_its_rows(client, permission, labels):
    make_world()
    assert numbers(client, factories.make_user(permission)).keys() == labels


def test_a_big_table_is_not_counted_to_its_end(client, monkeypatch):
    monkeypatch.setattr(home, "MOST_READ", 2)
    ann = factories.make_profile()
    factories.make_people(4)
    for _ in range(3):
        factories.make_event(ann)
        factories.make_delivery(ann, state=Delivery.State.SENT)
    client.force_login(factories.make_admin())
    page = client.get(HOME)
    shown = {n.label: n for n in page.context["numbers"]}
    assert shown["People"].is_estimate
    assert shown["Events"].is_capped
    assert shown["Sent"].is_capped
    assert "2+" in page.content.decode()


def test_the_page_needs_few_queries(client, django_assert_max_num_queries):
    make_world()
    client.force_login(factories.make_admin())
    with django_assert_max_num_queries(24):
        client.get(HOME)


# --- What needs attention -----------------------------------------------------------


def troubles(client, user):
    client.force_login(user)
    answer = client.get(HOME)
    return answer.context["troubles"], answer.content.decode()


def test_an_engagement_that_an_error_stopped_says_why(client):
    factories.make_engagement(
        name="Leads", state="blocked", blocked_reason="Braze says: Invalid API key."
    )
    factories.make_engagement(state="active")
    found, page = troubles(client, factories.make_admin())
    assert [trouble.engagement.name for trouble in found] == ["Leads"]
    assert "Braze says: Invalid API key." in page


def test_uncertain_deliveries_lead_to_the_people(client):
    run = factories.make_run()
    factories.make_batch(run, people=2, delivery_state="uncertain", state="uncertain")
    factories.make_batch(run, people=1, delivery_state="sent", state="done")
    found, page = troubles(client, factories.make_admin())
    assert [(t.engagement, t.uncertain) for t in found] == [(run.engagement, 2)]
    rows = len(client.get(found[0].url).context["cl"].result_list)
    assert rows == 2


def test_where_nothing_is_wrong_nothing_is_said(client):
    factories.make_engagement(state="active")
    found, page = troubles(client, factories.make_admin())
    assert found == []
    assert "Needs attention" not in page


def test_trouble_is_for_those_who_may_see_engagements(client):
    factories.make_engagement(name="Leads", state="blocked", blocked_reason="No.")
    found, page = troubles(client, factories.make_user("segments.view_profile"))
    assert found == []
    assert "Leads" not in page


def test_the_latest_engagements_are_listed_for_those_who_may_see_them(client):
    names = [factories.make_engagement().name for _ in range(home.LATEST_SHOWN + 1)]
    client.force_login(factories.make_user("engagements.view_engagement"))
    shown = [row.engagement.name for row in client.get(HOME).context["engagements"]]
    assert shown == names[:0:-1]
    client.force_login(factories.make_user("segments.view_profile"))
    assert client.get(HOME).context["engagements"] == []


def test_names_with_markup_are_shown_as_text(client):
    factories.make_engagement(
        name="<script>alert(1)</script>",
        segment=factories.make_segment(name="<b>bold</b>"),
        state="blocked",
        blocked_reason="<img src=x onerror=alert(1)>",
    )
    _, page = troubles(client, factories.make_admin())
    for markup in ("<script>alert", "<b>bold", "<img src=x"):
        assert markup not in page
    assert "&lt;script&gt;alert(1)" in page


def test_somebody_in_no_group_is_told_what_to_do(client):
    client.force_login(factories.make_user())
    assert "Ask an administrator" in client.get(HOME).content.decode()
