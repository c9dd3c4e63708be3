"""From a segment's page to a saved draft, with nothing that was typed lost."""

import pytest
from django.test import Client
from django.urls import reverse

from engagements.authoring.forms import EngagementForm
from engagements.models import Engagement
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

ADD = reverse("admin:engagements_engagement_add")


def field(version, name: str) -> str:
    form = EngagementForm(initial={"version": version.pk})
    return next(
        i.field.html_name for i in form.parameter_inputs if i.parameter.name == name
    )


def posted(version, segment, text, **fields) -> dict[str, object]:
    return {
        "name": "Lead form",
        "segment": segment.pk,
        "version": version.pk,
        "trigger": "on_entry",
        "repeat": "once",
        "time_zone": "UTC",
        "ambiguous_policy": "park",
        field(version, "Name of the User"): text,
        **fields,
    }


def page_of(engagement: Engagement) -> str:
    return reverse("admin:engagements_engagement_change", args=[engagement.pk])


def test_it_opens_with_the_segment_and_the_only_external_api_chosen(admin_page):
    segment = factories.make_segment(name="Leads")
    version = factories.make_version()

    form = admin_page.get(ADD, {"segment": segment.pk}).context["form"]

    assert form.chosen_segment == segment
    assert form.chosen_version == version
    assert form["ambiguous_policy"].value() == "resend"


def test_it_opens_from_an_external_api(admin_page):
    factories.make_version()
    wanted = factories.make_version()

    page = admin_page.get(ADD, {"external_api": wanted.external_api_id})

    assert page.context["form"].chosen_version == wanted


@pytest.mark.parametrize("query", ["segment=x", "segment=999", "external_api=%00"])
def test_it_opens_whatever_the_address_says(admin_page, query):
    assert admin_page.get(f"{ADD}?{query}").status_code == 200


def test_save_makes_a_draft_and_sends_nothing(admin_page):
    version, segment = factories.make_version(), factories.make_segment(people=1)

    page = admin_page.post(ADD, posted(version, segment, "{{ profile.first_name }}"))

    engagement = Engagement.objects.get()
    assert page.status_code == 302 and page.url == page_of(engagement)
    assert engagement.state == Engagement.State.DRAFT
    assert engagement.values == {"Name of the User": "{{ profile.first_name }}"}
    assert engagement.created_by is not None
    assert not engagement.runs.exists()


def test_an_error_stands_at_its_field_with_what_was_typed(admin_page):
    version, segment = factories.make_version(), factories.make_segment(people=1)
    typed = posted(version, segment, "{{ profile.frist_name }}", description="Keep me")

    page = admin_page.post(ADD, typed)

    text = page.content.decode()
    assert "Did you mean “first_name”?" in text
    assert "{{ profile.frist_name }}</textarea>" in text
    assert "Keep me" in text
    assert not Engagement.objects.exists()


def test_a_value_as_long_as_a_mail_is_saved_and_a_longer_one_told_at_its_field(
    admin_page,
):
    version, segment = factories.make_version(), factories.make_segment(people=1)
    mail = "<p>नमस्ते {{ profile.first_name }}</p>\n" * 900
    page = admin_page.post(ADD, posted(version, segment, mail * 2))
    assert "This is longer than 64 KB." in words(page)
    assert not Engagement.objects.exists()
    assert 'maxlength="4096"' not in page.text
    assert admin_page.post(ADD, posted(version, segment, mail)).status_code == 302
    assert Engagement.objects.get().values == {"Name of the User": mail.strip()}


def test_choosing_another_external_api_shows_its_parameters_and_no_errors(admin_page):
    first, segment = factories.make_version(), factories.make_segment()
    second = factories.make_version(
        {"events": [{"product": "{{Product ID}}"}]}, [factories.parameter("Product ID")]
    )
    typed = posted(first, segment, "Ann", name="", description="Keep me")

    page = admin_page.post(
        ADD, {**typed, "version": second.pk, "_configure": "version"}
    )

    text = page.content.decode()
    assert "Product ID" in text and "Keep me" in text
    # The other External API's value waits in a hidden field.
    assert 'value="Ann"' in text
    assert "This field is required" not in text
    assert page.context["form"]["ambiguous_policy"].value() == "park"
    assert not Engagement.objects.exists()


def test_choosing_a_segment_keeps_the_policy_that_was_chosen(admin_page):
    version, segment = factories.make_version(), factories.make_segment()
    typed = posted(version, segment, "Ann", ambiguous_policy="park")

    page = admin_page.post(ADD, {**typed, "_configure": "segment"})

    assert page.context["form"]["ambiguous_policy"].value() == "park"


def test_the_picker_lists_what_people_and_their_events_have(admin_page):
    ann = factories.make_profile(first_name="Ann", **{"home town": "Pune"})
    segment = factories.make_segment()
    factories.enter(segment, ann, factories.make_event(ann, product="SKU-1"))
    factories.make_profile(secret_of_others="x")

    text = admin_page.get(ADD, {"segment": segment.pk}).content.decode()

    assert 'data-insert="{{ profile.first_name }}"' in text
    assert "{{ profile[&quot;home town&quot;] }}" in text
    assert 'data-insert="{{ event.properties.product }}"' in text
    assert "secret_of_others" not in text


