"""A preview is the very request that would be sent, or says what keeps it back."""

import json

import pytest

from engagements.authoring.preview import GENERAL, member_event, preview, what_was_sent
from tests import factories

pytestmark = pytest.mark.django_db


def test_it_shows_the_request_for_one_person():
    connection = factories.make_connection(key_last_four="7f3a", key_version=1)
    version = factories.make_version(connection=connection)
    ann = factories.make_profile(external_id="ann", first_name="Ann")
    segment = factories.make_segment([ann])

    shown = preview(
        version, {"Name of the User": "{{ profile.first_name | upcase }}"}, segment, ann
    )

    assert shown.is_sendable
    assert (shown.method, shown.url) == (
        "POST",
        "https://rest.fra-01.braze.eu/users/track",
    )
    assert json.loads(shown.body) == {
        "attributes": [{"external_id": "ann", "first_name": "ANN", "plan": "free"}]
    }
    assert "\n  " in shown.body


def test_it_masks_the_key():
    connection = factories.make_connection(
        key_last_four="7f3a", key_version=1, key_encrypted="secret-in-the-database"
    )
    version = factories.make_version(connection=connection)
    ann = factories.make_profile(first_name="Ann")

    shown = preview(
        version, {"Name of the User": "x"}, factories.make_segment([ann]), ann
    )

    assert shown.headers["Authorization"] == "Bearer ••••7f3a"
    assert "secret-in-the-database" not in str(shown)


def test_it_names_every_parameter_that_has_no_value_for_this_person():
    version = factories.make_version(
        {"attributes": [{"a": "{{First}}", "b": "{{Second}}", "c": "{{Third}}"}]},
        [factories.parameter(name) for name in ("First", "Second", "Third")],
    )
    ann = factories.make_profile(city="Pune")
    values = {"First": "{{ profile.unknown }}", "Second": "{{ profile.city }}"}

    shown = preview(version, values, factories.make_segment([ann]), ann)

    assert shown.problems == {
        "First": "This person has no value for it.",
        "Third": "Not filled in yet.",
    }
    assert shown.body == ""


def test_it_says_how_to_send_what_is_more_than_one_request_takes():
    version = factories.make_version(
        {"purchases": "{{Cart}}"}, [factories.parameter("Cart", type="list")]
    )
    ann = factories.make_profile(cart=[{"product_id": "pen"}] * 80)
    segment = factories.make_segment([ann])

    shown = preview(version, {"Cart": "{{ profile.cart }}"}, segment, ann)
    followed = preview(
        version, {"Cart": "{{ profile.cart | slice: 0, 75 }}"}, segment, ann
    )

    assert shown.problems == {
        GENERAL: "80 objects (purchases) are too many: one request takes 75. Shorten"
        " what fills “purchases”, for example with the filter “slice: 0, 75”, which"
        " takes the first 75."
    }
    assert followed.is_sendable


def test_it_says_which_value_the_parameter_cannot_take():
    version = factories.make_version(
        {"attributes": [{"age": "{{Age}}"}]},
        [factories.parameter("Age", type="integer")],
    )
    ann = factories.make_profile(age="unknown")

    shown = preview(
        version, {"Age": "{{ profile.age }}"}, factories.make_segment([ann]), ann
    )

    assert shown.problems == {"Age": "“unknown” is not a whole number."}


def test_it_says_that_the_person_lacks_the_channel_identifier():
    version = factories.make_version()
    nobody = factories.make_profile(external_id=None, first_name="Zoe")

    shown = preview(
        version, {"Name of the User": "x"}, factories.make_segment([nobody]), nobody
    )

    assert list(shown.problems) == [GENERAL]
    assert "external_id" in shown.problems[GENERAL]


def test_it_survives_a_version_whose_body_is_broken():
    version = factories.make_version('{"attributes": [')
    ann = factories.make_profile()

    shown = preview(version, {}, factories.make_segment([ann]), ann)

    assert list(shown.problems) == [GENERAL]


