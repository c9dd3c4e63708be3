"""Whether a draft that came from elsewhere is one that the forms would save."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from externalapi.definitions.compiled import compile_version, parameters_found
from externalapi.definitions.versions import Draft
from externalapi.http.answer_rules import NO_SUCCESS, AnswerRules
from externalapi.models import ExternalAPI, ExternalAPIVersion
from externalapi.template import bodies, validation
from externalapi.template.batching import BYTES, OBJECTS, BatchPlan, plan_problems
from externalapi.template.parameter_checks import check_parameter
from externalapi.template.parameters import Parameter
from externalapi.template.parser import BodyError

ONLY_JSON = "A payload that Engagements write is JSON: choose JSON as what the body is."


def problems(draft: Draft, external_api: ExternalAPI) -> list[str]:
    """Return what keeps a draft from being saved, as sentences.

    `external_api` need not be saved: its channel identifier is what matters.
    """
    checks: tuple[tuple[str, Callable[[], None]], ...] = (
        ("path", lambda: validation.check_path(draft.path)),
        ("query", lambda: validation.check_query(draft.query)),
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


def _check_headers(draft: Draft) -> None:
    validation.check_headers(draft.headers)
    validation.check_content_type(draft.body_kind, draft.headers)


def _check_body(draft: Draft) -> None:
    level = ExternalAPIVersion.PayloadLevel.ENGAGEMENT
    if draft.payload_level == level and draft.body_kind != "json":
        raise ValueError(ONLY_JSON)
    validation.check_body(draft.body_kind, draft.body, draft.headers)


def _check_batching(draft: Draft) -> None:
    plan = BatchPlan(
        arrays=tuple(draft.batch_arrays),
        each=draft.batch_each,
        combined=draft.batch_combined,
        max_bytes=draft.batch_bytes,
    )
    for limit, allowed in (
        (plan.each, OBJECTS),
        (plan.combined, OBJECTS),
        (plan.max_bytes, BYTES),
    ):
        if limit is not None and limit not in allowed:
            raise ValueError(
                f"{limit} is not between {allowed[0]:,} and {allowed[-1]:,}"
            )
    # A body that cannot be read is said at the body.
    with suppress(BodyError):
        tree = bodies.parse(draft.body_kind, draft.body)
        level = ExternalAPIVersion.PayloadLevel.ENGAGEMENT
        if tree is None and draft.payload_level == level:
            return
        for _, problem in plan_problems(plan, tree):
            raise ValueError(problem)


def _check_rules(draft: Draft) -> None:
    if not AnswerRules.from_dict(draft.answer_rules).success:
        raise ValueError(NO_SUCCESS)


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
