"""Every bad input that the security notes name: refused at its field, nothing lost.

A row is one input. After it nothing is stored, the page says at the field what to do,
and what was typed is still there, as text.
"""

import html

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from engagements.authoring.forms import EngagementForm
from engagements.models import Engagement
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from externalapi.template.parameters import Level, Parameter, ParameterType
from externalapi.transfer import import_file
from tests import factories
from tests.externalapi.admin.test_connection import typed as connection_typed
from tests.externalapi.admin.test_external_api import rows
from tests.externalapi.admin.test_external_api import typed as api_typed

pytestmark = pytest.mark.django_db

MANY = "x" * 256
DEEP = '{"a": ' * 21 + "1" + "}" * 21
PLACEHOLDERS = "[" + ", ".join(f"{{{{P{n}}}}}" for n in range(501)) + "]"
LONG_HEADERS = "\n".join(f"X-{n}: 1" for n in range(51))

# --- Addresses ("One guarded client", 1) ---------------------------------------------

ADDRESSES = [
    ("http://a.com", "must begin with https://"),
    ("ftp://a.com", "must begin with https://"),
    ("file:///etc/passwd", "must begin with https://"),
    ("javascript:alert(1)", "Write the address as https://"),
    ("//a.com", "Write the address as https://"),
    ("localhost:8690", "Write the address as https://host/path."),
    ("https://user@a.com", "may not contain a user name"),
    ("https://user:pass@a.com", "may not contain a user name"),
    ("https://a.com\\@127.0.0.1", "no spaces, backslashes"),
    ("https://a.com/\tx", "no spaces, backslashes"),
    ("https://a.com/\x01x", "no spaces, backslashes"),
    ("https://a.com/ x", "no spaces, backslashes"),
    ("https://bücher.de", "letters outside ASCII"),
    ("https://a.com/é", "letters outside ASCII"),
    ("https://a.com#x", "without “#”"),
    ("https://a.com/../x", "may not contain “.” or “..”"),
    ("https://a.com/%2e%2e/x", "may not contain “.” or “..”"),
    ("https://a.com:22", "Port 22 is not allowed"),
    ("https://a.com:0", "no valid port"),
    ("https://a.com:99999", "no valid port"),
    ("https://a.com/" + "x" * 2048, "at most 2048 characters"),
    ("https://intranet", "not on the public internet"),
    *(
        (f"https://printer.{suffix}", "not on the public internet")
        for suffix in "local internal localhost corp lan svc home.arpa intranet".split()
    ),
    *(
        (f"https://{address}", "not on the public internet")
        for address in (
            "0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 "
            "192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 "
            "203.0.113.1 224.0.0.1 240.0.0.1 168.63.129.16 [::1] [::ffff:10.0.0.1] "
            "[64:ff9b::1] [64:ff9b:1::1] [100::1] [2001::1] [2001:db8::1] [2002::1] "
            "[3fff::1] [5f00::1] [fc00::1] [fe80::1] [fec0::1] [ff00::1]"
        ).split()
    ),
    *(
        (f"https://{address}", "no valid host")
        for address in "0x7f000001 2130706433 0177.0.0.1 127.1 [::1%25eth0] a..com".split()
    ),
    # Placeholders are never in scheme, host or port.
    ("https://{{Host}}", "belong to the External API"),
    ("https://a.com:{{Port}}", "belong to the External API"),
    ("{{Scheme}}://a.com", "belong to the External API"),
    ("https://a.com?key=1", "belong to the External API"),
]
CONNECTIONS = [
    *(({"base_url": text}, "base_url", words) for text, words in ADDRESSES),
    *(
        ({"auth": "oauth2", "client_id": "a", "token_url": text}, "token_url", words)
        for text, words in (
            ("http://a.com/token", "must begin with https://"),
            ("https://169.254.169.254/token", "not on the public internet"),
            ("https://u:p@a.com/token", "may not contain a user name"),
        )
    ),
    ({"auth": "header", "key_name": "X Key"}, "key_name", "cannot be the name"),
    ({"auth": "header", "key_name": "X\r\nHost"}, "key_name", "cannot be the name"),
    ({"auth": "header", "key_name": "Host"}, "key_name", "by the client itself"),
    ({"auth": "query", "key_name": "k\x01"}, "key_name", "visible ASCII"),
    ({"auth": "basic", "username": "a:b"}, "username", "cannot have a colon"),
    ({"auth": "basic", "username": "a\nb"}, "username", "visible ASCII"),
    ({"name": ""}, "name", "required"),
    ({"name": MANY}, "name", "at most 255 characters"),
    ({"name": "a\x00b"}, "name", "Null characters are not allowed"),
    ({"name": "a\nb: forged"}, "name", "on one line"),
    ({"name": "a\x1b[31m"}, "name", "on one line"),
    ({"name": "a\u202egnp.b"}, "name", "on one line"),
    ({"requests_per_burst": "0"}, "requests_per_burst", "Enter 1 or more"),
    ({"requests_per_burst": "1e9"}, "requests_per_burst", "whole number"),
    ({"burst_seconds": "-1"}, "burst_seconds", "Enter 0 or more"),
    ({"timeout_seconds": "9999999999"}, "timeout_seconds", "30 seconds at most"),
]
# What is typed here is never shown again.
KEYS = ["short", "two words-0123", '"quoted-0123"', "ünïcode-0123", "line\nbreak-0123"]

