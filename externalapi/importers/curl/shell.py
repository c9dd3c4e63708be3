"""A pasted command, cut into words the way the shell it was written for would.

Bash's quotes (`$'…'` among them), Windows' carets and doubled quotes and PowerShell's
backticks are understood; nothing is ever run, so variables and globs stay as they are
written.
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
    r"\\(?:u(?P<u>[0-9a-fA-F]{1,4})|U(?P<U>[0-9a-fA-F]{1,8})"
    r"|x(?P<x>[0-9a-fA-F]{1,2})|(?P<octal>[0-7]{1,3})|c(?P<control>.)|(?P<letter>.))",
    re.DOTALL,
)
_ANSI_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f"} | {
    "v": "\v",
    "e": "\x1b",
    "E": "\x1b",
}
# Bytes that are no UTF-8 are taken as Latin-1, as \xeb is meant by who writes it alone.
_AS_LATIN_1 = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
_IN_DOUBLE = re.compile(r'\\(\r?\n|["\\$`])')
# What ends a command, where it stands alone.
_ENDS = re.compile(r"\|.*|&|&&.*|;|[0-9&]?>{1,2}[^>]*|<[^>]*", re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")
# Whole lines of notes before the command, as each shell writes them.
_NOTES = re.compile(r"(?:[ \t]*(?:(?:#|::|rem\b|//)[^\n]*)?\n)+", re.IGNORECASE)
_PROMPT = re.compile(
    r"(?:[$%>#]|PS [^>\n]*>|[A-Za-z]:[^>\n]*>|[\w.-]+@[\w.-]+[^$#%\n]*[$#%])\s*(?=curl)"
)
_QUOTED = re.compile(
    r"""(?P<double>"(?:[^"\\]|\\.|"")*")|(?P<single>'(?:[^']|'')*')""", re.DOTALL
)
_DOUBLE_QUOTED = re.compile(r'"(?:[^"\\]|\\.|"")*"', re.DOTALL)
_SINGLE_OPENS = re.compile(r"(?:^|[\s=])\$?'")
# "{""id"":7}": to bash a quoted text beside a quoted text, which nobody writes so.
_DOUBLED_IN_JSON = re.compile(r'[{\[:,]\s*""[^"\s]|[^"\s\\]""\s*[}\]:,]')
_DOUBLED = re.compile(r'"[^"\s][^"]*""[^\s"]')
_BASH_VARIABLE = re.compile(r"\$[A-Za-z_{(]")
# Browsers put a caret before every quote. Elsewhere nobody escapes these with one.
_BROWSERS_CARET = re.compile(r'\s\^"')
_CARETS = re.compile(r"\^[&|<>^%!(){}\[\]]")
_CARET_AND_LINES = re.compile(r"\^[ \t]*\r?\n(\r?\n)?")
_CARET = re.compile(r'("[^"]*"?)|\^(.)', re.DOTALL)
_LINE_ENDS_IN_BACKTICK = re.compile(r"`[ \t]*\r?\n")


class UnclosedQuoteError(ValueError):
    """A quote is opened and not closed; `opening` is the text from there."""

    def __init__(self, opening: str) -> None:
        super().__init__(f"A quote is not closed: {opening[:40]}")
        self.opening = opening


class HalfCharacterError(ValueError):
    """A character beyond \\uffff is written as two halves; one of them is missing."""

    def __init__(self) -> None:
        super().__init__(
            "It contains half of a character (\\ud800 to \\udfff stand in pairs)"
        )


def split(text: str) -> tuple[list[str], str]:
    """Return the words of the first command, and what follows it (“| jq .”).

    Raises UnclosedQuoteError and HalfCharacterError.
    """
    text = _as_bash(_begun(text))
    words: list[str] = []
    at = 0
    while at < len(text):
        if comment := _COMMENT.match(text, at):
            at = comment.end()
            continue
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
    parts: list[str] = []
    begun = at
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise UnclosedQuoteError(text[at:])
        if piece["gap"] is not None:
            if at == begun:
                return None, piece.end()
            break
        parts.append(_meaning(piece))
        at = piece.end()
    return _paired("".join(parts)), at


