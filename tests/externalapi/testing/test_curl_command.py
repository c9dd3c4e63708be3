"""The command is run by a real shell and a real curl: the same answer must come."""

import json
import shlex
import shutil
import subprocess

import pytest

from externalapi.http.auth import Auth, SignIn
from externalapi.http.client import Request
from externalapi.testing import records, runs
from externalapi.testing.curl_command import curl_command
from tests.factories import make_admin, make_version, parameter

KEY = "0f9e8d7c-the-key-1234"
NASTY = 'it\'s "quoted" $HOME `id` !! \\ \n\t{{x}} é 😀 @file ;&|'


def sent(body=None, url="https://rest.iad-01.braze.com/x", **headers):
    request = Request(method="POST", url=url, headers=headers, body=body)
    return records.sent(request, KEY)


def words(command, key=KEY):
    """What a shell makes of the command, with the variable filled in."""
    assert '"$BRAZE_KEY"' in command
    one_line = command.replace(" \\\n  ", " ")
    return shlex.split(one_line.replace('"$BRAZE_KEY"', shlex.quote(key)))


def test_the_key_is_a_variable_and_nowhere_in_the_command():
    command = curl_command(sent(b"{}"), "BRAZE_KEY")
    assert "0f9e8d7c" not in command
    assert "1234" not in command
    assert f"Authorization: Bearer {KEY}" in words(command)


def test_a_key_in_the_body_and_in_the_address_is_a_variable_too():
    stored = sent(
        json.dumps({"api_key": KEY}).encode(), f"https://rest.iad-01.braze.com/?k={KEY}"
    )
    command = curl_command(stored, "BRAZE_KEY")
    assert KEY not in command
    found = words(command)
    assert f"https://rest.iad-01.braze.com/?k={KEY}" in found
    assert json.dumps({"api_key": KEY}) in found


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_passes_on_every_character_as_it_is(tmp_path):
    stored = sent(NASTY.encode(), **{"X-Odd": "a'b\"c $(id) !x", "X-Empty": ""})
    command = curl_command(stored, "BRAZE_KEY")
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/bash\nprintf "%s\\0" "$@"\n')
    fake.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", command],
        env={"BRAZE_KEY": KEY, "PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/nobody"},
        capture_output=True,
        check=True,
    )
    arguments = done.stdout.decode().split("\0")[:-1]
    assert arguments == [
        *("--request", "POST", "https://rest.iad-01.braze.com/x"),
        *("--header", "X-Odd: a'b\"c $(id) !x"),
        *("--header", "X-Empty;"),
        *("--header", f"Authorization: Bearer {KEY}"),
        *("--data-raw", NASTY),
    ]


def test_the_command_gets_the_same_answer(braze, sandbox):
    version = make_version(
        '{"attributes": [{"external_id": {{User ID}}, "first_name": {{Name}}}]}',
        [parameter("User ID"), parameter("Name")],
        connection=braze,
    )
    name = 'O\'Neil "$HOME" `id` \\ é'
    test = runs.run_test(version, {"User ID": "u-1", "Name": name}, make_admin())
    assert test.response["status"] == 201
    sandbox.reset()
    command = curl_command(test.request, "BRAZE_KEY")
    if shutil.which("curl") and shutil.which("bash"):
        done = subprocess.run(
            ["bash", "-c", f"{command} --silent"],
            env={"BRAZE_KEY": sandbox.key, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=True,
        )
        answer = done.stdout.decode()
    else:
        answer = sent_by_hand(words(command, sandbox.key))
    assert json.loads(answer) == json.loads(test.response["body"])
    assert sandbox.user("u-1")["first_name"] == name


def sent_by_hand(arguments):
    """What curl does with the few options that the command has."""
    import urllib.request

    assert arguments[:2] == ["curl", "--request"]
    pairs = list(zip(arguments[4::2], arguments[5::2], strict=True))
    headers = dict(v.split(": ", 1) for option, v in pairs if option == "--header")
    body = next(v for option, v in pairs if option == "--data-raw")
    request = urllib.request.Request(
        arguments[3], body.encode(), headers, method=arguments[2]
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def test_basic_sign_in_is_curls_own():
    request = Request(
        method="GET",
        url="https://rest.iad-01.braze.com/x",
        headers={},
        sign_in=SignIn(auth=Auth.BASIC, username="it's me"),
    )
    command = curl_command(records.sent(request, KEY), "BRAZE_KEY")
    assert words(command)[4:] == ["--user", f"it's me:{KEY}"]


def test_a_key_in_a_header_of_its_own_or_in_the_query_is_a_variable():
    for auth in (Auth.HEADER, Auth.QUERY):
        sign_in = SignIn(auth=auth, name="x-api-key")
        request = Request(
            method="GET",
            url="https://rest.iad-01.braze.com/x",
            headers={},
            sign_in=sign_in,
        )
        found = words(curl_command(records.sent(request, KEY), "BRAZE_KEY"))
        assert f"x-api-key: {KEY}" in found or found[3].endswith(f"?x-api-key={KEY}")


def test_a_request_that_was_not_kept_whole_has_no_command():
    stored = sent(b"x" * (records.MAX_REQUEST + 1))
    assert stored["is_cut"]
    assert curl_command(stored, "BRAZE_KEY") == ""
    assert curl_command({}, "BRAZE_KEY") == ""


def test_brackets_in_the_address_are_not_patterns():
    command = curl_command(sent(url="https://rest.iad-01.braze.com/a[1]"), "BRAZE_KEY")
    assert command.startswith("curl --globoff --request POST ")