# --- Definitions ("Headers, templates, secrets") -------------------------------------

OWN_HEADERS = """
    Host Content-Length Transfer-Encoding Connection Upgrade TE Trailer Proxy-Authorization
    Proxy-Connection Expect X-Forwarded-For X-Forwarded-Host Keep-Alive Accept-Encoding
""".split()
DEFINITIONS = [
    *(("headers", f"{name}: x", "by the client itself") for name in OWN_HEADERS),
    ("headers", "X-A: 1\r\nhost: evil.com", "by the client itself"),
    ("headers", "X A: 1", "cannot be the name of a header"),
    ("headers", "X\x01A: 1", "cannot be the name of a header"),
    ("headers", "(X): 1", "cannot be the name of a header"),
    ("headers", ": 1", "cannot be the name of a header"),
    ("headers", "X-A: \x07", "visible ASCII"),
    ("headers", "X-A: ü", "visible ASCII"),
    ("headers", "X-A: a\x00b", "visible ASCII"),
    ("headers", f"X-A: {'x' * 8193}", "longer than 8 KB"),
    ("headers", LONG_HEADERS, "more than 50 headers"),
    ("headers", "X-A: 1\nx-a: 2", "given twice"),
    ("headers", "Authorization: Bearer abc", "comes from the connection's key"),
    ("headers", "X-A: {{x | upcase}}", "looks like an expression"),
    ("headers", "X-{{Name}}: 1", "cannot be the name of a header"),
    ("headers", "Content-Type: text/html", "the body is JSON"),
    ("path", "users/track", "Begin the path with a slash"),
    ("path", ":8080/x", "Begin the path with a slash"),
    ("path", "@evil.com/x", "Begin the path with a slash"),
    ("path", "https://evil.com/x", "Begin the path with a slash"),
    ("path", "{{Path}}", "Begin the path with a slash"),
    ("path", "/a/../b", "may not contain “.” or “..”"),
    ("path", "/a/%2E%2e/b", "may not contain “.” or “..”"),
    ("path", "/a\\b", "no spaces, backslashes"),
    ("path", "/a b", "no spaces, backslashes"),
    ("path", "/a\x01b", "no spaces, backslashes"),
    ("path", "/a\x00b", "Null characters are not allowed"),
    ("path", "/é", "letters outside ASCII"),
    ("path", "/a#b", "without “#”"),
    ("path", f"/{'x' * 1024}", "at most 1024 characters"),
    ("path", "/a?{{Name}}=1", "cannot be the name of a query parameter"),
    ("path", "/{{open", "is not closed"),
    ("path", "/{{}}", "has no name"),
    ("path", "/{{x.__class__ | upcase}}", "looks like an expression"),
    ("body", f'{{"a": "{"x" * 65536}"}}', "larger than 64 KB"),
    ("body", PLACEHOLDERS, "more than 500 placeholders"),
    ("body", DEEP, "nested more than 20 levels deep"),
    ("body", "[" * 100_000, "larger than 64 KB"),
    ("body", "[" * 60_000, "nested more than 20 levels deep"),
    ("body", '{"a": NaN}', "is not JSON"),
    ("body", '{"a": -Infinity}', "is not JSON"),
    ("body", '{"a": 1e999}', "number is too large"),
    ("body", f'{{"a": {"9" * 5000}}}', "number is too large"),
    ("body", '{"a": 1, "a": 2}', "is given twice"),
    ("body", '{"a": "\\u0000"}', "cannot be sent"),
    ("body", '{"a": "\\ud800"}', "cannot be sent"),
    ("body", '{"a": "\x00"}', "Null characters are not allowed"),
    ("body", '{"{{Key}}": 1}', "cannot be a name"),
    ("body", '{"a": {{x | upcase}}}', "looks like an expression"),
    ("body", '{"a": "{{x"}', "is not closed"),
    ("body", '{"a": 1,}', "name in double quotes"),
    ("body", '{"a": 1} {"b": 2}', "more text after the end"),
    ("name", "", "required"),
    ("name", MANY, "at most 255 characters"),
    ("name", "a\x00b", "Null characters are not allowed"),
    ("name", "a\nINFO forged", "on one line"),
    ("name", "a\x7f", "on one line"),
    ("name", "a\u202egnp.b", "on one line"),
    ("description", "a\x00b", "Null characters are not allowed"),
    ("method", "TRACE", "not one of the available choices"),
    ("body_kind", "multipart", "not one of the available choices"),
    ("channel", "<b>", "not one of the available choices"),
    ("connection", "999999", "not one of the available choices"),
]
RULES = [
    ({"answers": "own", "success_statuses": "999"}, "success_statuses", "not a status"),
    ({"answers": "own", "success_statuses": ""}, "success_statuses", "Say which"),
    ({"answers": "own", "success_path": "a b"}, "success_path", "not a path"),
    ({"answers": "own", "wait_headers": "X Y"}, "wait_headers", "cannot be the name"),
    ({"batching": "own", "batch_arrays": "nothing"}, "batch_arrays", "no list in the"),
    (
        {"batching": "own", "batch_each": "0"},
        "batch_each",
        "Enter 1 or more",
    ),
    ({"batching": "own", "batch_bytes": "1"}, "batch_bytes", "Enter 1000 or more"),
]
PARAMETERS = [
    (Parameter(name="User ID", default="x" * 102_401), "longer than 100 KB"),
    (
        Parameter(name="User ID", type=ParameterType.INTEGER, default="9" * 30),
        "not a whole number",
    ),
    (
        Parameter(name="User ID", type=ParameterType.NUMBER, default="NaN"),
        "is not a number",
    ),
    (
        Parameter(name="User ID", type=ParameterType.OBJECT, default=DEEP),
        "20 levels deep",
    ),
    (Parameter(name="User ID", default="a\x00b"), "NUL character"),
    (Parameter(name="User ID", label=MANY), "at most 255 characters"),
    (
        Parameter(name="User ID", allowed=tuple(map(str, range(101)))),
        "more than 100 allowed values",
    ),
    (Parameter(name="User ID", level=Level.FIXED), "needs a value"),
]


