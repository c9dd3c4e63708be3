"""Whatever is pasted is understood, or refused with a sentence: never anything else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.definitions.compiled import parameters_found
from externalapi.importers.common.types import PasteError
from externalapi.importers.reader import decoded, read
from externalapi.importers.to_preset import as_preset
from externalapi.template.url_and_headers import split_target
from tests.externalapi.importers.documents import BRAZE, PETSTORE, STRIPE

# The words of both formats: a tree of them comes further than one of any words.
WORDS = """
    openapi 3.0.0 3.1.0 info title paths /x /x/{id} get post parameters name in query
    path header cookie schema type object array string integer items properties
    required enum const default example examples value allOf oneOf anyOf $ref #
    #/components/schemas/A #/paths components schemas A requestBody content
    application/json application/x-www-form-urlencoded text/plain security
    securitySchemes http scheme bearer basic oauth2 flows clientCredentials tokenUrl
    servers url variables https://a.io {b} item request method POST raw body mode
    urlencoded formdata graphql auth apikey key token variable {{x}} /:id Authorization
    description $guid host api_key disabled true null deepObject style explode
""".split()
words = st.sampled_from(WORDS) | st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words


def trees(leaves):
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4)
        ),
        max_leaves=30,
    )


anything = trees(scalars)


@st.composite
def changed(draw, text):
    """A real document in which something at a random place is something else."""
    tree = json.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        at = tree
        while isinstance(at, dict | list) and at:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            key = draw(st.sampled_from(keys))
            if not isinstance(at[key], dict | list) or draw(st.integers(0, 5)) == 0:
                at[key] = draw(anything)
                break
            at = at[key]
    return json.dumps(tree)


openapi = st.fixed_dictionaries(
    {
        "openapi": st.just("3.1.0"),
        "paths": st.fixed_dictionaries(
            {"/x/{id}": st.dictionaries(st.sampled_from(["get", "post"]), anything)}
        ),
        "components": anything,
        "security": anything,
        "servers": anything,
    }
)
bodies = st.fixed_dictionaries(
    {
        "openapi": st.just("3.1.0"),
        "paths": st.builds(
            lambda schema, example: {
                "/x": {
                    "post": {
                        "requestBody": {
                            "content": {
                                "application/json": {
                                    "schema": schema,
                                    "example": example,
                                }
                            }
                        }
                    }
                }
            },
            anything,
            anything,
        ),
        "components": st.builds(lambda a: {"schemas": {"A": a}}, anything),
    }
)
postman = st.fixed_dictionaries(
    {
        "item": st.lists(
            st.fixed_dictionaries({"request": anything | st.builds(dict)}), max_size=3
        ),
        "variable": anything,
        "auth": anything,
    }
)


def understood_or_refused(text):
    """Go all the way to the form, as a person who picks everything would."""
    try:
        operations = read(text).document.operations[:4]
    except PasteError:
        return
    for one in operations:
        first = read(text, one.key)
        if first.problem:
            continue
        names = [offer.name for offer in first.understood.offered]
        picked = read(first.text, one.key, names, ["https://a.io"])
        if picked.problem:
            continue
        preset = as_preset(picked.understood.found)
        assert preset.method == one.method
        names = [parameter.name for parameter in preset.parameters]
        assert len(set(names)) == len(names)
        if picked.is_described:
            assert_used(preset, names)


def assert_used(preset, names):
    """What was described stands in the request by the names of its parameters."""
    path, query = split_target(preset.path)
    used = parameters_found(
        path,
        preset.headers,
        preset.body,
        preset.parameters,
        query=query,
        body_kind=preset.body_kind,
    )
    assert {parameter.name for parameter in used} == set(names)


@settings(max_examples=150, deadline=None)
@given(openapi.map(json.dumps) | bodies.map(json.dumps) | postman.map(json.dumps))
def test_any_tree_is_understood_or_refused(text):
    understood_or_refused(text)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([PETSTORE, STRIPE, BRAZE]).flatmap(changed))
def test_a_document_with_mistakes_is_understood_or_refused(text):
    understood_or_refused(text)


# Each with a value of every kind that its reader looks at.
WHOLE = {
    "postman": {
        "info": {"name": "A", "schema": "v2.1"},
        "auth": {"type": "apikey", "apikey": [{"key": "key", "value": "x"}]},
        "variable": [{"key": "host", "value": "a.io", "type": "string"}],
        "item": [
            {
                "name": "B",
                "request": {
                    "method": "POST",
                    "header": [{"key": "X-A", "value": "1", "disabled": False}],
                    "url": {
                        "protocol": "https",
                        "host": ["{{host}}"],
                        "path": [":id"],
                        "query": [{"key": "a", "value": "b"}],
                        "variable": [{"key": "id", "value": "1"}],
                    },
                    "body": {
                        "mode": "urlencoded",
                        "urlencoded": [{"key": "a", "value": "b", "type": "text"}],
                    },
                },
            }
        ],
    },
    "openapi": {
        "openapi": "3.1.0",
        "info": {"title": "A"},
        "servers": [{"url": "https://{a}.io", "variables": {"a": {"default": "b"}}}],
        "security": [{"k": []}],
        "paths": {
            "/x/{id}": {
                "parameters": [
                    {"name": "id", "in": "path", "schema": {"type": "string"}}
                ],
                "post": {
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/A"}
                            }
                        }
                    }
                },
            }
        },
        "components": {
            "securitySchemes": {"k": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "A": {
                    "type": ["object", "null"],
                    "required": ["a"],
                    "allOf": [{"properties": {"b": {"const": 1}}}],
                    "properties": {
                        "a": {"oneOf": [{"$ref": "#/x"}, {"type": "null"}]},
                        "c": {"enum": ["x", "y"], "default": "x", "example": "y"},
                        "d": {"type": "array", "items": {"type": "string"}},
                        "e": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                    },
                }
            },
        },
    },
}
ODD: tuple[object, ...] = (None, True, 5, "", "x", [], {}, [[]], [{}], {"key": {}})


def with_odd(tree):
    """The document once for each of its values, and each odd one in that place."""
    yield from ODD
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            for odd in with_odd(tree[key]):
                other = tree.copy()
                other[key] = odd
                yield other


@pytest.mark.parametrize("kind", WHOLE)
def test_a_value_of_another_kind_is_understood_or_refused(kind):
    for tree in with_odd(WHOLE[kind]):
        understood_or_refused(json.dumps(tree))


@settings(max_examples=100, deadline=None)
@given(anything.map(json.dumps) | st.text().map(lambda text: "{" + text))
def test_any_text_is_understood_or_refused(text):
    try:
        read(text)
    except PasteError as e:
        assert str(e)


@given(st.binary(max_size=20))
def test_any_file_is_a_text_or_refused(raw):
    try:
        assert isinstance(decoded(raw), str)
    except PasteError as e:
        assert "UTF-8" in str(e)
