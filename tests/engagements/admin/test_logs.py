"""Runs, batches, deliveries and attempts are read; a person is found in two clicks."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from engagements.models import Attempt, Delivery, Run
from segments.models import Profile
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

LOGS = ("run", "batch", "delivery", "attempt")


def page(model: str, obj=None) -> str:
    if obj is None:
        return reverse(f"admin:engagements_{model}_changelist")
    return reverse(f"admin:engagements_{model}_change", args=[obj.pk])


def a_delivery(**fields) -> Delivery:
    ann = factories.make_profile(external_id="ann", first_name="Ann")
    run = factories.make_run(factories.make_engagement(name="Welcome"))
    return factories.make_delivery(ann, run, **fields)


@pytest.mark.parametrize("model", LOGS)
def test_a_log_can_be_read_and_not_changed(admin_page, model):
    delivery = a_delivery()
    attempt = factories.make_attempt(delivery.batch)
    rows = {
        "run": delivery.run,
        "batch": delivery.batch,
        "delivery": delivery,
        "attempt": attempt,
    }
    assert admin_page.get(page(model)).status_code == 200
    assert admin_page.get(page(model, rows[model])).status_code == 200
    assert admin_page.get(reverse(f"admin:engagements_{model}_add")).status_code == 403
    delete = reverse(f"admin:engagements_{model}_delete", args=[rows[model].pk])
    assert admin_page.post(delete, {"post": "yes"}).status_code == 403
    rows[model].refresh_from_db()


@pytest.mark.parametrize("model", LOGS)
def test_a_log_needs_permission(client: Client, model):
    delivery = a_delivery()
    rows = {
        "run": delivery.run,
        "batch": delivery.batch,
        "delivery": delivery,
        "attempt": factories.make_attempt(delivery.batch),
    }
    client.force_login(factories.make_user("engagements.view_engagement"))
    assert client.get(page(model)).status_code == 403
    assert client.get(page(model, rows[model])).status_code == 403


@pytest.mark.parametrize("model", LOGS)
def test_a_row_that_is_not_there_leads_back(admin_page, model):
    answer = admin_page.get(reverse(f"admin:engagements_{model}_change", args=["77"]))
    assert answer.status_code == 302


def test_a_delivery_says_what_was_sent_and_what_came_back(admin_page):
    delivery = a_delivery(state=Delivery.State.SENT)
    factories.make_attempt(
        delivery.batch, message="Taken.", response_head='{"message":"success"}'
    )

    text = admin_page.get(page("delivery", delivery)).content.decode()

    assert "The other side took it" in text
    assert "<strong>201</strong>" in text and "Taken." in text
    assert "{&quot;message&quot;:&quot;success&quot;}" in text
    assert "&quot;first_name&quot;: &quot;Ann&quot;" in text
    assert "Payloads are not kept." in text


def test_an_ambiguous_attempt_is_marked(admin_page):
    delivery = a_delivery(state=Delivery.State.UNCERTAIN)
    factories.make_attempt(
        delivery.batch, outcome=Attempt.Outcome.AMBIGUOUS, status=None
    )
    text = admin_page.get(page("delivery", delivery)).content.decode()
    assert "It may have arrived" in text


def test_an_answer_with_markup_is_shown_as_text(admin_page):
    delivery = a_delivery(state=Delivery.State.SENT)
    evil = "<img src=x onerror=alert(1)>"
    factories.make_attempt(delivery.batch, message=evil, response_head=evil)
    text = admin_page.get(page("delivery", delivery)).content.decode()
    assert evil not in text and "&lt;img src=x" in text


def test_a_skipped_person_is_explained_in_words(admin_page):
    delivery = a_delivery(
        state=Delivery.State.SKIPPED,
        reason="missing_parameter: “Product ID” has no value",
    )
    text = admin_page.get(page("delivery", delivery)).content.decode()
    assert "“Product ID” has no value" in text
    assert "missing_parameter" not in text


def test_the_payload_is_for_those_who_may_see_people(client: Client):
    delivery = a_delivery()
    client.force_login(factories.make_user("engagements.view_delivery"))
    text = client.get(page("delivery", delivery)).content.decode()
    assert "You may not see people’s data." in text
    assert "&quot;Ann&quot;" not in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ann"}, 1),
        ({"q": "ann@example.com"}, 1),
        ({"q": "an"}, 0),
        ({"state__exact": "sent"}, 1),
        ({"state__exact": "dead"}, 0),
        ({}, 2),
    ],
)
def test_deliveries_are_found_by_person_and_state(admin_page, query, found):
    ann = factories.make_profile(external_id="ann", email="ann@example.com")
    factories.make_delivery(ann, state="sent")
    factories.make_delivery(state="rejected")

    rows = admin_page.get(page("delivery"), query).context["cl"].result_list

    assert len(rows) == found


def test_a_list_of_deliveries_takes_few_queries(
    admin_page, django_assert_max_num_queries
):
    batch = factories.make_batch(people=30)
    run = batch.run_id
    with django_assert_max_num_queries(12):
        admin_page.get(page("delivery"), {"run__id__exact": run})


def test_from_the_person_s_page_it_is_one_click_to_what_was_sent(admin_page):
    delivery = a_delivery(state=Delivery.State.SENT)
    factories.make_attempt(delivery.batch, message="Taken.")

    person = words(admin_page.get(delivery.profile.get_absolute_url()))

    assert page("delivery", delivery) in person and "201 Taken." in person
    answer = words(admin_page.get(page("delivery", delivery)))
    assert "Taken." in answer and "&quot;first_name&quot;: &quot;Ann&quot;" in answer


def test_the_segment_s_own_page_leads_to_engagement_creation(admin_page):
    segment = factories.make_segment()
    text = admin_page.get(segment.get_absolute_url()).content.decode()
    assert f"{reverse('admin:engagements_engagement_add')}?segment={segment.pk}" in text


def test_the_person_page_shows_deliveries_with_their_answers(admin_page):
    delivery = a_delivery(state=Delivery.State.SENT)
    factories.make_attempt(delivery.batch, status=201, message="Taken.")
    text = admin_page.get(delivery.profile.get_absolute_url()).content.decode()
    assert "Welcome" in text and "201 Taken." in text
    assert page("delivery", delivery) in text


def test_what_was_sent_to_a_part_of_somebody_is_told_of_them(admin_page):
    delivery = a_delivery(state=Delivery.State.SENT)
    known = factories.make_profile()
    Profile.objects.filter(pk=delivery.profile_id).update(merged_into=known)
    text = admin_page.get(f"{known.get_absolute_url()}?show=deliveries").text
    assert page("delivery", delivery) in text


def test_the_person_page_tells_what_they_wait_for(admin_page):
    batch = factories.make_batch()
    person = Profile.objects.get(pk=batch.profile_ids[0])
    text = admin_page.get(person.get_absolute_url()).content.decode()
    assert "Waiting to be sent" in text
    assert page("batch", batch) in text


def test_the_segment_page_offers_add_engagement(rf):
    engagement = factories.make_engagement(name="Welcome", state="active")
    factories.make_batch(
        factories.make_run(engagement), people=2, delivery_state="sent"
    )

    text = render("segment_channels", engagement.segment, rf, factories.make_admin())

    assert f"add/?segment={engagement.segment_id}" in text
    assert "Add Engagement" in text and "Welcome" in text
    assert ">2</td>" in text


def test_the_segment_page_shows_no_button_to_those_who_may_not_add(rf):
    user = factories.make_user("engagements.view_engagement")
    text = render("segment_channels", factories.make_segment(), rf, user)
    assert "Add Engagement" not in text
    assert "No Engagement yet." in text


def test_a_panel_is_empty_for_those_who_may_see_nothing(rf):
    segment = a_delivery().run.engagement.segment
    assert render("segment_channels", segment, rf, factories.make_user()).strip() == ""


def test_a_person_s_page_tells_nobody_more_than_they_may_see(client):
    delivery = a_delivery(state=Delivery.State.SENT)
    factories.make_event(delivery.profile, "Signed up")
    client.force_login(
        factories.make_user("segments.view_profile", "segments.view_personal_data")
    )
    text = client.get(delivery.profile.get_absolute_url()).text
    for hidden in ("Welcome", "Signed up", "What was sent", "Search Users"):
        assert hidden not in text


def render(name: str, original, rf, user) -> str:
    """A panel as the page of another app includes it."""
    from django.contrib.auth.context_processors import auth

    request = rf.get("/")
    request.user = user
    template = Template("{% include template %}")
    context = {"template": f"engagements/{name}.html", "original": original}
    text = template.render(Context({**context, "request": request, **auth(request)}))
    return " ".join(text.split())


def test_the_report_of_an_engagement_is_drawn_again_for_a_page_that_follows(admin_page):
    run = factories.make_run(factories.make_engagement(state="active"), state="sending")
    factories.make_batch(run, people=3, delivery_state="sent")
    url = reverse("admin:engagements_engagement_report", args=[run.engagement_id])

    text = words(admin_page.get(url))

    assert 'data-open="1"' in text and "3 of 3 deliveries done" in text
    assert "<html" not in text


def test_a_run_that_collects_people_has_done_none_of_none(admin_page):
    run = factories.make_run(factories.make_engagement(state="active"))
    address = run.engagement.get_absolute_url()
    text = words(admin_page.get(address))
    assert "A run is collecting people: they appear here" in text
    assert "Nobody has qualified" not in text and "0 of 0" not in text
    text = words(admin_page.get(run.get_absolute_url()))
    assert "Nobody is in this run yet." in text and "went out" not in text


def test_the_report_needs_permission(client: Client):
    run = factories.make_run()
    client.force_login(factories.make_user("engagements.view_run"))
    url = reverse("admin:engagements_engagement_report", args=[run.engagement_id])
    assert client.get(url).status_code == 403


# --- Names and states of runs --------------------------------------------------------


def runs_of_one_second() -> tuple[Run, Run, Run]:
    """A standing run, another of the same engagement and moment, and its retry."""
    engagement = factories.make_engagement(name="Welcome", state="active")
    now = timezone.now()
    standing = factories.make_run(
        engagement, state="sending", is_standing=True, scheduled_for=now
    )
    other = factories.make_run(engagement, state="sending", scheduled_for=now)
    retry = factories.make_run(
        engagement,
        state="completed",
        retry_of=other,
        scheduled_for=now + timedelta(microseconds=1),
    )
    return standing, other, retry


def names_of(answer: Any, runs: Iterable[Run]) -> list[list[str]]:
    """What the page calls each of these runs, link by link."""
    found = []
    for run in runs:
        link = rf'<a[^>]*href="{page("run", run)}[^"]*"[^>]*>(.*?)</a>'
        found.append([strip_tags(name) for name in re.findall(link, answer.text, re.S)])
    return found


def test_two_runs_of_an_engagement_are_told_apart_by_name(admin_page):
    runs = runs_of_one_second()
    addresses = [page("run"), runs[0].engagement.get_absolute_url()]
    for address in addresses:
        named = names_of(admin_page.get(address), runs)
        assert all(named), (address, named)
        assert len({name for names in named for name in names}) == len(runs), named
    titles = {admin_page.get(page("run", run)).context["title"] for run in runs}
    assert len(titles) == len(runs)
    filtered = re.findall(
        r'run__id__exact=\d+"[^>]*>(.*?)</a>|<option value="\d+"[^>]*>(Welcome.*?)</option>',
        admin_page.get(page("delivery")).text,
        re.S,
    )
    assert len({"".join(one).strip() for one in filtered}) == len(runs)


def test_pages_around_a_run_call_it_by_its_number(admin_page):
    _, other, retry = runs_of_one_second()
    ann = factories.make_profile(first_name="Ann")
    delivery = factories.make_delivery(ann, other, state="rejected")
    Delivery.objects.filter(pk=delivery.pk).update(retry=retry)
    for address, run in (
        (page("delivery", delivery), other),
        (page("delivery", delivery), retry),
        (page("batch", delivery.batch), other),
        (page("run", retry), other),
    ):
        [names] = names_of(admin_page.get(address), [run])
        assert names and all(f"run {run.pk} of" in name for name in names), address


@pytest.mark.parametrize("is_standing", [True, False])
@pytest.mark.parametrize(
    ("state", "asks"),
    [
        *((state, False) for state in Run.State.values),
        *((state, True) for state in (*Run.OPEN, Run.State.CANCELLED)),
    ],
)
def test_a_run_s_state_is_one_word_everywhere(admin_page, state, is_standing, asks):
    run = factories.make_run(
        state=state, is_standing=is_standing, waits_at_ceiling=asks
    )
    word = run.state_in_words
    assert (word == "Stopped to ask") == (asks and state in Run.OPEN)
    rows = admin_page.get(page("run")).context["cl"]
    assert [one.state_in_words for one in rows.result_list] == [word]
    assert ("It has stopped to ask" in admin_page.get(page("run", run)).text) == (
        word == "Stopped to ask"
    )
    for address in (page("run", run), run.engagement.get_absolute_url()):
        assert re.search(rf">\s*{word}\s*<", admin_page.get(address).text), address
    # The word that is offered finds it, and no other does.
    [offered] = [spec for spec in rows.filter_specs if spec.title == "state"]
    finds = {
        label
        for value, label in offered.lookup_choices
        if admin_page.get(page("run"), {"state": value}).context["cl"].result_list
    }
    assert finds == {word}


def test_the_values_of_a_run_have_the_labels_of_the_form(admin_page):
    version = factories.make_version(
        body={"id": "{{User ID}}", "name": "{{first_nm}}", "plan": "{{Plan}}"},
        parameters=[
            factories.parameter("User ID", level="identifier"),
            {**factories.parameter("first_nm"), "label": "First name"},
            factories.parameter("Plan"),
        ],
    )
    engagement = factories.make_engagement(version=version)
    run = factories.make_run(
        engagement, values={"gone": "x", "Plan": "gold", "first_nm": "Ann"}
    )
    answer = admin_page.get(page("run", run))
    assert re.findall(r"<dt>(.*?)</dt>", answer.text) == ["First name", "Plan", "gone"]


def test_a_list_of_deliveries_says_what_it_is_filtered_by(admin_page):
    delivery = a_delivery(state="skipped", reason="quiet_hours: It is 23:12.")
    assert "Filtered by" not in words(admin_page.get(page("delivery")))
    filters = {
        "state__exact": "skipped",
        "why": "23:12",
        "run__engagement__id__exact": delivery.run.engagement_id,
        "reason__startswith": "quiet_hours",
    }
    said = words(admin_page.get(page("delivery"), filters))
    assert (
        "Filtered by state: Skipped; words of the reason: 23:12; engagement: Welcome;"
        " reason for skipping: Quiet hours."
    ) in said
    assert "ann" in said
    assert "Changed since (UTC)" in said


def test_lists_of_batches_and_attempts_say_what_they_are_filtered_by(admin_page):
    run = factories.make_run(factories.make_engagement(name="Welcome"))
    for whose, filters, said in (
        ("batch", {"waiting": "again"}, "waiting people: To try again"),
        ("attempt", {"noted": "yes"}, "notes: With a note"),
    ):
        batch = factories.make_batch(run, state="retry")
        factories.make_attempt(batch, note="Odd.")
        factories.make_attempt(factories.make_batch(state="retry"), note="Odd.")
        prefix = "batch__" if whose == "attempt" else ""
        filters |= {f"{prefix}run__engagement__id__exact": run.engagement_id}
        page_words = words(admin_page.get(page(whose), filters))
        assert f"Filtered by {said}; engagement: Welcome." in page_words
        opened = admin_page.get(page(whose), {f"{prefix}run__id__exact": run.pk})
        assert f"Filtered by run: {run}." in words(opened)
        assert len(opened.context["cl"].result_list) == run.batches.count()


def test_a_batch_that_ended_has_no_next_attempt(admin_page):
    # Later than the days that the runs are called by.
    later = timezone.now() + timedelta(days=3)
    factories.make_batch(state="done", next_attempt_at=later)
    waits = factories.make_batch(state="retry", next_attempt_at=later)
    said = words(admin_page.get(page("batch")))
    when = timezone.localtime(waits.next_attempt_at)
    assert said.count(f"{when:%-d %b %Y}") == 1


def test_filters_that_cannot_be_read_are_not_left_out_in_silence(admin_page):
    a_delivery()
    said = words(admin_page.get(page("delivery"), {"since": "nonsense"}, follow=True))
    assert "The filters in the address cannot be read: all rows are shown." in said
    again = words(admin_page.get(page("delivery")))
    assert "cannot be read" not in again
