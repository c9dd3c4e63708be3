"""External APIs out of a file: read, compared with what is there, and taken over."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any

import orjson
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from externalapi.connections.access import why_not
from externalapi.connections.audit_log import record
from externalapi.definitions.comparison import Change, changes
from externalapi.definitions.validity import problems
from externalapi.definitions.versions import (
    CONTENT,
    Draft,
    basic_details,
    case_content,
    save_version,
)
from externalapi.models import (
    Connection,
    ExternalAPI,
    ExternalAPIVersion,
    TestCase,
)
from externalapi.template.parameters import Parameter
from externalapi.testing.expectations import read_path
from externalapi.testing.runs import MAX_CASES
from externalapi.transfer.export_file import FORMAT, FORMAT_VERSION
from lemnisk_braze.lib import database_clock
from lemnisk_braze.lib.names import one_line

MAX_BYTES = 2 * 1024 * 1024
MAX_ENTRIES = 200
MAX_DEPTH = 20
NOTE_LENGTH = 255
DETAILS = tuple(basic_details(ExternalAPI()))
CASE = tuple(case_content(TestCase()))
SHAPE = tuple(name for name in CONTENT if name != "connection")


class FileError(ValueError):
    """The file is not one that can be imported; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One External API of a file: of the right shape, and not compared yet."""

    name: str
    connection: str
    details: Mapping[str, Any]
    shape: Mapping[str, Any]
    # Their contents by name.
    cases: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What an import does to one External API; with problems it does nothing at all.

    `kind` is new, same or changed. `details` are the Basic Details that differ: label,
    what is there, what the file says.
    """

    entry: Entry
    external_api: ExternalAPI
    draft: Draft | None
    kind: str
    details: tuple[tuple[str, str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    # The names of the test cases that are new or say something else.
    cases: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read(raw: bytes) -> list[Entry]:
    """Return the External APIs of a file; raises FileError."""
    if len(raw) > MAX_BYTES:
        raise FileError(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB.")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as e:
        raise FileError(f"The file is not valid JSON: {e}.") from e
    _check_tree(document, MAX_DEPTH)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FileError(
            "This is no file of exported External APIs. Export one to see what it "
            "looks like."
        )
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise FileError(
            f"The file has format version {version}; this installation reads version "
            f"{FORMAT_VERSION}. Export it again from a matching one."
        )
    _check_keys(document, ("format", "format_version", "external_apis"), "The file")
    listed = document.get("external_apis")
    if not isinstance(listed, list) or not listed:
        raise FileError("There is no External API in the file.")
    if len(listed) > MAX_ENTRIES:
        raise FileError(f"There are more than {MAX_ENTRIES} External APIs in the file.")
    entries = [_entry(item, number) for number, item in enumerate(listed, start=1)]
    _check_names(entries)
    return entries


def plan(
    entries: Sequence[Entry],
    connections: Mapping[str, Connection],
    user: AbstractBaseUser | None = None,
) -> list[Planned]:
    """Compare a file with what is there; `connections` are by the file's names.

    What `user` may not do, because a connection is limited to others, is a problem.
    """
    existing = {
        external_api.name: external_api
        for external_api in ExternalAPI.objects.filter(
            name__in=[entry.name for entry in entries]
        ).select_related("current_version__connection")
    }
    return [
        _planned(
            entry, existing.get(entry.name), connections.get(entry.connection), user
        )
        for entry in entries
    ]


@transaction.atomic
def carry_out(
    planned: Sequence[Planned], user: AbstractBaseUser | None, note: str
) -> list[ExternalAPI]:
    """Make and change what was planned, all or nothing; return what was touched.

    Raises FileError where somebody has made one of that name meanwhile.
    """
    if any(one.problems for one in planned):
        raise FileError("Nothing was imported, because of the problems above.")
    return [_carried_out(one, user, note) for one in planned if one.kind != "same"]


def _carried_out(one: Planned, user: AbstractBaseUser | None, note: str) -> ExternalAPI:
    assert one.draft is not None
    if one.kind == "new":
        external_api = _made(one.entry)
    else:
        external_api = one.external_api
        ExternalAPI.objects.filter(pk=external_api.pk).update(**one.entry.details)
    version = save_version(external_api, one.draft, user, note[:NOTE_LENGTH])
    labels = [label for label, _, _ in one.details]
    labels += [change.label for change in one.changes]
    if one.cases:
        _save_cases(one, external_api, user)
        labels.append("Test cases")
    said = f" Version {version.number}: {', '.join(labels) or 'the first one'}."
    record(user, external_api, note + said, is_new=one.kind == "new")
    return external_api


def _save_cases(
    one: Planned, external_api: ExternalAPI, user: AbstractBaseUser | None
) -> None:
    for name in one.cases:
        # Older results say nothing of what a case expects now.
        TestCase.objects.update_or_create(
            external_api=external_api,
            name=name,
            defaults={
                **one.entry.cases[name],
                "changed_at": database_clock.now(),
                "changed_by_id": user.pk if user else None,
            },
        )


def _made(entry: Entry) -> ExternalAPI:
    try:
        with transaction.atomic():
            return ExternalAPI.objects.create(name=entry.name, **entry.details)
    except IntegrityError as e:
        raise FileError(
            f"Somebody has made “{entry.name}” meanwhile. Look at the preview again."
        ) from e


# --- The file's shape ---------------------------------------------------------------


def _entry(item: Any, number: int) -> Entry:
    where = f"External API {number}"
    if not isinstance(item, dict):
        raise FileError(f"{where} is not an object.")
    name = item.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > 255:
        raise FileError(f"{where} has no name, or one of more than 255 characters.")
    _check_name(name, where)
    where = f"“{name[:60]}”"
    _check_keys(item, ("name", *DETAILS, "connection", "version", "test_cases"), where)
    connection = item.get("connection")
    if not isinstance(connection, str) or not connection:
        raise FileError(f"{where}: the name of its connection is missing.")
    shape = item.get("version")
    if not isinstance(shape, dict):
        raise FileError(f"{where}: “version” is missing.")
    _check_keys(shape, SHAPE, where)
    details = {key: value for key, value in item.items() if key in DETAILS}
    _check_fields(ExternalAPI, details, where)
    _check_fields(ExternalAPIVersion, shape, where)
    if "path" not in shape:
        raise FileError(f"{where}: “path” is missing.")
    _check_lists(shape, where)
    return Entry(
        name=name,
        connection=connection,
        details=details,
        shape={**shape, "parameters": _parameters(shape, where)},
        cases=_cases(item.get("test_cases", []), where),
    )


def _check_name(name: str, where: str) -> None:
    try:
        one_line(name)
    except ValidationError as e:
        raise FileError(f"{where}: {e.messages[0]}") from e


def _cases(listed: Any, where: str) -> dict[str, dict[str, Any]]:
    if not isinstance(listed, list) or not all(isinstance(c, dict) for c in listed):
        raise FileError(f"{where}: “test_cases” is of the wrong type.")
    cases: dict[str, dict[str, Any]] = {}
    for case in listed:
        name = str(case.get("name", ""))
        here = f"{where}: the test case “{name[:60]}”"
        _check_keys(case, CASE, here)
        _check_fields(TestCase, {"name": "", **case}, here)
        if not _are_texts(case.get("values", {}).values()):
            raise FileError(f"{here} has a value that is no text.")
        _check_name(name, here)
        if name in cases:
            raise FileError(f"{here} is in the file twice.")
        _check_answer_path(case, here)
        # What the file leaves out is as in a new case.
        cases[name] = {**case_content(TestCase()), **case}
    if len(cases) > MAX_CASES:
        raise FileError(f"{where} has more than {MAX_CASES} test cases.")
    return cases


def _check_answer_path(case: Mapping[str, Any], where: str) -> None:
    if path := case.get("answer_path"):
        try:
            read_path(path)
        except ValueError as e:
            raise FileError(f"{where}: {e}") from e


def _check_tree(tree: Any, depth: int) -> None:
    if isinstance(tree, str) and "\0" in tree:
        raise FileError("A text in the file has a character that cannot be kept.")
    if not isinstance(tree, dict | list):
        return
    if not depth:
        raise FileError(f"The file is nested more than {MAX_DEPTH} levels deep.")
    for item in (*tree, *tree.values()) if isinstance(tree, dict) else tree:
        _check_tree(item, depth - 1)


def _check_keys(item: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    if unknown := sorted(item.keys() - set(known)):
        names = ", ".join(f"“{name[:60]}”" for name in unknown[:5])
        raise FileError(f"{where} has what is not known here: {names}.")


def _check_names(entries: Sequence[Entry]) -> None:
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise FileError(f"“{name[:60]}” is in the file twice.")


def _check_fields(
    model: type[models.Model], values: Mapping[str, Any], where: str
) -> None:
    """Each value is of its field's own type, and one that the field takes."""
    for name, value in values.items():
        field = model._meta.get_field(name)
        assert isinstance(field, models.Field)
        if not _is_of(field, value):
            raise FileError(f"{where}: “{name}” is of the wrong type.")
    # An empty list or object is a value, which Django takes for none.
    checked = {name for name, value in values.items() if value not in ([], {})}
    others = {field.name for field in model._meta.concrete_fields} - checked
    try:
        model(**values).clean_fields(exclude=others)
    except ValidationError as e:
        name, messages = next(iter(e.message_dict.items()))
        raise FileError(f"{where}: “{name}”: {messages[0]}") from e


def _is_of(field: "models.Field[Any, Any]", value: Any) -> bool:
    match field:
        case models.BooleanField():
            return isinstance(value, bool)
        case models.IntegerField():
            is_number = isinstance(value, int) and not isinstance(value, bool)
            return is_number or (value is None and field.null)
        case models.JSONField():
            return isinstance(value, type(field.get_default()))
    return isinstance(value, str)


def _check_lists(shape: Mapping[str, Any], where: str) -> None:
    """The lists and objects inside, as far as everything relies on them."""
    is_right = {
        "query": all(
            isinstance(pair, list) and len(pair) == 2 and _are_texts(pair)
            for pair in shape.get("query", ())
        ),
        "headers": _are_texts(shape.get("headers", {}).values()),
        "batch_arrays": _are_texts(shape.get("batch_arrays", ())),
    }
    for name, is_so in is_right.items():
        if not is_so:
            raise FileError(f"{where}: “{name}” is of the wrong type.")


def _are_texts(items: Any) -> bool:
    return all(isinstance(item, str) for item in items)


def _parameters(shape: Mapping[str, Any], where: str) -> tuple[Parameter, ...]:
    return tuple(_parameter(item, where) for item in shape.get("parameters", ()))


def _parameter(item: Any, where: str) -> Parameter:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise FileError(f"{where}: a parameter has no name.")
    where = f"{where}: the parameter “{item['name'][:60]}”"
    _check_keys(item, [field.name for field in fields_of(Parameter)], where)
    try:
        parameter = Parameter.from_dict(item)
    except (AssertionError, ValueError, TypeError) as e:
        raise FileError(f"{where} cannot be read: {e}.") from e
    stored = parameter.to_dict()
    if any(stored[key] != value for key, value in item.items()):
        raise FileError(f"{where} has a value of the wrong type.")
    return parameter


# --- Against what is there ----------------------------------------------------------


def _planned(
    entry: Entry,
    existing: ExternalAPI | None,
    connection: Connection | None,
    user: AbstractBaseUser | None,
) -> Planned:
    external_api = existing or ExternalAPI(name=entry.name, **entry.details)
    if connection is None:
        return Planned(
            entry=entry,
            external_api=external_api,
            draft=None,
            kind=_kind(existing, is_same=False),
            problems=(f"Choose a connection for “{entry.connection}”.",),
        )
    draft = Draft(connection=connection, **entry.shape)
    found = problems(draft, ExternalAPI(**entry.details))
    details = tuple(_details(entry, existing)) if existing else ()
    current = existing.current_version if existing else None
    before = Draft.of(current) if current else None
    is_same = before is not None and before.content_hash() == draft.content_hash()
    cases = tuple(_changed_cases(entry, existing))
    kind = _kind(existing, is_same and not details and not cases)
    if user and kind != "same":
        found = [*found, *_limits(connection, current, user)]
    return Planned(
        entry=entry,
        external_api=external_api,
        draft=draft,
        kind=kind,
        details=details,
        changes=tuple(changes(before, draft)) if before and not found else (),
        cases=cases,
        problems=tuple(found),
    )


def _limits(
    connection: Connection, current: ExternalAPIVersion | None, user: AbstractBaseUser
) -> list[str]:
    """Why the user may not: onto a connection of others, or away from it."""
    used = {connection, current.connection if current else connection}
    return [why for one in used if (why := why_not(one, user))]  # type: ignore[arg-type]


def _changed_cases(entry: Entry, existing: ExternalAPI | None) -> Iterator[str]:
    """Cases that are only here stay, and so are not among them."""
    here = existing.test_cases.all() if existing else ()
    contents = {case.name: case_content(case) for case in here}
    for name, content in entry.cases.items():
        if contents.get(name) != content:
            yield name


def _kind(existing: ExternalAPI | None, is_same: bool) -> str:
    if existing is None:
        return "new"
    return "same" if is_same else "changed"


def _details(entry: Entry, existing: ExternalAPI) -> Iterator[tuple[str, str, str]]:
    for name, value in entry.details.items():
        if getattr(existing, name) != value:
            field = ExternalAPI._meta.get_field(name)
            assert isinstance(field, models.Field)
            words = dict(field.flatchoices)
            before = getattr(existing, name)
            words |= {True: "Yes", False: "No"}
            yield (
                str(field.verbose_name).capitalize(),
                str(words.get(before, before)),
                str(words.get(value, value)),
            )
