"""A secret taken out of a text, however it is written there. Pure.

Who refuses a key likes to repeat it: in JSON, in an address, in HTML, in a log's hex or
base64. So the text is looked at as it is, with its escapes undone, and without what
breaks its lines; what is found is taken out of the text as it is.
"""

import base64
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5
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


def without(text: str, secrets: Collection[str], shown: str) -> str:
    """Return the text with `shown` where one of the secrets stands, in any form.

    So it is with the begin of one at the end of the text, which may have been cut.
    """
    forms = _forms(tuple(sorted(secrets)))
    if not forms:
        return text
    for form in forms:
        text = text.replace(form, shown)
    if _MAY_ESCAPE.search(text):
        text = _taken_out(text, _views(_View.of(text)), forms, shown)
    if _UNSEEN.search(text):
        text = _without_broken(text, forms, shown)
    return text if text.endswith(_ENDS) else _without_begin(text, forms, shown)


def _without_broken(text: str, forms: Sequence[str], shown: str) -> str:
    view = _unescaped(_View.of(text))
    together = _UNSEEN.sub("", view.text)
    if not (any(form in together for form in forms) or _MAY_ESCAPE.search(together)):
        return text
    return _taken_out(text, _views(_without_unseen(view)), forms, shown)


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


def _taken_out(
    text: str, views: Iterable[_View], forms: Sequence[str], shown: str
) -> str:
    places = sorted(
        (view.begins[at], view.ends[at + len(form) - 1])
        for view in views
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


def _without_begin(text: str, forms: Sequence[str], shown: str) -> str:
    """Take out the begin of a secret that the text ends with."""
    # Six characters are the longest escape that is common, thrice over.
    start = max(0, len(text) - 18 * len(forms[0]))
    whole = _HALF_ESCAPE.sub("", text[start:])
    view = _without_unseen(_unescaped(_View.of(whole)))
    for form in forms:
        begin = form[:_SHORTEST_BEGIN]
        at = view.text.find(begin, max(0, len(view.text) - len(form)))
        while at >= 0:
            if form.startswith(view.text[at:]):
                return f"{text[: start + view.begins[at]]}{shown}"
            at = view.text.find(begin, at + 1)
    return text


@lru_cache(maxsize=64)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Longest first, so that no form is left over inside another."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) < _SHORTEST:
            continue
        # A key may itself look like an escape; then it is found undone as well.
        undone = _unescaped(_View.of(secret)).text
        for written in {secret, undone, _UNSEEN.sub("", undone)}:
            forms |= _written(written)
    forms = {form for form in forms if len(form) >= _SHORTEST}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _written(secret: str) -> set[str]:
    raw = secret.encode(errors="replace")
    pairs = (raw.hex(), raw.hex(":"), raw.hex("-"))
    forms = {secret, *pairs, *(form.upper() for form in pairs)}
    for credentials in (raw, raw + b":", b":" + raw, b"Bearer " + raw):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(credentials).decode()
            # Whatever stands around the key changes the last characters.
            forms |= {encoded, encoded.rstrip("=")[:-1]}
    for form in (raw, quote_plus(secret).encode(), base64.b64encode(raw)):
        forms |= _inside_base64(form)
    return forms


def _inside_base64(raw: bytes) -> set[str]:
    """How these bytes look in the base64 of anything that they stand in.

    As `user:key` does: three bytes are four characters, so there are three ways, less
    the characters at both ends that the neighbours have a part in.
    """
    found = set()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(before) + raw).decode().rstrip("=")
            first = -(-before * 8 // 6)
            whole = (before + len(raw)) * 8 // 6
            found.add(encoded[first:whole])
    return found
