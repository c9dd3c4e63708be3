"""One person's payload: values first, then the External API's template."""

from collections.abc import Mapping
from dataclasses import dataclass

from engagements import shortcuts
from engagements.personalization import (
    MISSING,
    PersonalizationError,
    Value,
    compile_value,
)
from engagements.shortcuts import Context, Source
from externalapi.definition import (
    CompiledDefinition,
    InvalidParameterError,
    MissingParameterError,
    Reader,
    Rendered,
    compile_version,
)
from externalapi.models import ExternalAPIVersion
from externalapi.parameters import JSON, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Why a person has no payload: the code of the reason, and the words for people."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An External API's version with an engagement's values, compiled once a run."""

    definition: CompiledDefinition
    # Parameter name → what gives its value for one person.
    sources: Mapping[str, Source]
    channel_identifier: str

    def render(self, context: Context) -> Rendered | Skip:
        """The request parts of one person, or why there are none.

        `context["profile"]` and `context["event"]` come from the database.
        """
        if not context["profile"].get(self.channel_identifier):
            return Skip(
                code="no_identifier",
                message=f"The person has no {self.channel_identifier}.",
            )
        try:
            read = {}
            for name, source in self.sources.items():
                if (value := source(context)) is not None:
                    read[name] = value
            return self.definition.fill(read)
        except PersonalizationError as e:
            return Skip(code="template_error", message=str(e))
        except MissingParameterError as e:
            return Skip(code="missing_parameter", message=str(e))
        except InvalidParameterError as e:
            return Skip(code="template_error", message=str(e))
        except (ValueError, TypeError, RecursionError) as e:
            # One person's odd data must not stop the other 74.
            return Skip(code="template_error", message=f"{type(e).__name__}: {e}")


def compile_recipe(version: ExternalAPIVersion, values: Mapping[str, str]) -> Recipe:
    """Compile a version and an engagement's values; raise PersonalizationError."""
    definition = compile_version(version)
    identifier = version.external_api.channel_identifier
    return Recipe(
        definition=definition,
        sources={
            reader.parameter.name: _source(reader, values, identifier)
            for reader in definition.readers
        },
        channel_identifier=identifier,
    )


def people_per_request(version: ExternalAPIVersion, values: Mapping[str, str]) -> int:
    """How many people go into one request, with an engagement's values.

    Raises ValueError for a version that cannot be compiled.
    """
    return compile_version(version, _same_for_all(values)).people_per_request


def _same_for_all(values: Mapping[str, str]) -> frozenset[str]:
    """The parameters that are the same for every person of a run."""
    return frozenset(name for name, text in values.items() if _is_same_for_all(text))


def _is_same_for_all(text: str) -> bool:
    try:
        variables = compile_value(text).variables
    except PersonalizationError:
        return False
    roots = {path[0] for path in variables}
    is_personal = ("engagement", "delivery_id") in variables
    return not is_personal and roots.isdisjoint({"profile", "event"})


def _source(reader: Reader, values: Mapping[str, str], identifier: str) -> Source:
    """What gives a parameter's value: the value itself, or None where there is none."""
    name, level = reader.parameter.name, reader.parameter.level
    if level == Level.FIXED or (level == Level.ENGAGEMENT and name not in values):
        return lambda context: reader.read({})
    if level == Level.IDENTIFIER:
        slow = _identifier(reader, identifier)
        return shortcuts.through(("profile", identifier), reader, slow)
    value = compile_value(values[name])
    return shortcuts.through(
        value.path,
        reader,
        _evaluated(reader, value),
        has_default=value.has_default,
        fallback=_fallback(reader, value),
    )


def _identifier(reader: Reader, identifier: str) -> Source:
    name = reader.parameter.name
    return lambda context: reader.read({name: context["profile"][identifier]})


def _evaluated(reader: Reader, value: Value) -> Source:
    name = reader.parameter.name

    def source(context: Context) -> JSON:
        result = value.evaluate(context)
        return reader.read({} if result is MISSING else {name: result})

    return source


def _fallback(reader: Reader, value: Value) -> JSON:
    """What a person without anything at the value's path gets, if anything at all."""
    try:
        return reader.read({reader.parameter.name: value.default})
    except ValueError:
        return None
