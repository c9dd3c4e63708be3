"""Whether a text names somebody."""

import pytest

from segments.privacy.naming import Named

NAMED = Named(
    people=(1,),
    keys=frozenset(
        {
            ("external_id", "42"),
            ("anonymous_id", "device-Ä/7"),
            ("email", "ann@example.com"),
            ("phone", "+493089455512"),
        }
    ),
)


@pytest.mark.parametrize(
    "value",
    [
        {"userId": "42"},
        {"context": {"externalIds": [{"id": 42, "type": "x"}]}},
        b'{"traits":{"email":"ANN\\u0040example.com"}}',
        b'[{"a":["x",{"y":"to ann@example.com."}]}]',
        "ann@example.com is odd",
        "<ann@example.com>",
        b"broken {ann@example.com",
        {"ann@example.com": True},
        {"id": "DEVICE-\u00e4/7"},
        {"phone": "(030) 89455512"},
        {"phone": 493089455512},
        '"ann@example.com"',
        memoryview(b'{"User ID": "42"}'),
    ],
)
def test_it_does(value):
    assert NAMED.is_in(value)


@pytest.mark.parametrize(
    "value",
    [
        {"quantity": 42, "total": "42"},
        "42 people",
        {"userId": "421"},
        "joann@example.com, ann@example.com.au, ann@example.community",
        "ann@example",
        {"phone": "+493089455513"},
        {"phone": "9455512"},
        b"\xff\xfe",
        "",
        None,
        True,
        '{"a":' * 2_000,
    ],
)
def test_it_does_not(value):
    assert not NAMED.is_in(value)


def test_words_that_name_them_are_taken_out():
    said = {"User ID": "42", "a": ["Of ANN@example.com: 42", 42], "device-ä/7": None}
    assert NAMED.hide(said) == {
        "User ID": "(erased)",
        "a": ["Of (erased): 42", 42],
        "(erased)": None,
    }


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        (b'id\n"42"\n', True),
        (b"id\n142\n", False),
        (b"x;Ann@Example.com;y", True),
        (b"x;joann@example.com;y", False),
        (b'{"id": "device-\\u00c4/7"}', True),
        ("device-Ä/7".encode(), True),
        (b"+49 (0)30 8945-5512", True),
        (b"+49 (0)30 8945-5513", False),
    ],
)
def test_a_file_is_searched_in_any_encoding(text, is_there):
    assert bool(NAMED.scan.search(text)) is is_there


def test_who_has_no_identifier_is_named_nowhere():
    nobody = Named(people=(1,), keys=frozenset())
    assert not nobody.is_in({"userId": "42"})
    assert (nobody.scan, nobody.likes) == (None, [])