def kept(form, field, value):
    """Whether the field still has what was typed, and the page shows it as text."""
    return str(form[field].value()) == value


def refused(response, field):
    """What the page says at the field; nothing else may be stored meanwhile."""
    assert response.status_code == 200, response.headers
    form = response.context["adminform"].form
    assert field in form.errors, form.errors
    return form, " ".join(form.errors[field])


def short(value):
    return repr(value)[:40]


@pytest.mark.parametrize(("fields", "field", "words"), CONNECTIONS, ids=short)
def test_a_connection(admin_client, fields, field, words):
    url = reverse("admin:externalapi_connection_add")
    response = admin_client.post(url, connection_typed(**fields))
    form, said = refused(response, field)
    assert words in said
    assert kept(form, field, fields[field])
    assert not Connection.objects.exists()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_refused_and_not_shown_again(admin_client, key):
    url = reverse("admin:externalapi_connection_add")
    response = admin_client.post(url, connection_typed(key=key))
    _, said = refused(response, "key")
    assert "key" in said
    assert html.escape(key) not in response.content.decode()


@pytest.mark.parametrize(("field", "value", "words"), DEFINITIONS, ids=short)
def test_a_definition(admin_client, field, value, words):
    connection = factories.make_connection()
    posted = api_typed(connection, **{field: value})
    response = admin_client.post(reverse("admin:externalapi_externalapi_add"), posted)
    form, said = refused(response, field)
    assert words in said
    assert kept(form, field, value)
    assert not ExternalAPI.objects.exists()


