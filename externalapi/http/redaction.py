"""A secret taken out of a text, however it is written there. Pure.

Who refuses a key likes to repeat it: in JSON, in an address, in HTML, in a log's hex or
base64, as a list of its bytes. So the text is looked at as it is, with its escapes
undone, with its lists of numbers read as characters, and without what breaks its lines;
what is found is taken out of the text as it is.
"""

import base64
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5
from string import ascii_lowercase, ascii_uppercase
from typing import Self
from urllib.parse import quote_plus

# One character as addresses, JSON, JavaScript and HTML write it, also several times
# over: %2f %252F \/ \u002f \\x2f &#47; &amp;#x2F; &sol;
_ESCAPE = re.compile(
    r"%(?:25){0,8}(?P<percent>[0-9a-fA-F]{2})"
    r"|\\{1,8}(?:u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|u\{(?P<braced>[0-9a-fA-F]{1,6})\}"
    r"|(?P<octal>[0-7]{3})|(?P<letter>[^0-9a-zA-Z\\]|[nrtbfv]))"
    r"|&(?:amp;){0,8}(?:#(?P<decimal>[0-9]{1,7})(?:;|(?![0-9]))"
    r"|#[xX](?P<hex>[0-9a-fA-F]{1,6})(?:;|(?![0-9a-fA-F]))|(?P<name>[A-Za-z]{2,31});)"
)
_MAY_ESCAPE = re.compile(r"[%\\&]")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}
_HEX_GROUPS = ("percent", "u", "x", "braced", "hex")
# An escape in an escape in an escape: nobody means more.
_ROUNDS = 4
# What breaks a line, or stands unseen in a word.
_UNSEEN = re.compile(r"[\s\x00\xad\u200b-\u200d\u2060\ufeff]+")
# A text that was cut may end in the middle of a secret, and of an escape.
_SHORTEST_BEGIN = 5
# A shorter text would be found in the middle of words.
_SHORTEST = 4
_HALF_ESCAPE = re.compile(
    r"(?:%(?:25){0,8}[0-9a-fA-F]?|\\{1,8}(?:u\{?[0-9a-fA-F]{0,6}|x[0-9a-fA-F]?|[0-7]{0,2})"
    r"|&(?:amp;){0,8}#?[0-9a-zA-Z]{0,31})\Z"
)
# A byte in a list: 0x0f, 0f, 0Fh, U+000F; 15; 017. A key's are visible characters.
_NUMBERS = {
    16: re.compile(
        r"(?<![0-9A-Za-z])(?:0?[xX]|[uU]\+)?0{0,6}([0-9a-fA-F]{2})[hH]?(?![0-9A-Za-z])"
    ),
    10: re.compile(r"(?<![0-9A-Za-z])0{0,2}([0-9]{2,3})(?![0-9A-Za-z])"),
    8: re.compile(r"(?<![0-9A-Za-z])(?:0[oO])?0{0,2}([0-7]{2,3})(?![0-9A-Za-z])"),
}
# What stands between two of them, such as a comma, a new line and its indentation.
_GAP = re.compile(r"[^0-9A-Za-z]{1,40}")
_MAY_LIST = re.compile(
    r"(?:[0-9a-fA-F]{2}[hH]?[^0-9A-Za-z]{1,40}(?:0?[xXoO]|[uU]\+)?0{0,6}[0-9]?){5}"
)
# JavaScript's arrays of bytes become objects: {"0":115,"1":107}.
_INDEX = re.compile(r"""\\{0,8}["'][0-9]{1,4}\\{0,8}["']\s{0,2}:""")
_HALF_NUMBER = re.compile(
    r"""[^0-9A-Za-z]{0,40}(?<![0-9A-Za-z])(?:(?:[0-9]{1,4}\\{0,8}["']\s{0,2}:?\s?)?"""
    r"""(?:0?[xXoO]?0{0,6}[0-9a-fA-F]?|[uU]\+?0{0,6}[0-9a-fA-F]?|[0-9]{0,3}))\Z"""
)
_FOLDED = str.maketrans(ascii_uppercase, ascii_lowercase)
SHOWS_LAST_FOUR_FROM = 12
# An answer that ends so was not cut.
_ENDS = ("}", "]", ">")


@dataclass(frozen=True, slots=True)
class _View:
    """A text as it is read, and where each of its characters stands in the original."""

    text: str
    begins: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def replaced(self, found: Iterator[tuple[int, int, str]]) -> "_View":
        """Return it with other texts, of one character at most, in these places."""
        parts: list[str] = []
        begins: list[int] = []
        ends: list[int] = []
        at = 0
        for start, end, text in found:
            parts += (self.text[at:start], text)
            begins += self.begins[at:start]
            ends += self.ends[at:start]
            if text:
                begins.append(self.begins[start])
                ends.append(self.ends[end - 1])
            at = end
        parts.append(self.text[at:])
        begins += self.begins[at:]
        ends += self.ends[at:]
        return _View("".join(parts), begins, ends)


