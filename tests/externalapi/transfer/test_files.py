"""External APIs to a file and back: nothing is lost, and nothing wrong comes in."""

import io
import json
from string import ascii_letters
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from externalapi.connections.encryption import set_key
from externalapi.definitions.compiled import parameters_found
from externalapi.definitions.versions import CONTENT, Draft, save_version
from externalapi.models import Connection, ExternalAPI, ExternalAPIVersion
from externalapi.template.parameters import Parameter, ParameterType
from externalapi.transfer import import_file
from externalapi.transfer.export_file import export
from externalapi.transfer.import_file import FileError
from externalapi.vendors.braze.presets.all import PRESETS
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "admin:externalapi_externalapi_import"


def exported(*external_apis) -> Any:
    return json.loads(export(external_apis))


def raw(document) -> bytes:
    return json.dumps(document).encode()


def taken_over(data: bytes, user=None):
    entries = import_file.read(data)
    planned = import_file.plan(
        entries, {one.name: one for one in Connection.objects.all()}
    )
    assert [one.problems for one in planned] == [()] * len(planned)
    return import_file.carry_out(planned, user, "Imported from a file.")


@pytest.fixture
def api():
    version = factories.make_version(
        {"attributes": [{"external_id": "{{User ID}}", "n": "{{Name of the User}}"}]},
        [
            factories.parameter("User ID", level="identifier"),
            factories.parameter("Name of the User", default="there"),
        ],
        external_api=factories.make_external_api(
            name="Track", description="Leads", channel="crm"
        ),
        connection=factories.make_connection(name="EU"),
    )
    return version.external_api


# --- A round trip -------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
names = st.text(ascii_letters + "äß '\"._-/", min_size=1, max_size=20).filter(
    lambda text: text.strip() == text and text
)
tokens = st.text(ascii_letters, min_size=1, max_size=8)
placeholders = names.map(lambda name: f"{{{{{name}}}}}")
plain = texts.filter(lambda text: "{" not in text and "}" not in text)
trees = st.recursive(
    st.one_of(placeholders, plain, st.booleans(), st.integers(-(2**53), 2**53)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(tokens, inner, max_size=3)
    ),
    max_leaves=10,
)


@st.composite
def drafts(draw, connection) -> Draft:
    """What an author may have written: any place may hold a placeholder."""
    path = "/" + "/".join(draw(st.lists(st.one_of(tokens, placeholders), max_size=3)))
    query = tuple(
        (name, draw(st.one_of(tokens, placeholders)))
        for name in draw(st.lists(tokens, max_size=3))
    )
    headers = draw(
        st.dictionaries(
            tokens.map(lambda t: f"X-{t}"), st.one_of(tokens, placeholders), max_size=3
        )
    )
    tree = draw(st.dictionaries(tokens, trees, max_size=3))
    body = json.dumps(tree, indent=2)
    arrays = [name for name, part in tree.items() if isinstance(part, list)]
    found = parameters_found(path, headers, body, (), query=query)
    limit = st.integers(1, 75) if arrays else st.none()
    return Draft(
        connection=connection,
        method=draw(st.sampled_from(ExternalAPIVersion.Method.values)),
        path=path,
        query=query,
        headers={name.lower(): text for name, text in headers.items()},
        body=body,
        parameters=tuple(draw(settings_of(parameter)) for parameter in found),
        batch_arrays=arrays,
        batch_each=draw(limit),
        batch_combined=draw(limit),
        answer_rules=draw(
            st.sampled_from([{}, {"success_values": ["ok"], "permission": "x"}])
        ),
    )


@st.composite
def settings_of(draw, found: Parameter) -> Parameter:
    kind = draw(st.sampled_from([ParameterType.TEXT, ParameterType.INTEGER]))
    default = draw(plain if kind is ParameterType.TEXT else st.just("7"))
    return Parameter(
        name=found.name,
        label=draw(plain),
        description=draw(plain),
        type=kind,
        required=draw(st.booleans()),
        default=default.strip(),
    )


