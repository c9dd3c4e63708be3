"""A list of objects is changed object by object, in whatever order the changes come."""

import itertools

import pytest

from segments.identity import lists
from segments.ingest import inbox
from segments.models import Profile, RefusedMessage
from segments.tracking import validation
from segments.tracking.errors import RefusedError
from tests.factories import make_profile

pytestmark = pytest.mark.django_db

LOANS = [{"id": 1, "due": 100}, {"id": 2, "due": 200}]


def at(hour):
    return f"2026-01-31T{hour:02}:00:00+00:00"


def of(value, **fields):
    found = {"$identifier_key": "id", "$identifier_value": value}
    return found | ({"$new_object": fields} if fields else {})


@pytest.fixture
def say(call):
    def say(value, hour=12, **ids):
        ids = ids or {"userId": "u1"}
        return call("identify", traits={"loans": value}, timestamp=at(hour), **ids)

    return say


@pytest.fixture
def loans(known):
    return lambda: known().attributes.get("loans")


def test_one_is_updated_and_the_others_stay(say, loans):
    say(LOANS, 9)
    say({"$update": [of(2, due=0, status="paid")]}, 10)
    assert loans() == [{"id": 1, "due": 100}, {"id": 2, "due": 0, "status": "paid"}]


def test_null_takes_a_field_away(say, loans):
    say(LOANS, 9)
    say({"$update": [of(2, due=None)]}, 10)
    assert loans() == [{"id": 1, "due": 100}, {"id": 2}]


def test_one_is_added_and_one_removed(say, loans):
    say({"$add": [{"id": 1}]}, 9)
    say({"$add": [{"id": 2}, {"id": 3}]}, 10)
    say({"$remove": [of(2)]}, 11)
    assert loans() == [{"id": 1}, {"id": 3}]


def test_removed_and_added_at_once_is_put_in_its_place(say, loans):
    for due in (7, 8):
        say({"$add": [{"id": 2, "due": due}], "$remove": [of(2)]}, due)
    assert loans() == [{"id": 2, "due": 8}]


def test_an_update_makes_no_object(say, loans):
    say({"$update": [of(5, due=1)]}, 9)
    assert loans() == []
    say({"$add": [{"id": 5, "due": 0}]}, 8)
    assert loans() == [{"id": 5, "due": 1}]


def test_a_number_is_no_text(say, loans):
    say([{"id": 7}, {"id": "7"}, {"id": True}, {"id": 1}], 9)
    say({"$update": [of(7.0, a=1), of(1, a=2)]}, 10)
    assert loans() == [{"id": 7, "a": 1}, {"id": "7"}, {"id": True}, {"id": 1, "a": 2}]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_every_order_gives_the_same(say, loans, order):
    said = [
        (LOANS, 9),
        ({"$update": [of(1, due=50)]}, 10),
        ({"$remove": [of(2)], "$add": [{"id": 3}]}, 11),
        ({"$update": [of(1, due=10), of(2, due=0), of(3, due=5)]}, 12),
    ]
    for number in order:
        say(*said[number])
    assert loans() == [{"id": 1, "due": 10}, {"id": 3, "due": 5}]


def test_the_whole_list_takes_the_place_of_what_was_said_before(say, loans, known):
    say({"$update": [of(1, due=7)]}, 13)
    say({"$update": [of(1, due=8)]}, 10)
    say(LOANS, 12)
    assert loans() == [{"id": 1, "due": 7}, LOANS[1]]
    say(LOANS, 14)
    assert loans() == LOANS
    assert len(known().attribute_times["loans"]) == 3


def test_a_list_that_was_taken_away_later_does_not_come_back(say, loans):
    say(LOANS, 9)
    say(None, 11)
    say({"$update": [of(1, due=7)]}, 10)
    assert loans() is None


def test_a_list_from_before_times_were_kept_is_changed(say, loans):
    make_profile(external_id="u1", loans=LOANS, city="Pune")
    say({"$remove": [of(1)]})
    assert loans() == LOANS[1:]


