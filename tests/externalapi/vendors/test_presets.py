"""Every preset: whole in itself, and taken by the Braze sandbox over real HTTP."""

from dataclasses import replace
from hashlib import sha256

import pytest

from externalapi.answers import interpretation
from externalapi.definitions.compiled import compile_version, parameters_found
from externalapi.definitions.versions import Draft, save_version
from externalapi.http import client
from externalapi.models import ExternalAPI, ExternalAPIVersion
from externalapi.template.parameters import Level
from externalapi.vendors.braze.facts import contract
from externalapi.vendors.braze.presets.all import PRESETS as BRAZE_PRESETS
from externalapi.vendors.braze.sandbox.process import SandboxProcess
from externalapi.vendors.catalog import PRESETS, grouped
from tests.factories import make_connection, make_external_api

EXPORT_KEY = "a-key-for-exports-0123"
EVERY = pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
OF_BRAZE = pytest.mark.parametrize(
    "preset", BRAZE_PRESETS.values(), ids=list(BRAZE_PRESETS)
)


def saved(preset, connection):
    draft = Draft(
        connection=connection,
        method=preset.method,
        path=preset.path,
        query=preset.query,
        headers=preset.headers,
        body_kind=preset.body_kind,
        body=preset.body,
        parameters=filled_in(preset),
        **preset.plan.fields(),
        answer_rules=preset.rules.to_dict(),
    )
    return save_version(make_external_api(), draft, None)


def filled_in(preset):
    """A preset's parameters, the fixed ones with what their owner would type."""
    return tuple(
        replace(p, value=p.value or p.example) if p.level is Level.FIXED else p
        for p in preset.parameters
    )


def examples(preset, number=0):
    """The parameters' examples; each person has an identifier of its own."""
    return {
        p.name: f"{p.example}-{number}" if p.level is Level.IDENTIFIER else p.example
        for p in preset.parameters
    }


def together(rendered):
    """People's own requests as one."""
    return rendered[0]._replace(bodies=[one.body for one in rendered])


@EVERY
def test_a_preset_is_whole_in_itself(preset, db):
    connection = make_connection()
    definition = compile_version(saved(preset, connection))
    assert preset.code == preset.code.lower().replace(" ", "_")
    assert preset.description
    assert preset.group
    assert preset.method in ExternalAPIVersion.Method.values
    assert preset.body_kind in ExternalAPIVersion.BodyKind.values
    assert preset.channel in ExternalAPI.Channel.values
    assert preset.channel_identifier in ExternalAPI.ChannelIdentifier.values
    # Each parameter has an example that it takes itself, and an own name.
    assert len({p.name for p in preset.parameters}) == len(preset.parameters)
    for parameter in preset.parameters:
        parameter.coerce(parameter.example)
    people = definition.people_per_request
    rendered = [definition.render(examples(preset, n)) for n in range(people)]
    request, packed = definition.request(together(rendered))
    assert b"{{" not in (request.body or b"")
    # What a request may hold is filled, and each object leads to its person.
    if preset.plan.arrays:
        owners = [position for its in packed.owners.values() for position in its]
        assert packed.item_count == len(owners)
        assert set(owners) == set(range(people))


@EVERY
def test_a_preset_s_parameters_are_those_of_its_request(preset, db):
    version = saved(preset, make_connection())
    found = parameters_found(
        version.path,
        version.headers,
        version.body,
        (),
        preset.channel_identifier,
        query=preset.query,
        body_kind=preset.body_kind,
    )
    assert [p.name for p in found] == [p.name for p in preset.parameters]
    bound = [p.name for p in preset.parameters if p.level is Level.IDENTIFIER]
    assert bound, "nobody could be told from anybody else"


@OF_BRAZE
def test_a_braze_preset_names_what_its_key_needs_and_its_page(preset):
    assert preset.rules.permission in contract.PERMISSIONS
    assert preset.source.startswith("https://www.braze.com/docs/api/endpoints/")
    assert preset.limit


@OF_BRAZE
def test_braze_takes_what_a_preset_sends(preset, braze, sandbox):
    create_catalog(sandbox)
    definition = compile_version(saved(preset, braze))
    rendered = [definition.render(examples(preset, n)) for n in range(2)]
    request, _ = definition.request(together(rendered[: definition.people_per_request]))
    answer = client.send(request, sandbox.key)
    verdict = interpretation.read(answer)
    assert verdict.outcome is interpretation.Outcome.SENT, answer.body
    assert not verdict.errors, verdict.errors


def create_catalog(sandbox):
    """What the presets of catalogs expect to exist."""
    fields = {"id": "string", "Name": "string", "Rating": "number"}
    catalog = {
        "name": "restaurants",
        "fields": [{"name": name, "type": kind} for name, kind in fields.items()],
    }
    headers = {"Authorization": f"Bearer {sandbox.key}"}
    answer = sandbox.call("POST", "/catalogs", {"catalogs": [catalog]}, headers)
    assert answer.status == 201


@pytest.fixture(scope="module")
def strict_sandbox():
    """A Braze whose one key may do nothing but export."""
    with SandboxProcess("--key", f"{EXPORT_KEY}:users.export.ids") as process:
        yield process


@OF_BRAZE
def test_a_key_without_its_permission_is_told_which_one_it_needs(
    preset, db, strict_sandbox, settings
):
    settings.ALLOWED_LOCAL_ADDRESSES = [f"127.0.0.1:{strict_sandbox.port}"]
    connection = make_connection(base_url=strict_sandbox.url)
    definition = compile_version(saved(preset, connection))
    request, _ = definition.request(definition.render(examples(preset)))
    answer = client.send(request, EXPORT_KEY)
    verdict = interpretation.read(answer)
    assert answer.status in (401, 403)
    assert verdict.outcome is interpretation.Outcome.BLOCKED
    assert f"“{preset.rules.permission}”" in interpretation.explain(answer, verdict)


def test_presets_are_picked_by_what_they_are_for():
    groups = dict(grouped())
    assert list(groups) == [
        "Track Users",
        "Users",
        "Subscription groups",
        "Messages",
        "Catalogs",
        "Any HTTP API",
    ]
    assert sum(map(len, groups.values())) == len(PRESETS)
    assert PRESETS.keys() > BRAZE_PRESETS.keys()


def test_a_hashed_address_never_leaves_as_it_is(db):
    preset = PRESETS["http_conversion"]
    definition = compile_version(saved(preset, make_connection()))
    values = examples(preset) | {"Email": "Ada@Example.com"}
    request, _ = definition.request(definition.render(values))
    assert b"example.com" not in request.body.lower()
    assert b"15112345678" not in request.body
    hashed = sha256(b"ada@example.com").hexdigest()
    assert f'"em":["{hashed}"]'.encode() in request.body
