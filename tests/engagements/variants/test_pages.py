"""The report by variant, the winner, one person asked about, and a move of versions."""

import csv
import io
import re
from dataclasses import replace

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from engagements.authoring.version_upgrade import plan as planned
from engagements.authoring.version_upgrade import upgrade
from engagements.guards import holdout
from engagements.lifecycle import winner
from engagements.models import Delivery, Engagement
from engagements.reporting import by_variant, reports
from engagements.variants import drawing, plan
from segments.models import Profile
from tests import factories
from tests.engagements.variants.conftest import (
    HALF,
    NAME,
    begun,
    number_of,
    variants,
)
from tests.faults import working
from tests.pages import words

pytestmark = pytest.mark.django_db


def url(name: str, engagement: Engagement) -> str:
    return reverse(f"admin:engagements_engagement_{name}", args=[engagement.pk])


@pytest.fixture
def sent(tested, sandbox) -> Engagement:
    """60 people: some held out, some skipped, the rest sent."""
    engagement = begun(tested(60, holdout_share=20))
    Profile.objects.filter(external_id__in=["p1", "p2", "p3"]).update(attributes={})
    working.to_the_end(engagement)
    return engagement


def test_the_report_adds_up_and_opens_its_people(sent, admin_page):
    report = reports.engagement_report(sent)
    table = by_variant.of_engagement(sent, report)
    assert table is not None

    rows = {row.number: row for row in table.rows}
    assert list(rows) == [1, 2, 0]
    assert [row.name for row in table.rows] == ["A “Name A”", "B “Name B”", "Holdout"]
    assert sum(row.people for row in table.rows) == report.total == 60
    states = dict(Delivery.objects.values_list("profile__external_id", "state"))
    for number, row in rows.items():
        its = Delivery.objects.filter(variant=number)
        assert row.people == its.count()
        assert row.sent.count == its.filter(state="sent").count()
        assert row.skipped.count == its.filter(state="skipped").count()
        assert (row.rejected.count, row.accepted.count, row.others.count) == (0, 0, 0)
        for cell in filter(lambda cell: cell.count, (row.sent, row.skipped)):
            listed = admin_page.get(cell.url).context["cl"].result_list
            assert {one.variant for one in listed} <= {number}
            assert len(listed) == cell.count
    assert (rows[0].sent.count, rows[0].sent.url) == (0, "")
    assert round(rows[1].share + rows[2].share) == 100
    assert rows[0].share == round(rows[0].people * 100 / 60, 1)
    assert set(states.values()) == {"sent", "skipped"}


def test_what_became_of_the_others_opens_just_them(sent, admin_page):
    """Not those whom a retry has taken along, either."""
    run = sent.runs.get()
    again = factories.make_run(sent, retry_of=run)
    first, second, third = Delivery.objects.filter(variant=1, state="sent")[:3]
    Delivery.objects.filter(pk=first.pk).update(state="uncertain")
    Delivery.objects.filter(pk=second.pk).update(state="uncertain", retry=again)

    def others() -> by_variant.Cell:
        table = by_variant.of_engagement(sent, reports.engagement_report(sent))
        assert table is not None
        return {row.number: row for row in table.rows}[1].others

    assert others().count == 1
    assert list(admin_page.get(others().url).context["cl"].result_list) == [first]
    # Two lists have these.
    Delivery.objects.filter(pk=third.pk).update(state="dead")
    assert others() == by_variant.Cell(count=2, url="")


def shares_said(page: str) -> list[str]:
    return re.findall(r"set: \d+ %", page)


def test_shares_are_said_to_be_set_while_people_are_drawn_by_them(sent, admin_page):
    address, run = sent.get_absolute_url(), sent.runs.get()
    assert shares_said(words(admin_page.get(address))) == ["set: 50 %"] * 2

    winner.choose(sent, "B", None)
    page = words(admin_page.get(address))
    assert shares_said(page) == []
    assert "People were not drawn by the same shares all the time" in page
    # Whom it took in was drawn before.
    assert shares_said(words(admin_page.get(run.get_absolute_url())))

    sent.refresh_from_db()
    later = factories.make_run(sent)
    factories.make_delivery(run=later, variant=2)
    assert shares_said(words(admin_page.get(later.get_absolute_url()))) == []
    winner.choose(sent, "", None)
    assert shares_said(words(admin_page.get(address))) == []


