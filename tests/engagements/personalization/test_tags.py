"""Tags in a value: what they choose, what they refuse, and where they end."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engagements.personalization.filters.budget import MAX_STEPS
from engagements.personalization.liquid import (
    MISSING,
    PersonalizationError,
    compile_value,
)

POLICIES = [
    {"number": "P-1", "kind": "car", "lapses_on": "2026-06-01", "premium": 120},
    {"number": "P-2", "kind": "home", "lapses_on": "2026-02-10", "premium": "80.5"},
    {"number": "P-3", "kind": "car", "lapses_on": "2026-02-20T09:00:00+05:30"},
]
CONTEXT: dict[str, Any] = {
    "profile": {
        "first_name": "Ada",
        "nickname": None,
        "city": "",
        "score": 42,
        "points": "42",
        "vip": True,
        "newsletter": False,
        "tags": ["gold", "early"],
        "address": {"street": "Unter den Linden"},
        "limit": 3,
        "policies": POLICIES,
    },
    "event": {"name": "Lead", "properties": {"amount": 12.5}},
    "segment": {"name": "Everybody", "id": 1},
    "engagement": {"name": "Welcome", "id": 2},
    "now": datetime(2026, 1, 31, 9, tzinfo=UTC),
}
LAPSING = """
{% assign soon = now | plus_days: 14 %}
{% for policy in profile.policies %}
  {% if policy.lapses_on > now and policy.lapses_on <= soon %}
    {{ policy.number }}
    {% break %}
  {% endif %}
{% else %}
  none
{% endfor %}
"""


def value_of(source: str, **profile: object) -> object:
    context = {**CONTEXT, "profile": {**CONTEXT["profile"], **profile}}
    return compile_value(source).evaluate(context)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% if profile.vip %}gold{% else %}basic{% endif %}", "gold"),
        ("{% if profile.newsletter %}yes{% else %}no{% endif %}", "no"),
        ("{% if profile.none %}a{% elsif profile.vip %}b{% endif %}", "b"),
        ("{% unless profile.none %}a{% endunless %}", "a"),
        ("Hi {% if profile.vip %}dear {% endif %}{{ profile.first_name }}!", "Hi dear Ada!"),
        # What is chosen alone keeps its type, however it is laid out.
        ("{% if profile.vip %}{{ profile.score }}{% else %}0{% endif %}", 42),
        ("{% if profile.vip %}\n  {{ profile.tags }}\n{% endif %}", ["gold", "early"]),
        ("{% case profile.score %}{% when 1, 2 %}a{% when 42 %}b{% endcase %}", "b"),
        ("{% case profile.first_name %}{% when 'Bo' %}a{% else %}b{% endcase %}", "b"),
        ("{% for t in profile.tags %}{{ t }}{% unless forloop.last %}, {% endunless %}{% endfor %}", "gold, early"),
        ("{% for t in profile.tags reversed %}{{ forloop.index }}{{ t }}{% endfor %}", "1early2gold"),
        ("{% for t in profile.tags limit: 1 offset: 1 %}{{ t }}{% endfor %}", "early"),
        ("{% for t in profile.none %}{{ t }}{% else %}nobody{% endfor %}", "nobody"),
        ("{% for p in profile.policies %}{% if p.kind == 'home' %}{% continue %}{% endif %}{{ p.number }} {% endfor %}", "P-1 P-3"),
        ("{% assign name = profile.first_name | upcase %}{{ name }}", "ADA"),
        ("{% comment %}for the reader{% endcomment %}{{ profile.score }}", 42),
        ("{% if ${first_name} == 'Ada' %}{{ ${first_name} }}{% endif %}", "Ada"),
        ("{% if profile.limit == 3 %}three{% endif %}", "three"),
        ("{%- if profile.vip -%} x {%- endif -%}", "x"),
        (LAPSING, "P-2"),
        # A loop's name is gone after it; one of another loop is its own.
        ("{% for a in profile.tags %}{% for b in profile.tags %}{{ a | slice: 0 }}{{ b | slice: 0 }} {% endfor %}{% endfor %}", "gg ge eg ee"),
    ],
)  # fmt: skip
def test_what_is_chosen(source, expected):
    assert value_of(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{% if profile.newsletter %}yes{% endif %}",
        "{% if profile.vip %}Hi {{ profile.none }}{% endif %}",
        "{% if profile.vip %}{{ profile.nickname }}{% endif %}",
        "{% for t in profile.none %}{{ t }}{% endfor %}",
        "{% for p in profile.policies %}{{ p.premium }}{% endfor %}",
        "{% if profile.newsletter %}{% assign x = 5 %}{% endif %}{{ profile.none }}",
    ],
)
def test_nothing_chosen_is_missing_and_never_an_empty_text(source):
    assert value_of(source) is MISSING


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("profile.score == 42", True),
        ("profile.score == '42'", True),
        ("profile.points == 42", True),
        ("profile.points > 7", True),
        ("profile.points < 7", False),
        ("profile.first_name > 7", False),
        ("profile.first_name < 7", False),
        ("profile.score != 41", True),
        ("profile.score <> 42", False),
        ("profile.score >= 42 and profile.vip", True),
        ("profile.newsletter or profile.vip", True),
        ("profile.newsletter and profile.vip", False),
        ("profile.none == nil", True),
        ("profile.nickname == nil", True),
        ("profile.none == blank", True),
        ("profile.city == blank", True),
        ("profile.city == empty", True),
        ("profile.city != blank", False),
        ("profile.newsletter == blank", True),
        ("profile.first_name == blank", False),
        ("profile.score == empty", False),
        # As in Liquid: an empty text is something.
        ("profile.city", True),
        ("profile.none", False),
        ("profile.none == profile.nickname", True),
        ("profile.none < 3", False),
        ("profile.none >= 3", False),
        ("profile.none != 3", True),
        ("profile.vip == true", True),
        ("profile.vip == 1", False),
        ("profile.vip > 0", False),
        ("profile.tags contains 'gold'", True),
        ("profile.tags contains 'go'", False),
        ("profile.first_name contains 'da'", True),
        ("profile.none contains 'a'", False),
        ("profile.tags contains profile.none", False),
        ("profile.address contains 'street'", True),
        ("profile.tags == profile.tags", True),
        ("profile.tags < profile.tags", False),
        ("profile.address == profile.tags", False),
        ("profile.policies[1].lapses_on < now", False),
        ("profile.policies[1].lapses_on > now", True),
        ("profile.policies[2].lapses_on == '2026-02-20T03:30:00Z'", True),
        ("profile.policies[2].lapses_on > '2026-02-20'", True),
        ("profile.first_name > now", False),
        ("now > '2026-01-31'", True),
        ("'b' > 'a'", True),
        ("profile.tags.size > 1", True),
    ],
)
def test_conditions(condition, expected):
    source = f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}"
    assert value_of(source) == ("yes" if expected else "no")
    other = f"{{% unless {condition} %}}no{{% else %}}yes{{% endunless %}}"
    assert value_of(other) == ("yes" if expected else "no")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% if profile.a %}x", "A {% if %} has no {% endif %} that closes it."),
        ("{% for a in profile.b %}{% if a %}x{% endfor %}", "A {% if %} has no {% endif %}"),
        ("{% if profile.a", "A {% has no %} that closes it."),
        ("{% iff profile.a %}x{% endiff %}", "There is no tag “iff”."),
        ("{% include 'x' %}", "There is no tag “include”."),
        ("{% capture x %}a{% endcapture %}", "There is no tag “capture”."),
        ("{% if profil.a %}x{% endif %}", "Did you mean “profile”?"),
        ("{% if a %}x{% endif %}", "There is no variable “a”."),
        ("{% for a in profile.b %}x{% endfor %}{{ a }}", "There is no variable “a”."),
        ("{% for now in profile.b %}x{% endfor %}", "Choose another name than “now”"),
        ("{% for profile in profile.b %}x{% endfor %}", "Choose another name"),
        ("{% assign event = 1 %}x", "Choose another name than “event”"),
        ("{% assign forloop = 1 %}x", "Choose another name than “forloop”"),
        ("{% for a in (1..9) %}x{% endfor %}", "write a variable that is a list"),
        ("{% for a in 'abc' %}x{% endfor %}", "write a variable that is a list"),
        ("{% if profile.vip %}{% break %}{% endif %}", "inside {% for %} only"),
        ("{% if profile.a | upcase == 'A' %}x{% endif %}", "cannot be read"),
        ("{% if profile.a %}{{ profile.b | upcse }}{% endif %}", "Did you mean “upcase”?"),
        ("{% if profile.a %}" * 9 + "x" + "{% endif %}" * 9, "more than 8 levels deep"),
        ("{% if x %}" * 400, "more than 8 levels deep"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(source, message):
    with pytest.raises(PersonalizationError) as error:
        compile_value(source)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for a in profile.first_name %}x{% endfor %}", "a list is needed here, not a text"),
        ("{% for a in profile.address %}x{% endfor %}", "not an object"),
        ("{% for a in profile.tags limit: profile.city %}x{% endfor %}", "is not a number"),
        ("{% for a in profile.tags limit: -1 %}x{% endfor %}", "are 0 or more"),
    ],
)  # fmt: skip
def test_one_persons_odd_data_is_their_own_error(source, message):
    with pytest.raises(PersonalizationError) as error:
        value_of(source)
    assert message in str(error.value)


def test_loops_in_loops_have_an_end():
    many = list(range(MAX_STEPS))
    inner = "{% for b in profile.many %}{% if b %}{% endif %}{% endfor %}"
    source = f"{{% for a in profile.many %}}{inner}{{% endfor %}}x"
    with pytest.raises(PersonalizationError, match="more than 10,000 steps"):
        value_of(source, many=many)


def test_text_that_grows_in_a_loop_is_stopped():
    source = "{% for a in profile.many %}" + "x" * 3_000 + "{% endfor %}"
    with pytest.raises(PersonalizationError, match="too much work"):
        value_of(source, many=list(range(9_000)))
    with pytest.raises(PersonalizationError, match="longer than"):
        value_of(source, many=list(range(100)))


def test_what_one_value_names_is_no_others():
    first = compile_value("{% assign x = profile.first_name %}{{ x }}")
    context = dict(CONTEXT)
    assert first.evaluate(context) == "Ada"
    assert context == CONTEXT


def test_the_variables_are_those_of_the_data():
    value = compile_value(LAPSING)
    assert value.variables == {("profile", "policies"), ("now",)}
    value = compile_value("{% if event.name == 'x' %}{{ profile.a.b }}{% endif %}")
    assert value.variables == {("event", "name"), ("profile", "a", "b")}
