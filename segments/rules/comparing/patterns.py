"""Patterns of `matches`: regular expressions of a kind that cannot take long.

What is asked is whether there is such a part in the text; ^ and $ are its beginning and
its end. Letters, `.`, classes, groups, `|`, repetitions, `\\d \\w \\s \\b` and their
opposites: all that an automaton decides in one walk through the text. A back reference or
a look-around would need more, and is refused; so is what repeats too much. What is left is
written anew for PostgreSQL, whose own syntax says more.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from segments.rules.comparing.folding import fold

MAX_PATTERN = 300
# States of the automaton: repetitions count as often as they repeat. Each character
# takes as long as there are states, at worst.
MAX_STATES = 255
MAX_TIMES = 255
MAX_DEPTH = 20
_TIMES = re.compile(r"\{(\d{1,4})(,(\d{0,4}))?\}", re.ASCII)
# As PostgreSQL has them, alone and among others in brackets.
_ESCAPES = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[[:alnum:]_]",
    "W": "[^[:alnum:]_]",
    "s": r"[ \t-\r]",
    "S": r"[^ \t-\r]",
    "b": r"\y",
    "B": r"\Y",
}
_IN_BRACKETS = {"d": "0-9", "w": "[:alnum:]_", "s": r" \t-\r"}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}
_PLACES = ("^", "$", r"\b", r"\B")
_LOOKS = ("?=", "?!", "?<=", "?<!")


class PatternError(ValueError):
    """What is wrong with a pattern, as a part of a sentence."""


def problem(pattern: str) -> str:
    """What is wrong with a pattern; empty when nothing is."""
    if len(pattern) > MAX_PATTERN:
        return f"write a pattern of up to {MAX_PATTERN} characters"
    try:
        for folded in (False, True):
            compile(pattern, folded=folded)
    except PatternError as e:
        return str(e)
    return ""


@lru_cache(maxsize=1_000)
def compile(pattern: str, *, folded: bool = False) -> str:
    """The pattern as PostgreSQL's; where `folded`, for folded texts.

    Raises a PatternError.
    """
    if folded:
        pattern = unicodedata.normalize("NFC", pattern)
    reader = _Reader(text=pattern, folded=folded)
    sql, states = reader.alternatives(0)
    if reader.at < len(pattern):
        raise PatternError("there is a “)” without a “(”; write \\) for the character")
    if states > MAX_STATES:
        raise PatternError("it repeats too much; use smaller numbers in { }")
    # Whatever it begins with is a part of it.
    return f"***:{sql}"


@dataclass(slots=True)
class _Reader:
    """Reads a pattern once, from left to right; each part is (SQL, states)."""

    text: str
    folded: bool
    at: int = 0

    def alternatives(self, depth: int) -> tuple[str, int]:
        if depth > MAX_DEPTH:
            raise PatternError(f"put groups in groups at most {MAX_DEPTH} deep")
        sql, states = self._sequence(depth)
        while self._takes("|"):
            more, others = self._sequence(depth)
            sql, states = f"{sql}|{more}", states + others
        return sql, states

    def _sequence(self, depth: int) -> tuple[str, int]:
        parts, states = [], 0
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            is_place = self.text.startswith(_PLACES, self.at)
            sql, size = self._one(depth)
            times, most = self._repetition()
            if times and is_place:
                raise PatternError("only what is a character can be repeated")
            parts.append(f"{sql}{times}")
            states += max(size, 1) * most
        # An empty one is anything.
        return "".join(parts) or "(?:)", states

    def _one(self, depth: int) -> tuple[str, int]:
        char = self._next()
        if char == "(":
            return self._group(depth)
        if char == "[":
            return self._class(), 1
        if char == "\\":
            return self._escape(), 1
        if char in ".^$":
            return char, 1
        if char in "*+?{":
            raise PatternError(
                f"“{char}” has nothing before it to repeat; write \\{char} for the"
                " character"
            )
        return self._literal(char), 1

    def _group(self, depth: int) -> tuple[str, int]:
        rest = self.text[self.at :]
        if rest.startswith(_LOOKS):
            raise PatternError(
                "looking ahead or behind is not possible here; use a second condition"
            )
        if rest.startswith("?:"):
            self.at += 2
        elif rest.startswith("?"):
            raise PatternError(
                "after “(” a “?” is only possible as (?: ; for upper and lower case"
                " alike there is an option"
            )
        sql, states = self.alternatives(depth + 1)
        if not self._takes(")"):
            raise PatternError("a “(” has no “)”; write \\( for the character")
        return f"(?:{sql})", states

    def _escape(self) -> str:
        char = self._next("a “\\” stands at the end; write \\\\ for the character")
        if char in _ESCAPES:
            return _ESCAPES[char]
        return self._literal(self._escaped(char))

    def _escaped(self, char: str) -> str:
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isascii() and char.isdigit():
            raise PatternError(
                f"a back reference, \\{char}, is not possible here; write out what it"
                " stands for"
            )
        if char.isalnum():
            raise PatternError(f"\\{char} is not known here")
        return char

    def _class(self) -> str:
        """What stands in brackets, after the first."""
        opening = "[^" if self._takes("^") else "["
        unclosed = "a “[” has no “]”; write \\[ for the character"
        found: list[str] = []
        if self._takes("]"):
            raise PatternError("nothing stands in [ ]; write \\] for the character")
        while not self._takes("]"):
            char = self._next(unclosed)
            if char == "[" and self.text[self.at : self.at + 1] in (":", ".", "="):
                raise PatternError("write \\d, \\w or \\s instead of [:…:]")
            if char == "\\" and self.text[self.at : self.at + 1] in _IN_BRACKETS:
                found.append(_IN_BRACKETS[self._next()])
                continue
            low = self._member(char)
            if self.text[self.at : self.at + 1] == "-" and self.text[
                self.at + 1 : self.at + 2
            ] not in ("]", ""):
                self.at += 1
                high = self._member(self._next(unclosed))
                if low > high:
                    raise PatternError(f"in [ ], “{low}-{high}” is the wrong way round")
                found.append(f"{_quoted(low)}-{_quoted(high)}")
            else:
                found.append(_quoted(low))
        return f"{opening}{''.join(found)}]"

    def _member(self, char: str) -> str:
        if char == "\\":
            escape = self._next("a “[” has no “]”; write \\[ for the character")
            if escape in _ESCAPES:
                raise PatternError(f"\\{escape} is not possible there in [ ]")
            char = self._escaped(escape)
        if not self.folded:
            return char
        folded = fold(char)
        if len(folded) != 1:
            raise PatternError(f"“{char}” cannot stand in [ ]; use (…|…)")
        return folded

    def _literal(self, char: str) -> str:
        if not self.folded:
            return _quoted(char)
        folded = fold(char)
        if len(folded) == 1:
            return _quoted(folded)
        return f"(?:{''.join(map(_quoted, folded))})"

    def _repetition(self) -> tuple[str, int]:
        """How often the part before may stand, as SQL; and at most how many states."""
        if self.at >= len(self.text) or self.text[self.at] not in "*+?{":
            return "", 1
        char, most = self.text[self.at], 1
        if char == "{":
            found = _TIMES.match(self.text, self.at)
            if not found:
                raise PatternError(
                    "write { } as {2}, {2,} or {2,5}; \\{ is the character"
                )
            low = int(found[1])
            high = int(found[3]) if found[3] else low
            if max(low, high) > MAX_TIMES:
                raise PatternError(f"repeat at most {MAX_TIMES} times")
            if high < low:
                raise PatternError("in { } write the smaller number first")
            sql, most, self.at = found[0], max(high, 1), found.end()
        else:
            sql, self.at = char, self.at + 1
        # As few as possible, or as many: the answer is the same.
        self._takes("?")
        if self.at < len(self.text) and self.text[self.at] in "*+?{":
            raise PatternError("what is repeated is repeated again; use ( )")
        return sql, most

    def _takes(self, char: str) -> bool:
        if self.text.startswith(char, self.at):
            self.at += 1
            return True
        return False

    def _next(self, missing: str = "it ends too soon") -> str:
        if self.at >= len(self.text):
            raise PatternError(missing)
        self.at += 1
        return self.text[self.at - 1]


def _quoted(char: str) -> str:
    """A character as itself; PostgreSQL takes a backslash before what is no letter."""
    return char if char.isalnum() or not char.isascii() else f"\\{char}"
