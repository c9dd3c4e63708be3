"""Values as people read them."""

from segments.people import display


def test_a_value_that_is_nested_without_end_says_so():
    value = deep = []
    for _ in range(100_000):
        deep.append([])
        deep = deep[0]
    assert display.as_text(value) == display.TOO_DEEP
    assert display.as_json(value, indent=2) == display.TOO_DEEP
    # Let go of it step by step: so deep a list cannot free itself.
    while value:
        value = value.pop()