def test_what_a_device_said_is_told_with_the_rest(say, loans, call):
    say(LOANS, 9)
    say({"$update": [of(1, due=5)]}, 10, anonymousId="a")
    call("track", userId="u1", anonymousId="a")
    assert loans() == [{"id": 1, "due": 5}, LOANS[1]]
    say({"$update": [of(1, due=6)]}, 11, anonymousId="a")
    assert loans()[0] == {"id": 1, "due": 6}
    call("track", userId="u2", anonymousId="a")
    assert loans() == LOANS


def test_daily_changes_do_not_pile_up(say, loans, known):
    say(LOANS, 0)
    for hour in range(1, 24):
        say({"$update": [of(1, due=hour), of(2, due=hour, note="x" * 1_000)]}, hour)
        say({"$remove": [of(3)], "$add": [{"id": 3, "due": hour}]}, hour)
    assert [loan["due"] for loan in loans()] == [23, 23, 23]
    changes = known().attribute_times["loans"][-1]
    assert len(changes) == 4


def test_a_list_that_grows_beyond_its_size_is_refused_in_words(source, say, loans):
    for hour in range(3):
        say({"$add": [{"id": hour, "note": "x" * 30_000}]}, hour)
    more = {"userId": "u1", "timestamp": at(4)}
    more["traits"] = {"city": "Pune", "loans": {"$add": [{"note": "x" * 30_000}]}}
    inbox.append(source, [("more", "identify", more)])
    assert inbox.apply().errors == 1
    refused = RefusedMessage.objects.get()
    assert refused.code == "too_much"
    assert "at most 100 KB; with its last changes “loans” would have" in refused.message
    assert "city" not in Profile.objects.get().attributes
    say({"$remove": [of(0)]}, 5)
    assert [loan["id"] for loan in loans()] == [1, 2]


def test_a_change_by_another_key_is_refused_in_words(source, say, loans):
    say(LOANS, 9)
    say({"$remove": [of(1)]}, 10)
    other = {"$identifier_key": "due", "$identifier_value": 200}
    change = {
        "userId": "u1",
        "timestamp": at(11),
        "traits": {"loans": {"$remove": [other]}},
    }
    inbox.append(source, [("m", "identify", change)])
    assert inbox.apply().errors == 1
    assert "known by “id”" in RefusedMessage.objects.get().message
    say(LOANS, 12)
    say({"$remove": [other]}, 13)
    assert loans() == LOANS[:1]


BAD = {
    "traits.x: beside $add, $update and $remove there is no “$put”.": {
        "$add": [{}],
        "$put": [],
    },
    "traits.x.$add is a list of objects.": {"$add": {"id": 1}},
    "traits.x.$remove is a list of objects.": {"$remove": []},
    "traits.x.$add[1] is an object.": {"$add": [{}, 5]},
    "traits.x.$remove[0].$identifier_key is the name of a field.": {
        "$remove": [{"id": 1}]
    },
    "traits.x.$remove[0].$identifier_value is a text, a number, true or false.": {
        "$remove": [of(None)]
    },
    "traits.x.$update[0].$new_object is an object of the fields that change.": {
        "$update": [of(1)]
    },
    "traits.x.$update[0].$new_object does not change the key itself.": {
        "$update": [of(1, id=2)]
    },
    "traits.x: all changes of a list have the same $identifier_key.": {
        "$update": [of(1, a=2)],
        "$remove": [{"$identifier_key": "a", "$identifier_value": 1}],
    },
}


@pytest.mark.parametrize("error", BAD)
def test_what_says_too_little_is_refused_by_name(error):
    with pytest.raises(ValueError, match="traits") as raised:
        lists.check("traits.x", BAD[error])
    assert str(raised.value) == error


@pytest.mark.parametrize("error", BAD)
def test_the_door_says_it(error):
    raw = {"type": "identify", "userId": "u1", "traits": {"x": BAD[error]}}
    with pytest.raises(RefusedError) as raised:
        validation.read(raw, validation.EARLIEST)
    assert str(raised.value) == error


def test_an_object_of_other_names_is_a_value(say, loans):
    say({"$set": [1], "id": 5})
    assert loans() == {"$set": [1], "id": 5}