def test_the_event_is_the_one_that_brought_the_person_in():
    ann = factories.make_profile(first_name="Ann")
    segment = factories.make_segment()
    event = factories.make_event(ann, product="SKU-1")
    factories.enter(segment, ann, event)
    version = factories.make_version(
        {"events": [{"name": "lead", "product": "{{Product}}"}]},
        [factories.parameter("Product")],
    )
    values = {"Product": "{{ event.properties.product }}"}

    shown = preview(version, values, segment, ann, member_event(segment, ann))

    assert json.loads(shown.body)["events"][0]["product"] == "SKU-1"


def test_what_was_sent_keeps_to_the_version_and_values_of_the_run():
    engagement = factories.make_engagement(
        values={"Name of the User": "As it was {{ profile.first_name }}"}
    )
    run = factories.make_run(engagement)
    ann = factories.make_profile(first_name="Ann")
    delivery = factories.make_delivery(ann, run)
    engagement.version = factories.make_version({"attributes": [{"other": "body"}]}, [])
    engagement.values = {}
    engagement.save()

    shown = what_was_sent(delivery)

    assert json.loads(shown.body)["attributes"][0]["first_name"] == "As it was Ann"


@pytest.mark.parametrize(
    "text", ["12345678901234567890123", "1E5", '{"a":  1.50}', "[1,1e2]", " null "]
)
def test_a_text_is_shown_as_it_is_though_it_reads_as_json(text):
    version = factories.make_version(
        "{{Text}}",
        [factories.parameter("Text")],
        body_kind="text",
        headers={"Content-Type": "text/plain"},
        batching="one",
    )
    ann = factories.make_profile(note=text)

    shown = preview(
        version, {"Text": "{{ profile.note }}"}, factories.make_segment([ann]), ann
    )

    assert shown.body == text


@pytest.mark.parametrize(
    ("number", "text", "as_number"),
    [
        (1e20, "100000000000000000000", "1e+20"),
        (12345678901234567890, "12345678901234567890", None),
        (123456789012345678901234, "123456789012345678901234", None),
        (1.5e300, f"15{'0' * 299}", "1.5e+300"),
        (10**400, f"1{'0' * 400}", None),
        (-(10**25), f"-1{'0' * 25}", "-1e+25"),
        (0.00001, "0.00001", "0.00001"),
        (2**53 + 1, "9007199254740993", "9007199254740993"),
        (-(2**63), str(-(2**63)), str(-(2**63))),
    ],
)
def test_a_number_is_written_with_all_its_digits(number, text, as_number):
    version = factories.make_version(
        {"attributes": [{"points": "{{Points}}", "number": "{{Number}}"}]},
        [
            factories.parameter("Points"),
            factories.parameter("Number", type="number", required=False),
        ],
    )
    ann = factories.make_profile(pts=number, list=[number])
    values = {"Points": "{{ profile.pts }}", "Number": "{{ profile.pts }}"}

    shown = preview(version, values, factories.make_segment([ann]), ann)

    assert f'"points": "{text}"' in shown.body
    if as_number is None:
        assert "number" not in json.loads(shown.body)["attributes"][0]
        assert "“Number” is left out" in shown.notes[0]
    else:
        written = shown.body.partition('"number": ')[2].split()[0]
        assert (written, float(written)) == (as_number, float(number))

    for points in ("Points: {{ profile.pts }}", "{{ profile.list | join }}"):
        values["Points"] = points
        shown = preview(version, values, factories.make_segment([ann]), ann)
        assert f'{text}"' in shown.body
    values["Points"] = "Points: {{ profile.list }}"
    assert preview(version, values, factories.make_segment([ann]), ann).is_sendable


def test_an_optional_value_of_another_type_is_left_out_and_named():
    version = factories.make_version(
        {"attributes": [{"external_id": "x", "age": "{{Age}}"}]},
        [factories.parameter("Age", type="integer", required=False)],
    )
    ann = factories.make_profile(age="unknown")

    shown = preview(
        version, {"Age": "{{ profile.age }}"}, factories.make_segment([ann]), ann
    )

    assert json.loads(shown.body) == {"attributes": [{"external_id": "x"}]}
    assert shown.notes == ("“Age” is left out: “unknown” is not a whole number.",)