CASES = st.sampled_from(
    [
        {},
        {"outcome": "refused", "status": 400, "answer_path": "errors.0.type"},
        {"answer_path": "message", "answer_value": "success"},
    ]
)


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_export_import_export_is_byte_for_byte_the_same(data):
    ExternalAPI.objects.update(current_version=None)
    ExternalAPI.objects.all().delete()
    connection, _ = Connection.objects.get_or_create(name="EU", base_url="https://a.co")
    for name in data.draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        details = {
            "description": data.draw(texts),
            "must_pass_cases": data.draw(st.booleans()),
            "channel": data.draw(st.sampled_from(ExternalAPI.Channel.values)),
        }
        external_api = ExternalAPI.objects.create(name=name, **details)
        save_version(external_api, data.draw(drafts(connection)), None)
        for case in data.draw(st.lists(names, max_size=2, unique=True)):
            values = data.draw(st.dictionaries(names, texts, max_size=2))
            external_api.test_cases.create(name=case, values=values, **data.draw(CASES))
    before = export(fresh())
    ExternalAPI.objects.update(current_version=None)
    ExternalAPI.objects.all().delete()
    taken_over(before.encode())
    assert export(fresh()) == before


def fresh():
    return ExternalAPI.objects.select_related("current_version__connection")


def test_every_preset_survives_the_journey():
    connection = factories.make_connection(name="EU")
    for preset in PRESETS.values():
        external_api = factories.make_external_api(name=preset.name)
        factories.make_version(
            preset.body,
            # What the author has still to fill in is filled in.
            [
                parameter.to_dict()
                | ({"value": "x"} if parameter.level == "fixed" else {})
                for parameter in preset.parameters
            ],
            path=preset.path,
            external_api=external_api,
            connection=connection,
        )
    before = export(fresh())
    ExternalAPI.objects.update(current_version=None)
    ExternalAPI.objects.all().delete()
    taken_over(before.encode())
    assert export(fresh()) == before


def test_a_file_has_every_field_and_no_key(api):
    connection = api.current_version.connection
    set_key(connection, "a-key-that-nobody-may-see")
    text = export([api])
    (entry,) = json.loads(text)["external_apis"]
    assert entry["version"].keys() == set(CONTENT) - {"connection"}
    assert entry["connection"] == "EU"
    assert "nobody-may-see" not in text
    assert connection.key_encrypted not in text
    assert connection.base_url not in text


# --- Compared with what is there ----------------------------------------------------


def planned_for(document):
    entries = import_file.read(raw(document))
    return import_file.plan(
        entries, {one.name: one for one in Connection.objects.all()}
    )


def test_what_is_the_same_is_left_alone(api):
    (one,) = planned_for(exported(api))
    assert (one.kind, one.details, one.changes) == ("same", (), ())
    assert taken_over(raw(exported(api))) == []
    assert api.versions.count() == 1


def test_a_change_is_a_new_version_and_says_what_it_is(api):
    document = exported(api)
    (entry,) = document["external_apis"]
    entry["description"] = "New leads"
    entry["version"]["path"] = "/users/track/sync"
    (one,) = planned_for(document)
    assert one.kind == "changed"
    assert one.details == (("Description", "Leads", "New leads"),)
    assert [change.label for change in one.changes] == ["Path"]
    user = factories.make_user()
    taken_over(raw(document), user)
    api.refresh_from_db()
    assert api.description == "New leads"
    version = api.current_version
    assert (version.number, version.path) == (2, "/users/track/sync")
    assert (version.created_by, version.note) == (user, "Imported from a file.")
    said = LogEntry.objects.get(object_id=str(api.pk)).get_change_message()
    assert said == "Imported from a file. Version 2: Description, Path."


def test_a_changed_test_case_is_taken_over_and_others_stay(api):
    api.test_cases.create(name="Ann", values={"Name of the User": "Ann"})
    document = exported(api)
    api.test_cases.create(name="Only here")
    assert planned_for(document)[0].kind == "same"
    document["external_apis"][0]["test_cases"][0]["outcome"] = "refused"
    (one,) = planned_for(document)
    assert (one.kind, one.cases) == ("changed", ("Ann",))
    taken_over(raw(document))
    outcomes = dict(api.test_cases.values_list("name", "outcome"))
    assert outcomes == {"Ann": "refused", "Only here": "accepted"}
    assert api.versions.count() == 1


def test_a_new_one_is_made(api):
    document = exported(api)
    document["external_apis"][0]["name"] = "Another"
    (one,) = planned_for(document)
    assert one.kind == "new"
    taken_over(raw(document))
    made = ExternalAPI.objects.get(name="Another")
    assert Draft.of(made.current_version) == Draft.of(api.current_version)


