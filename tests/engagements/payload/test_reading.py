"""A payload as typed: what is read of it, and what is refused with its place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engagements.payload.difference import in_words
from engagements.payload.reading import read
from externalapi.template.parser import MAX_BYTES, BodyError
from externalapi.template.spans import formatted


@pytest.mark.parametrize(
    ("text", "path", "source", "is_whole"),
    [
        ('{"a": {{ profile.x }}}', ("a",), "{{ profile.x }}", True),
        ('{"a": "{{ profile.x }}"}', ("a",), "{{ profile.x }}", True),
        ('{"a": "Hi {{ profile.x }}!"}', ("a",), "Hi {{ profile.x }}!", False),
        ('{"a": " {{ profile.x }}"}', ("a",), " {{ profile.x }}", False),
        # Quotes inside of braces are those of Liquid, with a backslash or without.
        ('{"a": "{{ x | default: "b" }}"}', ("a",), '{{ x | default: "b" }}', True),
        (r'{"a": "{{ x | default: \"b\" }}"}', ("a",), '{{ x | default: "b" }}', True),
        ('{"a": {{ x | default: "b" }} }', ("a",), '{{ x | default: "b" }}', True),
        ('{"a": "{% if x %}1{% endif %}"}', ("a",), "{% if x %}1{% endif %}", True),
        ('{"a": "{{${first_name}}}"}', ("a",), "{{${first_name}}}", True),
        ('{"a":{"b":[1,{{ x }}]}}', ("a", "b", 1), "{{ x }}", True),
        (r'{"a": "\u00e4 {{ x }} \n"}', ("a",), "ä {{ x }} \n", False),
        ('{"a": "{{ x | append: "}" }}"}', ("a",), '{{ x | append: "}" }}', True),
    ],
)
def test_a_value_with_variables_is_read_as_a_parameters_value(
    text, path, source, is_whole
):
    (leaf,) = read(text).leaves
    assert (leaf.path, leaf.source, leaf.is_whole) == (path, source, is_whole)


def test_what_has_no_variables_is_json():
    text = '{"a": [1, 2.5, true, null, "}} {x} { {"], "b": {}}'
    reading = read(text)
    assert reading.tree == json.loads(text)
    assert reading.leaves == ()
    assert reading.likeness == text


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", (1, 1), "Write what is sent"),
        (" \n", (1, 1), "Write what is sent"),
        ('{"a": 1,\n"{{ x }}": 2}', (2, 1), "cannot be a name"),
        ('{"a": 1,\n"to {{ x }}" : 2}', (2, 1), "cannot be a name"),
        ("{{{ x }}: 1}", (1, 1), "cannot be a name"),
        ("{ {{ x }}: 1}", (1, 3), "cannot be a name"),
        ('{"a": "{{ x"}', (1, 8), "not closed on its line"),
        ('{"a": "{{ x\n}}"}', (1, 8), "not closed on its line"),
        ('{"a": "{% if x"}', (1, 8), "not closed on its line"),
        ('{"a": {% if x %}1{% endif %}}', (1, 7), "double quotes"),
        # It would be a place of the External API's body, filled by its name.
        (r'{"b": {{ x }}, "a": "\u007b\u007bb}}"}', (1, 21), "as they are"),
        (r'{"a": "{\u007B x }}"}', (1, 7), "as they are"),
        ('{"a": {{ x }} {{ y }}}', (1, 15), "expected here"),
        ('{"a": NaN}', (1, 7), "not JSON"),
        ('{"a": -Infinity}', (1, 7), "not JSON"),
        ('{"a": 1e999}', (1, 7), "too large"),
        ('{"a": 1, "a": {{ x }}}', (1, 10), "given twice"),
        ('{"a": "\\ud800 {{ x }}"}', (1, 23), "cannot be sent"),
        ('{"a": "{{ x | append: "\\ud800" }}"}', (1, 7), "cannot be sent"),
        ('{"a": "\\u0000{{ x }}"}', (1, 22), "cannot be sent"),
        ('{"a": "{{ x | append: "\\d" }}"}', (1, 7), "escape"),
        ('{"a": 1} x', (1, 10), "after the end"),
        ('"{{ x }}"', (1, 1), "is an object"),
        ("{{ profile.everything }}", (1, 1), "is an object"),
        ("null", (1, 1), "is an object"),
        ("[" * 21 + "]" * 21, (1, 21), "levels deep"),
        ('{"a": "{{${x}"}', (1, 8), "not closed on its line"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, place, words):
    with pytest.raises(BodyError, match=words) as caught:
        read(text)
    assert (caught.value.line, caught.value.column) == place


def test_limits_are_in_bytes_and_in_variables():
    fits = '{"a": "' + "ü" * ((MAX_BYTES - 9) // 2) + '"}'
    assert read(fits).leaves == ()
    with pytest.raises(BodyError, match="larger than 64 KB"):
        read(fits.replace("ü", "üü", 1))
    many = ", ".join(f'"k{n}": {{{{ profile.x }}}}' for n in range(500))
    assert len(read(f"{{{many}}}").leaves) == 500
    with pytest.raises(BodyError, match="more than 500 variables"):
        read(f'{{{many}, "one": {{{{ now }}}}}}')


@pytest.mark.parametrize(
    "text", ['{"a": "' + "{{${a}" * 9_000, '"' * 60_000, "{{" * 30_000, "{%" * 30_000]
)
def test_what_never_closes_is_refused_at_once(text):
    with pytest.raises(BodyError):
        read(text)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_characters="{}\0", codec="utf-8"), max_size=8),
    st.sampled_from(
        ['{{ profile.x | default: "y" }}', "Hi {{ now }}", "{{ a }}{{ b }}"]
    ),
)
TREES = st.dictionaries(
    st.text(st.characters(exclude_characters="{}\0", codec="utf-8"), max_size=8),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text('abü"\\', max_size=3), inner, max_size=3)
        ),
        max_leaves=12,
    ),
    max_size=5,
)


@given(TREES, st.booleans())
def test_json_is_read_as_it_is_however_it_is_laid_out(tree, is_ascii):
    """What is given as valid JSON is the same tree, and formatting changes nothing."""
    text = json.dumps(tree, ensure_ascii=is_ascii)
    reading = read(text)
    assert reading.tree == tree
    laid_out = formatted(reading.likeness, text)
    assert read(laid_out).tree == tree


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("", '{"a": 1}', "Payload: written."),
        ('{"a": 1}', "", "Payload: no longer written here."),
        ('{"a": 1}', '{"a": 1}', ""),
        ('{"a": 1}', '{\n"a": 1}', "Payload: laid out anew."),
        (
            '{"a": {{ now }}, "b": 2}',
            '{"a": {{ event.time }}, "c": [{"d": 1}]}',
            "Payload: c[0].d added; a changed; b taken out.",
        ),
    ],
)
def test_a_difference_names_places_and_no_values(before, after, words):
    assert in_words(before, after) == words