def test_names_and_data_with_markup_are_shown_as_text(admin_page):
    evil = "<script>alert(1)</script>"
    ann = factories.make_profile(external_id=evil, first_name=evil, **{evil: evil})
    segment = factories.make_segment([ann], name=evil)
    version = factories.make_version(
        {"attributes": [{"x": "{{<script>alert(1)</script>}}"}]},
        [factories.parameter(evil)],
    )
    engagement = factories.make_engagement(
        segment, version, {evil: "{{ profile.first_name }}"}, name=evil
    )

    text = admin_page.get(page_of(engagement)).content.decode()

    assert evil not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_preview_shows_what_stands_in_the_form_not_what_is_saved(admin_page):
    ann = factories.make_profile(external_id="ann", first_name="Ann")
    segment = factories.make_segment([ann])
    engagement = factories.make_engagement(segment)
    typed = posted(engagement.version, segment, "Dear {{ profile.first_name }}")

    page = admin_page.post(
        reverse("admin:engagements_engagement_preview"),
        {**typed, "engagement": engagement.pk},
    )

    assert "&quot;first_name&quot;: &quot;Dear Ann&quot;" in page.content.decode()


def test_the_preview_names_a_parameter_by_its_label(admin_page):
    named = factories.parameter("Name of the User") | {"label": "First name"}
    version = factories.make_version('{"a": "{{Name of the User}}"}', [named])
    typed = posted(version, factories.make_segment(1), "")

    page = admin_page.post(reverse("admin:engagements_engagement_preview"), typed)

    text = page.content.decode()
    assert "<strong>First name:</strong> Not filled in yet." in text


def test_the_preview_is_of_the_newest_member_unless_somebody_is_named(admin_page):
    people = [factories.make_profile(external_id=name) for name in ("ann", "bea")]
    segment, version = factories.make_segment(people), factories.make_version()
    typed = posted(version, segment, "x")
    url = reverse("admin:engagements_engagement_preview")

    newest = admin_page.post(url, typed).context["panel"].person
    named = admin_page.post(url, {**typed, "preview_person": "ann"})
    stranger = admin_page.post(url, {**typed, "preview_person": "zoe"})

    assert newest == people[1]
    assert named.context["panel"].person == people[0]
    assert "Nobody in" in stranger.content.decode()


def test_people_s_data_is_previewed_only_to_those_who_may_see_people(client: Client):
    ann = factories.make_profile(external_id="ann", first_name="Ann")
    segment, version = factories.make_segment([ann]), factories.make_version()
    client.force_login(factories.make_user("engagements.add_engagement"))

    text = client.post(
        reverse("admin:engagements_engagement_preview"),
        posted(version, segment, "{{ profile.first_name }}"),
    ).content.decode()

    assert "Ann" not in text
    assert "You may not see people’s data." in text


def test_the_picker_gives_examples_only_to_those_who_may_see_people(client: Client):
    segment = factories.make_segment([factories.make_profile(city="Bengaluru")])
    add = "engagements.add_engagement"
    see = ("segments.view_profile", "segments.view_personal_data")

    client.force_login(factories.make_user(add))
    without = client.get(ADD, {"segment": segment.pk}).content.decode()
    client.force_login(factories.make_user(add, *see))
    with_people = client.get(ADD, {"segment": segment.pk}).content.decode()

    assert "profile.city" in without and "Bengaluru" not in without
    assert "Bengaluru" in with_people


def test_an_active_engagement_says_that_it_is_read_only(admin_page):
    engagement = factories.make_engagement(state="active")
    page = admin_page.get(page_of(engagement))
    assert "Pause it to change them" in page.content.decode()
    assert page.context["form"].fields["segment"].disabled


def test_a_blocked_engagement_says_why_and_what_to_do(admin_page):
    engagement = factories.make_engagement(
        state="blocked", blocked_reason="Braze answered 401."
    )
    text = admin_page.get(page_of(engagement)).content.decode()
    assert "Braze answered 401." in text
    assert "press Resume" in text


def test_a_draft_can_be_deleted_and_what_has_run_cannot(admin_page):
    draft, run = factories.make_engagement(), factories.make_run()

    def delete(engagement):
        url = reverse("admin:engagements_engagement_delete", args=[engagement.pk])
        return admin_page.post(url, {"post": "yes"})

    assert delete(draft).status_code == 302
    assert delete(run.engagement).status_code == 403
    assert list(Engagement.objects.all()) == [run.engagement]


def test_the_list_shows_each_engagement_with_people_sent(admin_page):
    run = factories.make_run(factories.make_engagement(name="Welcome"))
    factories.make_batch(run, people=3, delivery_state="sent")

    text = admin_page.get(reverse("admin:engagements_engagement_changelist")).content

    assert b"Welcome" in text and b">3<" in text


def test_who_may_not_change_it_sees_that_and_previews_what_is_saved(client: Client):
    engagement = factories.make_engagement(
        factories.make_segment([factories.make_profile(first_name="Ann")]),
        values={"Name of the User": "{{ profile.first_name }}"},
    )
    approver = ("engagements.view_engagement", "engagements.activate_engagement")
    see = ("segments.view_profile", "segments.view_personal_data")
    client.force_login(factories.make_user(*approver, *see))

    page = client.get(page_of(engagement))

    fields = page.context["form"].fields
    assert fields and all(field.disabled for field in fields.values())
    text = page.content.decode()
    assert "data-pick=" not in text and "This Engagement is active" not in text
    # A browser sends nothing of fields that are disabled.
    preview = client.post(
        reverse("admin:engagements_engagement_preview"), {"engagement": engagement.pk}
    )
    assert "&quot;Ann&quot;" in preview.content.decode()


def test_saving_needs_permission(client: Client):
    engagement = factories.make_engagement(name="Before")
    client.force_login(factories.make_user("engagements.view_engagement"))
    data = posted(engagement.version, engagement.segment, "x", name="After")

    assert client.get(page_of(engagement)).status_code == 200
    assert client.post(page_of(engagement), data).status_code == 403
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, data).status_code == 403
    engagement.refresh_from_db()
    assert engagement.name == "Before"