def test_all_or_nothing(api):
    document = exported(api)
    good, bad = (json.loads(json.dumps(document["external_apis"][0])) for _ in "ab")
    good["name"], bad["name"] = "Good", "Bad"
    bad["version"]["path"] = "no slash"
    planned = planned_for({**document, "external_apis": [good, bad]})
    assert planned[1].problems == ("The path: begin the path with a slash.",)
    with pytest.raises(FileError):
        import_file.carry_out(planned, None, "")
    assert not ExternalAPI.objects.filter(name="Good").exists()


def test_somebody_makes_one_of_that_name_meanwhile(api):
    document = exported(api)
    first = json.loads(json.dumps(document["external_apis"][0])) | {"name": "First"}
    second = first | {"name": "Second"}
    planned = planned_for({**document, "external_apis": [first, second]})
    factories.make_external_api(name="Second")
    with pytest.raises(FileError, match="has made “Second” meanwhile"):
        import_file.carry_out(planned, None, "")
    assert not ExternalAPI.objects.filter(name="First").exists()


def test_a_connection_that_is_not_here_is_asked_for(api):
    document = exported(api)
    document["external_apis"][0]["connection"] = "US"
    (one,) = planned_for(document)
    assert one.problems == ("Choose a connection for “US”.",)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("headers", {"Host": "evil.com"}, "The headers"),
        ("headers", {"Authorization": "Bearer abc"}, "comes from the connection"),
        ("body", "{", "The body"),
        ("body", '{"a": "{{Else}}"}', "they are not those that are used"),
        ("path", "/{{open", "The path"),
        ("path", "/../a", "The path"),
        ("query", [["{{x}}", "1"]], "The query"),
        ("query", [["", "1"]], "The query"),
        ("headers", {"Content-Type": "text/xml"}, "the body is JSON"),
        ("batch_each", 0, "0 is not between 1 and 100,000"),
        ("batch_bytes", 10, "10 is not between 1,000 and 50,000,000"),
        ("batch_arrays", ["nothing"], "“nothing” is no list in the body"),
        ("answer_rules", {"success_statuses": ""}, "which statuses are a success"),
        ("answer_rules", {"success_statuses": "x"}, "The answer rules"),
        ("answer_rules", {"retry_statuses": "5-1"}, "The answer rules"),
    ],
)
def test_what_the_forms_refuse_is_refused(api, field, value, words):
    document = exported(api)
    document["external_apis"][0]["version"][field] = value
    (one,) = planned_for(document)
    assert words in " ".join(one.problems)


# --- Files that cannot be read ------------------------------------------------------


def broken(api, change) -> bytes:
    document = exported(api)
    entry = document["external_apis"][0]
    change(document, entry, entry["version"])
    return raw(document)


