"""Bytes as text: UTF-8 where it is, what a mark says, else a question with previews."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import chardet

from segments.imports.reading.rows import FileError

BLOCK = 1 << 20
SAMPLE = 64 << 10
PREVIEW_LINES = 3
PREVIEW_CHARACTERS = 80
FEW = 8

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What is asked about, in this order; the one that is recognized comes first.
ENCODINGS = {
    "cp1252": "Western Europe (Windows-1252)",
    "cp1250": "Central Europe (Windows-1250)",
    "cp1251": "Cyrillic (Windows-1251)",
    "cp1253": "Greek (Windows-1253)",
    "cp1254": "Turkish (Windows-1254)",
    "cp1255": "Hebrew (Windows-1255)",
    "cp1256": "Arabic (Windows-1256)",
    "mac_roman": "Western Europe (Mac)",
    "cp932": "Japanese (Shift JIS)",
    "gb18030": "Chinese (GB 18030)",
    "cp949": "Korean (Windows-949)",
    "utf-16-le": "UTF-16, little endian",
    "utf-16-be": "UTF-16, big endian",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An encoding that the bytes may be in, and how lines beyond ASCII look in it."""

    encoding: str
    label: str
    preview: tuple[str, ...]


def recognize(stream: BinaryIO) -> str:
    """The encoding where it is certain; "" where somebody has to be asked.

    Reads all of it: the first byte that is not UTF-8 may be the last. Raises FileError
    for what is no text.
    """
    stream.seek(0)
    head = stream.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    stream.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        while block := stream.read(BLOCK):
            if nuls := block.count(b"\0"):
                # UTF-16 without its mark has one in most pairs of bytes.
                if nuls * FEW < len(block):
                    raise FileError("The file has NUL bytes in it: it is no text.")
                return ""
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return ""
    return "utf-8"


def candidates(stream: BinaryIO) -> list[Candidate]:
    """The encodings that the sample can be read in, the likeliest first."""
    sample = _telling_sample(stream)
    guess = str(chardet.detect(sample)["encoding"] or "")
    found = []
    for encoding, label in ENCODINGS.items():
        text = _decoded(sample, encoding)
        if text is not None:
            preview = _preview(text)
            found.append(Candidate(encoding=encoding, label=label, preview=preview))
    likely = _codec(guess)
    return sorted(found, key=lambda c: _codec(c.encoding) != likely)


def to_utf8(source: BinaryIO, target: BinaryIO, encoding: str) -> None:
    """Write the text in UTF-8, without a mark; raises FileError with the line.

    Lines that end as on an old Mac end with a line feed afterwards.
    """
    source.seek(0)
    line = 1
    is_old_mac: bool | None = None
    try:
        for text in _texts(source, encoding):
            if is_old_mac is None:
                is_old_mac = "\r" in text and "\n" not in text
            plain = text.replace("\r", "\n") if is_old_mac else text
            if "\0" in plain:
                raise FileError(f"After line {line:,} there is a NUL: it is no text.")
            line += plain.count("\n")
            target.write(plain.encode())
    except UnicodeError as e:
        raise FileError(
            f"After line {line:,} something is not written in {encoding}."
        ) from e


def is_plain(stream: BinaryIO, encoding: str) -> bool:
    """Whether the readers take it as it is: UTF-8, with line feeds."""
    stream.seek(0)
    head = stream.read(BLOCK)
    return encoding == "utf-8" and (b"\n" in head or b"\r" not in head)


def _texts(source: BinaryIO, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    while block := source.read(BLOCK):
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _telling_sample(stream: BinaryIO) -> bytes:
    """Lines from the first on that has something beyond ASCII."""
    stream.seek(0)
    before = 0
    while block := stream.read(BLOCK):
        if not block.isascii() or b"\0" in block:
            first = next(i for i, byte in enumerate(block) if not 0 < byte < 128)
            begin = block.rfind(b"\n", 0, first) + 1
            # An even number of bytes from the start, for UTF-16.
            stream.seek(before + begin - (before + begin) % 2)
            return stream.read(SAMPLE)
        before += len(block)
    stream.seek(0)
    return stream.read(SAMPLE)


def _decoded(sample: bytes, encoding: str) -> str | None:
    """None where it cannot be, or would be what no text has."""
    try:
        # The sample may end in the middle of a character.
        text = codecs.getincrementaldecoder(encoding)("strict").decode(sample)
    except UnicodeError:
        return None
    if any(c < " " and c not in "\t\r\n" for c in text):
        return None
    # Any bytes are UTF-16; in text each end of a line has a NUL beside it.
    return None if encoding.startswith("utf-16") and b"\0" not in sample else text


def _preview(text: str) -> tuple[str, ...]:
    telling = [line for line in text.splitlines() if not line.isascii()]
    return tuple(line[:PREVIEW_CHARACTERS] for line in telling[:PREVIEW_LINES])


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        return ""
