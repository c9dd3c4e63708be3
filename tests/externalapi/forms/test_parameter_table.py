import re

import pytest
from django.http import QueryDict

from externalapi.forms.parameter_table import ParametersField, ParameterTable, read_row
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.template.transforms import Transform

FULL = Parameter(
    name="Plan",
    label="The plan",
    description="Which one the person has",
    transform=Transform.LOWER,
    required=False,
    default="free",
    example="gold",
    allowed=("free", "gold"),
)


def row(**parts):
    return {
        "name": "P",
        "label": "",
        "description": "",
        "type": "text",
        "transform": "none",
        "level": "engagement",
        "required": False,
        "default": "",
        "value": "",
        "example": "",
        "allowed": "",
        **parts,
    }


def shown(*values):
    field = ParametersField()
    return field, field.widget.render("parameters", list(values), {"id": "id_p"})


def posted(html):
    """What a browser sends of the table that it was shown."""
    data = QueryDict(mutable=True)
    for tag, attrs, text in re.findall(
        r"<(input|textarea)([^>]*)>([^<]*)(?:</textarea>)?", html
    ):
        name = re.search(r'name="([^"]*)"', attrs)[1]
        if 'type="checkbox"' in attrs:
            if " checked" in attrs:
                data[name] = "on"
        elif tag == "textarea":
            data[name] = text.replace("\n", "\r\n")
        else:
            data[name] = re.search(r'value="([^"]*)"', attrs)[1]
    for name, options in re.findall(
        r'<select name="([^"]*)".*?>(.*?)</select>', html, re.DOTALL
    ):
        chosen = re.search(r'value="([^"]*)" selected', options)
        data[name] = (chosen or re.search(r'value="([^"]*)"', options))[1]
    return data


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter(name="P"),
        FULL,
        Parameter(
            name="Price", type=ParameterType.NUMBER, level=Level.FIXED, value="1.5"
        ),
        Parameter(name="Mail", transform=Transform.SHA256_EMAIL, example="a@b.de"),
    ],
    ids=lambda parameter: parameter.name,
)
def test_what_is_shown_and_sent_back_is_the_same_parameter(parameter):
    field, html = shown(parameter)
    value = field.widget.value_from_datadict(posted(html), {}, "parameters")
    assert field.clean(value) == (parameter,)
    assert not field.has_changed([parameter], value)


def test_the_closed_part_of_a_row_says_what_it_holds():
    _, html = shown(FULL)
    summary = re.search(r"<summary>(.*?)</summary>", html, re.DOTALL)[1]
    for words in ("“The plan”", "Lower case", "2 allowed values"):
        assert words in summary
    assert "<details>" in html


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"type": "integer", "default": "x"}, "“x” is not a whole number."),
        ({"type": "nonsense"}, "Choose a type"),
        ({"level": "nonsense"}, "Choose a type"),
        ({"transform": "nonsense"}, "Choose a treatment"),
        ({"level": "fixed", "required": True}, "needs a value"),
        ({"type": "integer", "transform": "lower"}, "Only a text can be treated"),
        (
            {"transform": "sha256_email", "allowed": "a@b.de"},
            "What is hashed cannot be",
        ),
        ({"transform": "sha256_email", "default": "x"}, "is not an e-mail address"),
        ({"type": "integer", "allowed": "1\nx"}, "The allowed values: “x” is not"),
        ({"allowed": "a\nb", "default": "c"}, "“c” is not one of a, b."),
        ({"type": "integer", "example": "x"}, "The example: “x” is not a whole"),
        ({"label": "x" * 256}, "at most 255 characters"),
        ({"allowed": "\n".join(map(str, range(101)))}, "more than 100"),
    ],
    ids=repr,
)
def test_a_row_that_cannot_be_is_refused_in_a_sentence(parts, words):
    with pytest.raises(ValueError, match=words):
        read_row(row(**parts))


def test_a_mistake_opens_its_row_and_keeps_what_was_typed():
    field, html = shown(Parameter(name="P"), FULL)
    data = posted(html)
    data["parameters-1-example"] = "silver"
    value = field.widget.value_from_datadict(data, {}, "parameters")
    with pytest.raises(Exception, match="marked below"):
        field.clean(value)
    html = field.widget.render("parameters", value, {"id": "id_p"})
    assert html.count("<details open>") == 1
    assert 'value="silver"' in html
    assert "The example: “silver” is not one of free, gold." in html


def test_a_table_is_not_longer_than_its_placeholders_can_be():
    widget = ParameterTable()
    for count, rows in (("3", 3), ("100000000", 500), ("x", 0), ("-1", 0)):
        data = {"parameters-count": count}
        assert len(widget.value_from_datadict(data, {}, "parameters")) == rows
