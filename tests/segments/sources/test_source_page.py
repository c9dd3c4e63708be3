"""A source's page: whether anything comes, what came last, what was refused and why."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from engagements import retention
from segments.ingest import inbox, latest
from segments.models import (
    InboxRequest,
    IntakeMinute,
    LatestMessages,
    Profile,
    RefusedMessage,
    Replay,
    SourceWarning,
)
from segments.sources import activity, refusals, trial
from segments.tracking import replaying, write_keys
from tests import factories

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 1, 12, 30, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def post(client: Client, key: str):
    """Send a message as a server does; its status."""

    def post(kind: str = "track", **message) -> int:
        body = {"userId": "u1", "event": "Lead", **message, "writeKey": key}
        answer = client.post(f"/v1/{kind}", body, content_type="application/json")
        return answer.status_code

    return post


def refuse(source, code="bad_event", number=1, **fields):
    fields.setdefault("message", "event is a text.")
    fields.setdefault("kind", "track")
    fields.setdefault("body", b'{"userId": "u1", "event": 7}')
    return RefusedMessage.objects.bulk_create(
        RefusedMessage(source=source, code=code, **fields) for _ in range(number)
    )


# --- Whether anything comes ----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "message"),
    [("track", {}), ("identify", {"traits": {"city": "Pune"}}), ("page", {})],
)
def test_it_waits_until_the_first_message_is_applied(page, post, key, kind, message):
    waiting = page("now")
    assert waiting.context["now"].state == "waiting"
    assert "Waiting for the first event…" in waiting.text
    assert 'data-turns="1"' in waiting.text
    assert post(kind, **message) == 200
    accepted = page("now")
    assert accepted.context["now"].state == "waiting"
    assert "waits for a worker" in accepted.text
    inbox.apply()
    live = page("now")
    assert live.context["now"].state == "live"
    assert 'data-turns=""' in live.text
    assert "1 in all" in live.text


def test_what_was_refused_is_named_while_it_waits(page, post):
    assert post(event=7) == 400
    text = page("now").text
    assert "What came was refused" in text
    assert "Waiting for the first event…" in text


def test_a_source_without_keys_and_one_that_is_off_wait_for_nothing(page, source):
    assert page("now").context["now"].state == "keyless"
    write_keys.issue(source)
    source.is_active = False
    source.save()
    off = page("now")
    assert off.context["now"].state == "off"
    assert not off.context["now"].turns
    assert "Send a test event" not in off.text


def test_another_source_has_its_own_first_message(page, post):
    other = factories.make_source()
    write_keys.issue(other)
    post()
    inbox.apply()
    url = reverse("admin:segments_source_now", args=[other.pk])
    assert "Waiting for" in page("now").client.get(url).text


# --- The last messages ----------------------------------------------------------------


def test_the_last_ten_stand_as_they_came_newest_first(page, post):
    for number in range(7):
        post(messageId=f"m{number}", properties={"number": number})
    inbox.apply()
    for number in range(7, 12):
        post(messageId=f"m{number}", properties={"number": number})
    inbox.apply()
    shown = page("now").context["now"].latest
    assert [
        f'"messageId": "m{n}"' in m.text
        for m, n in zip(shown, range(11, 1, -1), strict=True)
    ] == [True] * 10
    assert '"number": 11' in shown[0].text
    assert shown[0].words == "Lead – u1"


def test_a_chunk_of_several_sources_keeps_ten_of_each(page, post, key):
    other = factories.make_source()
    inbox.append(
        other,
        [(f"o{n}", "identify", said(userId=f"o{n}")) for n in range(12)],
    )
    post(messageId="mine")
    inbox.apply()
    found = dict(LatestMessages.objects.values_list("source", "messages"))
    assert [f'"o{n}"' in text for n, text in enumerate(found[other.pk], 2)] == [
        True
    ] * 10
    assert len(page("now").context["now"].latest) == 1


def said(**payload):
    return {"timestamp": "2026-01-31T12:00:00.000000Z", **payload}


def test_of_a_large_message_it_is_said_what_it_is(page, post):
    post(properties={"text": "x" * latest.LARGEST})
    inbox.apply()
    [shown] = page("now").context["now"].latest
    assert shown.words == "Lead – u1"
    assert "too many to be kept here" in shown.text
    assert len(shown.text) < 1000


def test_what_cannot_be_applied_is_no_last_message(page, source, key):
    inbox.append(source, [("bad", "track", said(event="E"))])
    inbox.apply()
    assert RefusedMessage.objects.get().message_id == "bad"
    assert not LatestMessages.objects.exists()


def test_they_go_with_somebody_who_is_erased(page, post):
    post()
    inbox.apply()
    Profile.objects.get(external_id="u1").delete()
    live = page("now")
    assert live.context["now"].latest == []
    assert live.context["now"].state == "live"
    assert "not kept any longer" in live.text


def test_they_go_when_their_time_is_over(post, settings):
    post()
    inbox.apply()
    retention.clean()
    assert LatestMessages.objects.get().messages
    LatestMessages.objects.update(
        last_at=timezone.now() - settings.RETENTION_REFUSED - MINUTE
    )
    retention.clean()
    assert LatestMessages.objects.get().messages == []


# --- The last day ---------------------------------------------------------------------


def count(source, ago, applied):
    IntakeMinute.objects.create(
        minute=AT.replace(second=0) - ago * MINUTE,
        source=source,
        applied=applied,
        refused=0,
        last_at=AT,
    )


def test_a_day_is_counted_to_its_minute(source):
    count(source, 0, 3)
    count(source, 1, 4)
    count(source, 59, 5)
    count(source, 60, 6)
    count(source, 1439, 7)
    count(source, 1440, 100)
    count(factories.make_source(), 0, 1000)
    day = activity.read(source, AT)
    assert (day.messages, day.last_hour, day.busiest.busiest) == (25, 12, 7)
    assert [span.messages for span in day.hours if span.messages] == [7, 6, 12]
    assert day.steps[-1].busiest == 4
    assert day.hours[0].at == AT.replace(second=0) - 1439 * MINUTE
    assert [bar.height for bar in day.bars] == [70, 60, 50, 40]
    assert day.top == 10


def test_an_empty_day_is_said_so(page, source, key):
    LatestMessages.objects.create(source=source, last_at=AT)
    assert "Nothing was applied in the last 24 hours." in page("now").text


# --- What was refused -----------------------------------------------------------------


def test_refusals_stand_by_reason_with_the_newest_body(page, source, key):
    refuse(source, "bad_event", 3, at=AT)
    refuse(source, "bad_event", at=AT + MINUTE, body=b'{"event": 8}', message="Why.")
    refuse(source, "not_an_object", 2, at=AT + 2 * MINUTE)
    refuse(source, "gone", replayed_at=AT)
    refuse(factories.make_source(), "elsewhere")
    found = page("now").context["now"].reasons
    assert [(r.called, r.count, r.is_more) for r in found] == [
        ("Not an object", 2, False),
        ("Bad event", 4, False),
    ]
    assert (found[1].body, found[1].why, found[1].at) == (
        '{"event": 8}',
        "Why.",
        AT + MINUTE,
    )
    assert "{&quot;event&quot;: 8}" in page("now").text


def test_each_wrong_field_is_a_reason_of_its_own(page, post):
    post(event=7)
    post(properties=[])
    post(event="")
    post(userId=[])
    found = page("now").context["now"].reasons
    assert {r.called: r.count for r in found} == {
        "Invalid event": 2,
        "Invalid properties": 1,
        "Invalid userId": 1,
    }


def test_very_many_are_not_counted_to_their_end(page, source, key, monkeypatch):
    monkeypatch.setattr(refusals, "MOST_COUNTED", 3)
    refuse(source, number=5)
    [reason] = page("now").context["now"].reasons
    assert (reason.shown, reason.is_more) == (3, True)
    assert "3+" in page("now").text
    asked = page("try_again", "bad_event")
    assert "Try more than 3 messages again" in asked.text


def test_a_body_that_is_no_text_is_shown_all_the_same(page, source, key):
    refuse(source, body=b"\xff\x00{" + b"x" * refusals.SHOWN)
    [reason] = page("now").context["now"].reasons
    assert reason.body.startswith("�\0{x")
    assert reason.is_cut


def work():
    """As a worker does that was woken."""
    for asked in Replay.objects.filter(finished_at=None):
        assert not replaying.go_on(asked.pk)


def test_one_that_nobody_can_read_holds_no_other_up(source):
    stage = RefusedMessage.Stage.APPLYING
    refuse(source, "odd", stage=stage, kind="", message_id="", body=b"\xff")
    refuse(source, "odd", stage=stage, kind="identify", body=b'{"userId": "u1"')
    refuse(source, "odd", body=b'{"userId": "u1", "event": "Lead"}')
    asked = replaying.ask(source, "odd")
    work()
    asked.refresh_from_db()
    assert (asked.taken, asked.refused) == (1, 2)
    assert asked.finished_at is not None
    left = RefusedMessage.objects.filter(replayed_at=None)
    assert set(left.values_list("code", "message")) == {
        ("odd", "It is not JSON: nobody can read it.")
    }


def test_what_was_killed_in_the_middle_goes_on_where_it_was(source, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 2)
    for n in range(5):
        refuse(source, "bad", body=b'{"userId": "u%d", "event": "Lead"}' % n)
    asked = replaying.ask(source, "bad")
    # Who comes later is not among them.
    refuse(source, "bad", body=b'{"userId": "u9", "event": "Lead"}')
    calls = 0

    def dies(execute, sql, params, many, context):
        nonlocal calls
        calls += "segments_inboxrequest" in sql
        if calls == 2:
            raise KeyboardInterrupt
        return execute(sql, params, many, context)

    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(dies):
        replaying.go_on(asked.pk)
    asked.refresh_from_db()
    assert (asked.taken, asked.finished_at) == (2, None)
    assert replaying.wake_waiting() == 1
    work()
    asked.refresh_from_db()
    assert (asked.total, asked.taken, asked.refused) == (5, 5, 0)
    assert sum(r.count for r in InboxRequest.objects.all()) == 5
    assert replaying.wake_waiting() == 0


def test_mended_they_are_tried_again_by_reason(page, source, key, admin_client):
    refuse(source, "origin_not_allowed", 2, body=b'{"userId": "u1", "event": "Lead"}')
    refuse(source, "bad_event")
    asked = page("try_again", "origin_not_allowed")
    assert "Try 2 messages again" in asked.text
    assert not InboxRequest.objects.exists()
    url = asked.request["PATH_INFO"]
    after = admin_client.post(url, follow=True)
    assert "0 of 2" in after.text
    assert after.context["now"].replaying == {"origin_not_allowed"}
    assert "Try again: Origin" not in after.text
    assert replaying.ask(source, "origin_not_allowed") is None
    assert not InboxRequest.objects.exists()
    work()
    after = page()
    assert "2 messages taken in" in " ".join(after.text.split())
    assert after.context["now"].replaying == set()
    assert sum(r.count for r in InboxRequest.objects.all()) == 2
    [left] = after.context["now"].reasons
    assert left.code == "bad_event"
    assert "Nothing is refused for this reason" in admin_client.get(url).text


def test_what_is_refused_again_stays(page, source, key, admin_client):
    refuse(source, "origin_not_allowed")
    url = reverse(
        "admin:segments_source_try_again", args=[source.pk, "origin_not_allowed"]
    )
    admin_client.post(url)
    work()
    after = page()
    assert "0 messages taken in, 1 refused again" in " ".join(after.text.split())
    [left] = after.context["now"].reasons
    assert left.code != "origin_not_allowed"


def test_a_source_is_not_deleted_while_something_of_it_is_refused(
    page, source, key, admin_client
):
    refuse(source)
    assert "what was refused of it" in page("delete").text
    url = reverse("admin:segments_source_delete", args=[source.pk])
    admin_client.post(url, {"post": "yes"})
    source.refresh_from_db()


def test_warnings_are_said_in_words(page, source, key):
    SourceWarning.objects.create(
        source=source, code="future", message="Its time is in the future.", count=1200
    )
    text = page("now").text
    assert "Its time is in the future." in text
    assert "1,200" in text


# --- A test event ---------------------------------------------------------------------


def test_a_test_event_goes_the_way_of_every_message(admin_client, page, source, key):
    url = reverse("admin:segments_source_test", args=[source.pk])
    sent = admin_client.post(url, follow=True)
    assert "on its way" in sent.text
    message_id = sent.request["QUERY_STRING"].removeprefix("test=")
    assert InboxRequest.objects.get().waiting[0][0] == message_id
    assert page("now", test=message_id).context["now"].turns
    inbox.apply()
    arrived = page("now", test=message_id)
    person = Profile.objects.get(external_id=trial.PERSON)
    assert f'href="{person.get_absolute_url()}"' in arrived.text
    assert not arrived.context["now"].turns
    assert person.events.get().properties == {"source": "Shop"}


def test_a_test_event_that_is_refused_says_why(page, source, key):
    refuse(
        source,
        "cannot_be_applied",
        message_id="test-1",
        message="It is about somebody who was erased.",
        stage="applying",
    )
    text = page("now", test="test-1").text
    assert "The test event was refused: It is about somebody who was erased." in text


def test_a_source_that_is_off_takes_no_test_event(admin_client, source):
    source.is_active = False
    source.save()
    admin_client.post(reverse("admin:segments_source_test", args=[source.pk]))
    assert not InboxRequest.objects.exists()


# --- For whom it is -------------------------------------------------------------------


def test_what_people_sent_is_for_those_who_may_see_people(client, page, source, key):
    inbox.append(source, [("m1", "track", said(userId="ann@x.example", event="Lead"))])
    inbox.apply()
    refuse(source, body=b'{"userId": "bo@x.example"}', message="bo@x.example is bad.")
    message_id = trial.send(source)
    inbox.apply()
    see = ("segments.view_profile", "segments.view_personal_data")
    for right, is_shown in ((), False), (see[:1], False), (see, True):
        client.force_login(factories.make_user("segments.view_source", *right))
        for text in (
            page(client=client).text,
            page("now", client=client, test=message_id).text,
        ):
            assert ("ann@x.example" in text) is is_shown
            assert ("bo@x.example" in text) is is_shown
            assert "Bad event" in text
            assert "Try again</a>" not in text
            assert "Send a test event" not in text


def test_what_others_sent_is_shown_as_text(page, source, key, post):
    markup = "<img src=x onerror=alert(1)>"
    post(event=markup, userId=markup, properties={markup: markup})
    inbox.apply()
    refuse(source, body=markup.encode(), message=markup)
    SourceWarning.objects.create(source=source, code="odd", message=markup)
    text = page().text
    assert markup not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 6


def test_who_may_only_look_sends_nothing(client, source, key):
    refuse(source)
    client.force_login(factories.make_user("segments.view_source"))
    for name, *args in (("test",), ("try_again", "bad_event")):
        url = reverse(f"admin:segments_source_{name}", args=[source.pk, *args])
        assert client.post(url).status_code == 403
    assert not InboxRequest.objects.exists()


# --- What to paste --------------------------------------------------------------------


def test_snippets_have_this_sites_address(page, source, key):
    found = {s.name: s.code for s in page().context["snippets"]}
    assert found.keys() == {"browser", "browser-rudderstack", "python", "node", "curl"}
    for code in found.values():
        assert "http://testserver" in code
        assert "WRITE_KEY" in code
        assert "<<" not in code


def test_a_new_key_is_in_every_snippet(admin_client):
    made = admin_client.post(
        "/admin/segments/source/add/", {"name": "App", "is_active": "on"}
    )
    key = made.context["write_key"]
    assert all(key in snippet.code for snippet in made.context["snippets"])
    assert "WRITE_KEY" not in made.text


def test_browsers_of_a_new_source_may_send_at_once(admin_client, client):
    asked = {
        "Origin": "https://new.example",
        "Access-Control-Request-Method": "POST",
    }
    before = client.options("/v1/t", headers=asked)
    assert "Access-Control-Allow-Origin" not in before
    form = {"name": "New", "is_active": "on", "allowed_origins": "https://new.example"}
    admin_client.post("/admin/segments/source/add/", form)
    after = client.options("/v1/t", headers=asked)
    assert after["Access-Control-Allow-Origin"] == "https://new.example"


def test_browsers_need_a_website_that_may_send(page, source, key):
    assert page().text.count("No website may send yet") == 2
    source.allowed_origins = "https://shop.example"
    source.save()
    assert "No website may send yet" not in page().text


# --- Its cost -------------------------------------------------------------------------


def test_more_of_everything_is_not_more_queries(page, source, key, post):
    post()
    inbox.apply()
    refuse(source)
    page("now")

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page()
        return len(captured)

    few = queries()
    for number in range(12):
        post(messageId=f"m{number}")
        refuse(source, f"reason_{number}", 3)
        SourceWarning.objects.create(source=source, code=f"w{number}", message="Odd.")
        write_keys.issue(source, f"Key {number}")
    inbox.apply()
    assert queries() == few
