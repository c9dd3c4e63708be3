import pytest

from externalapi.definitions.comparison import changes, in_words
from externalapi.definitions.versions import CONTENT, Draft, save_version
from externalapi.http.answer_rules import BRAZE
from externalapi.models import ExternalAPIVersion
from tests.factories import make_connection, make_version, parameter

pytestmark = pytest.mark.django_db


def draft(**fields) -> Draft:
    return Draft.of(make_version(connection=make_connection(name="EU"), **fields))


def signs(change):
    """The rows as text: "-" what was, "+" what is."""
    found = []
    for row in change.rows:
        if row.kind == "skipped":
            found.append("…")
            continue
        before, after = (
            "".join(piece.text for piece in side or ())
            for side in (row.before, row.after)
        )
        if row.kind == "same":
            found.append(f" {before}")
        else:
            found += [f"-{before}"] * bool(before) + [f"+{after}"] * bool(after)
    return found


def test_the_same_content_has_no_changes():
    version = make_version()
    assert changes(Draft.of(version), Draft.of(version)) == []
    assert in_words(Draft.of(version), Draft.of(version)) == ""


def test_every_field_of_a_version_is_compared():
    """A field that a version gets one day is in the comparison by itself."""
    own = {field.name for field in ExternalAPIVersion._meta.concrete_fields}
    about_it = {"id", "external_api", "number", "content_hash", "note"}
    # What an engagement wrote is a version of its own, and compared there.
    about_it |= {"written_on", "payload"}
    about_it |= {"created_at", "created_by"}
    assert set(CONTENT) == own - about_it


def test_choices_and_connections_are_compared_by_the_words_of_the_screen():
    old = Draft.of(make_version(connection=make_connection(name="EU")))
    new = Draft.of(
        make_version(
            connection=make_connection(name="US"), batching="one", method="PUT"
        )
    )
    found = {change.label: signs(change) for change in changes(old, new)}
    assert found["Connection"] == ["-EU", "+US"]
    assert found["Method"] == ["-POST", "+PUT"]
    assert found["Objects together"] == ["-75"]


def test_answer_rules_are_compared_line_by_line():
    connection = make_connection()
    braze, own, said = (
        Draft.of(make_version(connection=connection, answer_rules=rules))
        for rules in ({}, {"success_statuses": "202"}, BRAZE.to_dict())
    )
    (change,) = changes(braze, own)
    assert change.label == "Answer rules"
    assert "-success statuses: 200-299" in signs(change)
    assert "+success statuses: 202" in signs(change)
    # Braze's rules are the same, said or not.
    assert changes(braze, said) == []


def test_a_query_and_a_plan_are_compared_as_people_write_them():
    old = Draft.of(make_version(query=[["a", "1"], ["b", "{{B}}"]]))
    new = Draft.of(
        make_version(
            query=[["a", "1"], ["b", "2"]],
            batch_arrays=["events", "purchases"],
            batch_each=10,
            answer_rules={"success_values": ["ok"]},
        )
    )
    found = {change.label: signs(change) for change in changes(old, new)}
    assert found["Query"] == [" a = 1", "-b = {{B}}", "+b = 2"]
    assert found["Merged arrays"] == [
        "-attributes, events, purchases",
        "+events, purchases",
    ]
    assert found["Objects in each array"] == ["+10"]
    (rules,) = (
        found[label] for label in found if "rules" in label or "answer" in label
    )
    assert "-success values: success, queued" in rules
    assert "+success values: ok" in rules


def test_a_body_is_compared_line_by_line_with_some_lines_around():
    lines = [f'"k{number}": {number},' for number in range(20)]
    changed = [*lines[:10], '"k10": "ten",', *lines[11:]]
    old, new = (
        Draft.of(make_version("\n".join(["{", *part, '"z": 1', "}"])))
        for part in (lines, changed)
    )
    (change,) = (c for c in changes(old, new) if c.label == "Body")
    assert signs(change) == [
        "…",
        ' "k7": 7,',
        ' "k8": 8,',
        ' "k9": 9,',
        '-"k10": 10,',
        '+"k10": "ten",',
        ' "k11": 11,',
        ' "k12": 12,',
        ' "k13": 13,',
        "…",
    ]


def test_parameters_are_compared_by_name_whatever_their_order():
    a, b = parameter("A"), parameter("B", default="there")
    old = draft(parameters=[a, b])
    same = draft_with(old, parameters=(old.parameters[1], old.parameters[0]))
    assert changes(old, same) == []
    new = Draft.of(
        make_version(parameters=[parameter("B", default="you"), parameter("C")])
    )
    (change,) = (c for c in changes(old, new) if c.label == "Parameters")
    words = "Text, Asked in each engagement, required"
    assert signs(change) == [
        f"-A: {words}",
        f"-B: {words}, default “there”",
        f"+B: {words}, default “you”",
        f"+C: {words}",
    ]


def draft_with(old: Draft, **fields) -> Draft:
    content = {name: getattr(old, name) for name in CONTENT}
    return Draft(**{**content, **fields})


def test_a_draft_of_a_version_is_that_version_again():
    version = make_version(headers={"X-B": "1", "X-A-Long": "2"})
    external_api = version.external_api
    first = save_version(external_api, Draft.of(version), None)
    first.refresh_from_db()
    assert save_version(external_api, Draft.of(first), None) == first


def test_a_renamed_parameter_is_compared_with_itself():
    old = Draft.of(make_version({"a": "{{Zip}}"}, [parameter("Zip")]))
    new = Draft.of(make_version({"a": "{{Area}}"}, [parameter("Area")]))
    (change,) = [one for one in changes(old, new) if one.label == "Parameters"]
    (row,) = change.rows
    assert row.before and row.after