@pytest.mark.parametrize(("fields", "field", "words"), RULES, ids=short)
def test_limits_and_rules_of_one_s_own(admin_client, fields, field, words):
    posted = api_typed(factories.make_connection(), **fields)
    response = admin_client.post(reverse("admin:externalapi_externalapi_add"), posted)
    form, said = refused(response, field)
    assert words in said
    assert kept(form, field, fields[field])
    assert not ExternalAPI.objects.exists()


@pytest.mark.parametrize(("parameter", "words"), PARAMETERS, ids=short)
def test_a_parameter(admin_client, parameter, words):
    version = factories.make_version()
    url = reverse(
        "admin:externalapi_externalapi_change", args=[version.external_api_id]
    )
    posted = api_typed(version.connection, **rows(parameter))
    response = admin_client.post(url, posted)
    form, _ = refused(response, "parameters")
    assert words in form.fields["parameters"].widget.row_errors["User ID"]
    (row,) = form["parameters"].value()
    assert row["default"] == parameter.default
    assert row["label"] == parameter.label
    assert ExternalAPIVersion.objects.count() == 1


# --- Expressions ---------------------------------------------------------------------

EXPRESSIONS = [
    ("{{ profil.first_name }}", "profil"),
    ("{{ settings.SECRET_KEY }}", "settings"),
    ("{{ profile.first_name.upper() }}", ""),
    ("{{ profile.first_name | system }}", "system"),
    ("{% for a in (1..99999999) %}x{% endfor %}", ""),
    ("{% include 'x' %}", ""),
    ("{{ profile.first_name", ""),
]


@pytest.mark.parametrize(("text", "words"), EXPRESSIONS)
def test_an_expression(admin_client, text, words):
    version, segment = factories.make_version(), factories.make_segment()
    form = EngagementForm(initial={"version": version.pk})
    field = next(
        one.field.html_name
        for one in form.parameter_inputs
        if one.parameter.name == "Name of the User"
    )
    posted = {
        "name": "Lead form",
        "segment": segment.pk,
        "version": version.pk,
        "trigger": "on_entry",
        "repeat": "once",
        "time_zone": "UTC",
        "ambiguous_policy": "park",
        field: text,
    }
    response = admin_client.post(reverse("admin:engagements_engagement_add"), posted)
    assert response.status_code == 200
    form = response.context["form"]
    assert words in " ".join(form.errors[field])
    assert form[field].value() == text
    assert not Engagement.objects.exists()