@dataclass(frozen=True, slots=True)
class _Forms:
    """How a secret is written, longest first, so that none is left over inside another.

    `folded` are those in which capitals are no other letters than small ones, in small;
    `begins` are the first characters of each.
    """

    exact: Sequence[str]
    folded: Sequence[str]
    begins: Set[str]


# A text, and the forms to look for in it.
_Reading = tuple[_View, Sequence[str]]


def redact(text: str, key: str) -> str:
    """Return the text with the key masked, however it is written there."""
    return without(text, [key], mask(key)) if key else text


def redact_bytes(data: bytes, key: str) -> bytes:
    """As `redact`, for what may be no text; a key is ASCII in all its forms."""
    if not key:
        return data
    text = data.decode(errors="surrogateescape")
    return redact(text, key).encode(errors="surrogateescape")


def mask(key: str) -> str:
    """Return what may be shown of a key."""
    return f"••••{key[-4:]}" if len(key) >= SHOWS_LAST_FOUR_FROM else "••••"


def without(text: str, secrets: Collection[str], shown: str) -> str:
    """Return the text with `shown` where one of the secrets stands, in any form.

    So it is with the begin of one at the end of the text, which may have been cut.
    """
    forms = _forms(tuple(sorted(secrets)))
    if not forms.exact:
        return text
    for form in forms.exact:
        text = text.replace(form, shown)
    text = _taken_out(text, _readings(text, forms), shown)
    if _UNSEEN.search(text):
        text = _without_broken(text, forms, shown)
    return text if text.endswith(_ENDS) else _without_begin(text, forms, shown)


def _readings(text: str, forms: _Forms) -> Iterator[_Reading]:
    """The ways to read a text that has no exact form in it as it is."""
    plain, *undone = _views(_View.of(text))
    yield _folded(plain), forms.folded
    for view in undone:
        yield view, forms.exact
        yield _folded(view), forms.folded
    for view in (plain, *undone):
        for listed in _lists(view):
            yield listed, forms.exact


def _without_broken(text: str, forms: _Forms, shown: str) -> str:
    view = _unescaped(_View.of(text))
    together = _UNSEEN.sub("", view.text)
    small = _small(together)
    if not (
        any(form in together for form in forms.exact)
        or any(form in small for form in forms.folded)
        or _MAY_ESCAPE.search(together)
    ):
        return text
    views = list(_views(_without_unseen(view)))
    readings = [(view, forms.exact) for view in views]
    readings += [(_folded(view), forms.folded) for view in views]
    return _taken_out(text, readings, shown)


def _folded(view: _View) -> _View:
    return _View(_small(view.text), view.begins, view.ends)


