import hashlib

import pytest

from externalapi.template.parameters import Parameter, ParameterType
from externalapi.template.transforms import TRANSFORMS, Transform

# The examples of Meta's page "Customer Information Parameters".
META_EMAIL = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
META_PHONE = "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("transform", "given", "expected"),
    [
        ("trim", " Ada ", "Ada"),
        ("lower", " Ada ", "ada"),
        ("sha256_email", "John_Smith@gmail.com", META_EMAIL),
        ("sha256_email", "  JOHN_SMITH@GMAIL.COM\n", META_EMAIL),
        ("sha256_email", META_EMAIL, META_EMAIL),
        ("sha256_email", f" {META_EMAIL.upper()} ", META_EMAIL),
        ("sha256_phone_digits", "+1 (650) 555-1212", META_PHONE),
        ("sha256_phone_digits", "0016505551212", META_PHONE),
        ("sha256_phone", "+1 (650) 555-1212", sha256("+16505551212")),
        ("sha256_phone", "+49 151/123.456-78", sha256("+4915112345678")),
        ("sha256_phone", META_PHONE, META_PHONE),
    ],
)
def test_a_text_is_normalised_before_it_is_hashed(transform, given, expected):
    parameter = Parameter(name="P", transform=Transform(transform))
    assert parameter.coerce(given) == expected


@pytest.mark.parametrize(
    ("transform", "given", "words"),
    [
        ("sha256_email", "nobody", "is not an e-mail address"),
        ("sha256_email", "a@b", "is not an e-mail address"),
        ("sha256_email", "a b@c.de", "is not an e-mail address"),
        # Hashed without its country, it would match nobody and no one would notice.
        ("sha256_phone", "0151 1234567", "not a phone number with its country"),
        ("sha256_phone", "650 555 1212", "not a phone number with its country"),
        ("sha256_phone_digits", "+49 151 CALL ME", "not a phone number"),
        ("sha256_phone", "+0491511234567", "not a phone number"),
        ("sha256_phone", "+1234567890123456", "not a phone number"),
    ],
)
def test_what_cannot_be_hashed_is_refused(transform, given, words):
    parameter = Parameter(name="P", transform=Transform(transform))
    with pytest.raises(ValueError, match=words):
        parameter.coerce(given)


def test_every_transform_does_something_and_has_a_label():
    assert set(TRANSFORMS) == set(Transform) - {Transform.NONE}
    assert all(transform.label for transform in Transform)


@pytest.mark.parametrize(
    ("type", "allowed", "good", "bad"),
    [
        ("text", ("gold", "silver"), "gold", "Gold"),
        ("integer", ("1", "2"), "2", "3"),
        ("number", ("1.5",), 1.5, 1),
        ("boolean", ("true",), "yes", "no"),
        ("list", ('["a"]',), '["a"]', '["b"]'),
    ],
)
def test_a_value_is_one_of_those_that_are_allowed(type, allowed, good, bad):
    parameter = Parameter(name="P", type=ParameterType(type), allowed=allowed)
    parameter.coerce(good)
    with pytest.raises(ValueError, match="is not one of"):
        parameter.coerce(bad)


def test_true_is_not_the_number_one():
    parameter = Parameter(name="P", type=ParameterType.INTEGER, allowed=("1",))
    assert parameter.coerce(1) == 1
    with pytest.raises(ValueError, match="not a whole number"):
        parameter.coerce(True)


def test_an_allowed_value_is_compared_as_it_is_sent():
    parameter = Parameter(name="P", transform=Transform.LOWER, allowed=("gold",))
    assert parameter.coerce(" GOLD ") == "gold"


def test_a_parameter_survives_being_stored():
    full = Parameter(
        name="P",
        label="Plan",
        description="Which plan the person has",
        type=ParameterType.TEXT,
        transform=Transform.TRIM,
        required=False,
        default="free",
        example="gold",
        allowed=("free", "gold"),
    )
    assert Parameter.from_dict(full.to_dict()) == full
    assert full.title == "Plan"
    # What says nothing is not stored, so that a new field makes no new version.
    assert Parameter(name="P").to_dict() == {
        "name": "P",
        "type": "text",
        "level": "engagement",
        "required": True,
        "default": "",
        "value": "",
    }
    assert Parameter(name="P").title == "P"