def _paired(text: str) -> str:
    """Put both halves of a character together, as $'\\ud83d\\ude00' has them."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as e:
        raise HalfCharacterError from e


def _meaning(piece: re.Match[str]) -> str:
    if piece["ansi"] is not None:
        return _ansi(piece["ansi"])
    if piece["double"] is not None:
        return _IN_DOUBLE.sub(lambda found: found[1].strip("\r\n"), piece["double"])
    return piece["single"] or piece["escaped"] or piece["plain"] or ""


def _ansi(text: str) -> str:
    r"""Return what `$'…'` means: \303\253 and \xc3\xab are the bytes of one letter."""
    parts: list[str] = []
    raw = bytearray()
    at = 0
    for found in _ANSI.finditer(text):
        byte = _byte(found)
        if found.start() > at or byte is None:
            parts += (_decoded(raw), text[at : found.start()])
            raw.clear()
        if byte is None:
            parts.append(_character(found))
        else:
            raw.append(byte)
        at = found.end()
    return "".join((*parts, _decoded(raw), text[at:]))


def _byte(found: re.Match[str]) -> int | None:
    if found["octal"]:
        return int(found["octal"], 8) & 0xFF
    return int(found["x"], 16) if found["x"] else None


def _character(found: re.Match[str]) -> str:
    if digits := found["u"] or found["U"]:
        return chr(min(int(digits, 16), 0x10FFFF))
    if control := found["control"]:
        return chr(ord(control.upper()) & 0x1F)
    return _ANSI_LETTERS.get(found["letter"], found["letter"])


def _decoded(raw: bytearray) -> str:
    return raw.decode("utf-8", "surrogateescape").translate(_AS_LATIN_1)


# Other shells


def _begun(text: str) -> str:
    """Return the text from its command on, without notes and prompt before it."""
    text = text.strip()
    if notes := _NOTES.match(text):
        text = text[notes.end() :].lstrip()
    if prompt := _PROMPT.match(text):
        text = text[prompt.end() :]
    return text


def _as_bash(text: str) -> str:
    """Rewrite what Windows' two shells do differently, where it is theirs."""
    if _LINE_ENDS_IN_BACKTICK.search(text):
        text = _LINE_ENDS_IN_BACKTICK.sub(" ", text).replace('`"', '\\"')
        return _QUOTED.sub(_from_powershell, text)
    is_browsers = bool(_BROWSERS_CARET.search(text))
    if is_browsers or (_CARETS.search(text) and not _has_single_quotes(text)):
        text = _CARET_AND_LINES.sub(lambda found: "\n" if found[1] else " ", text)
        text = _CARET.sub(lambda found: found[1] or found[2], text)
    else:
        text = _CARET_AND_LINES.sub(" ", text)
    if not is_browsers and _doubles_quotes(text):
        text = _DOUBLE_QUOTED.sub(lambda found: _without_doubles(found[0]), text)
    return text


def _has_single_quotes(text: str) -> bool:
    """Whether texts are quoted so, which cmd does not know."""
    return bool(_SINGLE_OPENS.search(_DOUBLE_QUOTED.sub('""', text)))


def _doubles_quotes(text: str) -> bool:
    if '""' not in text or _has_single_quotes(text):
        return False
    is_json = bool(_DOUBLED_IN_JSON.search(text))
    is_text = bool(_DOUBLED.search(text)) and not _BASH_VARIABLE.search(text)
    return is_json or is_text


def _without_doubles(quoted: str) -> str:
    inner = re.sub(r'\\.|""', lambda f: '\\"' if f[0] == '""' else f[0], quoted[1:-1])
    return f'"{inner}"'


def _from_powershell(found: re.Match[str]) -> str:
    """Inside single quotes '' is one, and a quote may be escaped for the program."""
    if found["double"]:
        return _without_doubles(found[0])
    inner = found[0][1:-1].replace('\\"', '"').replace("''", "'\\''")
    return f"'{inner}'"
