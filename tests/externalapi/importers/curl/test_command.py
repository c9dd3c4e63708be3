"""Commands as vendors' pages, browsers and Postman write them."""

import json

import pytest

from externalapi.http.auth import Auth
from externalapi.importers.common.types import BodyKind, PasteError
from externalapi.importers.curl.command import read_curl
from externalapi.template.parser import parse_body

KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
FORM = "application/x-www-form-urlencoded"
BRAZE = "https://rest.iad-01.braze.com"
TRACK = r"""
curl --location --request POST 'https://rest.iad-01.braze.com/users/track' \
--header 'Content-Type: application/json' \
--header 'Authorization: Bearer YOUR_REST_API_KEY' \
--data-raw '{
    "attributes": [
        {
            "email": "test@example.com",
            "favourite_fruit": "apple",
            "is_member": true,
            "visits": 26
        }
    ]
}'
"""

# (command, what it means): only what is named is compared.
UNDERSTOOD = {
    "Braze: track by email": (
        TRACK,
        {
            "method": "POST",
            "base_url": BRAZE,
            "path": "/users/track",
            "headers": {"Content-Type": "application/json"},
            "auth": Auth.BEARER,
            "secret": "",
            "body_kind": BodyKind.JSON,
        },
    ),
    "Braze: query of unsubscribed addresses": (
        f"curl --location --request GET '{BRAZE}/email/unsubscribes?start_date="
        "2020-01-01&end_date=2020-02-01&limit=100&email=foo@example.com' \\\n"
        f"--header 'Authorization: Bearer {KEY}'",
        {
            "method": "GET",
            "path": "/email/unsubscribes",
            "query": (
                ("start_date", "2020-01-01"),
                ("end_date", "2020-02-01"),
                ("limit", "100"),
                ("email", "foo@example.com"),
            ),
            "secret": KEY,
            "body_kind": BodyKind.NONE,
        },
    ),
    "Braze: Postman's own placeholder stays one": (
        f"curl --location -g --request GET '{BRAZE}/subscription/status/get?"
        "subscription_group_id={{subscription_group_id}}&phone=+11112223333' "
        "--header 'Authorization: Bearer YOUR-REST-API-KEY'",
        {
            "query": (
                ("subscription_group_id", "{{subscription_group_id}}"),
                ("phone", "+11112223333"),
            )
        },
    ),
    "Braze: brackets in names are no range": (
        f"curl -g '{BRAZE}/subscription/user/status?external_id[]=1&external_id[]=2'",
        {"query": (("external_id[]", "1"), ("external_id[]", "2"))},
    ),
    "Braze: a filter by time": (
        f"curl --location -g --request GET '{BRAZE}/campaigns/list?page=0&"
        "include_archived=false&last_edit.time[gt]=2020-06-28T23:59:59-5:00'",
        {
            "query": (
                ("page", "0"),
                ("include_archived", "false"),
                ("last_edit.time[gt]", "2020-06-28T23:59:59-5:00"),
            )
        },
    ),
    "Braze: patch of a catalog item": (
        "curl --location --request PATCH 'https://rest.iad-03.braze.com/catalogs/"
        "restaurants/items/restaurant1' --header 'Content-Type: application/json' "
        """--data-raw '{"items": [{"Dishes": {"$add": ["Biscuits"]}}]}'""",
        {
            "method": "PATCH",
            "path": "/catalogs/restaurants/items/restaurant1",
            "tree": {"items": [{"Dishes": {"$add": ["Biscuits"]}}]},
        },
    ),
    "Braze: delete without a body": (
        f"curl --location --request DELETE '{BRAZE}/catalogs/restaurants'",
        {"method": "DELETE", "body_kind": BodyKind.NONE},
    ),
    "Braze: send to a campaign": (
        f"curl -X POST -H 'Content-Type:application/json' -H 'Authorization:Bearer "
        f'{KEY}\' -d \'{{"campaign_id":"c1","recipients":[{{"external_user_id":'
        f'"user1"}}]}}\' {BRAZE}/campaigns/trigger/send',
        {
            "path": "/campaigns/trigger/send",
            "secret": KEY,
            "tree": {
                "campaign_id": "c1",
                "recipients": [{"external_user_id": "user1"}],
            },
        },
    ),
    "Braze: a comma too many, as on its page": (
        f"curl -X POST {BRAZE}/users/track -H 'Content-Type: application/json' -d '"
        '{"attributes": [{"phone": "+15043277269"}],}\'',
        {
            "tree": {"attributes": [{"phone": "+15043277269"}]},
            "note": "A comma after the last value",
        },
    ),
    "Braze: a key in the body, as it was until 2020": (
        f"curl -X POST {BRAZE}/users/track -H 'Content-Type: application/json' -d '"
        f'{{"api_key": "{KEY}", "events": []}}\'',
        {
            "tree": {"events": []},
            "auth": Auth.BEARER,
            "secret": KEY,
            "note": "taken out of the body",
        },
    ),
    "Braze: a key in the address": (
        f"curl '{BRAZE}/segments/list?api_key={KEY}&page=1'",
        {
            "query": (("page", "1"),),
            "auth": Auth.QUERY,
            "auth_name": "api_key",
            "secret": KEY,
        },
    ),
    "one word": (
        "curl example.com",
        {"method": "GET", "base_url": "https://example.com", "path": "/"},
    ),
    "http is kept for a connection to say no to": (
        "curl http://example.com/x",
        {"base_url": "http://example.com"},
    ),
    "-XPOST": ("curl -XPOST https://a.io/x", {"method": "POST", "path": "/x"}),
    "--request=PUT": ("curl --request=PUT https://a.io/x", {"method": "PUT"}),
    "-d means POST and a form": (
        "curl https://a.io/x -d a=1 -d 'b=two words' -d c=",
        {
            "method": "POST",
            "body_kind": BodyKind.FORM,
            "tree": {"a": "1", "b": "two words", "c": ""},
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
    ),
    "--data-urlencode": (
        "curl https://a.io/x --data-urlencode 'q=a&b=c'",
        {"tree": {"q": "a&b=c"}},
    ),
    "--data-ascii and --data-binary": (
        "curl https://a.io/x --data-ascii a=1 --data-binary b=2",
        {"tree": {"a": "1", "b": "2"}},
    ),
    "--data-raw takes an at sign": (
        "curl https://a.io/x --data-raw 'handle=@ada'",
        {"tree": {"handle": "@ada"}},
    ),
    "--json": (
        """curl --json '{"tool": "curl"}' https://a.io/x""",
        {
            "method": "POST",
            "tree": {"tool": "curl"},
            "headers": {"Content-Type": "application/json"},
        },
    ),
    "JSON without its header": (
        """curl https://a.io/x -d '[{"a": 1}]'""",
        {"body_kind": BodyKind.JSON, "note": "Content-Type becomes application/json"},
    ),
    "XML": (
        "curl https://a.io/x -H 'Content-Type: text/xml' -d '<a>1</a>'",
        {"body_kind": BodyKind.TEXT, "body": "<a>1</a>"},
    ),
    "-G": (
        "curl -G https://a.io/search?page=1 -d q=shoes --data-urlencode 'c=a b'",
        {
            "method": "GET",
            "query": (("page", "1"), ("q", "shoes"), ("c", "a b")),
            "body_kind": BodyKind.NONE,
        },
    ),
    "--url-query": (
        "curl https://a.io/x --url-query 'name=a b'",
        {"query": (("name", "a b"),)},
    ),
    "-I": ("curl -I https://a.io/x", {"method": "GET", "note": "-I asks for headers"}),
    "-u": (
        f"curl -u 'api:key-{KEY}' https://api.mailgun.net/v3/x/messages -F from=a -F to=b",
        {
            "auth": Auth.BASIC,
            "username": "api",
            "secret": f"key-{KEY}",
            "tree": {"from": "a", "to": "b"},
            "note": "simple form",
        },
    ),
    "-u without a password": (
        f"curl https://api.stripe.com/v1/charges -u {KEY}: -d amount=2000",
        {"auth": Auth.BASIC, "username": KEY, "secret": ""},
    ),
    "basic in a header": (
        "curl -H 'Authorization: Basic YWRhOmxvdmVsYWNl' https://a.io/x",
        {"auth": Auth.BASIC, "username": "ada", "secret": "lovelace", "headers": {}},
    ),
    "basic in the address": (
        "curl https://ada:love%40lace@a.io/x",
        {
            "auth": Auth.BASIC,
            "username": "ada",
            "secret": "love@lace",
            "base_url": "https://a.io",
        },
    ),
    "a key in a header of its own": (
        f"curl https://a.io/x -H 'X-Api-Key: {KEY}' -H 'X-Trace: on'",
        {
            "auth": Auth.HEADER,
            "auth_name": "X-Api-Key",
            "secret": KEY,
            "headers": {"X-Trace": "on"},
        },
    ),
    "a scheme of the vendor's own": (
        f"curl https://a.klaviyo.com/api/events -H 'Authorization: Klaviyo-API-Key {KEY}'"
        " -H 'revision: 2024-10-15'",
        {
            "auth": Auth.HEADER,
            "auth_name": "Authorization",
            "secret": f"Klaviyo-API-Key {KEY}",
            "headers": {"revision": "2024-10-15"},
        },
    ),
    "a variable is no secret": (
        'curl https://a.io/x -H "Authorization: Bearer $TOKEN"',
        {"auth": Auth.BEARER, "secret": ""},
    ),
    "--oauth2-bearer": (
        f"curl --oauth2-bearer {KEY} https://a.io/x",
        {"auth": Auth.BEARER, "secret": KEY},
    ),
    "-A, -e, combined flags and what is printed": (
        "curl -sSLk -A 'my tool' -e https://b.io -o out.json -w '%{http_code}' a.io/x",
        {
            "headers": {"User-Agent": "my tool", "Referer": "https://b.io"},
            "note": "certificates are always checked",
        },
    ),
    "a letter with a value ends the combined flags": (
        "curl -sXPUT https://a.io/x",
        {"method": "PUT"},
    ),
    "cookies": (
        "curl https://a.io/x -b 'sid=1' -H 'Cookie: a=b'",
        {"headers": {}, "note": "The cookies are left out"},
    ),
    "what a browser adds": (
        "curl 'https://a.io/x' -H 'accept: */*' -H 'sec-fetch-mode: cors' "
        "-H 'origin: https://b.io' -H 'Content-Length: 3' --compressed",
        {"headers": {"accept": "*/*"}, "note": "A browser's own headers"},
    ),
    "$'…'": (
        r"""curl https://a.io/x --json $'{"name": "O\'Hara \u00e9\n"}'""",
        {"body": '{"name": "O\'Hara é\n"}', "note": "not JSON yet"},
    ),
    "$'…' with both halves of a character": (
        r"curl https://a.io/x --data-raw $'name=\ud83d\ude00'",
        {"tree": {"name": "😀"}},
    ),
    "$'…' with the bytes of a letter, octal": (
        r"""curl https://a.io/x --json $'{"n":"Zo\303\253"}'""",
        {"tree": {"n": "Zoë"}},
    ),
    "$'…' with the bytes of a letter, hexadecimal": (
        r"""curl https://a.io/x --json $'{"n":"Zo\xc3\xab \xF0\x9f\x98\x80"}'""",
        {"tree": {"n": "Zoë 😀"}},
    ),
    "$'…' with a byte that is no UTF-8": (
        r"""curl https://a.io/x --json $'{"n":"Zo\xeb \353!"}'""",
        {"tree": {"n": "Zoë ë!"}},
    ),
    "$'…' with all the rest": (
        r"""curl https://a.io/x -d $'a=\U1f600\x41\101\'\"\?\\\cA\e\v\u20acb'""",
        {"tree": {"a": "😀AA'\"?\\\x01\x1b\x0b€b"}},
    ),
    "$'…' in the address and in a header": (
        r"curl $'https://a.io/caf\303\251?q=\ud83d\ude00' -H $'X-N: \u0041\x42'",
        {"path": "/café", "query": (("q", "😀"),), "headers": {"X-N": "AB"}},
    ),
    "an international name": (
        "curl https://Bücher.example/x",
        {"base_url": "https://xn--bcher-kva.example"},
    ),
    "a field more than once": (
        "curl https://a.io/x -d 'tags[]=a' -d x=1 -d 'tags[]=b&tags[]=a'",
        {"tree": {"tags[]": ["a", "b", "a"], "x": "1"}},
    ),
    "a part of a form more than once": (
        "curl https://a.io/x -F tag=a -F tag=b",
        {"tree": {"tag": ["a", "b"]}},
    ),
    "--json in pieces": (
        """curl https://a.io/x --json '{"a":1,' --json '"b":2}'""",
        {"tree": {"a": 1, "b": 2}},
    ),
    "-d and --json": (
        "curl https://a.io/x -H 'Content-Type: text/plain' --json a -d b --json c",
        {"body": "a&bc"},
    ),
    "a note before and one after": (
        "# note: don't run\n\n  # another\n$ curl https://a.io/x -d a=1 # don't",
        {"path": "/x", "tree": {"a": "1"}, "notes": ()},
    ),
    "a note between the lines": (
        "curl https://a.io/x \\\n  # who's it for\n  -H 'X-A: 1#2' \\\n  -d 'a=#1'",
        {"headers": {"X-A": "1#2", "Content-Type": FORM}, "tree": {"a": "#1"}},
    ),
    "a hash in a word": (
        "curl https://a.io/x -d a=1#2 -d b=\\#3",
        {"tree": {"a": "1#2", "b": "#3"}},
    ),
    "as a browser's form sends it": (
        "# note\r\ncurl https://a.io/x \\\r\n -H 'Content-Type: text/plain' \\\r\n"
        " -d 'a\r\nb' # end\r\n",
        {"body": "a\nb", "headers": {"Content-Type": "text/plain"}},
    ),
    "a prompt": ("ada@host:~/x$ curl https://a.io/x", {"path": "/x"}),
    "a prompt of Windows": ("C:\\Users\\ada> curl https://a.io/x", {"path": "/x"}),
    "a prompt of root": ("# curl https://a.io/x", {"path": "/x"}),
    "-g": (
        "curl -g 'https://a.io/{a,b}/[1-3]?f={c,d}&r[]=[a-z]'",
        {"path": "/{a,b}/[1-3]", "query": (("f", "{c,d}"), ("r[]", "[a-z]"))},
    ),
    "braces behind a backslash": (
        r"curl 'https://a.io/\{a,b\}/\[1-3\]'",
        {"path": "/{a,b}/[1-3]"},
    ),
    "-Z, -R and other flags about files": (
        "curl -ZRsO --no-clobber --no-progress-meter https://a.io/x",
        {"path": "/x", "notes": ()},
    ),
    "--output-dir and others with a value": (
        "curl --output-dir X --create-file-mode 0644 --stderr - --rate 2/s -o y "
        "--happy-eyeballs-timeout-ms 100 --trace-config ids https://a.io/x",
        {"path": "/x", "notes": ()},
    ),
    "what has a value and is left out": (
        "curl --doh-url https://dns.io --proxy1.0 a:1 -P - -Q PWD -t a=b https://a.io/x",
        {"path": "/x", "note": "--doh-url is left out."},
    ),
    "the beginning of a long name": (
        "curl --heade 'X-A: 1' --max-t 3 --compressed-s https://a.io/x",
        {"headers": {"X-A": "1"}},
    ),
    "--no-get": (
        "curl -G --no-get https://a.io/x -d a=1",
        {"method": "POST", "tree": {"a": "1"}},
    ),
    "the last of two": (
        "curl -A one -A two -e a -e 'b;auto' -X PUT -X PATCH https://a.io/x",
        {"method": "PATCH", "headers": {"User-Agent": "two", "Referer": "b"}},
    ),
    "a header wins over its option": (
        "curl -A one -H 'user-agent: two' https://a.io/x",
        {"headers": {"user-agent": "two"}},
    ),
    "--url-query as it is": (
        "curl https://a.io/x --url-query '+a=%41' --url-query 'b c'",
        {"query": (("a", "A"), ("b c", ""))},
    ),
    "-F as curl cuts it": (
        """curl https://a.io/x -F 'a=1;type=x' -F 'b="x;y\\""' -F 'c=x;y' -F 'd= e '"""
        " --form-string 'f=@x;type=y'",
        {"tree": {"a": "1", "b": 'x;y"', "c": "x", "d": "e", "f": "@x;type=y"}},
    ),
    "--proto-default": (
        "curl --proto-default http a.io/x",
        {"base_url": "http://a.io"},
    ),
    "Windows: doubled quotes": (
        'curl https://a.io/x --data "{""id"":7}"',
        {"tree": {"id": 7}},
    ),
    "Windows: doubled quotes everywhere": (
        'curl.exe -X PUT "https://a.io/x?a=1&b=2" -H "" -H "X-A: it\'s ""so""" '
        '--json "{""a"":[""b"",""it\'s \'c\'""],""d"":""""}"',
        {
            "query": (("a", "1"), ("b", "2")),
            "headers": {"Content-Type": "application/json", "X-A": 'it\'s "so"'},
            "tree": {"a": ["b", "it's 'c'"], "d": ""},
        },
    ),
    "Windows: doubled quotes in a text": (
        'curl https://a.io/x -d "say=""hi"" now"',
        {"tree": {"say": '"hi" now'}},
    ),
    "bash: quotes beside quotes": (
        'curl "https://a.io/""$ID""/x" -d "a=""b"',
        {"path": "/$ID/x", "tree": {"a": "b"}},
    ),
    "Windows: a caret outside quotes": (
        'curl https://a.io/x?a=1^&b=^%2^% -H "X-A: 1^&2"',
        {"query": (("a", "1"), ("b", "%2%")), "headers": {"X-A": "1^&2"}},
    ),
    "Windows: a new line in what a browser copied": (
        'curl ^"https://a.io/x^" ^\n  --data-raw ^"a=b^\n\nc^"',
        {"tree": {"a": "b\nc"}},
    ),
    "bash: a caret is a caret": (
        'curl https://a.io/x --json \'{"re": "^[a-z]$"}\'',
        {"tree": {"re": "^[a-z]$"}},
    ),
    "PowerShell: quotes": (
        "curl.exe `\n https://a.io/x `\n --json '{\\\"a\\\": \\\"it''s\\\"}' "
        '-H "X-A: ""1"""',
        {
            "tree": {"a": "it's"},
            "headers": {"Content-Type": "application/json", "X-A": '"1"'},
        },
    ),
    "double quotes": (
        r"""curl https://a.io/x --json "{\"name\": \"Ada \\\"L\\\"\"}" """,
        {"tree": {"name": 'Ada "L"'}},
    ),
    "quotes joined": (
        """curl https://a.io/x --json '{"name": "O'"'"'Hara"}'""",
        {"tree": {"name": "O'Hara"}},
    ),
    "Windows: copied from a browser": (
        'curl ^"https://a.io/x?a=1^&b=2^" ^\n  -H ^"accept: application/json^" ^\n'
        '  --data-raw ^"^{^\\^"name^\\^":^\\^"Ada^\\^"^}^"',
        {
            "query": (("a", "1"), ("b", "2")),
            "headers": {
                "Content-Type": "application/json",
                "accept": "application/json",
            },
            "tree": {"name": "Ada"},
        },
    ),
    "Windows: typed": (
        'curl.exe -X POST ^\r\n "https://a.io/x" ^\r\n --json "{\\"a\\": 1}"',
        {"tree": {"a": 1}},
    ),
    "PowerShell": (
        "curl.exe -X POST `\n  'https://a.io/x' `\n  --json '{\"a\": 1}'",
        {"tree": {"a": 1}},
    ),
    "what follows": (
        "$ curl -s https://a.io/x | jq '.items[]'",
        {"note": "What follows the command is left out: | jq"},
    ),
    "two commands on lines of their own end at the first semicolon": (
        "curl https://a.io/x; echo done",
        {"path": "/x", "note": "echo done"},
    ),
    "a path with gaps": (
        "curl -X PUT https://a.io/users/<user_id>/items/{item_id} -d a=1",
        {"path": "/users/<user_id>/items/{item_id}"},
    ),
    "a host that is a gap": (
        "curl https://<your-instance>.example.com/x",
        {"base_url": "", "path": "/x", "note": "choose the connection"},
    ),
    "--": ("curl -s -- https://a.io/x", {"path": "/x"}),
    "--url": ("curl --url https://a.io/x --http2 -m 10", {"path": "/x"}),
    "a port and a fragment": (
        "curl https://A.io:8443/x#y",
        {"base_url": "https://a.io:8443", "path": "/x"},
    ),
    "an empty header": (
        "curl https://a.io/x -H 'Accept:' -H 'X-Empty;'",
        {"headers": {}, "note": "is empty"},
    ),
    "not JSON yet": (
        """curl https://a.io/x -H 'content-type: application/json' -d '{"a": oops}'""",
        {"body": '{"a": oops}', "note": "not JSON yet"},
    ),
}


@pytest.mark.parametrize("title", UNDERSTOOD)
def test_a_command_is_understood(title):
    command, meant = UNDERSTOOD[title]
    found = read_curl(command)
    meant = dict(meant)
    if note := meant.pop("note", None):
        assert note in "\n".join(found.notes)
    if tree := meant.pop("tree", None):
        assert parse_body(found.body) == tree
    for name, value in meant.items():
        assert getattr(found, name) == value, name


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "begins with curl"),
        ("wget https://a.io", "This is a wget command. Copy it as cURL"),
        ("http POST a.io", "HTTPie"),
        ("fetch('https://a.io')", "JavaScript"),
        ("Invoke-WebRequest -Uri https://a.io", "PowerShell's own"),
        ("POST /users/track", "This begins with “POST”"),
        ("curl", "has no address"),
        ("curl -H 'a: b'", "has no address"),
        ("curl 'https://a.io", "A quote is not closed"),
        ("curl https://a.io https://b.io", "several addresses"),
        ("curl https://a.io/x\ncurl https://a.io/y", "several commands"),
        ("curl https://a.io --next https://b.io", "several commands"),
        ("curl https://a.io -: https://b.io", "several commands"),
        (r"curl https://a.io -d $'a=\ud83d'", "half of a character"),
        (r"curl https://a.io -d $'a=\ude00\ud83d'", "half of a character"),
        (r"curl https://a.io -H $'X: \udfff'", "half of a character"),
        (r"curl $'https://a.io/\ud83d'", "half of a character"),
        (r"curl https://a.io -d $'a=\0'", "NUL character"),
        ("curl https://a.io -d a=1 -F b=2", "curl sends only one of them"),
        ("curl --request-target /y https://a.io/x", "another path"),
        ("curl --variable a=1 --expand-url https://a.io/{{a}}", "filled in by curl"),
        ("curl --etag-compare f https://a.io/x", "from a file"),
        ("curl --netrc-file f https://a.io/x", "which is not here"),
        ("curl -V https://a.io/x", "sends nothing"),
        ("curl --dat a=1 https://a.io/x", "no option --dat"),
        ("curl 'https://a.io/[a-z:2]'", "several addresses"),
        ("curl 'https://a.io/{a,b}'", "several addresses"),
        ("curl 'https://a.io/[1-9]'", "several addresses"),
        ("curl -d @body.json https://a.io", "sends a file of your computer"),
        ("curl --data-binary @b.json https://a.io", "sends a file"),
        ("curl --json @b.json https://a.io", "sends a file"),
        ("curl --data-urlencode name@b.txt https://a.io", "sends a file"),
        ("curl -F 'a=@photo.png' https://a.io", "uploads a file"),
        ("curl -F 'a=<text.txt' https://a.io", "uploads a file"),
        ("curl -F a https://a.io", "is not name=value"),
        ("curl -T photo.png https://a.io", "-T sends a file"),
        ("curl -K options https://a.io", "reads options from a file"),
        ("curl -H @headers https://a.io", "reads headers from a file"),
        ("curl -E cert.pem https://a.io", "certificate file"),
        ("curl -X OPTIONS https://a.io", "OPTIONS is not one of"),
        ("curl -X", "-X has no value"),
        ("curl --header", "--header has no value"),
        ("curl -W https://a.io", "no option -W"),
        ("curl --nothing https://a.io", "no option --nothing"),
        ("curl --compressed=yes https://a.io", "no option --compressed=yes"),
        ("curl ftp://a.io/x", "begins with https://"),
        ("curl 'https://a.io:port/x'", "is not an address"),
        ("curl 'https://a b/x'", "is not an address"),
        ("curl " + "x" * 200_000, "longer than"),
    ],
    ids=lambda value: value[:50],
)
def test_what_cannot_be_taken_is_said(command, words):
    with pytest.raises(PasteError) as error:
        read_curl(command)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "command",
    [
        f"curl https://a.io/x -H 'Authorization: Bearer {KEY}' -d a=1",
        f"curl https://a.io/x -H 'api-key: {KEY}' --json '{{}}'",
        f"curl https://u:{KEY}@a.io/x",
        f"curl -u me:{KEY} https://a.io/x -H 'Authorization: Bearer {KEY}'",
        f"curl 'https://a.io/x?access_token={KEY}'",
        f"curl https://a.io/x -d token={KEY}",
        f"""curl https://a.io/x --json '{{"a": 1, "api_key": "{KEY}"}}'""",
        f"""curl https://a.io/x -u a:b --json '{{"api_key": "{KEY}"}}'""",
    ],
)
def test_a_secret_is_nowhere_but_in_its_field(command):
    found = read_curl(command)
    assert KEY not in repr(found)
    kept = [found.path, found.body, *found.notes, *found.headers.values()]
    assert KEY not in json.dumps([*kept, *map(list, found.query)])
