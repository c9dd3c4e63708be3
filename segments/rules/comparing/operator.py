"""One operator, and how it reads the value on the left.

A comparison is a dict: `is` and `value`, and the options that its operator knows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Comparison: TypeAlias = Mapping[str, Any]
# By name, what stands in the SQL of a comparison.
Given: TypeAlias = Mapping[str, Any]

# Templates over `$a`, the value as JSON.
JSON = "$a"
TEXT = "($a #>> '{}')"
IS_TEXT = "jsonb_typeof($a) = 'string'"

FOLD, IN_TEXT, CALENDAR, ZONE = "fold", "numbers_in_text", "calendar", "zone"


def as_json(comparison: Comparison) -> str:
    """The value on the left as it is."""
    return JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """How a comparison reads, what it compares with, and what it is in SQL.

    `sql` is over `$x`, the left side as `reads` has it (a template over `$a`), and over
    the names that `values` makes of the rule's value; where it is a function, of the
    comparison and of these. Where it is null it is not true.
    """

    label: str
    takes: str  # a key of values.CHECKS; the form asks for the value accordingly
    sql: str | Callable[[Comparison, Given], str]
    reads: Callable[[Comparison], str] = as_json
    values: Callable[[Comparison], Given] = lambda comparison: {}
    # After the value, in a sentence: "days".
    unit: str = ""
    is_opposite: bool = False
    # A choice of ours that whoever compares should know, as a sentence.
    note: str = ""
    options: tuple[str, ...] = ()
    # Whether time alone can change what it says.
    reads_clock: bool = False
    # So many values of a list cost as much as a comparison.
    values_each: int = 1_000

    def template(self, comparison: Comparison, given: Given) -> str:
        """The SQL of a valid comparison, before what is `given` is put in."""
        sql = self.sql if isinstance(self.sql, str) else self.sql(comparison, given)
        return f"(({sql}) IS {'NOT ' if self.is_opposite else ''}TRUE)"
