import pytest

from externalapi.template.parameters import InvalidParameterError
from externalapi.template.url_and_headers import (
    compile_headers,
    compile_target,
    join_target,
    split_target,
)

NASTY = "a/b?c=d&e#f ü"
QUOTED = "a%2Fb%3Fc%3Dd%26e%23f%20%C3%BC"


@pytest.mark.parametrize(
    ("query", "values", "expected"),
    [
        ([("id", "{{ID}}")], {"ID": "7"}, "/p?id=7"),
        ([("id", "{{ID}}")], {"ID": NASTY}, f"/p?id={QUOTED}"),
        ([("id", "u-{{ID}}&x=1")], {"ID": NASTY}, f"/p?id=u-{QUOTED}%26x%3D1"),
        ([("a b", "c d")], {}, "/p?a%20b=c%20d"),
        # A whole value that is missing takes its name along; inside a text it is empty.
        ([("id", "{{ID}}"), ("a", "1")], {}, "/p?a=1"),
        ([("id", "{{ID}}")], {}, "/p"),
        ([("id", "u-{{ID}}")], {}, "/p?id=u-"),
        # A list gives its name once an item.
        ([("tag", "{{ID}}")], {"ID": ["x", "y z"]}, "/p?tag=x&tag=y%20z"),
        ([("tag", "{{ID}}")], {"ID": []}, "/p"),
        # A null is no item.
        ([("tag", "{{ID}}")], {"ID": ["x", None]}, "/p?tag=x"),
        ([("tag", "{{ID}}")], {"ID": [None]}, "/p"),
        ([("n", "{{ID}}"), ("b", "{{B}}")], {"ID": 1.5, "B": True}, "/p?n=1.5&b=true"),
        ([("empty", "")], {}, "/p?empty="),
    ],
    ids=repr,
)
def test_a_query_is_filled_value_by_value(query, values, expected):
    assert compile_target("/p", query)(values) == expected


def test_a_query_follows_one_that_the_path_has():
    assert compile_target("/p?v=2", [("id", "{{ID}}")])({"ID": 1}) == "/p?v=2&id=1"


@pytest.mark.parametrize(
    ("typed", "path", "query"),
    [
        ("/a", "/a", []),
        ("/a?", "/a", []),
        ("/a?b={{c}}", "/a", [("b", "{{c}}")]),
        (
            "/a/{{x}}?b={{c}}&d=e+f%21",
            "/a/{{x}}",
            [("b", "{{c}}"), ("d", "e f!")],
        ),
        # A name may hold what separates a query's parts.
        ("/a?b={{R&D = 1+1}}&c=2", "/a", [("b", "{{R&D = 1+1}}"), ("c", "2")]),
        ("/a?b=u-{{c}}-{{d}}", "/a", [("b", "u-{{c}}-{{d}}")]),
        ("/a?b", "/a", [("b", "")]),
    ],
)
def test_the_query_is_taken_off_a_path_as_typed(typed, path, query):
    assert split_target(typed) == (path, query)
    assert split_target(join_target(path, query))[1] == [
        (name, template) for name, template in query
    ]


def test_a_header_whose_whole_value_is_missing_is_left_out():
    fill = compile_headers({"X-A": "{{A}}", "X-B": "b {{A}}", "X-C": "c"})
    assert fill({"A": "1"}) == {"X-A": "1", "X-B": "b 1", "X-C": "c"}
    assert fill({}) == {"X-B": "b ", "X-C": "c"}


def test_a_header_s_value_stays_on_its_line():
    with pytest.raises(InvalidParameterError, match="cannot go into a header"):
        compile_headers({"X-A": "{{A}}"})({"A": "1\r\nX-Evil: 2"})
