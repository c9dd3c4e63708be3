import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.template.parser import BodyError, check_braces, parse_body


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('{"a": 1}', {"a": 1}),
        (' {"a": {{Price}}} ', {"a": "{{Price}}"}),
        ('{"a": "{{Price}}"}', {"a": "{{Price}}"}),
        ('{"a": {"b": {{Price}}}}', {"a": {"b": "{{Price}}"}}),
        ("[{{ Name of the User }}, {{B}}]", ["{{Name of the User}}", "{{B}}"]),
        ('{"a": "curly }} in {{X}} text \\" {"}', {"a": 'curly }} in {{X}} text " {'}),
        ('{"a": {{He said "hi"}}}', {"a": '{{He said "hi"}}'}),
        ("{}", {}),
        ("[]", []),
        (
            '[true, false, null, -1.5e3, 0, "é\\u00e9"]',
            [True, False, None, -1500.0, 0, "éé"],
        ),
        ("{{Whole}}", "{{Whole}}"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_body_is_read_with_its_placeholders(text, tree):
    assert parse_body(text) == tree


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{"a": 1,\n "b": }', 2, 7, "A value is expected here."),
        ('{"a": 1,\n  "a": 2}', 2, 3, "The name “a” is given twice."),
        ('{"a": 1,}', 1, 9, "A name in double quotes is expected here."),
        ("{'a': 1}", 1, 2, "A name in double quotes is expected here."),
        ('{"a" 1}', 1, 6, "“:” after the name is expected here."),
        ('{"a": 1 "b": 2}', 1, 9, "“,” or “}” after the value is expected here."),
        ("[1 2]", 1, 4, "“,” or “]” after the value is expected here."),
        ("[1] x", 1, 5, "There is more text after the end of the JSON."),
        ('{"a": NaN}', 1, 7, "“NaN” is not JSON; a text needs double quotes."),
        ('{"a": 01}', 1, 7, "“01” is not JSON; a text needs double quotes."),
        ('{"a": 1e999}', 1, 7, "This number is too large."),
        ('{"a": ' + "9" * 5000 + "}", 1, 7, "This number is too large."),
        ('{"a": "open}', 1, 7, "Unterminated string starting at."),
        ('{"{{Key}}": 1}', 1, 2, "A placeholder cannot be a name, only a value."),
        ('{"a": {{Price}', 1, 7, "“{{” is not closed; write {{Name}}."),
        ('{"a": "hi {{Price"}', 1, 7, "“{{” is not closed; write {{Name}}."),
        ('{"a": {{ }}}', 1, 7, "A placeholder has no name; write {{Name}}."),
        ('{"a": "\\u0000"}', 1, 15, "This text has a character that cannot be sent."),
        ('{"a": "\\ud800"}', 1, 15, "This text has a character that cannot be sent."),
        ("", 1, 1, "A value is expected here."),
        ("[" * 30, 1, 21, "The body is nested more than 20 levels deep."),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_mistake_is_shown_where_it_is(text, line, column, message):
    with pytest.raises(BodyError) as error:
        parse_body(text)
    assert (error.value.line, error.value.column) == (line, column)
    assert error.value.message == message
    assert str(error.value) == f"Line {line}, column {column}: {message}"


def test_an_expression_is_sent_to_the_engagement():
    with pytest.raises(BodyError, match="belongs to the engagement"):
        parse_body('{"a": "{{ name | upcase }}"}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(["x" * 70_000]), "larger than 64 KB"),
        (json.dumps(["{{a}}"] * 501), "more than 500 placeholders"),
        (json.dumps(["{{a}}{{b}}" * 260]), "more than 500 placeholders"),
        ("[" + "{{a}}," * 500 + "{{a}}]", "more than 500 placeholders"),
        (json.dumps(["{{" + "n" * 256 + "}}"]), "longer than 255 characters"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_body_has_limits(text, message):
    with pytest.raises(BodyError, match=message):
        parse_body(text)


def test_a_limit_itself_is_allowed():
    assert len(parse_body(json.dumps(["{{a}}"] * 500))) == 500
    nested = "[" * 20 + "]" * 20
    assert parse_body(nested)


@pytest.mark.parametrize("text", ["/a/{{Id}}", "no placeholder", "}} alone", "{ {x} }"])
def test_balanced_braces_are_fine(text):
    check_braces(text)


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="{}\0", exclude_categories=["Cs"])),
    lambda child: (
        st.lists(child, max_size=4)
        | st.dictionaries(
            st.text(
                st.characters(exclude_characters="{}\0", exclude_categories=["Cs"])
            ),
            child,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(TREES, st.sampled_from([None, 2]))
def test_every_plain_json_is_read_as_the_standard_reader_reads_it(tree, indent):
    text = json.dumps(tree, indent=indent)
    assert parse_body(text) == json.loads(text)


@settings(deadline=None)
@given(st.text(alphabet='{}[]":,{{a b}}01.-etruflsn\\ \n', max_size=40))
def test_nothing_but_a_body_error_comes_of_nonsense(text):
    try:
        parse_body(text)
    except BodyError as e:
        assert 1 <= e.line <= text.count("\n") + 1