@pytest.mark.parametrize(
    ("change", "words"),
    [  # a document, its entry and that one's version: what is wrong with them
        (lambda d, e, v: d.update(format="x"), "no file of exported External APIs"),
        (lambda d, e, v: d.update(format_version=2), "has format version 2"),
        (lambda d, e, v: d.update(format_version="1"), "has format version 1;"),
        (lambda d, e, v: d.update(more=1), "The file has what is not known here"),
        (lambda d, e, v: d.update(external_apis=[]), "no External API in the file"),
        (lambda d, e, v: d.update(external_apis={}), "no External API in the f"),
        (lambda d, e, v: d.update(external_apis=[7]), "External API 1 is not an"),
        (lambda d, e, v: d.update(external_apis=[e, e]), "is in the file twice"),
        (lambda d, e, v: d.update(external_apis=[e] * 201), "more than 200"),
        (lambda d, e, v: e.update(name=""), "has no name"),
        (lambda d, e, v: e.update(name="x" * 256), "more than 255 characters"),
        (lambda d, e, v: e.update(name="a\0b"), "cannot be kept"),
        (lambda d, e, v: e.update(name="a\nb"), "on one line"),
        (lambda d, e, v: e.update(test_cases=[{"name": "a\x1bb"}]), "the name on one"),
        (lambda d, e, v: e.update(key="secret"), "not known here: “key”"),
        (lambda d, e, v: e.update(channel="nonsense"), "“channel”"),
        (lambda d, e, v: e.update(description=7), "“description” is of the wrong"),
        (lambda d, e, v: e.update(connection=7), "name of its connection"),
        (lambda d, e, v: e.pop("connection"), "name of its connection is missing"),
        (lambda d, e, v: e.update(version=[]), "“version” is missing"),
        (lambda d, e, v: v.pop("path"), "“path” is missing"),
        (lambda d, e, v: v.update(number=3), "not known here: “number”"),
        (lambda d, e, v: v.update(method="BREW"), "“method”"),
        (lambda d, e, v: v.update(method=""), "“method”: This field"),
        (lambda d, e, v: v.update(method=7), "“method” is of the wrong type"),
        (lambda d, e, v: v.update(path="/" + "x" * 1024), "“path”"),
        (lambda d, e, v: v.update(headers=[]), "“headers” is of the wrong type"),
        (lambda d, e, v: v.update(headers={"X": 1}), "“headers” is of the wrong"),
        (lambda d, e, v: v.update(query=[["a"]]), "“query” is of the wrong type"),
        (lambda d, e, v: v.update(query=["ab"]), "“query” is of the wrong"),
        (lambda d, e, v: v.update(batch_each=-1), "“batch_each”"),
        (lambda d, e, v: v.update(batch_each=True), "“batch_each” is of the wrong"),
        (lambda d, e, v: v.update(batch_arrays=[1]), "“batch_arrays” is of the"),
        (lambda d, e, v: v.update(parameters=[{}]), "a parameter has no name"),
        (lambda d, e, v: v["parameters"][0].update(type="x"), "cannot be read"),
        (lambda d, e, v: v["parameters"][0].update(required="yes"), "wrong type"),
        (lambda d, e, v: v["parameters"][0].update(allowed=7), "User ID” cannot be"),
        (lambda d, e, v: v["parameters"][0].update(more=1), "not known here: “more”"),
        (lambda d, e, v: e.update(test_cases=7), "“test_cases” is of the wrong"),
        (lambda d, e, v: e.update(test_cases=[{}]), "test case “”: “name”"),
        (
            lambda d, e, v: e.update(test_cases=[{"name": "a", "values": {"b": 1}}]),
            "has a value that is no text",
        ),
        (lambda d, e, v: e.update(test_cases=[{"name": "a"}] * 2), "case “a” is in"),
        (
            lambda d, e, v: e.update(test_cases=[{"name": "a", "answer_path": ".."}]),
            "Write names with dots",
        ),
        (
            lambda d, e, v: e.update(test_cases=[{"name": f"{n}"} for n in range(999)]),
            "test cases",
        ),
    ],
)
def test_a_wrong_file_says_what_is_wrong(api, change, words):
    with pytest.raises(FileError, match=words):
        import_file.read(broken(api, change))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"7", "no file of exported"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}", "more than 20 levels deep"),
        (b" " * (import_file.MAX_BYTES + 1), "larger than 2 MB"),
    ],
)
def test_a_file_that_is_none_says_so(data, words):
    with pytest.raises(FileError, match=words):
        import_file.read(data)


# --- The page -----------------------------------------------------------------------


def upload(client, data: bytes, **fields):
    file = SimpleUploadedFile("apis.json", data, "application/json")
    return client.post(reverse(PAGE), {"file": file, **fields})


def carried(answer) -> dict[str, str]:
    """What the preview's form posts when nothing is touched."""
    context = answer.context
    posted = {"content": context["content"], "seen": context["seen"]}
    for field, _, connection in context["choices"]:
        posted[field] = str(connection.pk) if connection else ""
    return posted


def test_the_page_previews_first_and_imports_then(client, api):
    user = factories.make_admin()
    client.force_login(user)
    document = exported(api)
    document["external_apis"][0]["version"]["path"] = "/users/track/sync"
    answer = upload(client, raw(document))
    assert "1 changed" in answer.content.decode()
    assert "<ins>/sync</ins>" in answer.content.decode()
    assert api.versions.count() == 1
    posted = carried(answer) | {"_confirm": "1", "why": "From staging"}
    assert client.post(reverse(PAGE), posted).status_code == 302
    api.refresh_from_db()
    assert api.current_version.path == "/users/track/sync"
    assert api.current_version.note == "Imported from a file. Why: From staging"


def test_a_connection_is_chosen_on_the_page(client, api):
    client.force_login(factories.make_admin())
    document = exported(api)
    document["external_apis"][0] |= {"name": "New", "connection": "Staging"}
    answer = upload(client, raw(document))
    page = answer.content.decode()
    assert "Choose a connection for “Staging”." in page
    assert 'name="_confirm"' not in page
    posted = carried(answer) | {"connection-0": api.current_version.connection_id}
    answer = client.post(reverse(PAGE), posted)
    assert (
        client.post(reverse(PAGE), carried(answer) | {"_confirm": "1"}).status_code
        == 302
    )
    made = ExternalAPI.objects.get(name="New")
    assert made.current_version.connection == api.current_version.connection


