import base64
import time
from textwrap import wrap
from urllib.parse import quote

import pytest
from django.core.management import call_command
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from externalapi.connections.encryption import SecretError, read_key, set_key
from externalapi.http.redaction import mask, redact, redact_bytes
from externalapi.models import Connection

KEY = "3f?a/9c>1-secret-key-b7e4"


@pytest.fixture
def connection(db):
    return Connection.objects.create(
        name="Braze", base_url="https://rest.iad-01.braze.com"
    )


def test_a_key_is_stored_encrypted_and_read_back(connection):
    set_key(connection, f"  {KEY}\n")
    stored = Connection.objects.get()
    assert read_key(stored) == KEY
    assert KEY not in stored.key_encrypted
    assert stored.key_last_four == "b7e4"
    assert stored.key_version == 1
    assert stored.key_set_at is not None


def test_each_key_is_a_new_version(connection):
    set_key(connection, KEY)
    set_key(connection, "another-key-0002")
    assert connection.key_version == 2
    assert read_key(connection) == "another-key-0002"


def test_of_a_short_key_nothing_is_shown(connection):
    set_key(connection, "short-key")
    assert connection.key_last_four == ""
    assert mask("short-key") == "••••"


def test_no_key_is_an_empty_key(connection):
    assert read_key(connection) == ""


def test_a_key_copied_to_another_row_is_worth_nothing(connection):
    set_key(connection, KEY)
    other = Connection.objects.create(
        name="Evil",
        base_url="https://evil.test",
        key_encrypted=connection.key_encrypted,
    )
    with pytest.raises(SecretError):
        read_key(other)


def test_old_keys_stay_readable_while_the_passphrase_is_listed(connection, settings):
    settings.SECRETS_KEYS = ["old passphrase"]
    set_key(connection, KEY)
    settings.SECRETS_KEYS = ["new passphrase", "old passphrase"]
    assert read_key(connection) == KEY
    settings.SECRETS_KEYS = ["new passphrase"]
    with pytest.raises(SecretError, match="another SECRETS_KEY"):
        read_key(connection)


