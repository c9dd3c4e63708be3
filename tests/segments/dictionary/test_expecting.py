"""What comes of a value of another type than its entry expects."""

import orjson
import pytest

from segments.ingest import inbox
from segments.ingest.inbox import Applied
from segments.models import DictionaryEntry, Event, Profile, RefusedMessage
from segments.tracking import replaying
from tests.segments.dictionary.conftest import entry

pytestmark = pytest.mark.django_db


def expect(name, type, on_mismatch, kind="attribute", event=""):
    found = DictionaryEntry.objects.filter(kind=kind, event=event, name=name)
    assert found.update(expected_type=type, on_mismatch=on_mismatch) == 1


@pytest.fixture
def aged(identify):
    identify(age=30, plan="gold")


def test_it_is_kept_and_counted(identify, aged):
    expect("age", "number", "flag")
    identify(age="thirty")
    one = entry("age")
    assert Profile.objects.get().attributes == {"age": "thirty", "plan": "gold"}
    assert (one.mismatches, one.count) == (1, 2)
    assert one.mismatched_at is not None


def test_it_is_left_out_and_the_rest_is_kept(identify, aged):
    expect("age", "number", "drop")
    identify(age="thirty", plan="silver")
    assert Profile.objects.get().attributes == {"age": 30, "plan": "silver"}
    assert (entry("age").mismatches, entry("age").count) == (1, 1)


def test_the_message_is_refused_and_can_be_sent_in_again(identify, aged):
    expect("age", "number", "refuse")
    assert identify(age="thirty", plan="silver") == Applied(messages=0, errors=1)
    assert Profile.objects.get().attributes == {"age": 30, "plan": "gold"}
    row = RefusedMessage.objects.get()
    assert (row.code, row.stage) == ("wrong_type", "applying")
    assert row.message == (
        "traits.age is expected to be a number, and is a text. "
        "Its entry in the dictionary says so."
    )
    assert orjson.loads(bytes(row.body))["traits"] == {
        "age": "thirty",
        "plan": "silver",
    }
    assert entry("age").mismatches == 1
    # After a fix.
    expect("age", "text", "refuse")
    assert replaying.replay(RefusedMessage.objects.all()).taken == 1
    assert inbox.apply() == Applied(messages=1)
    assert Profile.objects.get().attributes == {"age": "thirty", "plan": "silver"}


def test_a_property_is_held_against_its_own_event(track):
    track("Sale", amount=5)
    expect("amount", "number", "refuse", "property", "Sale")
    assert track("Sale", amount="5").errors == 1
    assert track("Lead", amount="5").errors == 0
    assert track("Sale", other=1).errors == 0
    assert set(Event.objects.values_list("name", flat=True)) == {"Sale", "Lead"}


def test_others_in_the_chunk_are_applied(send, aged):
    expect("age", "number", "refuse")
    said = [{"age": n if n % 3 else "x"} for n in range(30)]
    done = send(
        *(("identify", {"userId": f"p{n}", "traits": t}) for n, t in enumerate(said))
    )
    assert done == Applied(messages=20, errors=10)
    assert entry("age").mismatches == 10


@pytest.mark.parametrize(
    ("type", "fits", "others"),
    [
        ("text", ["a", "2026-01-31", "", None], [1, True, [], {}]),
        ("number", [1, 1.5, None], ["1", True, []]),
        ("boolean", [True, False], [0, "true"]),
        ("date", ["2026-01-31", "2026-01-31 10:00"], ["tomorrow", 5]),
        ("list", [[], [1], [{"a": 1}]], ["a", {}]),
        ("objects", [[], [{"a": 1}]], [[1], {}]),
        ("object", [{}, {"a": 1}], [[{}], "{}"]),
    ],
)
def test_which_values_fit(track, type, fits, others):
    track(x=1)
    expect("x", type, "refuse", "property", "Lead")
    for value in fits:
        assert track(x=value).errors == 0, value
    for value in others:
        assert track(x=value).errors == 1, value