# --- Files and pasted texts ----------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
FILES = [
    (PNG, "not valid JSON"),
    (b"", "empty"),
    (b" " * (import_file.MAX_BYTES + 1), "larger than 2 MB"),
    (b"[" * 100_000, "not valid JSON"),
    (b'{"a": NaN}', "not valid JSON"),
    (b'{"a": ' * 25 + b"1" + b"}" * 25, "20 levels deep"),
    (b'{"format": "\\u0000"}', "cannot be kept"),
    (b"\xff\xfe", "not valid JSON"),
    (b"MZ\x90\x00", "not valid JSON"),
]
PASTED = [
    (" ", "Paste a command or a document"),
    ("x" * 2_000_001, "longer than 2,000,000 characters"),
    (f"curl https://a.io -d {'x' * 200_001}", "longer than 200,000 characters"),
    ("curl https://a.io -d @/etc/passwd", "sends a file"),
    ("curl -K /etc/passwd https://a.io", "reads options from a file"),
    ("curl file:///etc/passwd", "not an address"),
    ("curl gopher://a.io", "not an address"),
    ("curl https://a.io https://b.io", "several addresses"),
    ("curl 'https://a.io", "quote is not closed"),
    ("curl -X TRACE https://a.io", "TRACE is not one of"),
    ("rm -rf /", "begins with “rm”"),
    ("{" * 2000, "not JSON"),
    ('{"openapi": "3.0.0", "x": ' + "[" * 300 + "]" * 300 + "}", "100 levels deep"),
    ('{"openapi": "3.0.0", "x": "\\u0000"}', "NUL character"),
    ('{"openapi": "3.0.0", "x": "\\ud800"}', "not JSON"),
    ('{"openapi": "3.0.0", "paths": {"/x": 1}}', "“#/paths/~1x” is not an object"),
    ("openapi: 3.0.0\na: &a [*a, *a]", "This is YAML"),
    ("a\x00b", "Null characters are not allowed"),
]


@pytest.mark.parametrize(("raw", "words"), FILES, ids=short)
def test_an_imported_file(admin_client, raw, words):
    url = reverse("admin:externalapi_externalapi_import")
    file = SimpleUploadedFile("apis.json", raw, "application/json")
    response = admin_client.post(url, {"file": file})
    assert words in response.context["error"]
    assert not ExternalAPI.objects.exists()


@pytest.mark.parametrize("name", ["../../x.json", "x.json\x00.png", "a\r\nb.json", "x"])
def test_an_imported_file_s_name_means_nothing(admin_client, name):
    url = reverse("admin:externalapi_externalapi_import")
    file = SimpleUploadedFile("x", b"{}")
    file._name = name
    response = admin_client.post(url, {"file": file})
    assert "no file of exported" in response.context["error"]


@pytest.mark.parametrize(("text", "words"), PASTED, ids=short)
def test_a_pasted_text(admin_client, text, words):
    url = reverse("admin:externalapi_externalapi_paste")
    response = admin_client.post(url, {"pasted": text})
    assert response.status_code == 200
    form = response.context["form"]
    assert words in " ".join(form.errors["pasted"])
    assert form["pasted"].value() == text


# --- Names everywhere ----------------------------------------------------------------

NAMED = {
    "segments_segment": "segment",
    "segments_source": "source",
    "engagements_engagement": "engagement",
}


@pytest.mark.parametrize("model", NAMED)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "required"),
        (MANY, "at most"),
        ("a\x00b", "Null characters are not allowed"),
        ("a\nINFO forged", "on one line"),
        ("a\u202egnp.b", "on one line"),
    ],
)
def test_a_name(admin_client, model, name, words):
    response = admin_client.post(reverse(f"admin:{model}_add"), {"name": name})
    assert response.status_code == 200
    context = response.context
    form = context["adminform"].form if "adminform" in context else context["form"]
    assert words in " ".join(form.errors["name"])
    assert str(form["name"].value()) == name