def test_who_had_two_variants_is_one_person_of_all(sent):
    """After a winner: shares are of people, and not of people by variant."""
    first = by_variant.of_engagement(sent, reports.engagement_report(sent))
    winner.choose(sent, "B", None)
    Engagement.objects.update(state=Engagement.State.ENDED, again="always")
    sent.refresh_from_db()
    working.to_the_end(begun(sent))

    table = by_variant.of_engagement(sent, reports.engagement_report(sent))
    assert first and table
    before, after = ({r.number: r for r in one.rows} for one in (first, table))
    assert after[0].share == before[0].share
    assert after[1].share == before[1].share
    assert (after[2].people, after[2].share) == (60 - before[0].people, 100)


def test_a_run_has_the_same_table(sent):
    run = sent.runs.get()
    own = by_variant.of_run(run, reports.run_report(run))
    whole = by_variant.of_engagement(sent, reports.engagement_report(sent))
    assert own and whole
    assert [(row.name, row.people, row.sent.count) for row in own.rows] == [
        (row.name, row.people, row.sent.count) for row in whole.rows
    ]


def test_of_very_many_who_was_sent_is_told_from_a_sample(sent, monkeypatch):
    report = reports.engagement_report(sent)
    exact = by_variant.of_engagement(sent, report)
    many = replace(report, total=by_variant.EXACT + 1)
    about = by_variant.of_engagement(sent, many)
    assert exact and about and about.is_about
    # All of its batches are in the sample.
    assert [(r.number, r.sent.count, r.skipped.count) for r in about.rows] == [
        (r.number, r.sent.count, r.skipped.count) for r in exact.rows
    ]


def test_one_without_variants_has_no_table(tested, sandbox, admin_page):
    engagement = begun(tested(3, its=plan.NONE))
    working.to_the_end(engagement)
    report = reports.engagement_report(engagement)
    assert by_variant.of_engagement(engagement, report) is None
    assert "Deliveries by variant" not in words(
        admin_page.get(engagement.get_absolute_url())
    )


