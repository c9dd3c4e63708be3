"""Whether a draft that came from elsewhere is one that the forms would save."""

from collections.abc import Callable, Iterable, Iterator

from externalapi import bodies
from externalapi.answer_rules import AnswerRules
from externalapi.body import check_braces
from externalapi.definition import compile_version, parameters_found
from externalapi.guard import check_headers, check_url
from externalapi.models import ExternalAPI, ExternalAPIVersion
from externalapi.parameter_table import check_parameter
from externalapi.parameters import Parameter
from externalapi.placeholders import split_text
from externalapi.versions import Draft


def problems(draft: Draft, external_api: ExternalAPI) -> list[str]:
    """Return what keeps a draft from being saved, as sentences.

    `external_api` need not be saved: its channel identifier is what matters.
    """
    checks: tuple[tuple[str, Callable[[], None]], ...] = (
        ("path", lambda: _check_path(draft)),
        ("query", lambda: _check_query(draft)),
        ("headers", lambda: _check_headers(draft)),
        ("body", lambda: _check_body(draft)),
        ("batching", lambda: _check_batching(draft)),
        ("answer rules", lambda: _check_rules(draft)),
        ("parameters", lambda: _check_parameters(draft, external_api)),
    )
    found = list(_failures(checks))
    # What is left can only be found by putting it together.
    return found or list(_failures([("details", lambda: _check_all(draft))]))


def _failures(
    checks: Iterable[tuple[str, Callable[[], None]]],
) -> Iterator[str]:
    for what, check in checks:
        try:
            check()
        except ValueError as e:
            text = str(e)
            yield f"The {what}: {text[:1].lower()}{text[1:]}".rstrip(".") + "."
        except (AssertionError, AttributeError, KeyError, TypeError):
            yield f"The {what} cannot be read."


def _check_path(draft: Draft) -> None:
    if not draft.path.startswith("/"):
        raise ValueError("it does not begin with a slash")
    check_braces(draft.path)
    check_url(f"https://rest.iad-01.braze.com{without_names(draft.path)}")


def _check_query(draft: Draft) -> None:
    for name, template in draft.query:
        if not name or "{{" in name:
            raise ValueError("a name is empty, or has a placeholder")
        check_braces(template)


def _check_headers(draft: Draft) -> None:
    check_headers({name: without_names(text) for name, text in draft.headers.items()})
    if any(name.lower() == "authorization" for name in draft.headers):
        raise ValueError("Authorization comes from the connection's key")
    for text in draft.headers.values():
        check_braces(text)


def _check_body(draft: Draft) -> None:
    content_type = bodies.content_type(draft.body_kind, draft.headers)
    tree = bodies.parse(draft.body_kind, draft.body)
    bodies.compile_body(draft.body_kind, tree, content_type)


def _check_batching(draft: Draft) -> None:
    limits = (draft.batch_each, draft.batch_combined, draft.batch_bytes)
    if any(limit is not None and limit < 1 for limit in limits):
        raise ValueError("a limit is less than 1")


def _check_rules(draft: Draft) -> None:
    AnswerRules.from_dict(draft.answer_rules)


def _check_parameters(draft: Draft, external_api: ExternalAPI) -> None:
    for parameter in draft.parameters:
        try:
            check_parameter(parameter)
        except ValueError as e:
            raise ValueError(f"“{parameter.name}”: {e}") from e
    used = parameters_found(
        draft.path,
        draft.headers,
        draft.body,
        draft.parameters,
        query=[(name, template) for name, template in draft.query],
        body_kind=draft.body_kind,
        identifier=external_api.channel_identifier,
    )
    # In any order: the database keeps headers in one of its own.
    if _by_name(used) != _by_name(draft.parameters):
        names = ", ".join(f"“{parameter.name}”" for parameter in used) or "none"
        raise ValueError(f"they are not those that are used, which are: {names}")


def _by_name(parameters: Iterable[Parameter]) -> list[Parameter]:
    return sorted(parameters, key=lambda parameter: parameter.name)


def _check_all(draft: Draft) -> None:
    compile_version(ExternalAPIVersion(**draft.stored()))


def without_names(text: str) -> str:
    """A placeholder stands for one plain piece of a path or a header."""
    return "".join("x" if is_name else piece for piece, is_name in split_text(text))
