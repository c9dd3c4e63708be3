import json

import pytest

from externalapi.importers.common.redaction import without_secrets
from externalapi.importers.common.suggestions import accept
from externalapi.importers.curl.command import read_curl
from externalapi.importers.to_preset import as_preset
from externalapi.template.batching import PLANS
from externalapi.template.url_and_headers import split_target
from externalapi.testing.curl_command import curl_command
from externalapi.vendors.braze.presets.all import TRACK_USERS

KEY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def preset(command, *names):
    return as_preset(accept(read_curl(command), names))


def test_one_of_braze_s_endpoints_brings_its_rules():
    found = preset("curl https://rest.fra-01.braze.eu/users/track --json '{}'")
    assert (found.name, found.path) == ("Users Track", "/users/track")
    assert found.plan == PLANS["braze_75_combined"]
    assert (found.rules, found.channel) == (TRACK_USERS.rules, "customer_data")


def test_another_vendor_s_answers_are_read_by_their_status():
    found = preset("curl https://api.example.com/v1/leads --json '{}'")
    assert found.plan == PLANS["one"]
    assert (found.rules.success_path, found.rules.errors_path) == ((), ())
    assert (found.name, found.channel) == ("Leads", "other")


def test_the_query_is_written_so_that_it_is_read_again():
    command = "curl 'https://a.io/x?a=b%26c&phone=+1555&q={city}&d=two+words&e[]=1'"
    found = preset(command, "City")
    assert split_target(found.path) == (
        "/x",
        [
            ("a", "b&c"),
            ("phone", "+1555"),
            ("q", "{{City}}"),
            ("d", "two words"),
            ("e[]", "1"),
        ],
    )


@pytest.mark.parametrize(
    "command",
    [
        f"curl https://a.io/x -H 'Authorization: Bearer {KEY}'",
        f"curl -u me:{KEY} https://a.io/x -H 'X-Api-Key: other-{KEY}'",
        "curl https://a.io/x -H 'Authorization: Basic YWRhOmxvdmVsYWNlMTIz'",
        "curl 'https://a.io/x?api_key=a%2Fb%2Bc-secret'",
        "curl https://ada:love%40lace@a.io/x",
        f"""curl https://a.io/x --json '{{"api_key": "{KEY}"}}'""",
        f"curl https://a.io/x -d 'token={KEY}&a=1'",
    ],
)
def test_a_secret_is_taken_out_of_what_was_pasted(command):
    first = read_curl(command)
    hidden = without_secrets(command, first)
    for secret in (KEY, "YWRhOmxvdmVsYWNlMTIz", "a%2Fb%2Bc-secret", "love%40lace"):
        assert secret not in hidden
    again = read_curl(hidden)
    assert (again.auth, again.secret) == (first.auth, "")
    assert (again.path, again.query, again.body) == (
        first.path,
        first.query,
        first.body,
    )


def test_our_own_command_is_understood():
    body = {"events": [{"name": "O'Hara “ü”", "time": "2025-01-31T09:30:00Z"}]}
    request = {
        "method": "POST",
        "url": "https://rest.iad-01.braze.com/users/track?a=%7Bb%7D&c[]=1",
        "headers": {
            "Accept": "application/json",
            "Authorization": "Bearer ••••",
            "Content-Type": "application/json",
        },
        "body": json.dumps(body, ensure_ascii=False),
        "mask": "••••",
    }
    found = read_curl(curl_command(request, "BRAZE_KEY"))
    assert json.loads(found.body) == body
    assert found.query == (("a", "{b}"), ("c[]", "1"))
    assert found.secret == ""
    assert found.headers == {
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
