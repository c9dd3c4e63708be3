import pytest

from externalapi.template import validation
from externalapi.vendors.catalog import PRESETS


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("json", "application/json"),
        ("json", "application/json; charset=utf-8"),
        ("json", "APPLICATION/JSON"),
        ("json", "application/vnd.api+json"),
        ("json", "application/x-amz-json-1.1"),
        ("form", "application/x-www-form-urlencoded"),
        ("form", "application/x-www-form-urlencoded;charset=UTF-8"),
        ("text", "text/plain"),
        ("text", "application/xml"),
        ("text", "text/csv; header=present"),
        # There is nothing that it could contradict.
        ("none", "application/json"),
    ],
)
def test_a_content_type_that_agrees_with_the_body(kind, content_type):
    validation.check_content_type(kind, {"content-TYPE": content_type})


@pytest.mark.parametrize(
    ("kind", "content_type", "words"),
    [
        ("json", "application/x-www-form-urlencoded", "and the body is JSON"),
        ("json", "text/plain", "or choose the body Text"),
        ("json", "application/xml", "Write application/json, or"),
        ("json", "json", "“json” is not a content type. Write application/json"),
        ("json", "", "is not a content type"),
        ("json", "{{Type}}", "can have no placeholder"),
        ("form", "application/json", "and the body is form fields"),
        ("form", "multipart/form-data; boundary=x", "Write application/x-www-form-"),
        ("form", "text/plain", "or choose the body Text"),
        ("text", "application/json", "or choose another kind of body"),
        ("text", "application/problem+json", "and the body is a text"),
        ("text", "application/x-www-form-urlencoded", "or choose another kind"),
        ("text", "text/{{Kind}}", "can have no placeholder"),
    ],
)
def test_a_content_type_that_contradicts_the_body(kind, content_type, words):
    with pytest.raises(ValueError) as caught:
        validation.check_content_type(kind, {"Content-Type": content_type})
    assert words in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_every_preset_passes(preset):
    validation.check_path(preset.path)
    validation.check_query(preset.query)
    validation.check_headers(preset.headers)
    validation.check_content_type(preset.body_kind, preset.headers)
    validation.check_body(preset.body_kind, preset.body, preset.headers)
