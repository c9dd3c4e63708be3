"""Whatever is pasted as a command is understood, or refused with a sentence."""

import pytest
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from externalapi.importers.common.types import PasteError
from externalapi.importers.curl.options import FLAGS, LETTERS, WITH_VALUE
from externalapi.importers.reader import read
from externalapi.importers.to_preset import as_preset

# What each shell and curl itself take for more than a character.
PIECES = r"""
    ' " $' $" "" '' \ \\ \' \" ` ^ ^" ^& ^^ # ; | & && > 2>&1 < $ $X ${X} $(x) { } {a,b}
    [ ] [1-3] {{ }} {{x}} <x> @ @f = : , / ? % %00 %ED%A0%80 %zz + * ! ~ -- - -d -H -X -F
    -u -G --json --data-urlencode --url-query -x= --json= -dX -sXPUT curl curl.exe
    https://a.io https://a.io/x?a=1 http:// :// //a a.io: a.io:x [::1] user:pw@a.io
    \ud83d \ude00 \u00eb \U1f600 \x \xc3\xab \xeb \303\253 \0 \x00 \cA \e \1 \400
    Authorization:Bearer Basic X-Api-Key: Cookie:a=b api_key= {"a":1} {"api_key":"abcd1234"}
    a=1&b=2 tags[]=a application/json Content-Type:text/xml rem :: PS> $> ë 😀
""".split()
pieces = st.sampled_from([*PIECES, " ", " ", " ", "\n", "\\\n", "^\n", "`\n", "\r\n"])
options = st.sampled_from(
    [f"--{name}" for name in sorted(WITH_VALUE | FLAGS)]
    + [f"-{letter}" for letter in LETTERS]
)
values = st.sampled_from(PIECES) | st.text(max_size=6)


def understood_or_refused(text):
    """Go all the way to the form, as a person who picks everything would."""
    try:
        first = read(text)
        if first.understood is None:
            return
        names = [offer.name for offer in first.understood.offered]
        found = read(text, "", names).understood.found
    except PasteError as e:
        assert str(e)
        return
    preset = as_preset(found)
    text = f"{preset.path}{preset.body}{preset.headers}{found.notes}{first.text}"
    assert "\0" not in text
    text.encode()


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=25).map("".join))
def test_any_pieces_behind_an_address(tail):
    understood_or_refused(f"curl https://a.io/x {tail}")


@settings(max_examples=200, deadline=None)
@given(st.lists(pieces, max_size=12).map("".join))
def test_any_pieces_in_an_address(tail):
    understood_or_refused(f"curl -g $'https://a.io/{tail}'")
    understood_or_refused(f"curl {tail}")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(options, values), max_size=6))
def test_any_options(chosen):
    words = [f"{name} $'{value}'" for name, value in chosen]
    understood_or_refused(f"curl https://a.io/x {' '.join(words)}")


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text(text):
    understood_or_refused(text)
    understood_or_refused(f"curl https://a.io/x -d {text}")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        r"curl https://a.io --data-raw $'name=\ud83d\ude00'",
        r"curl https://a.io --data-raw $'name=\ud83d'",
        r"curl $'https://a.io/\ud83d?\udfff=1'",
        r"curl https://a.io -H $'X-A: \x00' -d $'\0'",
        r"""curl https://a.io --json '{"a": "\ud800"}'""",
        "curl https://a.io -d 'a=%ED%A0%80&b=%00'",
        "curl 'https://a.io/%00?a=%00'",
        "curl 'https://[::1/x'",
        "curl https://a.io:99999999/x",
        "curl https://a..io/x -H ':: '",
        "curl https://" + "ü" * 300 + ".io/x",
        "curl -u : -H 'Authorization: Basic ====' https://@a.io/",
        "curl https://a.io -d '" + "[" * 50_000 + "'",
        "curl https://a.io -d '" + "a&" * 50_000 + "'",
        "curl https://a.io/" + "''" * 90_000,
        "curl https://a.io/ " + "^" * 90_000,
        "curl https://a.io/ " + '""' * 90_000,
        '{"openapi": "3.1.0", "paths": {"/x": {"get": {"parameters": [1]}}}}',
        '{"info": {}, "item": [{"request": {"url": "{{a}}://{{b}}:{{c}}"}}]}',
        '{"info": {}, "item": [{"request": "\\ud800"}]}',
    ],
    ids=lambda text: ascii(text)[:60],
)
def test_no_pasted_text_ends_in_an_error(admin_client, text):
    for name in ("externalapi_externalapi_paste", "externalapi_externalapi_add"):
        posted = {"pasted": text, "operation": "GET /x"}
        answer = admin_client.post(reverse(f"admin:{name}"), posted)
        assert answer.status_code == 200
