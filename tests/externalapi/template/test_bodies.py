import json
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest

from externalapi.template.bodies import compile_body, content_type, parse
from externalapi.template.parser import BodyError
from externalapi.template.placeholders import find_in_tree


def filled(kind, text, values, content_type=""):
    return compile_body(kind, parse(kind, text), content_type)(values)


@pytest.mark.parametrize(
    ("text", "values", "pairs"),
    [
        ("a = 1\nb = {{B}}", {"B": "x&y=z +ü"}, [("a", "1"), ("b", "x&y=z +ü")]),
        ("a = b = c", {}, [("a", "b = c")]),
        ("to = +{{B}}", {"B": 49}, [("to", "+49")]),
        # A missing whole value takes its field along.
        ("a = {{A}}\nb = 2", {}, [("b", "2")]),
        ("a = x{{A}}", {}, [("a", "x")]),
        ("a = {{A}}", {"A": ["1", "2"]}, [("a", "1"), ("a", "2")]),
        # A null is no item.
        ("a = {{A}}\nb = 2", {"A": [None, "1"]}, [("a", "1"), ("b", "2")]),
        ("a = {{A}}\nb = 2", {"A": [None]}, [("b", "2")]),
        ("tag = x\n\ntag = y", {}, [("tag", "x"), ("tag", "y")]),
        (
            '{"a": {{A}}, "n": 1.5, "yes": true, "t": ["x", "{{B}}"]}',
            {"A": "1", "B": "y"},
            [("a", "1"), ("n", "1.5"), ("yes", "true"), ("t", "x"), ("t", "y")],
        ),
        ("a =", {}, [("a", "")]),
    ],
    ids=repr,
)
def test_a_form_is_filled_field_by_field(text, values, pairs):
    written = filled("form", text, values)
    assert parse_qsl(written, keep_blank_values=True) == pairs


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a = 1\nb", "Write a form's field as name = value.", 2),
        ("= 1", "name = value", 1),
        ("{{A}} = 1", "cannot be a name", 1),
        ("a = 1\nb = {{open", "is not closed", 2),
        ('{"a": {"b": 1}}', "a form has no more", 1),
        ('{"a": null}', "a form has no more", 1),
        ('{"a": ', "expected", 1),
        ("a = {{x|upper}}", "looks like an expression", 1),
        ("a = " + "x" * 70_000, "longer than 64 KB", 1),
        ("\n".join(f"a = {{{{P{i}}}}}" for i in range(501)), "more than 500", 1),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_form_s_mistake_is_found_with_its_line(text, words, line):
    with pytest.raises(BodyError, match=words) as error:
        parse("form", text)
    assert error.value.line == line


def test_a_text_is_filled_as_its_content_type_asks():
    text = "<to>{{A}}</to>"
    values = {"A": "</to><evil a=\"1\" b='2'>&"}
    assert filled("text", text, values, "text/plain") == f"<to>{values['A']}</to>"
    xml = filled("text", text, values, "application/xml; charset=utf-8")
    assert ElementTree.fromstring(xml).text == values["A"]
    xml = filled("text", "<to a='{{A}}'/>", values, "text/xml")
    assert ElementTree.fromstring(xml).get("a") == values["A"]
    form = filled("text", "a={{A}}&b=2", values, "application/x-www-form-urlencoded")
    assert parse_qsl(form) == [("a", values["A"]), ("b", "2")]


def test_json_in_a_text_is_sent_to_the_json_body():
    with pytest.raises(BodyError, match="choose the JSON body"):
        compile_body("text", parse("text", '{"a": {{A}}}'), "application/json")


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("a\nb {{", "is not closed", 2),
        ("a\0", "cannot be sent", 1),
        ("x" * 70_000, "longer than 64 KB", 1),
        ("{{A}}" * 501, "more than 500", 1),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_text_s_mistake_is_found_with_its_line(text, words, line):
    with pytest.raises(BodyError, match=words) as error:
        parse("text", text)
    assert error.value.line == line


@pytest.mark.parametrize("kind", ["json", "form", "text", "none"])
def test_no_text_is_no_body(kind):
    assert parse(kind, " \n") is None
    assert compile_body(kind, None)({}) is None


def test_a_body_of_no_kind_is_none():
    assert parse("none", '{"a": 1}') is None


def test_placeholders_are_found_in_every_kind():
    for kind, text in (
        ("json", '{"a": {{A}}}'),
        ("form", "a = {{A}}"),
        ("text", "a {{A}}"),
    ):
        assert find_in_tree(parse(kind, text)) == ["A"]


def test_a_header_says_the_content_type_before_the_kind_does():
    assert content_type("json", {}) == "application/json"
    assert content_type("form", {"X": "y"}) == "application/x-www-form-urlencoded"
    assert content_type("text", {"content-type": "text/xml"}) == "text/xml"
    assert content_type("none", {}) == ""


def test_json_is_filled_as_a_tree():
    text = json.dumps({"a": "{{A}}", "b": ["x {{B}}"]})
    assert filled("json", text, {"A": 1, "B": 2}) == {"a": 1, "b": ["x 2"]}
