"""Every filter of personalization variables: the one table of what each takes and does.

docs/filters.md is this table for marketers. Through all but `default` and `size` missing
stays missing, as a value and as an argument; what is of another kind than the filter
takes is an error for the person whose it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from engagements.personalization.filters import dates, lists, numbers, texts
from engagements.personalization.filters.budget import MAX_TEXT
from engagements.personalization.filters.kinds import (
    ANY,
    DATE,
    DIVISOR,
    FORMAT,
    LIST,
    NUMBER,
    OBJECT,
    SIZED,
    SLICED,
    TEXT,
    TRUTH,
    WHOLE,
    ZONE,
    Kind,
    text,
)

LONG = f"makes over {MAX_TEXT:,} characters: an error"
LARGE = "too large: an error"
NOTHING = "—"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument after the colon."""

    name: str
    kind: Kind
    is_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`apply` gets a value and arguments that are read, none of them missing.

    It gives None where there is nothing. `missing`, `wrong` and `extreme` are the
    documentation's words for what becomes of such values.
    """

    name: str
    takes: Kind
    does: str
    apply: Callable[..., Any]
    arguments: tuple[Argument, ...] = ()
    # The one argument that is given by its name.
    option: Argument | None = None
    missing: str = "missing"
    wrong: str = "an error"
    extreme: str = NOTHING

    @property
    def fewest(self) -> int:
        return sum(not argument.is_optional for argument in self.arguments)

    @property
    def usage(self) -> str:
        """How it is written; what may be left out stands in brackets."""
        given = [f"[{a.name}]" if a.is_optional else a.name for a in self.arguments]
        if self.option:
            given.append(f"[{self.option.name}: true]")
        return f"{self.name}: {', '.join(given)}" if given else self.name


def _default(value: Any, instead: Any, *, allow_false: bool = False) -> Any:
    if value is None or (value is False and not allow_false) or value in ("", [], {}):
        return instead
    return value


def _size(value: Any) -> int:
    return 0 if value is None else len(value)


def _arguments(kinds: Mapping[str, Kind]) -> tuple[Argument, ...]:
    """One whose name begins with "or_" may be left out."""
    return tuple(
        Argument(
            name=name.removeprefix("or_").replace("_", " "),
            kind=kind,
            is_optional=name.startswith("or_"),
        )
        for name, kind in kinds.items()
    )


def _text(name: str, does: str, apply: Callable[..., Any], /, **kinds: Kind) -> Filter:
    return Filter(
        name=name,
        takes=TEXT,
        does=does,
        apply=apply,
        arguments=_arguments(kinds),
        extreme=LONG,
    )


def _number(name: str, does: str, work: Callable[..., Any], /, **kinds: Kind) -> Filter:
    def apply(*given: Any) -> int | float:
        return numbers.plain(work(*given))

    return Filter(
        name=name,
        takes=NUMBER,
        does=does,
        apply=apply,
        arguments=_arguments(kinds),
        extreme=LARGE,
    )


def _list(
    name: str,
    does: str,
    apply: Callable[..., Any],
    extreme: str = NOTHING,
    /,
    **kinds: Kind,
) -> Filter:
    return Filter(
        name=name,
        takes=LIST,
        does=does,
        apply=apply,
        arguments=_arguments(kinds),
        extreme=extreme,
    )


def _sum(items: lists.Items, name: str | None = None) -> int | float | None:
    total = numbers.sum_(items, name)
    return None if total is None else numbers.plain(total)


_ANY_VALUE = (
    Filter(
        name="default",
        takes=ANY,
        does="`value` for what is missing, empty or false",
        apply=_default,
        arguments=_arguments({"value": ANY}),
        option=Argument(name="allow_false", kind=TRUTH),
        missing="`value`",
        wrong=NOTHING,
    ),
    Filter(
        name="size",
        takes=SIZED,
        does="How many characters or items",
        apply=_size,
        missing="0",
    ),
    Filter(
        name="slice",
        takes=SLICED,
        does="`length` (1) characters or items from `start`; below 0: from the end",
        apply=texts.slice_,
        arguments=_arguments({"start": WHOLE, "or_length": WHOLE}),
    ),
    Filter(
        name="property_accessor",
        takes=OBJECT,
        does="What an object has under `name`",
        apply=lists.property_accessor,
        arguments=_arguments({"name": TEXT}),
    ),
    Filter(
        name="as_json_string",
        takes=ANY,
        does="A list or object as JSON text",
        apply=texts.as_json_string,
        wrong=NOTHING,
        extreme=LONG,
    ),
)
_TEXTS = (
    _text("append", "Adds `text` at the end", texts.append, text=TEXT),
    _text("prepend", "Adds `text` at the beginning", texts.prepend, text=TEXT),
    _text("capitalize", "First letter large, the others small", str.capitalize),
    _text("upcase", "Capital letters", str.upper),
    _text("downcase", "Small letters", str.lower),
    _text("strip", "Without spaces around it", str.strip),
    _text("lstrip", "Without spaces before it", str.lstrip),
    _text("rstrip", "Without spaces after it", str.rstrip),
    _text("squish", "One space for each run of spaces", texts.squish),
    _text("strip_newlines", "Without line breaks", texts.strip_newlines),
    _text("newline_to_br", "`<br />` before each line break", texts.newline_to_br),
    _text("strip_html", "Without HTML tags", texts.strip_html),
    _text("replace", "`new` for every `old`", texts.replace, old=TEXT, or_new=TEXT),
    _text(
        "replace_first",
        "`new` for the first `old`",
        texts.replace_first,
        old=TEXT,
        or_new=TEXT,
    ),
    _text(
        "replace_last",
        "`new` for the last `old`",
        texts.replace_last,
        old=TEXT,
        new=TEXT,
    ),
    _text("remove", "Without any `text`", texts.remove, text=TEXT),
    _text("remove_first", "Without the first `text`", texts.remove_first, text=TEXT),
    _text("remove_last", "Without the last `text`", texts.remove_last, text=TEXT),
    _text("split", "A list of the pieces between each `at`", texts.split, at=TEXT),
    _text(
        "truncate",
        "At most `length` (50) characters, `end` (`...`) included",
        texts.truncate,
        or_length=WHOLE,
        or_end=TEXT,
    ),
    _text(
        "truncatewords",
        "At most `count` (15) words and `end` (`...`)",
        texts.truncatewords,
        or_count=WHOLE,
        or_end=TEXT,
    ),
    _text("escape", "Safe inside HTML", texts.escape),
    _text("escape_once", "As `escape`, but leaves what is escaped", texts.escape_once),
    _text("url_encode", "For a form: spaces become +", texts.url_encode),
    _text("url_decode", "The opposite of `url_encode`", texts.url_decode),
    _text("url_escape", "For an address; &, / and ? stay", texts.url_escape),
    _text("url_param_escape", "For a value in an address", texts.url_param_escape),
    _text("json_escape", "For a text between quotes in JSON", texts.json_escape),
    _text("json_parse", "The list or object that JSON text is", texts.json_parse),
    _text("base64_encode", "Base64", texts.base64_encode),
    _text("base64_decode", "The text that is in Base64", texts.base64_decode),
    _text(
        "base64_url_safe_encode",
        "Base64 with - and _",
        texts.base64_url_safe_encode,
    ),
    _text(
        "base64_url_safe_decode",
        "The text that is in Base64 with - and _",
        texts.base64_url_safe_decode,
    ),
    _text("md5", "MD5, in hexadecimal", texts.md5),
    _text("sha1", "SHA-1, in hexadecimal", texts.sha1),
    _text("sha2", "SHA-256, as Braze names it", texts.sha256),
    _text("sha256", "SHA-256, in hexadecimal", texts.sha256),
    *(
        _text(name, f"{words} with `key`, in {form}", sign(kind), key=TEXT)
        for name, words, form, sign, kind in (
            ("hmac_sha1", "HMAC-SHA-1", "hexadecimal", texts.hmac_hex, "sha1"),
            ("hmac_sha1_hex", "HMAC-SHA-1", "hexadecimal", texts.hmac_hex, "sha1"),
            ("hmac_sha1_base64", "HMAC-SHA-1", "Base64", texts.hmac_base64, "sha1"),
            ("hmac_sha256", "HMAC-SHA-256", "hexadecimal", texts.hmac_hex, "sha256"),
            (
                "hmac_sha256_hex",
                "HMAC-SHA-256",
                "hexadecimal",
                texts.hmac_hex,
                "sha256",
            ),
            (
                "hmac_sha256_base64",
                "HMAC-SHA-256",
                "Base64",
                texts.hmac_base64,
                "sha256",
            ),
            ("hmac_sha512", "HMAC-SHA-512", "hexadecimal", texts.hmac_hex, "sha512"),
        )
    ),
)
_NUMBERS = (
    _number("plus", "Adds `number`", numbers.plus, number=NUMBER),
    _number("minus", "Subtracts `number`", numbers.minus, number=NUMBER),
    _number("times", "Multiplies by `number`", numbers.times, number=NUMBER),
    _number(
        "divided_by",
        "Divides by `number`; two whole numbers give one, rounded down",
        numbers.divided_by,
        number=DIVISOR,
    ),
    _number(
        "modulo", "What division by `number` leaves", numbers.modulo, number=DIVISOR
    ),
    _number("abs", "Without its sign", abs),
    _number("ceil", "The next whole number above", numbers.ceil),
    _number("floor", "The next whole number below", numbers.floor),
    _number(
        "round",
        "Half up to `places` (0) decimal places",
        numbers.round_,
        or_places=WHOLE,
    ),
    _number("at_least", "At least `number`", max, number=NUMBER),
    _number("at_most", "At most `number`", min, number=NUMBER),
    Filter(
        name="number_with_delimiter",
        takes=NUMBER,
        does="1234567.5 as 1,234,567.5",
        apply=numbers.number_with_delimiter,
        extreme=LARGE,
    ),
    Filter(
        name="money",
        takes=NUMBER,
        does="1234.5 as 1,234.50",
        apply=numbers.money,
        extreme=LARGE,
    ),
)
_DATES = (
    Filter(
        name="date",
        takes=DATE,
        does="The time in `format`",
        apply=lambda at, write: write(at),
        arguments=_arguments({"format": FORMAT}),
        extreme="no year from 1 to 9999: an error",
    ),
    Filter(
        name="time_zone",
        takes=DATE,
        does="The time in the zone of `name`",
        apply=dates.in_zone,
        arguments=_arguments({"name": ZONE}),
        extreme="no year from 1 to 9999: an error",
    ),
    Filter(
        name="plus_days",
        takes=DATE,
        does="The time so many days later; below 0: earlier",
        apply=dates.later,
        arguments=_arguments({"days": WHOLE}),
        extreme="no year from 1 to 9999: an error",
    ),
)
_LISTS = (
    _list(
        "join",
        "One text, with `between` (a space) between the items",
        partial(lists.join, text=text),
        LONG,
        or_between=TEXT,
    ),
    _list("first", "The first item; missing of an empty list", lists.first),
    _list("last", "The last item; missing of an empty list", lists.last),
    _list("concat", "The items of both lists", lists.concat, list=LIST),
    _list("map", "What each has under `name`, null for nothing", lists.map_, name=TEXT),
    _list("reverse", "From the last to the first", lists.reverse),
    _list("compact", "Without null", lists.compact, or_name=TEXT),
    _list("uniq", "Each once", lists.uniq, or_name=TEXT),
    _list("sort", "In order; what has none comes last", lists.sort, or_name=TEXT),
    _list(
        "sort_natural",
        "In order, large and small letters alike",
        lists.sort_natural,
        or_name=TEXT,
    ),
    _list(
        "where",
        "Items that have `value` (anything) under `name`",
        lists.where,
        name=TEXT,
        or_value=ANY,
    ),
    _list("reject", "The items without it", lists.reject, name=TEXT, or_value=ANY),
    _list(
        "find",
        "The first of them; missing where there is none",
        lists.find,
        name=TEXT,
        or_value=ANY,
    ),
    _list(
        "find_index",
        "Its place, from 0; missing where there is none",
        lists.find_index,
        name=TEXT,
        or_value=ANY,
    ),
    _list("has", "Whether there is one", lists.has, name=TEXT, or_value=ANY),
    _list(
        "sum",
        "All together; missing where an item has nothing to add",
        _sum,
        LARGE,
        or_name=TEXT,
    ),
)
# What the documentation says above each part of the table.
GROUPS: Mapping[str, tuple[Filter, ...]] = MappingProxyType(
    {
        "Any value": _ANY_VALUE,
        "Texts": _TEXTS,
        "Numbers": _NUMBERS,
        "Dates": _DATES,
        "Lists": _LISTS,
    }
)
FILTERS: Mapping[str, Filter] = MappingProxyType(
    {one.name: one for group in GROUPS.values() for one in group}
)
# Filters for which a missing value is one to be asked about.
ASK_ABOUT_MISSING = frozenset({"default", "size"})
