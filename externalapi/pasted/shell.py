"""A pasted command, cut into words the way the shell it was written for would.

Bash's quotes (`$'…'` among them), Windows' carets and PowerShell's backticks are
understood; nothing is ever run, so variables and globs stay as they are written.
"""

import re

_PIECE = re.compile(
    r"""
      (?P<gap>(?:\s|\\\r?\n)+)
    | \$'(?P<ansi>(?:[^'\\]|\\.)*)'
    | '(?P<single>[^']*)'
    | \$?"(?P<double>(?:[^"\\]|\\.)*)"
    | \\(?P<escaped>.)
    | (?P<plain>[^\s'"\\$]+|\$)
    """,
    re.VERBOSE | re.DOTALL,
)
_ANSI = re.compile(
    r"\\(?:u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|x([0-9a-fA-F]{1,2})"
    r"|([0-7]{1,3})|(.))",
    re.DOTALL,
)
_ANSI_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f"}
_IN_DOUBLE = re.compile(r'\\(\r?\n|["\\$`])')
# What ends a command, where it stands alone.
_ENDS = re.compile(r"\|.*|&|&&.*|;|[0-9&]?>{1,2}[^>]*|<[^>]*", re.DOTALL)


class UnclosedQuoteError(ValueError):
    """A quote is opened and not closed; `opening` is the text from there."""

    def __init__(self, opening: str) -> None:
        super().__init__(f"A quote is not closed: {opening[:40]}")
        self.opening = opening


def split(text: str) -> tuple[list[str], str]:
    """Return the words of the first command, and what follows it (“| jq .”).

    Raises UnclosedQuoteError.
    """
    text = _as_bash(text)
    words: list[str] = []
    at = 0
    while at < len(text):
        start, (word, at) = at, _word(text, at)
        if word is None:
            continue
        if _ENDS.fullmatch(text[start:at]):
            return words, text[start:].strip()
        ends = text[start:at].endswith(";") and word.endswith(";")
        words.append(word[:-1] if ends else word)
        if ends:
            return words, text[at:].strip()
    return words, ""


def _word(text: str, at: int) -> tuple[str | None, int]:
    """Return the word that begins here and where it ends; None for space."""
    word: str | None = None
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise UnclosedQuoteError(text[at:])
        if piece["gap"] is not None:
            return word, piece.end() if word is None else at
        word = (word or "") + _meaning(piece)
        at = piece.end()
    return word, at


def _meaning(piece: re.Match[str]) -> str:
    if piece["ansi"] is not None:
        return _ANSI.sub(_ansi, piece["ansi"])
    if piece["double"] is not None:
        return _IN_DOUBLE.sub(lambda found: found[1].strip("\r\n"), piece["double"])
    return piece["single"] or piece["escaped"] or piece["plain"] or ""


def _ansi(found: re.Match[str]) -> str:
    short, long, byte, octal, letter = found.groups()
    if octal:
        return chr(int(octal, 8))
    if digits := short or long or byte:
        return chr(min(int(digits, 16), 0x10FFFF))
    return _ANSI_LETTERS.get(letter, letter)


def _as_bash(text: str) -> str:
    """Rewrite what Windows' two shells do differently, where it is theirs."""
    text = text.strip().removeprefix("$ ").removeprefix("> ")
    if '^"' in text:
        # Browsers escape everything for cmd: the caret goes, its character stays.
        text = re.sub(r"\^(\r?\n)", " ", text)
        return re.sub(r"\^(.)", r"\1", text, flags=re.DOTALL)
    if re.search(r"\^[ \t]*\r?\n", text):
        return re.sub(r"\^[ \t]*\r?\n", " ", text)
    if re.search(r"`[ \t]*\r?\n", text):
        text = re.sub(r"`[ \t]*\r?\n", " ", text)
        return text.replace('`"', '\\"')
    return text
