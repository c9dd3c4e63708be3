import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.template.parser import BodyError, parse_body
from externalapi.template.spans import formatted, path_text, spans
from tests.externalapi.template.test_parser import TREES

BODY = '{"a": [1.50, {{Whole}}, {"b": "{{Name}} x"}], "c": {}}'


def test_a_body_is_laid_out_in_its_author_s_own_words():
    assert formatted(BODY) == (
        "{\n"
        '  "a": [\n'
        "    1.50,\n"
        "    {{Whole}},\n"
        "    {\n"
        '      "b": "{{Name}} x"\n'
        "    }\n"
        "  ],\n"
        '  "c": {}\n'
        "}\n"
    )


def test_every_value_is_found_in_the_text():
    found = {path: BODY[one.start : one.end] for path, one in spans(BODY).items()}
    assert found == {
        (): BODY,
        ("a",): '[1.50, {{Whole}}, {"b": "{{Name}} x"}]',
        ("a", 0): "1.50",
        ("a", 1): "{{Whole}}",
        ("a", 2): '{"b": "{{Name}} x"}',
        ("a", 2, "b"): '"{{Name}} x"',
        ("c",): "{}",
    }
    assert BODY[spans(BODY)["a", 2, "b"].key :].startswith('"b": ')


@settings(deadline=None)
@given(TREES, st.sampled_from([None, 2]))
def test_laying_out_changes_no_value_and_is_done_once(tree, indent):
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    once = formatted(text)
    assert parse_body(once) == tree
    assert formatted(once) == once


@settings(deadline=None)
@given(TREES)
def test_every_leaf_is_where_it_is_said_to_be(tree):
    text = json.dumps(tree)
    for path, span in spans(text).items():
        value = tree
        for part in path:
            value = value[part]
        assert json.loads(text[span.start : span.end]) == value
        assert span.is_leaf == (not isinstance(value, dict | list))


@pytest.mark.parametrize("function", [formatted, spans])
def test_what_is_no_body_is_refused(function):
    with pytest.raises(BodyError):
        function('{"a": }')


def test_a_path_reads_as_people_write_it():
    assert path_text(("attributes", 0, "email")) == "attributes[0].email"
    assert path_text((0, "a")) == "[0].a"
    assert path_text(()) == ""