def test_what_has_changed_since_the_preview_is_shown_again(client, api):
    client.force_login(factories.make_admin())
    document = exported(api)
    document["external_apis"][0]["version"]["path"] = "/users/track/sync"
    posted = carried(upload(client, raw(document))) | {"_confirm": "1"}
    current = Draft.of(api.current_version)
    content = {name: getattr(current, name) for name in CONTENT}
    save_version(api, Draft(**{**content, "path": "/other"}), None)
    answer = client.post(reverse(PAGE), posted)
    assert "Something has changed. Look at it once more." in answer.content.decode()
    assert api.versions.count() == 2


@pytest.mark.parametrize("data", [b"nonsense", b""])
def test_the_page_says_what_is_wrong_with_a_file(client, data):
    client.force_login(factories.make_admin())
    answer = upload(client, data)
    assert answer.status_code == 200
    assert 'id="file-error"' in answer.content.decode()


def test_markup_in_a_file_is_text(client, api):
    client.force_login(factories.make_admin())
    document = exported(api)
    document["external_apis"][0] |= {
        "name": "<script>alert(1)</script>",
        "connection": "<b>x</b>",
    }
    page = upload(client, raw(document)).content.decode()
    assert "<script>alert(1)" not in page
    assert "<b>x</b>" not in page


def test_one_and_several_are_exported_as_files(client, api):
    client.force_login(factories.make_admin())
    other = factories.make_version().external_api
    address = reverse("admin:externalapi_externalapi_export", args=[api.pk])
    answer = client.get(address)
    assert answer.content.decode() == export([api])
    assert answer["Content-Disposition"].startswith('attachment; filename="track-')
    answer = client.post(
        reverse("admin:externalapi_externalapi_changelist"),
        {"action": "export_selected", "_selected_action": [api.pk, other.pk]},
    )
    assert answer.content.decode() == export([api, other])


def test_a_name_cannot_break_the_header(client):
    client.force_login(factories.make_admin())
    external_api = factories.make_version(
        external_api=factories.make_external_api(name='a"\r\nX-Evil: 1; ü/..\\')
    ).external_api
    address = reverse("admin:externalapi_externalapi_export", args=[external_api.pk])
    assert 'filename="a-x-evil-1-' in client.get(address)["Content-Disposition"]


# --- The commands -------------------------------------------------------------------


def command(*args, **options) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


@pytest.fixture
def file(tmp_path, api):
    path = tmp_path / "apis.json"
    path.write_text(command("export_external_apis"))
    return path


def test_the_command_writes_what_the_page_does(api, file):
    assert file.read_text() == export([api])
    assert command("export_external_apis", "Track") == export([api])
    with pytest.raises(CommandError, match="no External API named Nope"):
        command("export_external_apis", "Track", "Nope")


def test_a_promotion_to_another_environment(api, file):
    user = factories.make_user(username="ci")
    ExternalAPI.objects.update(current_version=None)
    ExternalAPI.objects.all().delete()
    Connection.objects.update(name="Production")
    with pytest.raises(CommandError, match="Nothing was imported"):
        command("import_external_apis", str(file))
    mapped = ("import_external_apis", str(file), "--connection-map", "EU=Production")
    assert command(*mapped, "--dry-run") == "new “Track”\n"
    assert not ExternalAPI.objects.exists()
    assert command(*mapped, "--user", "ci") == "new “Track”\n"
    made = ExternalAPI.objects.get()
    assert made.current_version.connection.name == "Production"
    assert made.current_version.created_by == user
    assert command(*mapped) == "same “Track”\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--connection-map", "nonsense"], "write THEIRS=OURS"),
        (["--connection-map", "Other=EU"], "write THEIRS=OURS"),
        (["--user", "nobody"], "There is no user nobody."),
    ],
)
def test_wrong_arguments_are_explained(file, arguments, words):
    with pytest.raises(CommandError, match=words):
        command("import_external_apis", str(file), *arguments)


def test_a_file_that_is_not_there():
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        command("import_external_apis", "/nowhere/apis.json")


def test_a_file_is_read_from_a_pipe(api, monkeypatch):
    class Pipe:
        buffer = io.BytesIO(export([api]).encode())

    monkeypatch.setattr("sys.stdin", Pipe())
    assert command("import_external_apis", "-") == "same “Track”\n"
