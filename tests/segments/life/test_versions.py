"""Every rule that a segment had: who gave it, what changed, and one of them back."""

import json

import pytest
from django.test import Client, TestCase
from django.urls import reverse

from segments.membership import refresh, rule_changes
from segments.models import Proposal, Segment
from tests import factories
from tests.pages import words

pytestmark = pytest.mark.django_db

PUNE = {"attribute": "city", "is": "equals", "value": "Pune"}
DELHI = {"attribute": "city", "is": "equals", "value": "Delhi"}


def save(client, segment, rule, **fields):
    data = {"name": segment.name, "rule": json.dumps(rule), "is_active": "on"}
    return client.post(segment.get_absolute_url(), {**data, **fields})


def rules(segment):
    found = segment.versions.order_by("number")
    return [(v.number, v.rule, v.made_by and v.made_by.username) for v in found]


def restore(client, segment, number, **data):
    address = reverse("admin:segments_segment_restore", args=[segment.pk])
    with TestCase.captureOnCommitCallbacks(execute=True):
        return client.post(f"{address}?version={number}", data)


@pytest.fixture
def mara(client):
    user = factories.make_admin()
    user.username = "mara"
    user.save()
    client.force_login(user)
    return client


def test_each_change_of_the_rule_is_a_version_with_who_and_when(mara):
    form = {"name": "Locals", "rule": json.dumps(PUNE), "is_active": "on"}
    mara.post(reverse("admin:segments_segment_add"), form)
    segment = Segment.objects.get()
    save(mara, segment, DELHI)
    save(mara, segment, DELHI, name="Renamed", description="Not a rule")
    assert rules(segment) == [(1, PUNE, "mara"), (2, DELHI, "mara")]

    address = reverse("admin:segments_segment_versions", args=[segment.pk])
    page = words(mara.get(address))
    assert "by mara" in page
    assert "1 changed" in page
    assert "<del>City equals Pune</del> <ins>City equals Delhi</ins>" in page


def test_what_a_program_made_is_the_first_version_of_what_is_changed(mara):
    segment = factories.make_segment(rule=PUNE)
    address = reverse("admin:segments_segment_versions", args=[segment.pk])
    assert "A program made it" in words(mara.get(address))
    save(mara, segment, DELHI)
    assert rules(segment) == [(1, PUNE, None), (2, DELHI, "mara")]


def test_a_proposal_that_is_accepted_is_a_version_of_who_accepted(mara):
    segment = factories.make_segment(rule=PUNE)
    by = factories.make_user(username="paul")
    proposal = rule_changes.propose(segment, DELHI, True, by)
    seen = rule_changes.fingerprint(segment)
    mara.post(proposal.get_absolute_url(), {"_accept": "1", "_seen": seen})
    assert rules(segment)[-1] == (2, DELHI, "mara")
    assert "paul" in segment.versions.get(number=2).note


def test_an_old_version_comes_back_as_the_newest(mara):
    for city in ("Pune", "Pune", "Delhi"):
        factories.make_profile(city=city)
    segment = factories.make_segment(rule=PUNE)
    save(mara, segment, DELHI)
    assert (
        "What changes"
        in mara.get(
            reverse("admin:segments_segment_restore", args=[segment.pk]) + "?version=1"
        ).text
    )
    assert restore(mara, segment, 1).status_code == 302
    segment.refresh_from_db()
    assert (segment.rule, segment.size) == (PUNE, 2)
    assert rules(segment)[2] == (3, PUNE, "mara")
    assert segment.versions.get(number=3).note == "Version 1 restored."


def test_a_restore_asks_like_a_change(mara):
    for city in ("Pune", "Delhi"):
        factories.make_profile(city=city)
    segment = factories.make_segment(rule=PUNE)
    save(mara, segment, DELHI)
    refresh.refresh(segment.pk)
    factories.make_engagement(segment, state="active")

    page = restore(mara, segment, 1)
    assert page.context["forecast"].entering.count == 1
    segment.refresh_from_db()
    assert segment.rule == DELHI
    restore(mara, segment, 1, _confirm="1", _seen=page.context["seen"])
    segment.refresh_from_db()
    assert segment.rule == PUNE