def test_rotating_makes_the_old_passphrase_superfluous(connection, settings, capsys):
    settings.SECRETS_KEYS = ["old passphrase"]
    set_key(connection, KEY)
    settings.SECRETS_KEYS = ["new passphrase", "old passphrase"]
    call_command("rotate_secrets")
    assert capsys.readouterr().out == "Keys encrypted again: 1.\n"
    settings.SECRETS_KEYS = ["new passphrase"]
    connection.refresh_from_db()
    assert read_key(connection) == KEY
    assert connection.key_version == 1


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(f"{KEY}:".encode()).decode(),
        base64.b64encode(f":{KEY}".encode()).decode(),
        base64.b64encode(f"Bearer {KEY}".encode()).decode(),
        f'{{"message":"Invalid API key: {KEY}"}}',
    ],
)
def test_every_form_of_a_key_is_masked(form):
    text = redact(f"before {form} after", KEY)
    assert form not in text
    assert KEY not in text
    assert "secret" not in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "••••b7e4" in text


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "someone@example.com"])
@pytest.mark.parametrize("after", ["", ":x", ":xy"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_is_masked_inside_the_base64_of_a_pair(user, after, encode):
    pair = encode(f"{user}:{KEY}{after}".encode()).decode()
    text = redact(f"Authorization: Basic {pair}", KEY)
    assert "••••b7e4" in text
    left = text.replace("Authorization: Basic ", "").replace("••••b7e4", "")
    assert len(left) <= len(pair) - len(KEY)


def test_a_key_is_masked_in_bytes_that_are_no_text():
    data = b"\xff" + KEY.encode() + b"\xfe"
    assert redact_bytes(data, KEY) == b"\xff" + "••••b7e4".encode() + b"\xfe"


def test_without_a_key_a_text_stays():
    assert redact("text", "") == "text"


# --- However a key is written ---------------------------------------------------------

AWKWARD = "sk/live+9f8e7d=6c5b&4a39~b7e4"


def hexadecimal(text, form):
    return "".join(form.format(ord(char)) for char in text)


def mixed_case(digits):
    return "".join(c.upper() if n % 3 else c for n, c in enumerate(digits))


def listed(text, form, gap):
    return gap.join(form.format(ord(char)) for char in text)


def slashes(text):
    return text.replace("/", "\\/")


SPELLINGS = {
    "percent, upper": lambda key: quote(key, safe=""),
    "percent, lower": lambda key: quote(key, safe="").replace("%2F", "%2f"),
    "percent, all of it, lower": lambda key: hexadecimal(key, "%{:02x}"),
    "percent, all of it, upper": lambda key: hexadecimal(key, "%{:02X}"),
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "percent twice, lower": lambda key: hexadecimal(key, "%25{:02x}"),
    "percent three times": lambda key: quote(quote(quote(key, safe=""))),
    "JSON's slash": slashes,
    "JSON in JSON": lambda key: slashes(slashes(key)),
    "JSON, \\u in lower case": lambda key: hexadecimal(key, "\\u{:04x}"),
    "JSON, \\u in upper case": lambda key: hexadecimal(key, "\\u{:04X}"),
    "JSON in JSON, \\u": lambda key: hexadecimal(key, "\\\\u{:04x}"),
    "JavaScript": lambda key: hexadecimal(key, "\\x{:02x}"),
    "octal": lambda key: hexadecimal(key, "\\{:03o}"),
    "HTML, decimal": lambda key: hexadecimal(key, "&#{};"),
    "HTML, zeros": lambda key: hexadecimal(key, "&#{:05d};"),
    "HTML, hexadecimal": lambda key: hexadecimal(key, "&#x{:X};"),
    "HTML, hexadecimal, lower": lambda key: hexadecimal(key, "&#x{:02x};"),
    "HTML, names": lambda key: (
        key.replace("&", "&amp;").replace("/", "&sol;").replace("+", "&plus;")
    ),
    "HTML twice": lambda key: hexadecimal(key, "&amp;#{};"),
    "HTML of percent": lambda key: hexadecimal(key, "&#37;{:02x}"),
    "percent of HTML": lambda key: quote(hexadecimal(key, "&#{};"), safe=""),
    "percent of JSON": lambda key: quote(hexadecimal(key, "\\u{:04x}"), safe=""),
    "hex": lambda key: key.encode().hex(),
    "hex, upper": lambda key: key.encode().hex().upper(),
    "hex, in pairs": lambda key: key.encode().hex(" "),
    "hex, with colons": lambda key: key.encode().hex(":"),
    "hex, with colons, upper": lambda key: key.encode().hex(":").upper(),
    "hex, with hyphens": lambda key: key.encode().hex("-"),
    "hex, mixed case": lambda key: mixed_case(key.encode().hex()),
    "hex, with 0x": lambda key: listed(key, "0x{:02x}", ", "),
    "hex, with 0X, mixed case": lambda key: mixed_case(listed(key, "0X{:02x}", ",")),
    "hex, in code points": lambda key: listed(key, "U+{:04X}", " "),
    "hex, in texts": lambda key: listed(key, "{:02x}", "',\n            '"),
    "hex, in texts in JSON": lambda key: listed(key, "{:02X}", '\\", \\"'),
    "hex, as in assembler": lambda key: listed(key, "0{:02x}h", ", "),
    "hex, wrapped": lambda key: "\n".join(wrap(key.encode().hex(), 15)),
    "bytes": lambda key: listed(key, "{}", ","),
    "bytes, with spaces": lambda key: listed(key, "{:03d}", " "),
    "bytes, a line each": lambda key: listed(key, "{}", ",\n                "),
    "bytes, as JavaScript has them": lambda key: ",".join(
        f'"{n}":{ord(char)}' for n, char in enumerate(key)
    ).removeprefix('"0":'),
    "bytes, as JavaScript has them, in JSON": lambda key: ", ".join(
        f'\\"{n}\\": {ord(char)}' for n, char in enumerate(key)
    ).removeprefix('\\"0\\": '),
    "bytes, octal": lambda key: listed(key, "0o{:03o}", ", "),
    "base32": lambda key: base64.b32encode(key.encode()).decode(),
    "base32, lower": lambda key: base64.b32encode(key.encode()).decode().lower(),
    "base32 without padding": lambda key: (
        base64.b32encode(key.encode()).decode().rstrip("=")
    ),
    "base32 of a pair": lambda key: base64.b32encode(b"user:" + key.encode()).decode(),
    "base32hex": lambda key: base64.b32hexencode(key.encode()).decode(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 without padding": lambda key: (
        base64.b64encode(key.encode()).decode().rstrip("=")
    ),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "base64, wrapped": lambda key: "\n".join(
        wrap(base64.b64encode(b"x" * 31 + key.encode()).decode(), 19)
    ),
    "base64, wrapped as in mails": lambda key: (
        base64.encodebytes(b"user:" * 9 + key.encode()).decode().replace("\n", "\r\n")
    ),
    "base64, wrapped in JSON": lambda key: "\\n".join(
        wrap(base64.b64encode(key.encode()).decode(), 7)
    ),
    "base64 twice": lambda key: base64.b64encode(
        base64.b64encode(key.encode())
    ).decode(),
    "base64, percent": lambda key: quote(
        base64.b64encode(key.encode()).decode(), safe=""
    ),
    "base64 of percent": lambda key: base64.b64encode(
        b"a" + quote(key, safe="").encode()
    ).decode(),
    "broken over lines": lambda key: f"{key[:11]}\n  {key[11:]}",
    "invisible characters": lambda key: "\u200b".join(key),
    "base64 of UTF-16": lambda key: base64.b64encode(key.encode("utf-16-le")).decode(),
    "UTF-16": lambda key: "\0".join(key),
}


@pytest.mark.parametrize("key", [KEY, AWKWARD, "a%2fb&amp;c%41%42-0123"])
def test_a_key_is_masked_however_it_is_written(key):
    for spelling, write in SPELLINGS.items():
        written = write(key)
        text = redact(f'{{"message": "Invalid key {written}."}}', key)
        assert text.startswith('{"message": "Invalid key '), spelling
        assert text.endswith('."}'), spelling
        assert mask(key) in text, spelling
        if spelling.startswith("base"):
            left = text.removeprefix('{"message": "Invalid key ')
            more = len(written) - len(key)
            assert len(left.replace(mask(key), "")) <= more, spelling
        else:
            assert text == f'{{"message": "Invalid key {mask(key)}."}}', spelling


@pytest.mark.parametrize("offset", [0, 1, 2])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_is_masked_in_base64_at_every_offset(offset, encode):
    inside = b"u" * offset + AWKWARD.encode() + b"?>"
    text = redact(f"see {encode(inside).decode().rstrip('=')} there", AWKWARD)
    assert mask(AWKWARD) in text
    assert len(text) < 30


@pytest.mark.parametrize(
    "write",
    [
        str,
        slashes,
        lambda key: hexadecimal(key, "%{:02x}"),
        lambda key: hexadecimal(key, "\\u{:04x}"),
        lambda key: hexadecimal(key, "&#x{:x};"),
        lambda key: base64.b64encode(key.encode()).decode(),
        lambda key: key.encode().hex(),
        lambda key: listed(key, "0x{:02x}", ", "),
        lambda key: listed(key, "{}", ",\n    "),
        lambda key: base64.b32encode(key.encode()).decode(),
    ],
    ids="plain slash percent json html base64 hex 0x bytes base32".split(),
)
def test_a_key_that_was_cut_is_masked(write):
    written = write(AWKWARD)
    for left in range(9, len(AWKWARD)):
        cut = len(write(AWKWARD[:left]))
        for end in range(cut - 3, cut + 1):
            text = redact(f"Invalid key {written[:end]}", AWKWARD)
            assert text == f"Invalid key {mask(AWKWARD)}", end


def test_what_is_no_key_stays():
    text = (
        "100%2 50%25 \\u12 C:\\new\\x &amp; &nothing; &#x; dGVzdA== sk live 9f8e\n"
        "\tskeleton &#1114112; \\ %"
    )
    assert redact(text, AWKWARD) == text
    assert redact_bytes(b"\xff\xed\xa0\x80%2f", AWKWARD) == b"\xff\xed\xa0\x80%2f"


# Alone they are found; what they break up may be another spelling's escape.
ALONE = ("hex", "bytes", "base", "broken", "invisible", "UTF-16")
ways = st.lists(
    st.sampled_from([name for name in SPELLINGS if not name.startswith(ALONE)]),
    max_size=2,
)


@example(before="", after="1", ways=["percent, upper"], key="0000000\\")
@example(before="", after="u0041", ways=["percent, upper"], key="abcdefgh\\")
@example(
    before="",
    after="41 &amp;",
    ways=["percent, upper", "percent, upper"],
    key="abcdefgh%",
)
@hypothesis_settings(max_examples=150, deadline=None)
@given(
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    ways=ways,
    key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8),
)
def test_a_key_is_masked_between_any_texts(before, after, ways, key):
    written = key
    for way in ways:
        written = SPELLINGS[way](written)
    text = redact(f"{before} {written} {after}", key)
    assert "••••" in text
    assert key not in text.replace(mask(key), "")


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "\\",
            "%25",
            "%",
            "&amp;",
            "\\u",
            "&#",
            "a ",
            '\\"',
            AWKWARD[:-1] + " ",
            "%2f",
        ),
        *("73", "73 ", "0x73, ", "115,", '"1":115,', "0", "0 ", '"', "'1", "%2573%2C"),
        *(" " * 39 + "7", '"000', listed(AWKWARD[:-1], "{}", ",") + " "),
    ],
)
def test_a_long_answer_is_looked_through_in_no_time(piece):
    """64 KB take 0.1 s at most; anything that grows with the square takes minutes."""
    text = piece * (65_536 // len(piece))
    started = time.process_time()
    redact(text, AWKWARD)
    assert time.process_time() - started < 2