def _small(text: str) -> str:
    """The text in small letters, and as long as before."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


def _may_list(text: str) -> bool:
    return bool(_MAY_LIST.search(_INDEX.sub("", text)))


def _lists(view: _View) -> Iterator[_View]:
    """The text with the numbers of its lists read as characters, whatever their base."""
    if not _may_list(view.text):
        return
    view = view.replaced((*one.span(), "") for one in _INDEX.finditer(view.text))
    for base in _NUMBERS:
        yield view.replaced(_listed(view.text, base))


def _listed(text: str, base: int) -> Iterator[tuple[int, int, str]]:
    """The characters whose numbers are listed, and nothing for what is between them."""
    end = None
    for found in _NUMBERS[base].finditer(text):
        if end is not None and _GAP.fullmatch(text, end, found.start()):
            yield end, found.start(), ""
        end = found.end()
        yield found.start(), end, chr(int(found[1], base))


def _views(view: _View) -> Iterator[_View]:
    """The text as it is, and with its escapes undone once, twice and so on.

    A secret's own end may be the begin of what looks like an escape: it is found in one
    of them, and not in the last.
    """
    yield view
    for _ in range(_ROUNDS):
        if not _MAY_ESCAPE.search(view.text):
            return
        before, view = view, view.replaced(_characters(view.text))
        if len(view.text) == len(before.text):
            return
        yield view


def _unescaped(view: _View) -> _View:
    *_, last = _views(view)
    return last


def _characters(text: str) -> Iterator[tuple[int, int, str]]:
    for found in _ESCAPE.finditer(text):
        if (char := _character(found)) is not None:
            yield found.start(), found.end(), char


def _character(found: re.Match[str]) -> str | None:
    """Return what an escape means; None where it is none."""
    kind = found.lastgroup or ""
    written = found[kind]
    if kind in _HEX_GROUPS:
        code = int(written, 16)
    elif kind in ("decimal", "octal"):
        code = int(written, 10 if kind == "decimal" else 8)
    elif kind == "letter":
        return _LETTERS.get(written, written)
    else:
        char = html5.get(f"{written};", "")
        return char if len(char) == 1 else None
    return chr(code) if code <= 0x10FFFF else None


def _without_unseen(view: _View) -> _View:
    spaces = _UNSEEN.finditer(view.text)
    return view.replaced((one.start(), one.end(), "") for one in spaces)


def _taken_out(text: str, readings: Iterable[_Reading], shown: str) -> str:
    places = sorted(
        (view.begins[at], view.ends[at + len(form) - 1])
        for view, forms in readings
        for form in forms
        for at in _all(view.text, form)
    )
    parts: list[str] = []
    done = 0
    for begin, end in places:
        if begin >= done:
            parts += (text[done:begin], shown)
        done = max(done, end)
    return "".join((*parts, text[done:])) if parts else text


def _all(text: str, form: str) -> Iterator[int]:
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + 1)


def _without_begin(text: str, forms: _Forms, shown: str) -> str:
    """Take out the begin of a secret that the text ends with."""
    # Six characters are the longest escape that is common, thrice over.
    start = max(0, len(text) - 18 * len(forms.exact[0]))
    for view, written in _readings_of_end(text[start:], forms):
        at = _begin(view, written, forms.begins)
        if at is not None:
            return f"{text[: start + at]}{shown}"
    return text


def _readings_of_end(text: str, forms: _Forms) -> Iterator[_Reading]:
    view = _unescaped(_View.of(_HALF_ESCAPE.sub("", text)))
    together = _without_unseen(view)
    yield together, forms.exact
    yield _folded(together), forms.folded
    if _may_list(view.text):
        view = _unescaped(_View.of(_HALF_NUMBER.sub("", text)))
        for listed in _lists(view):
            yield listed, forms.exact


def _begin(view: _View, forms: Sequence[str], begins: Set[str]) -> int | None:
    """Where the begin of a secret stands that the view ends with, if there is one."""
    text, size = view.text, _SHORTEST_BEGIN
    if begins.isdisjoint(text[at : at + size] for at in range(len(text) - size + 1)):
        return None
    for form in forms:
        at = text.find(form[:size], max(0, len(text) - len(form)))
        while at >= 0:
            if form.startswith(text[at:]):
                return view.begins[at]
            at = text.find(form[:size], at + 1)
    return None


@lru_cache(maxsize=64)
def _forms(secrets: tuple[str, ...]) -> _Forms:
    exact: set[str] = set()
    folded: set[str] = set()
    for secret in secrets:
        if len(secret) < _SHORTEST:
            continue
        # A key may itself look like an escape; then it is found undone as well.
        undone = _unescaped(_View.of(secret)).text
        for written in {secret, undone, _UNSEEN.sub("", undone)}:
            exact |= _written(written)
            folded |= _written_in_any_case(written)
    begins = frozenset(form[:_SHORTEST_BEGIN] for form in exact | folded)
    return _Forms(_longest_first(exact), _longest_first(folded), begins)


def _longest_first(forms: Iterable[str]) -> Sequence[str]:
    long_enough = (form for form in forms if len(form) >= _SHORTEST)
    return tuple(sorted(long_enough, key=lambda form: (-len(form), form)))


def _written(secret: str) -> set[str]:
    raw = secret.encode(errors="replace")
    forms = {secret}
    for credentials in (raw, raw + b":", b":" + raw, b"Bearer " + raw):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(credentials).decode()
            # Whatever stands around the key changes the last characters.
            forms |= {encoded, encoded.rstrip("=")[:-1]}
    wide = secret.encode("utf-16-le", errors="replace")
    for form in (raw, quote_plus(secret).encode(), base64.b64encode(raw), wide):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms |= _inside(form, encode, bits=6)
    return forms


def _written_in_any_case(secret: str) -> set[str]:
    raw = secret.encode(errors="replace")
    forms = {raw.hex()}
    for encode in (base64.b32encode, base64.b32hexencode):
        encoded = encode(raw).decode()
        found = {encoded, encoded.rstrip("="), *_inside(raw, encode, bits=5)}
        forms |= {form.lower() for form in found}
    return forms


def _inside(raw: bytes, encode: Callable[[bytes], bytes], bits: int) -> set[str]:
    """How these bytes look in the base64 or base32 of anything that they stand in.

    As `user:key` does: each character is so many bits, so there are as many ways as
    bytes before it until both are in step again, less the characters at both ends that
    the neighbours have a part in.
    """
    found = set()
    for before in range(3 if bits == 6 else 5):
        encoded = encode(bytes(before) + raw).decode().rstrip("=")
        first = -(-before * 8 // bits)
        whole = (before + len(raw)) * 8 // bits
        found.add(encoded[first:whole])
    return found
