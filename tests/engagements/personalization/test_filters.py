"""What each filter gives: of a usual value, a missing, a wrong and an extreme one."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engagements.personalization.filters import dates
from engagements.personalization.filters.table import FILTERS, GROUPS
from engagements.personalization.liquid import (
    MISSING,
    PersonalizationError,
    compile_value,
)
from engagements.personalization.spelling import translate

DOCUMENT = Path(__file__).parents[3] / "docs" / "filters.md"
NOW = datetime(2026, 5, 2, 7, 8, 9, 123456, tzinfo=UTC)
CONTEXT = {
    "profile": {
        "nick": "ana",
        "age": 42,
        "price": 2.675,
        "written": "12.5",
        "german": "1.234,50",
        "blank_text": "",
        "is_member": True,
        "tags": ["b", None, "A", "b"],
        "one": ["x"],
        "none": [],
        "cart": [{"sku": "S1", "price": 2.5}, {"sku": "S2", "price": 7}, {"sku": "S1"}],
        "address": {"city": "Pune"},
        "born": "19901231",
        "seen": "2021-06-03 17:13:41 UTC",
        "zone": "Europe/Berlin",
        "odd_zone": "+05:99",
        "huge": 10**400,
    },
    "event": {"time": datetime(2026, 5, 1, 22, 30, tzinfo=UTC), "properties": {}},
    "now": NOW,
}


def value_of(source):
    return compile_value(source).evaluate(CONTEXT)


# A use of every filter with arguments that it takes, for a value to be put before it.
USES = {
    "append": ': "!"',
    "at_least": ": 1",
    "at_most": ": 1",
    "concat": ": profile.one",
    "date": ': "%Y"',
    "divided_by": ": 2",
    "find": ': "sku", "S1"',
    "find_index": ': "sku"',
    "has": ': "sku"',
    "hmac_sha1": ': "k"',
    "hmac_sha1_base64": ': "k"',
    "hmac_sha1_hex": ': "k"',
    "hmac_sha256": ': "k"',
    "hmac_sha256_base64": ': "k"',
    "hmac_sha256_hex": ': "k"',
    "hmac_sha512": ': "k"',
    "map": ': "sku"',
    "minus": ": 1",
    "modulo": ": 2",
    "plus": ": 1",
    "prepend": ': "!"',
    "property_accessor": ': "city"',
    "reject": ': "sku"',
    "plus_days": ": 2",
    "remove": ': "a"',
    "remove_first": ': "a"',
    "remove_last": ': "a"',
    "replace": ': "a", "b"',
    "replace_first": ': "a", "b"',
    "replace_last": ': "a", "b"',
    "slice": ": 0",
    "split": ': ","',
    "time_zone": ': "Asia/Kolkata"',
    "times": ": 2",
    "where": ': "sku"',
}
ASKING = {"default": ': "x"', "size": ""}
OTHERS = sorted(FILTERS.keys() - ASKING)


@pytest.mark.parametrize("name", OTHERS)
def test_missing_stays_missing_through_every_filter(name):
    use = f"{name}{USES.get(name, '')}"
    for path in ("profile.absent", "event.properties.absent", "profile.nick.deeper"):
        assert value_of(f"{{{{ {path} | {use} }}}}") is MISSING
        assert value_of(f"Hi {{{{ {path} | {use} }}}}") is MISSING
    assert value_of(f'{{{{ profile.absent | {use} | default: "x" }}}}') == "x"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{{ profile.absent | default: "x" }}', "x"),
        ("{{ profile.absent | default: profile.nick }}", "ana"),
        ("{{ profile.absent | default: profile.absent }}", MISSING),
        ("{{ profile.nick | default: profile.absent }}", "ana"),
        ('{{ profile.blank_text | default: "x" }}', "x"),
        ('{{ profile.none | default: "x" }}', "x"),
        ('{{ profile.is_member | default: "x" }}', True),
        ("{{ profile.absent | size }}", 0),
        ("{{ profile.tags | size }}", 4),
        ("{{ profile.nick | append: profile.absent }}", MISSING),
        ("{{ profile.age | plus: profile.absent }}", MISSING),
        ('{{ profile.nick | replace: profile.absent, "x" }}', MISSING),
        ("{{ profile.one | concat: profile.absent }}", MISSING),
        ("{{ profile.none | first }}", MISSING),
        ('{{ profile.cart | find: "sku", "S9" }}', MISSING),
        ('{{ profile.cart | sum: "price" }}', MISSING),
        ("{{ profile.tags[9] }}", MISSING),
        ("{{ profile[profile.absent] }}", MISSING),
    ],
)
def test_missing_is_not_a_value(source, expected):
    assert value_of(source) == expected


def test_each_filter_of_the_list_above_is_one():
    assert USES.keys() <= FILTERS.keys()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # Rounded half up, in decimals.
        ("{{ 2.5 | round }}", 3),
        ("{{ 3.5 | round }}", 4),
        ("{{ -2.5 | round }}", -3),
        ("{{ 2.675 | round: 2 }}", 2.68),
        ("{{ 1.005 | round: 2 }}", 1.01),
        ("{{ profile.price | round: 2 }}", 2.68),
        ("{{ 1234 | round: -2 }}", 1200),
        ("{{ 7 | round: 2 }}", 7),
        ("{{ 7.0 | round: 2 }}", 7.0),
        ("{{ 2.5 | round: 99 }}", 2.5),
        ("{{ 0.1 | plus: 0.2 }}", 0.3),
        ("{{ 1.1 | times: 1.1 }}", 1.21),
        ("{{ profile.written | plus: 0 }}", 12.5),
        ('{{ " 12 " | plus: 1 }}', 13),
        ('{{ "1e3" | plus: 1 }}', 1001.0),
        ("{{ 7 | divided_by: 2 }}", 3),
        ("{{ -7 | divided_by: 2 }}", -4),
        ("{{ 7 | divided_by: 2.0 }}", 3.5),
        ("{{ 10 | divided_by: 3.0 }}", 3.3333333333333335),
        ("{{ -7 | modulo: 3 }}", 2),
        ("{{ -7.5 | modulo: 2 }}", 0.5),
        ("{{ 4.2 | ceil }}", 5),
        ("{{ -4.2 | floor }}", -5),
        ("{{ -4.2 | abs }}", 4.2),
        ("{{ 4 | at_least: 5 }}", 5),
        ("{{ 4.5 | at_most: 4 }}", 4),
        ("{{ 9223372036854775807 | plus: 1 }}", 2**63),
        # Braze's own.
        ("{{ 123456 | number_with_delimiter }}", "123,456"),
        ("{{ 123 | number_with_delimiter }}", "123"),
        ("{{ 123456.789 | number_with_delimiter }}", "123,456.789"),
        ('{{ "1234567.50" | number_with_delimiter }}', "1,234,567.50"),
        ("{{ 17.8 | money }}", "17.80"),
        ("{{ 145 | money }}", "145.00"),
        ("{{ 1.005 | money }}", "1.01"),
        ("{{ 145 | divided_by: 100.00 | money }}", "1.45"),
        ("{{ 'hey' | md5 }}", "6057f13c496ecf7fd777ceb9e79ae285"),
        ("{{ 'hey' | sha1 }}", "7f550a9f4c44173a37664d938f1355f0f92a47a7"),
        (
            "{{ 'hey' | sha256 }}",
            "fa690b82061edfd2852629aeba8a8977b57e40fcb77d1a7a28b26cba62591204",
        ),
        (
            "{{ 'hey' | sha2 }}",
            "fa690b82061edfd2852629aeba8a8977b57e40fcb77d1a7a28b26cba62591204",
        ),
        (
            "{{ 'hey' | hmac_sha256: 'secret_key' }}",
            "8df897f8da3d7992fe57c8dbc6f27578cfbf2dcc4d0fbb4000b8c924841d508e",
        ),
        (
            "{{ 'hey' | hmac_sha256_base64: 'secret_key' }}",
            "jfiX+No9eZL+V8jbxvJ1eM+/LcxND7tAALjJJIQdUI4=",
        ),
        (
            "{{ 'hey' | hmac_sha1_hex: 'secret_key' }}",
            "2a3969bed25bfeefb00aca4063eb9590b4df8f0e",
        ),
        ("{{ 'hey<>hi' | url_escape }}", "hey%3C%3Ehi"),
        ("{{ 'a&b c' | url_escape }}", "a&b%20c"),
        ("{{ 'hey<&>hi' | url_param_escape }}", "hey%3C%26%3Ehi"),
        ("{{ 'ann+1@example.com' | url_param_escape }}", "ann%2B1%40example.com"),
        ("{{ 'google search' | url_encode }}", "google+search"),
        ("{{ 'google+search' | url_decode }}", "google search"),
        ("{{ '123\"4\\5' | json_escape }}", '123\\"4\\\\5'),
        ('{{ \'[{"id": "1"}]\' | json_parse }}', [{"id": "1"}]),
        ("{{ profile.one | as_json_string }}", '["x"]'),
        ("{{ profile.address | property_accessor: 'city' }}", "Pune"),
        ("{{ profile.address | property_accessor: 'none' }}", MISSING),
        ("{{ 'blah' | base64_encode }}", "YmxhaA=="),
        ("{{ 'YmxhaA==' | base64_decode }}", "blah"),
        ("{{ 'YmxhaA' | base64_url_safe_decode }}", "blah"),
        # A number is a text where one is needed.
        ('{{ profile.age | append: " years" }}', "42 years"),
        ("{{ profile.nick | append: 1.50 }}", "ana1.5"),
        ('{{ profile.is_member | append: "!" }}', "true!"),
        ("{{ event.time | slice: 0, 10 }}", "2026-05-01"),
        # Liquid's.
        ("{{ 'a,b,,' | split: ',' }}", ["a", "b"]),
        ("{{ '' | split: ',' }}", []),
        ("{{ 'abc' | slice: -2, 2 }}", "bc"),
        ("{{ 'abc' | slice: -9, 2 }}", ""),
        ("{{ 'abcdef' | truncate: 5 }}", "ab..."),
        ("{{ 'a b c' | truncatewords: 2 }}", "a b..."),
        ('{{ "Tom\'s & <b>" | escape }}', "Tom&#39;s &amp; &lt;b&gt;"),
        ("{{ '&amp; & <' | escape_once }}", "&amp; &amp; &lt;"),
        ("{{ '<script>x</script>a<b>c</b' | strip_html }}", "ac</b"),
        ("{{ 'a.b.c' | replace_last: '.', '-' }}", "a.b-c"),
        ("{{ 'a.b.c' | remove_last: '.' }}", "a.bc"),
        ("{{ profile.tags | compact }}", ["b", "A", "b"]),
        ("{{ profile.tags | uniq }}", ["b", None, "A"]),
        ("{{ profile.tags | sort }}", ["A", "b", "b", None]),
        ("{{ profile.tags | sort_natural | first }}", "A"),
        ("{{ profile.tags | join: '-' }}", "b--A-b"),
        ("{{ profile.tags | reverse | last }}", "b"),
        ("{{ profile.cart | map: 'sku' | uniq | join }}", "S1 S2"),
        ("{{ profile.cart | where: 'price' | sum: 'price' }}", 9.5),
        ("{{ profile.cart | where: 'sku', 'S1' | size }}", 2),
        ("{{ profile.cart | reject: 'price' | size }}", 1),
        # 0 is a value, as false is none.
        ("{{ '[{\"n\": 0}, {\"n\": false}]' | json_parse | where: 'n' | size }}", 1),
        ("{{ '[{\"n\": 0}, {}]' | json_parse | reject: 'n' }}", [{}]),
        ("{{ '[{\"n\": 0.0}]' | json_parse | has: 'n' }}", True),
        ("{{ profile.cart | find_index: 'sku', 'S2' }}", 1),
        ("{{ profile.cart | has: 'sku', 'S2' }}", True),
        ("{{ profile.cart | compact: 'price' | size }}", 2),
        ("{{ profile.cart[-1].sku }}", "S1"),
        ("{{ profile.cart.first.sku }}", "S1"),
        ("{{ profile.cart.size }}", 3),
    ],
)
def test_a_filter_gives(source, expected):
    found = value_of(source)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ profile.german | plus: 0 }}", "“1.234,50” is not a number"),
        ("{{ profile.blank_text | plus: 0 }}", "“” is not a number"),
        ("{{ profile.nick | times: 2 }}", "“ana” is not a number"),
        ("{{ profile.is_member | plus: 1 }}", "not true or false"),
        ("{{ profile.tags | plus: 1 }}", "a number is needed here, not a list"),
        ("{{ profile.age | plus: profile.german }}", "“plus”, number: “1.234,50”"),
        ("{{ profile.tags | sum }}", None),
        ("{{ profile.tags | append: 'x' }}", "a text is needed here, not a list"),
        ("{{ profile.address | upcase }}", "not an object"),
        ("{{ profile.nick | first }}", "a list is needed here, not a text"),
        ("{{ profile.address | compact: 1 }}", "a list is needed here"),
        ("{{ profile.one | map: 'x' }}", "not an object"),
        ("{{ profile.age | size }}", "not a number"),
        ("{{ profile.cart | sort }}", "only texts or numbers"),
        ("{{ profile.cart | map: 'sku' | concat: profile.nick }}", "“concat”, list"),
        ("{{ profile.nick | date: '%Y' }}", "“ana” is not a date and time"),
        ("{{ profile.is_member | date: '%Y' }}", "is not a date and time"),
        ("{{ profile.seen | time_zone: profile.nick }}", "there is no time zone “ana”"),
        (
            "{{ profile.seen | time_zone: profile.odd_zone }}",
            "there is no time zone “+05:99”",
        ),
        ("{{ profile.age | date: profile.nick }}", None),
        ("{{ profile.nick | base64_decode }}", "not a text in base64"),
        ("{{ '%ff' | append: '' | url_decode }}", "not a text in URL encoding"),
        ("{{ profile.nick | json_parse }}", "not JSON"),
        ("{{ profile.age | divided_by: profile.zero }}", None),
        ("{{ profile.huge | plus: 1 }}", "too large"),
        ("{{ profile.huge | divided_by: 2.5 }}", "too large"),
        ("{{ '1e400' | append: '' | plus: 1 }}", "too large"),
        ("{{ 'NaN' | append: '' | plus: 1 }}", "“NaN” is not a number"),
        ("{{ '1_000' | append: '' | plus: 1 }}", "is not a number"),
        ("{{ '٤٢' | append: '' | plus: 1 }}", "is not a number"),
    ],
)
def test_a_value_of_another_kind_is_an_error_for_the_person(source, message):
    compiled = compile_value(source)
    if message is None:
        assert compiled.evaluate(CONTEXT) in (MISSING, "ana")
        return
    with pytest.raises(PersonalizationError) as error:
        compiled.evaluate(CONTEXT)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        # The number of arguments.
        (
            "{{ profile.nick | append }}",
            "“append” takes 1 argument. Write append: text.",
        ),
        ("{{ profile.nick | upcase: 1 }}", "“upcase” takes no argument."),
        ("{{ profile.age | plus: 1, 2 }}", "“plus” takes 1 argument."),
        ("{{ profile.nick | replace }}", "“replace” takes 1 to 2 arguments."),
        ("{{ profile.nick | default }}", "“default” takes 1 argument."),
        ("{{ event.time | date }}", "“date” takes 1 argument."),
        ("{{ profile.nick | truncate: 5, end: 'x' }}", "“truncate” has no “end”"),
        ("{{ profile.nick | default: 'x', allow_false: 1 }}", "write true or false"),
        # Their kinds.
        ("{{ profile.age | round: 'two' }}", "“two” is not a number"),
        ("{{ profile.age | round: 1.5 }}", "“1.5” is not a whole number"),
        ("{{ profile.age | plus: '1.234,50' }}", "is not a number"),
        ("{{ profile.age | plus: true }}", "not true or false"),
        ("{{ profile.age | divided_by: 0 }}", "nothing can be divided by 0"),
        ("{{ profile.nick | truncate: 'ten' }}", "is not a number"),
        ("{{ profile.tags | concat: 'x' }}", "a list is needed here"),
        ("{{ profile.nick | append: nil }}", "“nil” cannot be used here"),
        ("{{ profile.nick | default: empty }}", "cannot be read"),
        ("{{ now | time_zone: 'Europe/Berln' }}", "Did you mean “Europe/Berlin”?"),
        ("{{ now | time_zone: '+05:99' }}", "there is no time zone “+05:99”"),
        ("{{ now | time_zone: '+15:00' }}", "there is no time zone “+15:00”"),
        # Extreme constants.
        ("{{ profile.tags | compact: 99999999999999999999 }}", "too large"),
        ("{{ 99999999999999999999 | plus: 1 }}", "too large"),
        ("{{ profile.age | times: 99999999999999999999 }}", "too large"),
        ("{{ profile.age | plus: " + "9" * 400 + ".0 }}", "too large"),
        ("{{ profile.nick" + " | upcase" * 51 + " }}", "more than 50 filters"),
        # Ranges and conditions.
        ("{{ (1..100000000) | join: 'x' }}", "cannot be used here"),
        ("{{ profile.tags | concat: (1..9) }}", "cannot be used here"),
        ("{{ profile.nick if profile.age else 'x' }}", "cannot be read"),
        # Formats of dates.
        ("{{ event.time | date: '%Q' }}", "“%Q” is not supported"),
        ("{{ event.time | date: '%Y-%' }}", "“%” is not supported"),
        ("{{ event.time | date: '%E' }}", "“%E” is not supported"),
        ("{{ event.time | date: '%::z' }}", "is not supported"),
        ("{{ event.time | date: ' ' }}", "the format is empty"),
        ("{{ event.time | date: 'x" + "%Y" * 200 + "' }}", "longer than 200"),
        # Braze's own, which means nothing here.
        ("{{ campaign.${name} }}", "“campaign.${name}” is known to Braze only"),
        ("{{ ${} }}", "names no variable"),
        ("{{ profile.nick | default: “there” }}", "Write straight quotes"),
    ],
)
def test_a_mistake_in_a_filter_is_refused_when_it_is_saved(source, message):
    with pytest.raises(PersonalizationError) as error:
        compile_value(source)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ now | date: '%Y-%m-%dT%H:%M:%S.%LZ' }}", "2026-05-02T07:08:09.123Z"),
        ("{{ now | date: '%N %3N %6N %9L' }}", "123456000 123 123456 123456000"),
        ("{{ profile.born | date: '%Y' }}", "1990"),
        ("{{ 19901231 | date: '%F' }}", "1990-12-31"),
        ("{{ '20240229T101112' | date: '%F %T' }}", "2024-02-29 10:11:12"),
        ("{{ '20240229101112' | date: '%F %T' }}", "2024-02-29 10:11:12"),
        ("{{ '1433351621' | date: '%F %T' }}", "2015-06-03 17:13:41"),
        ("{{ 1433351621 | date: '%F' }}", "2015-06-03"),
        ("{{ 1433351621.5 | date: '%T.%L' }}", "17:13:41.500"),
        ("{{ 1433351621000 | date: '%F' }}", "2015-06-03"),
        ("{{ 0 | date: '%F' }}", "1970-01-01"),
        ("{{ profile.seen | date: '%s' }}", "1622740421"),
        ("{{ '2021-06-03 17:13:41 +0200' | date: '%H:%M %z' }}", "17:13 +0200"),
        ("{{ '2021-06-03T17:13:41+02:00' | date: '%s %:z' }}", "1622733221 +02:00"),
        ("{{ '2021-06-03T17:13:41.123456789Z' | date: '%L' }}", "123"),
        (
            "{{ 'Thu, 03 Jun 2021 17:13:41 GMT' | date: '%F %T' }}",
            "2021-06-03 17:13:41",
        ),
        ("{{ 'March 14, 2016' | date: '%b %d, %y' }}", "Mar 14, 16"),
        ("{{ '14 March 2016 5:06 pm' | date: '%k:%M' }}", "17:06"),
        ("{{ '2016/3/4' | date: '%F' }}", "2016-03-04"),
        ("{{ '4.3.2016 17:06' | date: '%F %R' }}", "2016-03-04 17:06"),
        (
            "{{ '2016-W10-5' | date: '%F %G-%V %j %u %w' }}",
            "2016-03-11 2016-10 071 5 5",
        ),
        ("{{ '0999-01-02' | date: '%Y %C' }}", "0999 09"),
        (
            "{{ event.time | date: '%-d.%-m.%y %e %l %I %p %P' }}",
            "1.5.26  1 10 10 PM pm",
        ),
        (
            "{{ event.time | date: '%^a %^B %h %D %R %c' }}",
            "FRI MAY May 05/01/26 22:30 Fri May  1 22:30:00 2026",
        ),
        ("{{ event.time | date: '100%% %U %W %Z' }}", "100% 17 17 UTC"),
        (
            "{{ event.time | time_zone: 'Europe/Berlin' | date: '%F %T %Z' }}",
            "2026-05-02 00:30:00 CEST",
        ),
        ("{{ event.time | time_zone: profile.zone | date: '%H' }}", "00"),
        ("{{ event.time | time_zone: '+0530' | date: '%H:%M' }}", "04:00"),
        ("{{ event.time | time_zone: 'Europe/Berlin' }}", "2026-05-02T00:30:00+02:00"),
        ("{{ 'now' | date: '%F %T' }}", "2026-05-02 07:08:09"),
        ("{{ 'today' | time_zone: 'Asia/Tokyo' | date: '%F %H' }}", "2026-05-02 16"),
        ("{{ profile.absent | default: 'now' | date: '%Y' }}", "2026"),
        ("{{ now }}", "2026-05-02T07:08:09.123Z"),
        ("at {{ event.time }}", "at 2026-05-01T22:30:00Z"),
    ],
)
def test_a_date_is(source, expected):
    assert value_of(source) == expected


@pytest.mark.parametrize(
    "text",
    [
        "03/06/2021",  # the third of June, or the sixth of March
        "2021-02-30",
        "2021-13-01",
        "19901331",
        "1990",  # a year, or seconds?
        "2021-06-03 25:00",
        "June 2021",
        "12:30",
        "tomorrow",
        "2021-06-03 17:13:41 CEST",
        "Foo 14, 2016",
        "99999999999999999999",
        "9" * 15,
        "2021-06-03" + " " * 100_000 + "x",
        "",
        "٢٠٢١-٠٦-٠٣",
    ],
)
def test_what_is_no_date_is_an_error_for_the_person(text):
    compiled = compile_value("{{ profile.at | date: '%Y' }}")
    with pytest.raises(PersonalizationError, match="is not a date and time"):
        compiled.evaluate({"profile": {"at": text}})


def test_the_word_now_is_read_as_the_time_of_writing():
    for source in (
        "{{ 'now' | date: '%Y' }}",
        "{{ profile.x | default: 'today' | date: '%Y' }}",
    ):
        assert ("now",) in compile_value(source).variables
    assert value_of("{{ 'now' | upcase }}") == "NOW"


def test_each_directive_that_is_offered_can_be_written():
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for letter in dates.DIRECTIVES:
        for flag in ("",) if letter in "%nt" else ("", "-", "^", "0", "_"):
            assert dates.compile_format(f"%{flag}{letter}")(at)


@pytest.mark.parametrize(
    ("braze", "ours"),
    [
        ("{{ ${first_name} }}", "{{ profile.first_name }}"),
        ("{{${first_name}}}", "{{profile.first_name}}"),
        (
            "Hi {{${first_name} | default: 'there'}}!",
            "Hi {{profile.first_name | default: 'there'}}!",
        ),
        ("{{ ${email_address} }}", "{{ profile.email }}"),
        ("{{ ${user_id} }}", "{{ profile.external_id }}"),
        ("{{ ${phone_number} }}", "{{ profile.phone }}"),
        ("{{custom_attribute.${balance} | plus: 1}}", "{{profile.balance | plus: 1}}"),
        ("{{custom_attribute.${Brands Viewed}}}", '{{profile["Brands Viewed"]}}'),
        ("{{event_properties.${x}}} {{${y}}}", "{{event.properties.x}} {{profile.y}}"),
        (
            "{{ now | time_zone: ${time_zone} }}",
            "{{ now | time_zone: profile.time_zone }}",
        ),
        ("{{ ${limit} }}", '{{ profile["limit"] }}'),
        ("${5} is text", "${5} is text"),
        ("{{ profile.x | default: '${5}' }}", "{{ profile.x | default: '${5}' }}"),
    ],
)
def test_brazes_own_spelling_is_understood(braze, ours):
    assert translate(braze) == ours
    assert compile_value(braze).variables == compile_value(ours).variables


@pytest.mark.parametrize("name", ["limit", "in", "empty", "required", "true", "for"])
def test_an_attribute_may_be_called_as_a_word_of_liquid_is(name):
    value = compile_value(f"{{{{ profile.{name} | append: '.{name}' }}}}")
    assert value.evaluate({"profile": {name: "x"}}) == f"x.{name}"
    assert value.variables == {("profile", name)}


GROWING = [
    "{{ profile.text | replace: '', '%s' }}" % ("y" * 1_000),
    "{{ profile.text" + " | append: profile.text" * 20 + " }}",
    "{{ profile.text" + " | base64_encode" * 50 + " }}",
    "{{ profile.text" + " | url_encode" * 50 + " }}",
    "{{ profile.text | split: '' | join: '%s' }}" % ("y" * 1_000),
    "{{ profile.text | split: ''" + " | sort | reverse" * 20 + " | join }}",
    "{{ profile.many" + " | uniq | sort_natural" * 20 + " | join }}",
    "{{ profile.many" + " | concat: profile.many" * 40 + " | size }}",
    "{{ profile.deep" + " | concat: profile.deep" * 20 + " | size }}",
    "{{ profile.text" + " | escape | strip_html" * 25 + " }}",
    "{{ profile.open" + " | strip_html" * 25 + " }}",
    "{{ profile.open" + " | escape_once" * 25 + " }}",
    "{{ profile.digits" + " | times: profile.digits" * 40 + " }}",
    "{{ profile.digits" + " | append: profile.digits" * 40 + " | plus: 1 }}",
    "{{ profile.many | where: 'x', profile.many }}",
]


@pytest.mark.parametrize("source", GROWING)
def test_the_work_for_one_person_is_bounded(source):
    person = {
        "text": "x&<" * 30_000,
        "open": "<script" * 14_000,
        "many": [f"{n:06}" for n in range(50_000)],
        "deep": [[["x" * 100] * 10] * 10] * 50,
        "digits": "9" * 300,
    }
    compiled = compile_value(source)
    began = time.process_time()
    with pytest.raises(PersonalizationError):
        compiled.evaluate({"profile": person})
    assert time.process_time() - began < 2


@pytest.mark.parametrize("size", [100, 10_000, 90_000])
def test_a_long_text_may_go_through_several_filters(size):
    source = "{{ profile.text | strip | upcase | replace: 'A', 'b' | truncate: 99999 }}"
    assert (
        len(compile_value(source).evaluate({"profile": {"text": "a" * size}})) == size
    )


@pytest.mark.parametrize(
    "source",
    [
        "{{" * 2_000,
        "{{ (" + "(" * 4_000 + " }}",
        "{{ " + " " * 4_000 + " }}",
        "{{ '" + "x" * 4_000 + " }}",
        "{{ profile.x" + "[0]" * 1_300 + " }}",
        "{{ profile" + "[profile" * 500 + " }}",
        "${" * 2_000,
        "{{${a" * 800,
        "{{ $" + "{" * 4_000 + " }}",
    ],
)
def test_no_text_takes_long_to_be_read(source):
    began = time.process_time()
    try:
        compile_value(source)
    except PersonalizationError:
        pass
    assert time.process_time() - began < 1


def test_every_filter_is_in_the_document_as_it_is_in_the_table():
    """docs/filters.md: a heading for each group, and a row for each filter."""
    parts = re.split(r"^## ", DOCUMENT.read_text(), flags=re.MULTILINE)
    documented = {part.partition("\n")[0]: rows_of(part) for part in parts[1:]}
    for heading, filters in GROUPS.items():
        assert documented[heading] == [row_of(one) for one in filters]


def rows_of(part: str) -> list[list[str]]:
    rows = re.findall(r"^\| (`.*) \|$", part, re.MULTILINE)
    return [row.split(" | ") for row in rows]


def row_of(one) -> list[str]:
    takes = ", ".join(
        [one.takes.name, *(f"{a.name}: {a.kind.name}" for a in one.arguments)]
    )
    return [f"`{one.usage}`", one.does, takes, one.missing, one.wrong, one.extreme]