def test_who_may_not_activate_proposes_a_restore(mara, client):
    segment = factories.make_segment(rule=PUNE)
    save(mara, segment, DELHI)
    factories.make_engagement(segment, state="active")
    marketer = Client()
    marketer.force_login(
        factories.make_user("segments.view_segment", "segments.change_segment")
    )
    page = restore(marketer, segment, 1)
    assert "Propose the change" in page.text
    restore(marketer, segment, 1, _propose="1", _seen=page.context["seen"])
    assert Proposal.objects.get().rule == PUNE
    assert len(rules(segment)) == 2


@pytest.mark.parametrize("asked", ["", "?version=x", "?version=2"])
def test_what_is_no_old_version_is_led_back(mara, asked):
    segment = factories.make_segment(rule=PUNE)
    save(mara, segment, DELHI)
    address = reverse("admin:segments_segment_restore", args=[segment.pk])
    assert mara.get(address + asked).status_code == 302
    assert mara.post(address + asked).status_code == 302
    assert len(rules(segment)) == 2


def test_what_may_not_be_asked_any_more_does_not_come_back(mara):
    """A segment that is gone, and one that would ask for itself."""
    other = factories.make_segment(rule=PUNE)
    segment = factories.make_segment(rule={"segment": other.pk})
    save(mara, segment, DELHI)
    save(mara, other, {"segment": segment.pk})
    for _ in range(2):
        page = restore(mara, segment, 1)
        segment.refresh_from_db()
        assert segment.rule == DELHI
        assert "Nothing was restored. " in words(mara.get(page.url))
        Segment.objects.filter(pk=other.pk).delete()


def test_an_old_rule_that_is_wrong_now_does_not_come_back(mara):
    segment = factories.make_segment(rule=PUNE)
    save(mara, segment, DELHI)
    segment.versions.filter(number=1).update(rule={"broken": 1})
    factories.make_engagement(segment, state="active")
    page = restore(mara, segment, 1)
    assert "Nothing was restored. Rule: use exactly one of" in words(mara.get(page.url))
    segment.refresh_from_db()
    assert segment.rule == DELHI


def test_a_proposal_that_is_wrong_now_is_shown_and_not_accepted(mara):
    segment = factories.make_segment(rule=PUNE)
    wrong = rule_changes.propose(segment, {"broken": 1}, True, factories.make_user())
    assert "use exactly one of" in words(mara.get(wrong.get_absolute_url()))
    seen = rule_changes.fingerprint(segment)
    page = mara.post(wrong.get_absolute_url(), {"_accept": "1", "_seen": seen})
    assert "Nothing was changed. Rule: use exactly" in words(mara.get(page.url))
    segment.refresh_from_db()
    assert segment.rule == PUNE


def test_a_proposal_that_asks_for_what_is_gone_is_not_accepted(mara):
    segment = factories.make_segment(rule=PUNE)
    gone = {"segment": segment.pk + 1_000}
    proposal = rule_changes.propose(segment, gone, True, factories.make_user())
    seen = rule_changes.fingerprint(segment)
    page = mara.post(proposal.get_absolute_url(), {"_accept": "1", "_seen": seen})
    assert "Nothing was changed. " in words(mara.get(page.url))
    segment.refresh_from_db()
    proposal.refresh_from_db()
    assert (segment.rule, proposal.state) == (PUNE, "open")


def test_any_two_versions_are_compared(mara):
    segment = factories.make_segment(rule=PUNE)
    for city in ("Delhi", "Agra"):
        save(mara, segment, {**PUNE, "value": city})
    address = reverse("admin:segments_segment_versions", args=[segment.pk])
    page = words(mara.get(f"{address}?old=1&new=3"))
    assert "<del>City equals Pune</del> <ins>City equals Agra</ins>" in page
    assert mara.get(f"{address}?old=x&new=99999999999999999999").status_code == 200
