"""An answer's body in UTF-8, whatever it came in. Pure."""

import codecs
import json
import re

_MARKS = (
    # The longer first: the mark of UTF-16 is the begin of one of UTF-32.
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
# What texts are written in. Python knows more, of which some take long or do more.
_CHARSETS = re.compile(
    r"utf-(?:16|32)(?:-[lb]e)?|iso8859-[0-9]+|cp125[0-8]|koi8-[rtu]|mac-roman"
    r"|gb2312|gbk|gb18030|big5|euc_(?:jp|kr)|shift_jis|iso2022_jp"
)


def as_utf8(body: bytes, content_type: str) -> bytes:
    """The body in UTF-8 without a byte order mark.

    A mark says more than the header, and bytes that are UTF-8 are nothing else. What
    nobody can read stays as it is.
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return _again(body[len(mark) :], name)
    if b"\0" in body:
        # So it is with JSON in UTF-16 or 32, whatever is said of it (RFC 4627, 3).
        again = _again(body, json.detect_encoding(body))
        return body if b"\0" in again else again
    if _is_utf8(body):
        return body
    name = _named(content_type)
    return _again(body, name) if name else body


def _again(body: bytes, name: str) -> bytes:
    """Written in UTF-8; a body that was cut may end in the middle of a character."""
    if name == "utf-8":
        return body
    return body.decode(name, errors="replace").encode()


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _named(content_type: str) -> str:
    """The charset of a Content-Type, in Python's word; empty for none that we read."""
    found = _CHARSET.search(content_type)
    try:
        name = codecs.lookup(found[1]).name if found else ""
    except LookupError:
        return ""
    # Browsers read Latin-1 as the code page that has quotes and the euro sign beside it.
    name = "cp1252" if name == "iso8859-1" else name
    return name if _CHARSETS.fullmatch(name) else ""