def test_the_delivery_page_the_list_and_the_export_say_the_variant(sent, admin_page):
    b = Delivery.objects.filter(variant=2, state="sent").first()
    out = Delivery.objects.filter(variant=0).first()
    assert b and out
    page = "admin:engagements_delivery_change"
    said = words(admin_page.get(reverse(page, args=[b.pk])))
    assert "Variant B “Name B”." in said
    # Rendered again with the variant's own values.
    assert f"Dear {b.profile.attributes['first_name']}" in said
    assert "Held out: of no variant." in words(
        admin_page.get(reverse(page, args=[out.pk]))
    )

    listed = reverse("admin:engagements_delivery_changelist")
    found = admin_page.get(
        listed, {"run__engagement__id__exact": sent.pk, "variant__exact": "2"}
    )
    assert {one.variant for one in found.context["cl"].result_list} == {2}
    assert "B “Name B”" in words(found)

    exported = admin_page.get(reverse("admin:engagements_delivery_export"))
    text = b"".join(exported.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    names = {row["external ID"]: row["variant"] for row in rows}
    assert names[b.profile.external_id] == "B “Name B”"
    assert names[out.profile.external_id] == "Holdout"


def test_who_gets_it_says_which_and_why(tested, admin_page):
    engagement = tested(4)
    for name in ("p0", "p1", "p2", "p3"):
        said = words(admin_page.get(url("person", engagement), {"who": name}))
        number = number_of(engagement, name)
        assert f"Variant {HALF.name(number)}." in said
        assert "Drawn by chance, and always the same" in said
        dear = f"Dear N{name[1:]}"
        assert (dear in said) is (number == 2)


def test_the_winner_is_chosen_with_a_question(sent, admin_page):
    address = f"{url('winner', sent)}?variant=B"
    asked = words(admin_page.get(address))
    # Who is held out has the variant 0.
    drawn = Delivery.objects.filter(variant=1).count()
    assert f"{drawn} of 60 people in the segment now get another variant" in asked
    sent.refresh_from_db()
    assert plan.of(sent).winner == ""

    after = words(admin_page.post(address, follow=True))
    sent.refresh_from_db()
    assert plan.of(sent).winner == "B"
    assert sent.winner_at is not None
    assert sent.winner_by is not None
    assert "B “Name B” is the winner." in after
    assert f"chosen by {sent.winner_by}" in after
    assert "Go on testing" in after
    said = LogEntry.objects.latest("pk")
    assert said.user == sent.winner_by
    assert said.get_change_message() == (
        "Variant B “Name B” was chosen the winner: everybody gets it from now on."
    )


def test_the_winner_is_taken_back(sent, admin_page):
    winner.choose(sent, "B", None)
    asked = words(admin_page.get(url("winner", sent)))
    assert "Everybody gets what they were drawn for." in asked
    admin_page.post(url("winner", sent))
    sent.refresh_from_db()
    assert plan.of(sent) == HALF
    assert sent.winner_at is None
    said = LogEntry.objects.latest("pk").get_change_message()
    assert said.startswith("Testing goes on:")


@pytest.mark.parametrize("letter", ["C", "Z", "AB", "%00"])
def test_there_is_no_such_variant(sent, admin_page, letter):
    answer = admin_page.post(f"{url('winner', sent)}?variant={letter}", follow=True)
    assert "there is no such variant" in words(answer)
    sent.refresh_from_db()
    assert plan.of(sent).winner == ""


def test_a_marketer_does_not_choose(sent):
    user = factories.make_user()
    user.groups.add(Group.objects.get(name="Marketer"))
    client = Client()
    client.force_login(user)
    address = f"{url('winner', sent)}?variant=B"
    assert client.get(address).status_code == 403
    assert client.post(address).status_code == 403
    assert "Choose the winner" not in words(client.get(sent.get_absolute_url()))


def test_many_people_are_told_by_the_shares(tested, monkeypatch):
    engagement = tested(10, its=variants((30, {NAME: "x"})))
    found = winner.affected(engagement, "B")
    assert not found.is_about
    monkeypatch.setattr(winner, "EXACT", 5)
    about = winner.affected(engagement, "B")
    assert (about.people, about.of, about.is_about) == (7, 10, True)


def test_who_is_held_out_gets_no_other_variant(tested, monkeypatch):
    engagement = tested(60, holdout_share=30)
    ids = set(Profile.objects.values_list("pk", flat=True))
    out = holdout.held_out(ids, 30, holdout.own_salt(engagement.pk))
    drawn = drawing.numbers(plan.of(engagement), engagement.pk, ids - out)
    assert 1 < len(out) < 42
    found = winner.affected(engagement, "B")
    assert (found.people, found.of) == (list(drawn.values()).count(1), 60)
    monkeypatch.setattr(winner, "EXACT", 5)
    assert winner.affected(engagement, "B").people == 60 * 70 * 50 // 10_000


# Another version


def moved(engagement: Engagement, body, parameters):
    return factories.make_version(
        body,
        parameters,
        external_api=engagement.version.external_api,
        connection=engagement.version.connection,
    )


ID = factories.parameter("User ID", level="identifier")


def attributes(**own):
    return {"attributes": [{"external_id": "{{User ID}}", **own}]}


def test_a_move_reaches_the_values_of_variants(tested):
    """Renamed, added and removed parameters; the draws stay as they are."""
    its = variants((50, {NAME: "Dear you", "Plan": "pro"}))
    engagement = tested(2, its)
    version = moved(
        engagement,
        attributes(first_name="{{First Name}}", city="{{City}}"),
        [ID, factories.parameter("First Name"), factories.parameter("City")],
    )
    move = planned(engagement, version, {"City": "Bonn"})
    assert move.problems == {}
    upgrade(engagement, version, {"City": "Bonn"})
    engagement.refresh_from_db()

    after = plan.of(engagement)
    assert dict(after.variants[1].values) == {"First Name": "Dear you"}
    assert after.values(2, engagement.values) == {
        "First Name": "Dear you",
        "City": "Bonn",
    }
    assert after.hundredths == its.hundredths


def test_a_variants_value_that_will_not_do_keeps_it_where_it_is(tested):
    engagement = tested(2, variants((50, {NAME: "Dear you"})), values={NAME: "7"})
    version = moved(
        engagement,
        attributes(first_name=f"{{{{{NAME}}}}}"),
        [ID, factories.parameter(NAME, type="integer")],
    )
    problems = planned(engagement, version, {}).problems
    assert list(problems) == [""]
    assert problems[""].startswith(f"Variant B “Name B”, “{NAME}”: ")


def test_the_activation_page_says_them(tested, admin_page):
    said = words(admin_page.get(url("activate", tested(4))))
    assert "A “Name A” 50 %, B “Name B” 50 %." in said
